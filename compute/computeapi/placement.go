package computeapi

import (
	"context"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/saga"
)

// placementRoutes are this project's own: Nova tells nobody why a server is where it
// is, nor what would fit. They tell of hosts and are for admins.
func (a *api) placementRoutes() []httpapi.Route {
	return []httpapi.Route{
		{
			Method: "GET", Path: "/v2.1/servers/{server_id}/welkin-placement", Policy: "welkin:servers:placement",
			Target: a.serverTarget, Handle: a.explainPlacement,
		},
		{Method: "POST", Path: "/v2.1/welkin-what-fits", Policy: "welkin:what-fits", Body: body(whatFitsBody()), Handle: a.whatFits},
	}
}

func whatFitsBody() string {
	const (
		number = `{"type":"integer","minimum":1,"maximum":1000}`
		zone   = `{"type":"string","minLength":1,"maxLength":255}`
		traits = `{"type":"array","maxItems":50,"items":{"type":"string","minLength":1,"maxLength":255}}`
		policy = `{"type":"string","enum":["affinity","anti-affinity","soft-affinity","soft-anti-affinity"]}`
	)
	servers := object(0, []string{"flavor"},
		property{name: "flavor", schema: `{"type":"string","minLength":1,"maxLength":255}`},
		property{name: "count", schema: number},
		property{name: "availability_zone", schema: zone},
		property{name: "host", schema: sHost},
		property{name: "boot_from_volume", schema: `{"type":"boolean"}`},
		property{name: "group", schema: sUUID},
		property{name: "policy", schema: policy},
		property{name: "max_server_per_host", schema: number},
		property{name: "required_traits", schema: traits},
		property{name: "forbidden_traits", schema: traits},
	)
	return wrapped("what_fits", object(0, nil,
		property{name: "servers", schema: `{"type":"array","maxItems":100,"items":` + servers + `}`},
		property{name: "drain", schema: `{"type":"array","maxItems":100,"uniqueItems":true,"items":` + sHost + `}`},
	))
}

func (a *api) explainPlacement(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	decisions, err := a.svc.ExplainPlacement(ctx, r.Path("server_id"))
	if err != nil {
		return nil, err
	}
	if decisions == nil {
		decisions = []compute.PlacementDecision{}
	}
	return httpapi.OK(map[string]any{"placement": map[string]any{"server_id": r.Path("server_id"), "decisions": decisions}}), nil
}

func (a *api) whatFits(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		WhatFits compute.WhatFitsOptions `json:"what_fits"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	plan, err := a.svc.WhatFits(ctx, in.WhatFits)
	if err != nil {
		return nil, err
	}
	return httpapi.OK(map[string]any{"plan": plan}), nil
}

// scheduling gives the decision in words that a saga's step of choosing a host came to,
// by request and action; empty for any other step, or if it is no longer kept.
func scheduling(decisions []compute.PlacementDecision, s *saga.Saga, rec *saga.Record) string {
	if rec.Undo || rec.Step != "compute_schedule" && rec.Step != "compute_claim" {
		return ""
	}
	for i := range decisions {
		if d := &decisions[i]; d.RequestID == s.RequestID && d.Action == s.Action {
			return d.String()
		}
	}
	return ""
}
