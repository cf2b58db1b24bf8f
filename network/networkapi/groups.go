package networkapi

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/network"
)

// groupBody is what a request says of a security group.
type groupBody struct {
	Name        opt[string] `json:"name"`
	Description opt[string] `json:"description"`
	Tags        []string    `json:"tags"`
}

func (a *api) groups() *resource[network.SecurityGroup] {
	given := attributes{"name": sName, "description": sName, "stateful": `{"enum":[true]}`}
	return &resource[network.SecurityGroup]{
		singular: "security_group", plural: "security_groups", path: "security-groups", id: "security_group_id",
		get: a.svc.GetSecurityGroup,
		list: func(ctx context.Context, _ url.Values) ([]network.SecurityGroup, error) {
			// Who looks finds at least the default group.
			if project := caller.From(ctx).ProjectID; project != "" {
				if _, err := a.svc.DefaultSecurityGroup(ctx, project); err != nil {
					return nil, err
				}
			}
			return a.svc.ListSecurityGroups(ctx)
		},
		create: a.createGroup, update: a.updateGroup,
		remove: func(ctx context.Context, id string) error { return a.svc.DeleteSecurityGroup(ctx, id, nil) },
		// Only administrators may remove a default group.
		removeFor: func(ctx context.Context, r *httpapi.Request, id string) error {
			opts := network.DeleteSecurityGroupOptions{Default: r.May("context_is_admin", nil)}
			return a.svc.DeleteSecurityGroup(ctx, id, &opts)
		},
		view: a.groupView, target: groupTarget,
		createSchema: createSchema("security_group", "security_groups", given),
		updateSchema: updateSchema("security_group", given),
	}
}

func groupTarget(_ context.Context, g network.SecurityGroup) policy.Target {
	return policy.Target{"project_id": g.ProjectID, "tenant_id": g.ProjectID, "shared": "False"}
}

func (a *api) groupView(ctx context.Context, g network.SecurityGroup) view {
	rules, _ := a.svc.RulesOf(ctx, g.ID) // a read of a snapshot does not fail
	views := make([]view, len(rules))
	for i, r := range rules {
		views[i] = a.ruleView(ctx, r)
	}
	v := standard(&g.Meta)
	v["stateful"], v["shared"], v["security_group_rules"] = true, false, views
	return v
}

func (a *api) createGroup(ctx context.Context, project string, body json.RawMessage) (network.SecurityGroup, error) {
	b, err := decode[groupBody](body)
	if err != nil {
		return network.SecurityGroup{}, err
	}
	return a.svc.CreateSecurityGroup(ctx, project, network.CreateSecurityGroupOptions{
		Name: b.Name.value, Description: b.Description.value, Tags: b.Tags,
	})
}

func (a *api) updateGroup(ctx context.Context, old network.SecurityGroup, body json.RawMessage) (network.SecurityGroup, error) {
	b, err := decode[groupBody](body)
	if err != nil {
		return network.SecurityGroup{}, err
	}
	return a.svc.UpdateSecurityGroup(ctx, old.ID, network.UpdateSecurityGroupOptions{
		Labels: network.Labels{Name: b.Name.ptr(), Description: b.Description.ptr()},
	})
}

// number is a number that may come as text.
type number int

// UnmarshalJSON reads a number in either form.
func (n *number) UnmarshalJSON(b []byte) error {
	v, err := strconv.Atoi(strings.Trim(string(b), `"`))
	if err != nil {
		return badInput("%s is not an integer.", b)
	}
	*n = number(v)
	return nil
}

// ruleBody is what a request says of a security group rule.
type ruleBody struct {
	GroupID       string               `json:"security_group_id"`
	Description   opt[string]          `json:"description"`
	Direction     string               `json:"direction"`
	EtherType     opt[string]          `json:"ethertype"`
	Protocol      opt[json.RawMessage] `json:"protocol"`
	PortMin       opt[number]          `json:"port_range_min"`
	PortMax       opt[number]          `json:"port_range_max"`
	RemotePrefix  opt[prefix]          `json:"remote_ip_prefix"`
	RemoteGroupID opt[string]          `json:"remote_group_id"`
}

