package networkapi

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// see refuses what the caller may not see as if it were not there.
func see(r *httpapi.Request, rule string, target policy.Target, resource, id string) error {
	if r.May(rule, target) {
		return nil
	}
	return fault.Missing(resource, id)
}

func (a *api) seeNetwork(ctx context.Context, r *httpapi.Request, id string) error {
	n, err := a.svc.GetNetwork(ctx, id)
	if err != nil {
		return err
	}
	return see(r, "get_network", networkTarget(ctx, n), "network", id)
}

func (a *api) seeSubnet(ctx context.Context, r *httpapi.Request, id string) error {
	s, err := a.svc.GetSubnet(ctx, id)
	if err != nil {
		return err
	}
	return see(r, "get_subnet", a.subnetTarget(ctx, s), "subnet", id)
}

func (a *api) seePort(ctx context.Context, r *httpapi.Request, id string) error {
	p, err := a.svc.GetPort(ctx, id)
	if err != nil {
		return err
	}
	return see(r, "get_port", a.portTarget(ctx, p), "port", id)
}

func (a *api) seeGroup(ctx context.Context, r *httpapi.Request, id string) error {
	g, err := a.svc.GetSecurityGroup(ctx, id)
	if err != nil {
		return err
	}
	return see(r, "get_security_group", groupTarget(ctx, g), "security group", id)
}
