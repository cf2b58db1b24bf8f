package computeapi

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/network"
)

func (a *api) floatingIPRoutes() []httpapi.Route {
	if a.Networks == nil {
		return nil
	}
	const all, one = "/v2.1/os-floating-ips", "/v2.1/os-floating-ips/{id}"
	rule := func(name string) string { return "os_compute_api:os-floating-ips:" + name }
	address := property{name: "address", schema: sIP}
	add := a.action("addFloatingIp", rule("add"), http.StatusAccepted, body(wrapped("addFloatingIp",
		object(0, []string{"address"}, address, property{name: "fixed_address", schema: sIP}))), a.addFloatingIP)
	remove := a.action("removeFloatingIp", rule("remove"), http.StatusAccepted,
		body(wrapped("removeFloatingIp", object(0, []string{"address"}, address))), a.removeFloatingIP)
	add.Max, remove.Max = v(43), v(43)
	return []httpapi.Route{
		{Method: "GET", Path: "/v2.1/os-floating-ip-pools", Policy: "os_compute_api:os-floating-ip-pools", Max: proxies, Handle: a.listPools},
		{Method: "GET", Path: all, Policy: rule("list"), Max: proxies, Handle: a.listFloatingIPs},
		{
			Method: "POST", Path: all, Policy: rule("create"), Max: proxies, Handle: a.createFloatingIP,
			Body: body(object(0, nil, property{name: "pool", schema: `{"type":["string","null"]}`})),
		},
		{Method: "GET", Path: one, Policy: rule("show"), Max: proxies, Handle: a.showFloatingIP},
		{Method: "DELETE", Path: one, Policy: rule("delete"), Max: proxies, Status: http.StatusAccepted, Handle: a.deleteFloatingIP},
		add, remove,
	}
}

// externals are the networks that floating IPs come from.
func (a *api) externals(ctx context.Context) ([]network.Network, error) {
	all, err := a.Networks.ListNetworks(ctx)
	var some []network.Network
	for _, n := range all {
		if n.External {
			some = append(some, n)
		}
	}
	return some, err
}

func (a *api) listPools(ctx context.Context, _ *httpapi.Request) (*httpapi.Response, error) {
	pools, err := a.externals(ctx)
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, n := range pools {
		list = append(list, map[string]string{"name": n.Name})
	}
	return httpapi.OK(map[string]any{"floating_ip_pools": list}), nil
}