func (a *api) rules() *resource[network.SecurityGroupRule] {
	const portNumber = `{"type":["integer","string","null"]}`
	return &resource[network.SecurityGroupRule]{
		singular: "security_group_rule", plural: "security_group_rules", path: "security-group-rules", id: "security_group_rule_id",
		get: a.svc.GetSecurityGroupRule,
		list: func(ctx context.Context, q url.Values) ([]network.SecurityGroupRule, error) {
			if ids := q["security_group_id"]; len(ids) == 1 {
				return a.svc.RulesOf(ctx, ids[0])
			}
			return a.svc.ListSecurityGroupRules(ctx)
		},
		create: a.createRule, remove: a.svc.DeleteSecurityGroupRule,
		view: a.ruleView, target: a.ruleTarget, parent: a.groupParent, check: a.seeRemote,
		createSchema: createSchema("security_group_rule", "security_group_rules", attributes{
			"security_group_id": sText, "description": sName, "direction": sText, "ethertype": sNull,
			"protocol": `{"type":["string","integer","null"]}`, "port_range_min": portNumber, "port_range_max": portNumber,
			"remote_ip_prefix": sNull, "remote_group_id": sNull, "remote_address_group_id": `{"type":"null"}`,
		}, "security_group_id", "direction"),
	}
}

func (a *api) ruleTarget(ctx context.Context, r network.SecurityGroupRule) policy.Target {
	g, _ := a.svc.GetSecurityGroup(ctx, r.GroupID)
	return policy.Target{
		"project_id": r.ProjectID, "tenant_id": r.ProjectID,
		"security_group:project_id": g.ProjectID, "security_group:tenant_id": g.ProjectID,
		"belongs_to_default_sg": truthText(g.Default),
	}
}

func (a *api) groupParent(ctx context.Context, body json.RawMessage, target policy.Target) error {
	b, err := decode[ruleBody](body)
	if err != nil {
		return err
	}
	g, err := a.svc.GetSecurityGroup(ctx, b.GroupID)
	if err != nil {
		return err
	}
	target["security_group:project_id"], target["security_group:tenant_id"] = g.ProjectID, g.ProjectID
	return nil
}

// seeRemote refuses a remote group that the caller may not see.
func (a *api) seeRemote(ctx context.Context, r *httpapi.Request, body json.RawMessage) error {
	b, err := decode[ruleBody](body)
	if err != nil || b.RemoteGroupID.value == "" {
		return err
	}
	return a.seeGroup(ctx, r, b.RemoteGroupID.value)
}

func (a *api) ruleView(ctx context.Context, r network.SecurityGroupRule) view {
	g, _ := a.svc.GetSecurityGroup(ctx, r.GroupID)
	v := standard(&r.Meta)
	delete(v, "name")
	delete(v, "tags")
	v["security_group_id"], v["direction"], v["ethertype"] = r.GroupID, r.Direction, r.EtherType
	v["protocol"], v["port_range_min"], v["port_range_max"] = textOrNull(r.Protocol), intOrNull(r.PortMin), intOrNull(r.PortMax)
	v["remote_group_id"], v["remote_ip_prefix"] = textOrNull(r.RemoteGroupID), nil
	v["belongs_to_default_sg"], v["remote_address_group_id"] = g.Default, nil
	if r.RemotePrefix.IsValid() {
		v["remote_ip_prefix"] = r.RemotePrefix.String()
	}
	return v
}

func intOrNull(n *int) any {
	if n == nil {
		return nil
	}
	return *n
}

func (a *api) createRule(ctx context.Context, project string, body json.RawMessage) (network.SecurityGroupRule, error) {
	b, err := decode[ruleBody](body)
	if err != nil {
		return network.SecurityGroupRule{}, err
	}
	return a.svc.CreateSecurityGroupRule(ctx, project, network.CreateSecurityGroupRuleOptions{
		GroupID: b.GroupID, Description: b.Description.value, Direction: b.Direction, EtherType: etherType(b.EtherType.value),
		Protocol: strings.ToLower(strings.Trim(string(b.Protocol.value), `"`)),
		PortMin:  intPtr(b.PortMin), PortMax: intPtr(b.PortMax),
		RemotePrefix: b.RemotePrefix.value.Prefix, RemoteGroupID: b.RemoteGroupID.value,
	})
}

// etherType reads an ethertype in any case.
func etherType(s string) string {
	for _, known := range []string{network.IPv4, network.IPv6} {
		if strings.EqualFold(s, known) {
			return known
		}
	}
	return s
}

func intPtr(o opt[number]) *int {
	p := o.ptr()
	if p == nil {
		return nil
	}
	n := int(*p)
	return &n
}
