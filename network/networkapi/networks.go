package networkapi

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/network"
)

// networkBody is what a request says of a network.
type networkBody struct {
	Name         opt[string]   `json:"name"`
	Description  opt[string]   `json:"description"`
	Tags         []string      `json:"tags"`
	AdminStateUp opt[flag]     `json:"admin_state_up"`
	Shared       opt[flag]     `json:"shared"`
	External     opt[flag]     `json:"router:external"`
	IsDefault    opt[flag]     `json:"is_default"`
	MTU          opt[int]      `json:"mtu"`
	Type         opt[string]   `json:"provider:network_type"`
	Physical     opt[string]   `json:"provider:physical_network"`
	Segment      opt[uint32]   `json:"provider:segmentation_id"`
	PortSecurity opt[flag]     `json:"port_security_enabled"`
	ZoneHints    opt[[]string] `json:"availability_zone_hints"`
}

var networkUpdates = attributes{
	"name": sName, "description": sName, "admin_state_up": sFlag, "shared": sFlag, "router:external": sFlag,
	"is_default": sFlag, "mtu": sInt, "port_security_enabled": sFlag,
}

func (a *api) networks() *resource[network.Network] {
	creates := attributes{
		"provider:network_type": sNull, "provider:physical_network": sNull,
		"provider:segmentation_id": `{"type":["integer","null"],"minimum":1,"maximum":16777215}`,
		"availability_zone_hints":  sTexts,
	}
	for name, schema := range networkUpdates {
		creates[name] = schema
	}
	return &resource[network.Network]{
		singular: "network", plural: "networks", path: "networks", id: "network_id",
		get: a.svc.GetNetwork,
		list: func(ctx context.Context, _ url.Values) ([]network.Network, error) {
			return a.svc.ListNetworks(ctx)
		},
		create: a.createNetwork, update: a.updateNetwork, remove: a.svc.DeleteNetwork,
		view: a.networkView, target: networkTarget,
		hidden: []string{"provider:network_type", "provider:physical_network", "provider:segmentation_id"},
		defaults: map[string]any{
			"shared": false, "router:external": false, "is_default": false, "port_security_enabled": true,
		},
		createSchema: createSchema("network", "networks", creates),
		updateSchema: updateSchema("network", networkUpdates),
	}
}

func networkTarget(_ context.Context, n network.Network) policy.Target {
	return policy.Target{
		"project_id": n.ProjectID, "tenant_id": n.ProjectID,
		"shared": truthText(n.Shared), "router:external": truthText(n.External),
	}
}

func truthText(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

func (a *api) networkView(ctx context.Context, n network.Network) view {
	subnets, _ := a.svc.SubnetsOf(ctx, n.ID) // a read of a snapshot does not fail
	ids := make([]string, len(subnets))
	for i, s := range subnets {
		ids[i] = s.ID
	}
	var segmentation any
	if n.Type == network.TypeVXLAN {
		segmentation = int(n.Segment)
	}
	v := standard(&n.Meta)
	v["admin_state_up"], v["status"], v["shared"] = n.AdminStateUp, n.Status(), n.Shared
	v["router:external"], v["is_default"], v["mtu"] = n.External, n.IsDefault, n.MTU
	v["port_security_enabled"], v["subnets"], v["l2_adjacency"] = n.PortSecurity, ids, true
	v["availability_zone_hints"], v["availability_zones"] = texts(n.ZoneHints), []string{a.svc.Zone()}
	v["ipv4_address_scope"], v["ipv6_address_scope"] = nil, nil
	v["provider:network_type"], v["provider:physical_network"] = n.Type, textOrNull(n.Physical)
	v["provider:segmentation_id"] = segmentation
	return v
}

func (a *api) createNetwork(ctx context.Context, project string, body json.RawMessage) (network.Network, error) {
	b, err := decode[networkBody](body)
	if err != nil {
		return network.Network{}, err
	}
	return a.svc.CreateNetwork(ctx, project, network.CreateNetworkOptions{
		Name: b.Name.value, Description: b.Description.value, Tags: b.Tags, AdminStateUp: boolPtr(b.AdminStateUp),
		Shared: b.Shared.isTrue(), External: b.External.isTrue(), IsDefault: b.IsDefault.isTrue(), MTU: b.MTU.value,
		Type: b.Type.value, Physical: b.Physical.value, Segment: b.Segment.value,
		PortSecurity: boolPtr(b.PortSecurity), ZoneHints: b.ZoneHints.value,
	})
}

func (a *api) updateNetwork(ctx context.Context, old network.Network, body json.RawMessage) (network.Network, error) {
	b, err := decode[networkBody](body)
	if err != nil {
		return network.Network{}, err
	}
	return a.svc.UpdateNetwork(ctx, old.ID, network.UpdateNetworkOptions{
		Labels:       network.Labels{Name: b.Name.ptr(), Description: b.Description.ptr()},
		AdminStateUp: boolPtr(b.AdminStateUp), Shared: boolPtr(b.Shared), External: boolPtr(b.External),
		IsDefault: boolPtr(b.IsDefault), MTU: b.MTU.ptr(), PortSecurity: boolPtr(b.PortSecurity),
	})
}
