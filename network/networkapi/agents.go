package networkapi

import (
	"context"
	"net/url"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/network"
)

func (a *api) agents() *resource[network.Agent] {
	return &resource[network.Agent]{
		singular: "agent", plural: "agents", path: "agents", id: "agent_id",
		get: a.agent,
		list: func(ctx context.Context, _ url.Values) ([]network.Agent, error) {
			return a.svc.Agents(ctx)
		},
		view:   agentView,
		target: func(context.Context, network.Agent) policy.Target { return policy.Target{} },
	}
}

func (a *api) agent(ctx context.Context, id string) (network.Agent, error) {
	all, err := a.svc.Agents(ctx)
	if err != nil {
		return network.Agent{}, err
	}
	for _, g := range all {
		if g.ID == id {
			return g, nil
		}
	}
	return network.Agent{}, fault.Missing("agent", id)
}

func agentView(_ context.Context, g network.Agent) view {
	mappings := view{}
	for _, p := range g.Physical {
		mappings[p] = p
	}
	const stamp = "2006-01-02 15:04:05"
	beat := g.Heartbeat.UTC().Format(stamp)
	return view{
		"id": g.ID, "agent_type": g.Type, "binary": g.Binary, "topic": g.Topic, "host": g.Host,
		"availability_zone": textOrNull(g.Zone), "admin_state_up": g.AdminStateUp, "alive": g.Alive,
		"heartbeat_timestamp": beat, "created_at": beat, "started_at": beat, "description": nil, "resources_synced": nil,
		"configurations": view{"bridge_mappings": mappings, "tunneling_ip": g.TunnelIP, "tunnel_types": []string{network.TypeVXLAN}},
	}
}

// agentLists say what runs where. It is the service that decides that, so there is
// nothing to change.
func (a *api) agentLists() []httpapi.Route {
	agents, nets, routers := a.agents(), a.networks(), a.routers()
	return []httpapi.Route{
		{Method: "GET", Path: "/v2.0/agents/{agent_id}/dhcp-networks", Policy: "get_dhcp-networks", Target: agents.load, Handle: func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
			on, err := a.svc.NetworksOn(ctx, httpapi.Kept[network.Agent](r).Host)
			return httpapi.OK(view{"networks": views(ctx, nets, on)}), err
		}},
		{Method: "GET", Path: "/v2.0/agents/{agent_id}/l3-routers", Policy: "get_l3-routers", Target: agents.load, Handle: func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
			var on []network.Router
			var err error
			if httpapi.Kept[network.Agent](r).Host == a.svc.RouterHost() {
				on, err = a.svc.ListRouters(ctx)
			}
			return httpapi.OK(view{"routers": views(ctx, routers, on)}), err
		}},
		{Method: "GET", Path: "/v2.0/networks/{network_id}/dhcp-agents", Policy: "get_dhcp-agents", Target: nets.load, Handle: func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
			id := httpapi.Kept[network.Network](r).ID
			return a.agentsWhere(ctx, "DHCP agent", func(host string) bool {
				on, _ := a.svc.NetworksOn(ctx, host)
				for _, n := range on {
					if n.ID == id {
						return true
					}
				}
				return false
			})
		}},
		{Method: "GET", Path: "/v2.0/routers/{router_id}/l3-agents", Policy: "get_l3-agents", Target: routers.load, Handle: func(ctx context.Context, _ *httpapi.Request) (*httpapi.Response, error) {
			return a.agentsWhere(ctx, "L3 agent", func(string) bool { return true })
		}},
	}
}

func views[T any](ctx context.Context, x *resource[T], all []T) []view {
	out := make([]view, len(all))
	for i, t := range all {
		out[i] = x.view(ctx, t)
	}
	return out
}

func (a *api) agentsWhere(ctx context.Context, kind string, on func(host string) bool) (*httpapi.Response, error) {
	all, err := a.svc.Agents(ctx)
	if err != nil {
		return nil, err
	}
	out := []view{}
	for _, g := range all {
		if g.Type == kind && on(g.Host) {
			out = append(out, agentView(ctx, g))
		}
	}
	return httpapi.OK(view{"agents": out}), nil
}

func (a *api) zones() []httpapi.Route {
	return []httpapi.Route{{
		Method: "GET", Path: "/v2.0/availability_zones", Policy: "get_availability_zone",
		Handle: func(context.Context, *httpapi.Request) (*httpapi.Response, error) {
			zone := func(resource string) view {
				return view{"name": a.svc.Zone(), "resource": resource, "state": "available"}
			}
			return httpapi.OK(view{"availability_zones": []view{zone("network"), zone("router")}}), nil
		},
	}}
}
