package networkapi

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/network"
)

// fixedIP is an address of a port as clients see it.
type fixedIP struct {
	SubnetID  string `json:"subnet_id"`
	IPAddress string `json:"ip_address"`
}

// matches compares with a filter: "ip_address=10.0.0.3", "subnet_id=…" or
// "ip_address_substr=10.0.".
func (f fixedIP) matches(want string) bool {
	name, value, _ := strings.Cut(want, "=")
	switch name {
	case "ip_address":
		return f.IPAddress == value
	case "subnet_id", "subnet":
		return f.SubnetID == value
	case "ip_address_substr":
		return strings.Contains(f.IPAddress, value)
	}
	return false
}

func fixedIPs(all []network.FixedIP) []fixedIP {
	out := make([]fixedIP, len(all))
	for i, f := range all {
		out[i] = fixedIP{f.SubnetID, f.Address.String()}
	}
	return out
}

type fixedIPBody struct {
	SubnetID string  `json:"subnet_id"`
	Address  address `json:"ip_address"`
}

func fixedOf(all []fixedIPBody) []network.FixedIP {
	out := make([]network.FixedIP, len(all))
	for i, f := range all {
		out[i] = network.FixedIP{SubnetID: f.SubnetID, Address: f.Address.Addr}
	}
	return out
}

type pairBody struct {
	Address prefix `json:"ip_address"`
	MAC     string `json:"mac_address"`
}

type dhcpBody struct {
	Name      string      `json:"opt_name"`
	Value     opt[string] `json:"opt_value"`
	IPVersion int         `json:"ip_version"`
}

// portBody is what a request says of a port.
type portBody struct {
	NetworkID      string               `json:"network_id"`
	Name           opt[string]          `json:"name"`
	Description    opt[string]          `json:"description"`
	Tags           []string             `json:"tags"`
	MAC            opt[string]          `json:"mac_address"`
	FixedIPs       opt[[]fixedIPBody]   `json:"fixed_ips"`
	SecurityGroups opt[[]string]        `json:"security_groups"`
	AdminStateUp   opt[flag]            `json:"admin_state_up"`
	PortSecurity   opt[flag]            `json:"port_security_enabled"`
	Pairs          opt[[]pairBody]      `json:"allowed_address_pairs"`
	DeviceID       opt[string]          `json:"device_id"`
	DeviceOwner    opt[string]          `json:"device_owner"`
	DNSName        opt[string]          `json:"dns_name"`
	DHCPOptions    opt[[]dhcpBody]      `json:"extra_dhcp_opts"`
	Host           opt[string]          `json:"binding:host_id"`
	VNICType       opt[string]          `json:"binding:vnic_type"`
	Profile        opt[json.RawMessage] `json:"binding:profile"`
}

const (
	sFixedIPs = `{"type":["array","null"],"maxItems":100,"items":{"type":"object","additionalProperties":false,"properties":{"subnet_id":{"type":"string"},"ip_address":{"type":"string"}}}}`
	sPairs    = `{"type":["array","null"],"maxItems":100,"items":{"type":"object","required":["ip_address"],"additionalProperties":false,"properties":{"ip_address":{"type":"string"},"mac_address":{"type":"string"}}}}`
	sDHCP     = `{"type":["array","null"],"maxItems":100,"items":{"type":"object","required":["opt_name"],"additionalProperties":false,"properties":{"opt_name":{"type":"string"},"opt_value":{"type":["string","null"]},"ip_version":{"enum":[4,6]}}}}`
)

var portUpdates = attributes{
	"name": sName, "description": sName, "mac_address": sText, "fixed_ips": sFixedIPs, "security_groups": sListNil,
	"admin_state_up": sFlag, "port_security_enabled": sFlag, "allowed_address_pairs": sPairs, "device_id": sNull,
	"device_owner": sNull, "dns_name": sText, "extra_dhcp_opts": sDHCP, "binding:host_id": sNull,
	"binding:vnic_type": `{"enum":["normal","macvtap","direct","baremetal","direct-physical","virtio-forwarder","smart-nic","vdpa"]}`,
	"binding:profile":   `{"type":["object","null"]}`,
}

func (a *api) ports() *resource[network.Port] {
	creates := attributes{"network_id": sText}
	for name, schema := range portUpdates {
		creates[name] = schema
	}
	return &resource[network.Port]{
		singular: "port", plural: "ports", path: "ports", id: "port_id",
		get: a.svc.GetPort, list: a.listPorts,
		create: a.createPort, update: a.updatePort, remove: a.svc.DeletePort,
		view: portView, target: a.portTarget, parent: a.networkParent, check: a.seeGroups,
		hidden:       []string{"binding:vif_type", "binding:vif_details", "binding:host_id", "binding:profile"},
		defaults:     map[string]any{"device_owner": "", "device_id": "", "binding:host_id": nil, "binding:profile": map[string]any{}, "binding:vnic_type": "normal"},
		createSchema: createSchema("port", "ports", creates, "network_id"),
		updateSchema: updateSchema("port", portUpdates),
	}
}

// listPorts reads no more ports than the common filters allow.
func (a *api) listPorts(ctx context.Context, q url.Values) ([]network.Port, error) {
	if ids := q["device_id"]; len(ids) == 1 && ids[0] != "" {
		return a.svc.PortsOf(ctx, ids[0])
	}
	if ids := q["network_id"]; len(ids) == 1 {
		return a.svc.PortsOn(ctx, ids[0])
	}
	return a.svc.ListPorts(ctx)
}

