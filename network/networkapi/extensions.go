package networkapi

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// implemented are the extensions of Neutron's core that this API has: alias, name
// and what it is for.
var implemented = [][3]string{
	{"address-scope", "Address scope", "Sets of subnet pools whose addresses do not overlap"},
	{"agent", "agent", "What runs on the network hosts"},
	{"allowed-address-pairs", "Allowed Address Pairs", "Further addresses that a port may send from"},
	{"availability_zone", "Availability Zone", "Availability zones of networks and routers"},
	{"binding", "Port Binding", "Where and how a port is plugged"},
	{"empty-string-filtering", "Empty String Filtering Extension", "Lists can be filtered by an empty value"},
	{"ext-gw-mode", "Neutron L3 Configurable external gateway mode", "Source NAT of a router's gateway can be turned off"},
	{"external-net", "Neutron external network", "Networks that routers and floating IPs lead to"},
	{"extra_dhcp_opt", "Neutron Extra DHCP options", "DHCP options of a port are kept with it"},
	{"extraroute", "Neutron Extra Route", "Static routes of routers"},
	{"extraroute-atomic", "Atomically add/remove extra routes", "Routes are added and removed one by one"},
	{"filter-validation", "Filter parameters validation", "Unknown filters of lists are refused"},
	{"fip-port-details", "Floating IP Port Details Extension", "Floating IPs show the port that they stand for"},
	{"ip-substring-filtering", "IP address substring filtering", "Ports can be found by a part of their address"},
	{"l2_adjacency", "L2 Adjacency", "Networks show that their ports share one segment"},
	{"net-mtu", "Network MTU", "Networks show their MTU"},
	{"net-mtu-writable", "Network MTU (writable)", "The MTU of a network can be set"},
	{"network-ip-availability", "Network IP Availability", "How many addresses of a network are used"},
	{"network_availability_zone", "Network Availability Zone", "Availability zones of networks"},
	{"pagination", "Pagination support", "Lists can be asked for page by page"},
	{"port-security", "Port Security", "Anti-spoofing of ports can be turned off"},
	{"project-id", "project_id field enabled", "Resources show project_id"},
	{"provider", "Provider Network", "How networks are mapped to physical ones"},
	{"quotas", "Quota management support", "Quotas of projects"},
	{"quota_details", "Quota details management support", "Quotas with what is used of them"},
	{"router", "Neutron L3 Router", "Routers between networks, with floating IPs"},
	{"router_availability_zone", "Router Availability Zone", "Availability zones of routers"},
	{"security-group", "security-group", "Security groups of ports"},
	{"sorting", "Sorting support", "Lists can be sorted"},
	{"standard-attr-description", "standard-attr-description", "Resources have a description"},
	{"standard-attr-revisions", "Resource revision numbers", "Resources count their changes"},
	{"standard-attr-tag", "Tag support for resources with standard attribute: network, subnet, port, router, floatingip, security_group, subnetpool", "Resources have tags"},
	{"standard-attr-timestamp", "Resource timestamps", "Resources show when they were made and changed"},
	{"subnet_allocation", "Subnet Allocation", "Subnets can be cut from pools"},
	{"subnet-service-types", "Subnet service types", "Subnets can be kept for certain owners of ports"},
	{"tag-creation", "Tag creation", "Several tags can be added at once"},
}

func (a *api) extensions() []httpapi.Route {
	return []httpapi.Route{
		// Any user may see what there is.
		{Method: "GET", Path: "/v2.0/extensions", Policy: "welkin:get_extensions", Handle: listExtensions},
		{Method: "GET", Path: "/v2.0/extensions/{alias}", Policy: "welkin:get_extensions", Handle: showExtension},
	}
}

func extensionView(e [3]string) view {
	return view{
		"alias": e[0], "name": e[1], "description": e[2],
		"updated": "2026-01-01T00:00:00-00:00", "links": []any{},
	}
}

func listExtensions(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	all := make([]view, len(implemented))
	for i, e := range implemented {
		all[i] = extensionView(e)
	}
	return httpapi.OK(view{"extensions": all}), nil
}

func showExtension(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	alias := r.Path("alias")
	for _, e := range implemented {
		if e[0] == alias {
			return httpapi.OK(view{"extension": extensionView(e)}), nil
		}
	}
	return nil, fault.New(fault.NotFound, "Extension with alias %s does not exist", alias).WithCode("HTTPNotFound")
}
