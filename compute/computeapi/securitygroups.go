package computeapi

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/network"
)

// Networks is what the routes that compute keeps for old clients need of the network
// service. *network.Service satisfies it.
type Networks interface {
	ListNetworks(ctx context.Context) ([]network.Network, error)
	VisibleNetworks(ctx context.Context, projectID string) ([]network.Network, error)
	ListSecurityGroups(ctx context.Context) ([]network.SecurityGroup, error)
	DefaultSecurityGroup(ctx context.Context, projectID string) (network.SecurityGroup, error)
	GetSecurityGroup(ctx context.Context, id string) (network.SecurityGroup, error)
	CreateSecurityGroup(ctx context.Context, projectID string, opts network.CreateSecurityGroupOptions) (network.SecurityGroup, error)
	UpdateSecurityGroup(ctx context.Context, id string, opts network.UpdateSecurityGroupOptions) (network.SecurityGroup, error)
	DeleteSecurityGroup(ctx context.Context, id string, opts *network.DeleteSecurityGroupOptions) error
	RulesOf(ctx context.Context, groupID string) ([]network.SecurityGroupRule, error)
	CreateSecurityGroupRule(ctx context.Context, projectID string, opts network.CreateSecurityGroupRuleOptions) (network.SecurityGroupRule, error)
	GetSecurityGroupRule(ctx context.Context, id string) (network.SecurityGroupRule, error)
	DeleteSecurityGroupRule(ctx context.Context, id string) error
	ListFloatingIPs(ctx context.Context) ([]network.FloatingIP, error)
	CreateFloatingIP(ctx context.Context, projectID string, opts network.CreateFloatingIPOptions) (network.FloatingIP, error)
	UpdateFloatingIP(ctx context.Context, id string, opts network.UpdateFloatingIPOptions) (network.FloatingIP, error)
	DeleteFloatingIP(ctx context.Context, id string) error
	GetPort(ctx context.Context, id string) (network.Port, error)
}

// proxies are the last microversion of the routes that only pass on to another
// service.
var proxies = v(35)

func (a *api) securityGroupRoutes() []httpapi.Route {
	if a.Networks == nil {
		return nil
	}
	const all, one, rules = "/v2.1/os-security-groups", "/v2.1/os-security-groups/{group_id}", "/v2.1/os-security-group-rules"
	rule := func(name string) string { return "os_compute_api:os-security-groups:" + name }
	group := body(wrapped("security_group", object(0, []string{"name"},
		property{name: "name", schema: `{"type":"string","minLength":1,"maxLength":255}`},
		property{name: "description", schema: sText})))
	// A number may be sent as a text, and an absent one as null.
	const port = `{"type":["integer","string","null"],"pattern":"^-?[0-9]*$"}`
	newRule := body(wrapped("security_group_rule", object(0, []string{"parent_group_id"},
		property{name: "parent_group_id", schema: sUUID}, property{name: "group_id", schema: `{"type":["string","null"]}`},
		property{name: "ip_protocol", schema: `{"type":["string","null"]}`}, property{name: "from_port", schema: port},
		property{name: "to_port", schema: port}, property{name: "cidr", schema: `{"type":["string","null"]}`})))
	return []httpapi.Route{
		{Method: "GET", Path: all, Policy: rule("get"), Max: proxies, Handle: a.listSecurityGroups},
		{Method: "POST", Path: all, Policy: rule("create"), Max: proxies, Body: group, Handle: a.createSecurityGroup},
		{Method: "GET", Path: one, Policy: rule("show"), Max: proxies, Handle: a.showSecurityGroup},
		{Method: "PUT", Path: one, Policy: rule("update"), Max: proxies, Body: group, Handle: a.updateSecurityGroup},
		{Method: "DELETE", Path: one, Policy: rule("delete"), Max: proxies, Status: http.StatusAccepted, Handle: a.deleteSecurityGroup},
		{Method: "POST", Path: rules, Policy: rule("rule:create"), Max: proxies, Body: newRule, Handle: a.createRule},
		{Method: "DELETE", Path: rules + "/{rule_id}", Policy: rule("rule:delete"), Max: proxies, Status: http.StatusAccepted, Handle: a.deleteRule},
		{
			Method: "GET", Path: "/v2.1/servers/{server_id}/os-security-groups", Policy: rule("list"),
			Target: a.serverTarget, Handle: a.serverSecurityGroups,
		},
	}
}

