package networkapi

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/network"
)

type gatewayBody struct {
	NetworkID string             `json:"network_id"`
	SNAT      opt[flag]          `json:"enable_snat"`
	FixedIPs  opt[[]fixedIPBody] `json:"external_fixed_ips"`
}

// routerBody is what a request says of a router.
type routerBody struct {
	Name         opt[string]      `json:"name"`
	Description  opt[string]      `json:"description"`
	Tags         []string         `json:"tags"`
	AdminStateUp opt[flag]        `json:"admin_state_up"`
	Gateway      opt[gatewayBody] `json:"external_gateway_info"`
	Routes       opt[[]routeBody] `json:"routes"`
	ZoneHints    opt[[]string]    `json:"availability_zone_hints"`
}

const sGateway = `{"type":["object","null"],"additionalProperties":false,"properties":{"network_id":{"type":"string"},"enable_snat":` + sFlag + `,"external_fixed_ips":` + sFixedIPs + `}}`

func (a *api) routers() *resource[network.Router] {
	updates := attributes{
		"name": sName, "description": sName, "admin_state_up": sFlag, "external_gateway_info": sGateway, "routes": sRoutes,
	}
	creates := attributes{
		"name": sName, "description": sName, "admin_state_up": sFlag, "external_gateway_info": sGateway,
		"availability_zone_hints": sTexts, "distributed": `{"enum":[false]}`, "ha": `{"enum":[false]}`,
	}
	return &resource[network.Router]{
		singular: "router", plural: "routers", path: "routers", id: "router_id",
		get: a.svc.GetRouter,
		list: func(ctx context.Context, _ url.Values) ([]network.Router, error) {
			return a.svc.ListRouters(ctx)
		},
		create: a.createRouter, update: a.updateRouter, remove: a.svc.DeleteRouter,
		view: a.routerView, target: routerTarget, check: a.seeGateway,
		hidden:       []string{"distributed", "ha"},
		createSchema: createSchema("router", "routers", creates),
		updateSchema: updateSchema("router", updates),
	}
}

func routerTarget(_ context.Context, r network.Router) policy.Target {
	return policy.Target{"project_id": r.ProjectID, "tenant_id": r.ProjectID}
}

func (a *api) routerView(_ context.Context, r network.Router) view {
	v := standard(&r.Meta)
	v["admin_state_up"], v["status"], v["routes"] = r.AdminStateUp, r.Status, routeViews(r.Routes)
	v["distributed"], v["ha"], v["flavor_id"] = false, false, nil
	v["availability_zone_hints"], v["availability_zones"] = texts(r.ZoneHints), []string{a.svc.Zone()}
	v["external_gateway_info"] = nil
	if g := r.Gateway; g != nil {
		v["external_gateway_info"] = view{
			"network_id": g.NetworkID, "enable_snat": g.SNAT, "external_fixed_ips": fixedIPs(g.FixedIPs),
		}
	}
	return v
}

// seeGateway refuses an external network that the caller may not see.
func (a *api) seeGateway(ctx context.Context, r *httpapi.Request, body json.RawMessage) error {
	b, err := decode[routerBody](body)
	if err != nil || b.Gateway.value.NetworkID == "" {
		return err
	}
	return a.seeNetwork(ctx, r, b.Gateway.value.NetworkID)
}

// gateway gives the way out that is asked for: null and {} are none.
func (b *routerBody) gateway() *network.GatewayOptions {
	if !b.Gateway.given {
		return nil
	}
	g := b.Gateway.value
	o := &network.GatewayOptions{NetworkID: g.NetworkID, SNAT: boolPtr(g.SNAT)}
	if g.FixedIPs.given && !g.FixedIPs.null {
		o.FixedIPs = fixedOf(g.FixedIPs.value)
	}
	return o
}

func (a *api) createRouter(ctx context.Context, project string, body json.RawMessage) (network.Router, error) {
	b, err := decode[routerBody](body)
	if err != nil {
		return network.Router{}, err
	}
	return a.svc.CreateRouter(ctx, project, network.CreateRouterOptions{
		Name: b.Name.value, Description: b.Description.value, Tags: b.Tags,
		AdminStateUp: boolPtr(b.AdminStateUp), Gateway: b.gateway(), ZoneHints: b.ZoneHints.value,
	})
}

func (a *api) updateRouter(ctx context.Context, old network.Router, body json.RawMessage) (network.Router, error) {
	b, err := decode[routerBody](body)
	if err != nil {
		return network.Router{}, err
	}
	o := network.UpdateRouterOptions{
		Labels:       network.Labels{Name: b.Name.ptr(), Description: b.Description.ptr()},
		AdminStateUp: boolPtr(b.AdminStateUp), Gateway: b.gateway(),
	}
	if b.Routes.given {
		routes := routesOf(b.Routes.value)
		o.Routes = &routes
	}
	return a.svc.UpdateRouter(ctx, old.ID, o)
}
