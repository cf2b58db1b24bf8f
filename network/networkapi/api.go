// Package networkapi serves package network over HTTP, with the routes, bodies and
// errors of OpenStack Neutron (API version 2.0).
package networkapi

import (
	"context"
	"net/http"
	"slices"

	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/network"
)

// service is the name of Neutron's policy.
const service = "network"

// api is what the handlers share.
type api struct{ svc *network.Service }

// New returns the handler of the network API, to be mounted at "/network".
func New(svc *network.Service, opts httpapi.Options) http.Handler {
	a := &api{svc}
	return httpapi.New(httpapi.API{
		Service: service,
		Dialect: httpapi.Neutron{},
		Routes: slices.Concat(
			a.discovery(), a.networks().routes(), a.subnets().routes(), a.ports().routes(),
			a.routers().routes(), a.routerActions(), a.floatingIPs().routes(),
			a.groups().routes(), a.rules().routes(), a.pools().routes(), a.scopes().routes(),
			a.quotas(), a.agents().routes(), a.agentLists(), a.zones(), a.extensions(), a.tags(), a.availability(),
		),
	}, opts)
}

func (a *api) discovery() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/", Public: true, Handle: versions},
		// Any user may see what there is.
		{Method: "GET", Path: "/v2.0", Policy: "welkin:get_resources", Handle: resources},
	}
}

func versions(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	v := httpapi.APIVersion{ID: "v2.0", Status: "CURRENT"}
	return httpapi.OK(httpapi.VersionList(v.At(r, "/v2.0/"))), nil
}

// resources lists the collections of the API.
func resources(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	type resource struct {
		Name       string         `json:"name"`
		Collection string         `json:"collection"`
		Links      []httpapi.Link `json:"links"`
	}
	all := []resource{}
	for _, names := range [][3]string{
		{"network", "networks", "networks"}, {"subnet", "subnets", "subnets"}, {"port", "ports", "ports"},
		{"router", "routers", "routers"}, {"floatingip", "floatingips", "floatingips"},
		{"security_group", "security_groups", "security-groups"},
		{"security_group_rule", "security_group_rules", "security-group-rules"},
		{"subnetpool", "subnetpools", "subnetpools"}, {"address_scope", "address_scopes", "address-scopes"},
		{"quota", "quotas", "quotas"}, {"agent", "agents", "agents"}, {"extension", "extensions", "extensions"},
		{"availability_zone", "availability_zones", "availability_zones"},
		{"network_ip_availability", "network_ip_availabilities", "network-ip-availabilities"},
	} {
		link := httpapi.Link{Rel: "self", Href: r.BaseURL + "/v2.0/" + names[2]}
		all = append(all, resource{names[0], names[1], []httpapi.Link{link}})
	}
	return httpapi.OK(map[string]any{"resources": all}), nil
}