// securityGroup loads a group of the caller's project.
func (a *api) securityGroup(ctx context.Context, r *httpapi.Request, id string) (network.SecurityGroup, error) {
	g, err := a.Networks.GetSecurityGroup(ctx, id)
	if err != nil || g.ProjectID != r.Principal.ProjectID && !r.IsAdmin() {
		return g, fault.New(fault.NotFound, "Security group %s not found.", id)
	}
	return g, nil
}

func (a *api) groupWithRules(ctx context.Context, g network.SecurityGroup) (map[string]any, error) {
	rules, err := a.Networks.RulesOf(ctx, g.ID)
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, rule := range rules {
		if rule.Direction == network.Ingress {
			view, err := a.ruleView(ctx, rule)
			if err != nil {
				return nil, err
			}
			list = append(list, view)
		}
	}
	return map[string]any{"id": g.ID, "name": g.Name, "description": g.Description, "tenant_id": g.ProjectID, "rules": list}, nil
}

// ruleView is a rule in compute's old form.
func (a *api) ruleView(ctx context.Context, rule network.SecurityGroupRule) (map[string]any, error) {
	out := map[string]any{
		"id": rule.ID, "parent_group_id": rule.GroupID, "ip_protocol": orNil(strings.ToLower(rule.Protocol)),
		"from_port": portOr(rule.PortMin, rule.Protocol), "to_port": portOr(rule.PortMax, rule.Protocol),
		"group": map[string]any{}, "ip_range": map[string]any{},
	}
	switch {
	case rule.RemoteGroupID != "":
		remote, err := a.Networks.GetSecurityGroup(ctx, rule.RemoteGroupID)
		if fault.Of(err) == fault.NotFound {
			break
		}
		if err != nil {
			return nil, err
		}
		out["group"] = map[string]string{"name": remote.Name, "tenant_id": remote.ProjectID}
	case rule.RemotePrefix.IsValid():
		out["ip_range"] = map[string]string{"cidr": rule.RemotePrefix.String()}
	case rule.EtherType == network.IPv6:
		out["ip_range"] = map[string]string{"cidr": "::/0"}
	default:
		out["ip_range"] = map[string]string{"cidr": "0.0.0.0/0"}
	}
	return out, nil
}

// portOr shows a port; all ports of a protocol are 1 to 65535 or, for ICMP, -1.
func portOr(p *int, protocol string) any {
	switch {
	case p != nil:
		return *p
	case strings.HasPrefix(protocol, "icmp"):
		return -1
	}
	return nil
}

func (a *api) listSecurityGroups(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if _, err := a.Networks.DefaultSecurityGroup(ctx, r.Principal.ProjectID); err != nil {
		return nil, err
	}
	groups, err := a.Networks.ListSecurityGroups(ctx)
	if err != nil {
		return nil, err
	}
	everyone := r.IsAdmin() && flag(r.Query(), "all_tenants")
	groups = slices.DeleteFunc(groups, func(g network.SecurityGroup) bool {
		return !everyone && g.ProjectID != r.Principal.ProjectID
	})
	if groups, err = offset(r, groups); err != nil {
		return nil, err
	}
	list := []any{}
	for _, g := range groups {
		view, err := a.groupWithRules(ctx, g)
		if err != nil {
			return nil, err
		}
		list = append(list, view)
	}
	return httpapi.OK(map[string]any{"security_groups": list}), nil
}

// groupAnswer is the answer with one group.
func (a *api) groupAnswer(ctx context.Context, g network.SecurityGroup, err error) (*httpapi.Response, error) {
	if err != nil {
		return nil, err
	}
	view, err := a.groupWithRules(ctx, g)
	return httpapi.OK(map[string]any{"security_group": view}), err
}

type securityGroupIn struct {
	Group struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	} `json:"security_group"`
}

func (a *api) createSecurityGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in securityGroupIn
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	g, err := a.Networks.CreateSecurityGroup(ctx, r.Principal.ProjectID, network.CreateSecurityGroupOptions{
		Name: in.Group.Name, Description: in.Group.Description,
	})
	return a.groupAnswer(ctx, g, err)
}

