package networkapi

import (
	"context"
	"math/big"

	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/network"
)

// availability are the routes that count addresses.
func (a *api) availability() []httpapi.Route {
	nets := a.networks()
	const rule = "get_network_ip_availability"
	return []httpapi.Route{
		{Method: "GET", Path: "/v2.0/network-ip-availabilities", Policy: rule, Handle: func(ctx context.Context, _ *httpapi.Request) (*httpapi.Response, error) {
			all, err := a.svc.ListNetworks(ctx)
			if err != nil {
				return nil, err
			}
			out := []view{}
			for _, n := range all {
				if v, err := a.svc.Availability(ctx, n.ID); err == nil {
					out = append(out, availabilityView(v))
				}
			}
			return httpapi.OK(view{"network_ip_availabilities": out}), nil
		}},
		{Method: "GET", Path: "/v2.0/network-ip-availabilities/{network_id}", Policy: rule, Target: nets.load, Handle: func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
			v, err := a.svc.Availability(ctx, r.Path("network_id"))
			if err != nil {
				return nil, err
			}
			return httpapi.OK(view{"network_ip_availability": availabilityView(v)}), nil
		}},
	}
}

func availabilityView(a network.Availability) view {
	total, used := new(big.Int), 0
	subnets := make([]view, len(a.Subnets))
	for i, s := range a.Subnets {
		total.Add(total, s.Total)
		used += s.Used
		subnets[i] = view{
			"subnet_id": s.Subnet.ID, "subnet_name": s.Subnet.Name, "cidr": s.Subnet.CIDR.String(),
			"ip_version": s.Subnet.IPVersion(), "total_ips": s.Total, "used_ips": s.Used,
		}
	}
	return view{
		"network_id": a.Network.ID, "network_name": a.Network.Name, "project_id": a.Network.ProjectID,
		"tenant_id": a.Network.ProjectID, "total_ips": total, "used_ips": used, "subnet_ip_availability": subnets,
	}
}
