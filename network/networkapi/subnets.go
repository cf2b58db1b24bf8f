package networkapi

import (
	"context"
	"encoding/json"
	"net/netip"
	"net/url"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/network"
)

type poolBody struct {
	Start address `json:"start"`
	End   address `json:"end"`
}

// subnetBody is what a request says of a subnet.
type subnetBody struct {
	NetworkID    string           `json:"network_id"`
	Name         opt[string]      `json:"name"`
	Description  opt[string]      `json:"description"`
	Tags         []string         `json:"tags"`
	IPVersion    opt[int]         `json:"ip_version"`
	CIDR         opt[prefix]      `json:"cidr"`
	SubnetPoolID opt[string]      `json:"subnetpool_id"`
	PrefixLength opt[int]         `json:"prefixlen"`
	Gateway      opt[address]     `json:"gateway_ip"`
	EnableDHCP   opt[flag]        `json:"enable_dhcp"`
	Pools        opt[[]poolBody]  `json:"allocation_pools"`
	DNS          opt[[]address]   `json:"dns_nameservers"`
	Routes       opt[[]routeBody] `json:"host_routes"`
	RAMode       opt[string]      `json:"ipv6_ra_mode"`
	AddressMode  opt[string]      `json:"ipv6_address_mode"`
	ServiceTypes opt[[]string]    `json:"service_types"`
}

const sPools = `{"type":["array","null"],"maxItems":1000,"items":{"type":"object","required":["start","end"],"additionalProperties":false,"properties":{"start":{"type":"string"},"end":{"type":"string"}}}}`

var subnetUpdates = attributes{
	"name": sName, "description": sName, "gateway_ip": sNull, "enable_dhcp": sFlag, "allocation_pools": sPools,
	"dns_nameservers": sListNil, "host_routes": sRoutes, "service_types": sListNil,
}

func (a *api) subnets() *resource[network.Subnet] {
	creates := attributes{
		"network_id": sText, "ip_version": `{"enum":[4,6]}`, "cidr": sNull, "subnetpool_id": sNull,
		"prefixlen": sIntNull, "ipv6_ra_mode": sNull, "ipv6_address_mode": sNull, "segment_id": `{"type":"null"}`,
	}
	for name, schema := range subnetUpdates {
		creates[name] = schema
	}
	return &resource[network.Subnet]{
		singular: "subnet", plural: "subnets", path: "subnets", id: "subnet_id",
		get: a.svc.GetSubnet,
		list: func(ctx context.Context, q url.Values) ([]network.Subnet, error) {
			if ids := q["network_id"]; len(ids) == 1 {
				return a.svc.SubnetsOf(ctx, ids[0])
			}
			return a.svc.ListSubnets(ctx)
		},
		create: a.createSubnet, update: a.updateSubnet, remove: a.svc.DeleteSubnet,
		view: subnetView, target: a.subnetTarget, parent: a.networkParent,
		hidden:       []string{"segment_id"},
		createSchema: createSchema("subnet", "subnets", creates, "network_id"),
		updateSchema: updateSchema("subnet", subnetUpdates),
	}
}

// subnetTarget says nothing of external networks: their subnets are for those who
// own or share them, as Neutron's queries have it.
func (a *api) subnetTarget(ctx context.Context, s network.Subnet) policy.Target {
	n, _ := a.svc.GetNetwork(ctx, s.NetworkID)
	return policy.Target{
		"project_id": s.ProjectID, "tenant_id": s.ProjectID,
		"network:project_id": n.ProjectID, "network:tenant_id": n.ProjectID, "shared": truthText(n.Shared),
	}
}