func (a *api) floatingIPView(ctx context.Context, f network.FloatingIP) (map[string]any, error) {
	out := map[string]any{"id": f.ID, "ip": f.Address.String(), "pool": f.NetworkID, "fixed_ip": nil, "instance_id": nil}
	pools, err := a.externals(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range pools {
		if n.ID == f.NetworkID {
			out["pool"] = n.Name
		}
	}
	if f.PortID != "" {
		out["fixed_ip"] = f.Fixed.String()
		if p, err := a.Networks.GetPort(ctx, f.PortID); err == nil {
			out["instance_id"] = orNil(p.DeviceID)
		}
	}
	return out, nil
}

// ownFloatingIPs are those of the caller's project that match.
func (a *api) ownFloatingIPs(ctx context.Context, r *httpapi.Request, match func(f *network.FloatingIP) bool) ([]network.FloatingIP, error) {
	all, err := a.Networks.ListFloatingIPs(ctx)
	var some []network.FloatingIP
	for _, f := range all {
		if f.ProjectID == r.Principal.ProjectID && match(&f) {
			some = append(some, f)
		}
	}
	return some, err
}

func (a *api) listFloatingIPs(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	some, err := a.ownFloatingIPs(ctx, r, func(*network.FloatingIP) bool { return true })
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, f := range some {
		view, err := a.floatingIPView(ctx, f)
		if err != nil {
			return nil, err
		}
		list = append(list, view)
	}
	return httpapi.OK(map[string]any{"floating_ips": list}), nil
}

func (a *api) createFloatingIP(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Pool string `json:"pool"`
	}
	if len(r.Body()) > 0 {
		if err := r.Decode(&in); err != nil {
			return nil, err
		}
	}
	pools, err := a.externals(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range pools {
		if in.Pool == "" || in.Pool == n.Name || in.Pool == n.ID {
			f, err := a.Networks.CreateFloatingIP(ctx, r.Principal.ProjectID, network.CreateFloatingIPOptions{NetworkID: n.ID})
			if err != nil {
				return nil, err
			}
			view, err := a.floatingIPView(ctx, f)
			return httpapi.OK(map[string]any{"floating_ip": view}), err
		}
	}
	return nil, fault.New(fault.NotFound, "Floating IP pool not found.")
}

// floatingIP finds the floating IP of the path.
func (a *api) floatingIP(ctx context.Context, r *httpapi.Request) (network.FloatingIP, error) {
	some, err := a.ownFloatingIPs(ctx, r, func(f *network.FloatingIP) bool { return f.ID == r.Path("id") })
	if err == nil && len(some) == 0 {
		err = fault.New(fault.NotFound, "Floating IP not found for ID %s", r.Path("id"))
	}
	if err != nil {
		return network.FloatingIP{}, err
	}
	return some[0], nil
}

func (a *api) showFloatingIP(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	f, err := a.floatingIP(ctx, r)
	if err != nil {
		return nil, err
	}
	view, err := a.floatingIPView(ctx, f)
	return httpapi.OK(map[string]any{"floating_ip": view}), err
}

func (a *api) deleteFloatingIP(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	f, err := a.floatingIP(ctx, r)
	if err != nil {
		return nil, err
	}
	return httpapi.Empty(), a.Networks.DeleteFloatingIP(ctx, f.ID)
}

// byAddress finds a floating IP of the caller by its address.
func (a *api) byAddress(ctx context.Context, r *httpapi.Request, address string) (network.FloatingIP, error) {
	some, err := a.ownFloatingIPs(ctx, r, func(f *network.FloatingIP) bool { return f.Address.String() == address })
	if err == nil && len(some) == 0 {
		err = fault.New(fault.NotFound, "floating IP not found")
	}
	if err != nil {
		return network.FloatingIP{}, err
	}
	return some[0], nil
}

func (a *api) addFloatingIP(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Add struct {
			Address string `json:"address"`
			Fixed   string `json:"fixed_address"`
		} `json:"addFloatingIp"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	f, err := a.byAddress(ctx, r, in.Add.Address)
	if err != nil {
		return nil, err
	}
	ports, err := a.svc.ServerPorts(ctx, r.Path("server_id"))
	if err != nil {
		return nil, err
	}
	for _, p := range ports {
		for _, ip := range p.FixedIPs {
			if ip.Address.Is4() && (in.Add.Fixed == "" || in.Add.Fixed == ip.Address.String()) {
				return httpapi.Empty(), a.associate(ctx, f.ID, p.ID, ip.Address)
			}
		}
	}
	return nil, fault.New(fault.Invalid, "No fixed IPs associated to instance")
}

func (a *api) associate(ctx context.Context, id, portID string, fixed netip.Addr) error {
	_, err := a.Networks.UpdateFloatingIP(ctx, id, network.UpdateFloatingIPOptions{PortID: &portID, Fixed: fixed})
	return err
}

func (a *api) removeFloatingIP(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Remove struct{ Address string } `json:"removeFloatingIp"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	f, err := a.byAddress(ctx, r, in.Remove.Address)
	if err != nil {
		return nil, err
	}
	p, err := a.Networks.GetPort(ctx, f.PortID)
	if err != nil || p.DeviceID != r.Path("server_id") {
		return nil, fault.New(fault.Conflict, "Floating IP %s is not associated with instance %s.", in.Remove.Address, r.Path("server_id"))
	}
	return httpapi.Empty(), a.associate(ctx, f.ID, "", netip.Addr{})
}
