package computeapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/network"
)

func (a *api) interfaceRoutes() []httpapi.Route {
	const all, one = "/v2.1/servers/{server_id}/os-interface", "/v2.1/servers/{server_id}/os-interface/{port_id}"
	rule := func(name string) string { return "os_compute_api:os-attach-interfaces:" + name }
	fixed := func(name string) []httpapi.Schema {
		if name == "addFixedIp" {
			return body(wrapped(name, object(0, []string{"networkId"}, property{name: "networkId", schema: `{"type":["string","integer"]}`})))
		}
		return body(wrapped(name, object(0, []string{"address"}, property{name: "address", schema: sIP})))
	}
	add := a.action("addFixedIp", "os_compute_api:os-multinic:add", http.StatusAccepted, fixed("addFixedIp"), a.addFixedIP)
	remove := a.action("removeFixedIp", "os_compute_api:os-multinic:remove", http.StatusAccepted, fixed("removeFixedIp"), a.removeFixedIP)
	add.Max, remove.Max = v(43), v(43)
	return []httpapi.Route{
		{Method: "GET", Path: all, Policy: rule("list"), Target: a.serverTarget, Handle: a.listInterfaces},
		{Method: "POST", Path: all, Policy: rule("create"), Target: a.serverTarget, Body: bodies(interfaceBody, 49, 1), Handle: a.attachInterface},
		{Method: "GET", Path: one, Policy: rule("show"), Target: a.serverTarget, Handle: a.showInterface},
		{Method: "DELETE", Path: one, Policy: rule("delete"), Target: a.serverTarget, Status: http.StatusAccepted, Handle: a.detachInterface},
		add, remove,
	}
}

func interfaceBody(minor int) string {
	inner := object(minor, nil,
		property{name: "net_id", schema: `{"anyOf":[` + sUUID + `,{"type":"null"}]}`},
		property{name: "port_id", schema: `{"anyOf":[` + sUUID + `,{"type":"null"}]}`},
		property{name: "fixed_ips", schema: `{"type":"array","minItems":1,"maxItems":1,"items":` +
			object(0, []string{"ip_address"}, property{name: "ip_address", schema: sIP}) + `}`},
		property{name: "tag", schema: sDevTag, min: 49},
	)
	return object(0, nil, property{name: "interfaceAttachment", schema: inner})
}

// interfaceView is an interface as the API shows it.
func interfaceView(r *httpapi.Request, p network.Port, nics []compute.NIC) map[string]any {
	fixed := []map[string]string{}
	for _, f := range p.FixedIPs {
		fixed = append(fixed, map[string]string{"subnet_id": f.SubnetID, "ip_address": f.Address.String()})
	}
	out := map[string]any{
		"net_id": p.NetworkID, "port_id": p.ID, "mac_addr": p.MAC, "port_state": p.Status, "fixed_ips": fixed,
	}
	if r.Version.AtLeast(2, 70) {
		out["tag"] = nil
		for _, n := range nics {
			if n.PortID == p.ID {
				out["tag"] = orNil(n.Tag)
			}
		}
	}
	return out
}

func (a *api) listInterfaces(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	ports, err := a.svc.ServerPorts(ctx, r.Path("server_id"))
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, p := range ports {
		list = append(list, interfaceView(r, p, httpapi.Kept[compute.Server](r).NICs))
	}
	return httpapi.OK(map[string]any{"interfaceAttachments": list}), nil
}

// port finds a port of the server.
func (a *api) port(ctx context.Context, r *httpapi.Request, id string) (network.Port, error) {
	ports, err := a.svc.ServerPorts(ctx, r.Path("server_id"))
	if err != nil {
		return network.Port{}, err
	}
	for _, p := range ports {
		if p.ID == id {
			return p, nil
		}
	}
	return network.Port{}, fault.New(fault.NotFound, "Instance %s does not have a port with id %s", r.Path("server_id"), id)
}

func (a *api) showInterface(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p, err := a.port(ctx, r, r.Path("port_id"))
	if err != nil {
		return nil, err
	}
	return httpapi.OK(map[string]any{"interfaceAttachment": interfaceView(r, p, httpapi.Kept[compute.Server](r).NICs)}), nil
}

// attachInterface answers when the interface is attached, as Nova does.
func (a *api) attachInterface(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Attachment struct {
			NetID    string `json:"net_id"`
			PortID   string `json:"port_id"`
			FixedIPs []struct {
				Address string `json:"ip_address"`
			} `json:"fixed_ips"`
			Tag string `json:"tag"`
		} `json:"interfaceAttachment"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	want := compute.NetworkRequest{NetworkID: in.Attachment.NetID, PortID: in.Attachment.PortID, Tag: in.Attachment.Tag}
	switch {
	case want.NetworkID != "" && want.PortID != "":
		return nil, fault.New(fault.Invalid, "Must not input both network_id and port_id")
	case len(in.Attachment.FixedIPs) > 0 && want.NetworkID == "":
		return nil, fault.New(fault.Invalid, "Must input network_id when request IP address")
	case len(in.Attachment.FixedIPs) > 0:
		want.FixedIP = in.Attachment.FixedIPs[0].Address
	}
	id := r.Path("server_id")
	nic, err := a.svc.AttachInterface(asCaller(ctx, r), id, want)
	if err != nil {
		return nil, err
	}
	s, err := a.svc.WaitServer(ctx, id)
	if err != nil {
		return nil, err
	}
	p, err := a.port(ctx, r, nic.PortID)
	if err != nil {
		if s.Fault != nil {
			return nil, fault.New(fault.Invalid, "Failed to attach interface: %s", s.Fault.Message)
		}
		return nil, err
	}
	return httpapi.OK(map[string]any{"interfaceAttachment": interfaceView(r, p, s.NICs)}), nil
}

func (a *api) detachInterface(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DetachInterface(asCaller(ctx, r), r.Path("server_id"), r.Path("port_id"))
}

func (a *api) addFixedIP(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Add struct {
			NetworkID looseText `json:"networkId"`
		} `json:"addFixedIp"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	return httpapi.Empty(), a.svc.AddFixedIP(asCaller(ctx, r), r.Path("server_id"), string(in.Add.NetworkID))
}

func (a *api) removeFixedIP(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Remove struct{ Address string } `json:"removeFixedIp"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	return httpapi.Empty(), a.svc.RemoveFixedIP(asCaller(ctx, r), r.Path("server_id"), in.Remove.Address)
}
