package networkapi

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/network"
)

const (
	sInterface   = `{"type":"object","additionalProperties":false,"properties":{"subnet_id":{"type":"string"},"port_id":{"type":"string"}}}`
	sExtraRoutes = `{"type":"object","additionalProperties":false,"required":["router"],"properties":{"router":{"type":"object","additionalProperties":false,"required":["routes"],"properties":{"routes":` + sRoutes + `}}}}`
)

// routerActions are the routes that change one thing of a router.
func (a *api) routerActions() []httpapi.Route {
	x := a.routers()
	action := func(name, schema string, target func(context.Context, *httpapi.Request) (policy.Target, error), h httpapi.Handler) httpapi.Route {
		return httpapi.Route{
			Method: "PUT", Path: "/v2.0/routers/{router_id}/" + name, Policy: name, Target: target,
			Body: []httpapi.Schema{{JSON: schema}}, Handle: h,
		}
	}
	return []httpapi.Route{
		action("add_router_interface", sInterface, a.mayJoin(x), a.changeInterface(a.svc.AddRouterInterface)),
		action("remove_router_interface", sInterface, x.load, a.changeInterface(a.svc.RemoveRouterInterface)),
		action("add_extraroutes", sExtraRoutes, x.load, a.changeRoutes(a.svc.AddRoutes)),
		action("remove_extraroutes", sExtraRoutes, x.load, a.changeRoutes(a.svc.RemoveRoutes)),
	}
}

type interfaceBody struct {
	SubnetID string `json:"subnet_id"`
	PortID   string `json:"port_id"`
}

// mayJoin refuses a subnet or port that the caller may not see.
func (a *api) mayJoin(x *resource[network.Router]) func(context.Context, *httpapi.Request) (policy.Target, error) {
	return func(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
		target, err := x.load(ctx, r)
		if err != nil {
			return nil, err
		}
		var b interfaceBody
		if err := r.Decode(&b); err != nil {
			return nil, err
		}
		if b.SubnetID != "" {
			if err := a.seeSubnet(ctx, r, b.SubnetID); err != nil {
				return nil, err
			}
		}
		if b.PortID != "" {
			if err := a.seePort(ctx, r, b.PortID); err != nil {
				return nil, err
			}
		}
		return target, nil
	}
}

func (a *api) changeInterface(do func(context.Context, string, network.Interface) (network.RouterInterface, error)) httpapi.Handler {
	return func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		var b interfaceBody
		if err := r.Decode(&b); err != nil {
			return nil, err
		}
		i, err := do(ctx, r.Path("router_id"), network.Interface(b))
		if err != nil {
			return nil, err
		}
		first := ""
		if len(i.SubnetIDs) > 0 {
			first = i.SubnetIDs[0]
		}
		return httpapi.OK(view{
			"id": i.RouterID, "project_id": i.ProjectID, "tenant_id": i.ProjectID, "port_id": i.PortID,
			"network_id": i.NetworkID, "subnet_id": first, "subnet_ids": texts(i.SubnetIDs),
		}), nil
	}
}

func (a *api) changeRoutes(do func(context.Context, string, []network.Route) (network.Router, error)) httpapi.Handler {
	x := a.routers()
	return func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		var b struct {
			Router struct {
				Routes []routeBody `json:"routes"`
			} `json:"router"`
		}
		if err := r.Decode(&b); err != nil {
			return nil, err
		}
		router, err := do(ctx, r.Path("router_id"), routesOf(b.Router.Routes))
		if err != nil {
			return nil, err
		}
		return httpapi.OK(view{"router": x.shown(ctx, r, router, x.view(ctx, router))}), nil
	}
}