// networkParent tells the rules of a creation about the network. One that the caller
// may not see is not there: then no rule that names its owner matches, and who may
// create anywhere gets the service's own error.
func (a *api) networkParent(ctx context.Context, body json.RawMessage, target policy.Target) error {
	var b struct {
		NetworkID string `json:"network_id"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return err
	}
	n, err := a.svc.GetNetwork(ctx, b.NetworkID)
	if err != nil {
		return err
	}
	target["network:project_id"], target["network:tenant_id"] = n.ProjectID, n.ProjectID
	target["shared"] = truthText(n.Shared)
	return nil
}

func subnetView(_ context.Context, s network.Subnet) view {
	pools := make([]view, len(s.Pools))
	for i, p := range s.Pools {
		pools[i] = view{"start": p.Start.String(), "end": p.End.String()}
	}
	v := standard(&s.Meta)
	v["network_id"], v["ip_version"], v["cidr"] = s.NetworkID, s.IPVersion(), s.CIDR.String()
	v["gateway_ip"], v["enable_dhcp"], v["allocation_pools"] = orNull(s.Gateway), s.EnableDHCP, pools
	v["dns_nameservers"], v["host_routes"] = addrTexts(s.DNS), routeViews(s.Routes)
	v["ipv6_ra_mode"], v["ipv6_address_mode"] = textOrNull(s.RAMode), textOrNull(s.AddressMode)
	v["subnetpool_id"], v["service_types"], v["segment_id"] = textOrNull(s.SubnetPoolID), texts(s.ServiceTypes), nil
	return v
}

func (a *api) createSubnet(ctx context.Context, project string, body json.RawMessage) (network.Subnet, error) {
	b, err := decode[subnetBody](body)
	if err != nil {
		return network.Subnet{}, err
	}
	if b.CIDR.value.IsValid() && b.IPVersion.given && b.CIDR.value.Addr().Is4() != (b.IPVersion.value == 4) {
		return network.Subnet{}, fault.New(fault.Invalid,
			"Invalid input for operation: cidr '%s' does not match the ip_version '%d'.", b.CIDR.value.Prefix, b.IPVersion.value)
	}
	return a.svc.CreateSubnet(ctx, project, network.CreateSubnetOptions{
		NetworkID: b.NetworkID, Name: b.Name.value, Description: b.Description.value, Tags: b.Tags,
		CIDR: b.CIDR.value.Prefix, SubnetPoolID: b.SubnetPoolID.value, PrefixLength: b.PrefixLength.value,
		Gateway: gatewayOf(b.Gateway), EnableDHCP: boolPtr(b.EnableDHCP), Pools: poolsOf(b.Pools),
		DNS: addrs(b.DNS.value), Routes: routesOf(b.Routes.value),
		RAMode: b.RAMode.value, AddressMode: b.AddressMode.value, ServiceTypes: b.ServiceTypes.value,
	})
}

// gatewayOf reads a gateway: null is none.
func gatewayOf(o opt[address]) *netip.Addr {
	if !o.given {
		return nil
	}
	return &o.value.Addr
}

func poolsOf(o opt[[]poolBody]) []network.Pool {
	if !o.given || o.null {
		return nil
	}
	pools := make([]network.Pool, len(o.value))
	for i, p := range o.value {
		pools[i] = network.Pool{Start: p.Start.Addr, End: p.End.Addr}
	}
	return pools
}

func (a *api) updateSubnet(ctx context.Context, old network.Subnet, body json.RawMessage) (network.Subnet, error) {
	b, err := decode[subnetBody](body)
	if err != nil {
		return network.Subnet{}, err
	}
	opts := network.UpdateSubnetOptions{
		Labels:  network.Labels{Name: b.Name.ptr(), Description: b.Description.ptr()},
		Gateway: gatewayOf(b.Gateway), EnableDHCP: boolPtr(b.EnableDHCP), ServiceTypes: b.ServiceTypes.orZero(),
	}
	if b.Pools.given {
		pools := poolsOf(b.Pools)
		opts.Pools = &pools
	}
	if b.DNS.given {
		dns := addrs(b.DNS.value)
		opts.DNS = &dns
	}
	if b.Routes.given {
		routes := routesOf(b.Routes.value)
		opts.Routes = &routes
	}
	return a.svc.UpdateSubnet(ctx, old.ID, opts)
}