func (a *api) showSecurityGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	g, err := a.securityGroup(ctx, r, r.Path("group_id"))
	return a.groupAnswer(ctx, g, err)
}

func (a *api) updateSecurityGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in securityGroupIn
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	g, err := a.securityGroup(ctx, r, r.Path("group_id"))
	if err != nil {
		return nil, err
	}
	g, err = a.Networks.UpdateSecurityGroup(ctx, g.ID, network.UpdateSecurityGroupOptions{
		Labels: network.Labels{Name: &in.Group.Name, Description: &in.Group.Description},
	})
	return a.groupAnswer(ctx, g, err)
}

func (a *api) deleteSecurityGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	g, err := a.securityGroup(ctx, r, r.Path("group_id"))
	if err != nil {
		return nil, err
	}
	err = a.Networks.DeleteSecurityGroup(ctx, g.ID, nil)
	if fault.Of(err) == fault.Conflict {
		// Nova has always answered 400 here.
		err = fault.New(fault.Invalid, "Security Group %s is in use.", g.ID)
	}
	return httpapi.Empty(), err
}

func (a *api) createRule(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Rule struct {
			Parent   string     `json:"parent_group_id"`
			Group    string     `json:"group_id"`
			Protocol string     `json:"ip_protocol"`
			From     *looseText `json:"from_port"`
			To       *looseText `json:"to_port"`
			CIDR     string     `json:"cidr"`
		} `json:"security_group_rule"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	g, err := a.securityGroup(ctx, r, in.Rule.Parent)
	if err != nil {
		return nil, err
	}
	opts := network.CreateSecurityGroupRuleOptions{
		GroupID: g.ID, Direction: network.Ingress, EtherType: network.IPv4,
		Protocol: strings.ToLower(in.Rule.Protocol), RemoteGroupID: in.Rule.Group,
	}
	if opts.PortMin, opts.PortMax, err = portRange(in.Rule.From, in.Rule.To); err != nil {
		return nil, err
	}
	if in.Rule.CIDR != "" && in.Rule.Group == "" {
		if opts.RemotePrefix, err = netip.ParsePrefix(in.Rule.CIDR); err != nil {
			return nil, fault.New(fault.Invalid, "Invalid cidr %s", in.Rule.CIDR)
		}
		if opts.RemotePrefix.Addr().Is6() {
			opts.EtherType = network.IPv6
		}
	}
	rule, err := a.Networks.CreateSecurityGroupRule(ctx, g.ProjectID, opts)
	if err != nil {
		return nil, err
	}
	view, err := a.ruleView(ctx, rule)
	return httpapi.OK(map[string]any{"security_group_rule": view}), err
}

// portRange reads two ports; -1 means any.
func portRange(from, to *looseText) (low, high *int, err error) {
	read := func(t *looseText) (*int, error) {
		if t == nil || *t == "" || *t == "-1" {
			return nil, nil
		}
		n, err := number(string(*t), 0)
		if err != nil || n > 65535 {
			return nil, fault.New(fault.Invalid, "Invalid port %s", string(*t))
		}
		return &n, nil
	}
	if low, err = read(from); err != nil {
		return nil, nil, err
	}
	high, err = read(to)
	return low, high, err
}

func (a *api) deleteRule(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	rule, err := a.Networks.GetSecurityGroupRule(ctx, r.Path("rule_id"))
	if err == nil {
		_, err = a.securityGroup(ctx, r, rule.GroupID)
	}
	if err != nil {
		return nil, fault.New(fault.NotFound, "Security group rule %s not found.", r.Path("rule_id"))
	}
	return httpapi.Empty(), a.Networks.DeleteSecurityGroupRule(ctx, rule.ID)
}

func (a *api) serverSecurityGroups(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	ports, err := a.svc.ServerPorts(ctx, r.Path("server_id"))
	if err != nil {
		return nil, err
	}
	list, known := []any{}, map[string]bool{}
	for _, p := range ports {
		for _, id := range p.SecurityGroups {
			if known[id] {
				continue
			}
			known[id] = true
			g, err := a.Networks.GetSecurityGroup(ctx, id)
			if err != nil {
				return nil, err
			}
			view, err := a.groupWithRules(ctx, g)
			if err != nil {
				return nil, err
			}
			list = append(list, view)
		}
	}
	return httpapi.OK(map[string]any{"security_groups": list}), nil
}