func (a *api) portTarget(ctx context.Context, p network.Port) policy.Target {
	n, _ := a.svc.GetNetwork(ctx, p.NetworkID)
	return policy.Target{
		"project_id": p.ProjectID, "tenant_id": p.ProjectID, "device_owner": p.DeviceOwner,
		"network:project_id": n.ProjectID, "network:tenant_id": n.ProjectID, "shared": truthText(n.Shared),
	}
}

func portView(_ context.Context, p network.Port) view {
	pairs := make([]view, len(p.Pairs))
	for i, pair := range p.Pairs {
		pairs[i] = view{"ip_address": pairText(pair), "mac_address": pair.MAC}
		if pair.MAC == "" {
			pairs[i]["mac_address"] = p.MAC
		}
	}
	options := make([]view, len(p.DHCPOptions))
	for i, o := range p.DHCPOptions {
		options[i] = view{"opt_name": o.Name, "opt_value": o.Value, "ip_version": o.IPVersion}
	}
	v := standard(&p.Meta)
	v["network_id"], v["mac_address"], v["fixed_ips"] = p.NetworkID, p.MAC, fixedIPs(p.FixedIPs)
	v["admin_state_up"], v["status"] = p.AdminStateUp, p.Status
	v["device_id"], v["device_owner"] = p.DeviceID, p.DeviceOwner
	v["security_groups"], v["allowed_address_pairs"] = texts(p.SecurityGroups), pairs
	v["port_security_enabled"], v["extra_dhcp_opts"] = p.PortSecurity, options
	v["dns_name"], v["ip_allocation"] = p.DNSName, "immediate"
	v["binding:host_id"], v["binding:vnic_type"] = p.Host, p.VNICType
	v["binding:profile"], v["binding:vif_details"], v["binding:vif_type"] = profile(&p), view{}, "unbound"
	if p.Host != "" {
		v["binding:vif_type"], v["binding:vif_details"] = "bridge", view{"port_filter": true}
	}
	return v
}

func pairText(p network.AddressPair) string {
	if p.Address.IsSingleIP() {
		return p.Address.Addr().String()
	}
	return p.Address.String()
}

func profile(p *network.Port) any {
	if len(p.Profile) == 0 || string(p.Profile) == "null" {
		return view{}
	}
	return p.Profile
}

// seeGroups refuses security groups that the caller may not see.
func (a *api) seeGroups(ctx context.Context, r *httpapi.Request, body json.RawMessage) error {
	b, err := decode[portBody](body)
	if err != nil {
		return err
	}
	for _, id := range b.SecurityGroups.value {
		if err := a.seeGroup(ctx, r, id); err != nil {
			return err
		}
	}
	return nil
}

func (b *portBody) pairs() []network.AddressPair {
	out := make([]network.AddressPair, len(b.Pairs.value))
	for i, p := range b.Pairs.value {
		out[i] = network.AddressPair{MAC: p.MAC, Address: p.Address.Prefix}
	}
	return out
}

func (b *portBody) options() []network.DHCPOption {
	out := make([]network.DHCPOption, 0, len(b.DHCPOptions.value))
	for _, o := range b.DHCPOptions.value {
		if o.Value.null {
			continue
		}
		if o.IPVersion == 0 {
			o.IPVersion = 4
		}
		out = append(out, network.DHCPOption{Name: o.Name, Value: o.Value.value, IPVersion: o.IPVersion})
	}
	return out
}

func (a *api) createPort(ctx context.Context, project string, body json.RawMessage) (network.Port, error) {
	b, err := decode[portBody](body)
	if err != nil {
		return network.Port{}, err
	}
	o := network.CreatePortOptions{
		NetworkID: b.NetworkID, Name: b.Name.value, Description: b.Description.value, Tags: b.Tags,
		MAC: b.MAC.value, AdminStateUp: boolPtr(b.AdminStateUp), PortSecurity: boolPtr(b.PortSecurity),
		Pairs: b.pairs(), DeviceID: b.DeviceID.value, DeviceOwner: b.DeviceOwner.value, DNSName: b.DNSName.value,
		DHCPOptions: b.options(), Host: b.Host.value, VNICType: b.VNICType.value, Profile: b.Profile.value,
	}
	if b.FixedIPs.given && !b.FixedIPs.null {
		o.FixedIPs = fixedOf(b.FixedIPs.value)
	}
	if p := b.SecurityGroups.ptr(); p != nil {
		o.SecurityGroups = texts(*p)
	}
	return a.svc.CreatePort(ctx, project, o)
}

func (a *api) updatePort(ctx context.Context, old network.Port, body json.RawMessage) (network.Port, error) {
	b, err := decode[portBody](body)
	if err != nil {
		return network.Port{}, err
	}
	o := network.UpdatePortOptions{
		Labels: network.Labels{Name: b.Name.ptr(), Description: b.Description.ptr()},
		MAC:    b.MAC.ptr(), AdminStateUp: boolPtr(b.AdminStateUp), PortSecurity: boolPtr(b.PortSecurity),
		SecurityGroups: b.SecurityGroups.orZero(), DeviceID: b.DeviceID.orZero(), DeviceOwner: b.DeviceOwner.orZero(),
		DNSName: b.DNSName.ptr(), Host: b.Host.orZero(), VNICType: b.VNICType.ptr(),
	}
	if b.FixedIPs.given {
		fixed := fixedOf(b.FixedIPs.value)
		o.FixedIPs = &fixed
	}
	if b.Pairs.given {
		pairs := b.pairs()
		o.Pairs = &pairs
	}
	if b.DHCPOptions.given {
		options := b.options()
		o.DHCPOptions = &options
	}
	if b.Profile.given {
		raw := []byte(b.Profile.value)
		o.Profile = &raw
	}
	return a.svc.UpdatePort(ctx, old.ID, o)
}
