package networkapi

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/network"
)

// floatingIPBody is what a request says of a floating IP.
type floatingIPBody struct {
	NetworkID   string       `json:"floating_network_id"`
	SubnetID    opt[string]  `json:"subnet_id"`
	Address     opt[address] `json:"floating_ip_address"`
	Description opt[string]  `json:"description"`
	Tags        []string     `json:"tags"`
	PortID      opt[string]  `json:"port_id"`
	Fixed       opt[address] `json:"fixed_ip_address"`
}

func (a *api) floatingIPs() *resource[network.FloatingIP] {
	updates := attributes{"description": sName, "port_id": sNull, "fixed_ip_address": sNull}
	creates := attributes{
		"description": sName, "port_id": sNull, "fixed_ip_address": sNull,
		"floating_network_id": sText, "subnet_id": sNull, "floating_ip_address": sNull,
	}
	return &resource[network.FloatingIP]{
		singular: "floatingip", plural: "floatingips", path: "floatingips", id: "floatingip_id",
		get: a.svc.GetFloatingIP,
		list: func(ctx context.Context, _ url.Values) ([]network.FloatingIP, error) {
			return a.svc.ListFloatingIPs(ctx)
		},
		create: a.createFloatingIP, update: a.updateFloatingIP, remove: a.svc.DeleteFloatingIP,
		view: a.floatingIPView, target: floatingIPTarget, check: a.seeEnds,
		filters:      []string{"name"},
		defaults:     map[string]any{"floating_ip_address": nil},
		createSchema: createSchema("floatingip", "floatingips", creates, "floating_network_id"),
		updateSchema: updateSchema("floatingip", updates),
	}
}

func floatingIPTarget(_ context.Context, f network.FloatingIP) policy.Target {
	return policy.Target{"project_id": f.ProjectID, "tenant_id": f.ProjectID}
}

func (a *api) floatingIPView(ctx context.Context, f network.FloatingIP) view {
	v := standard(&f.Meta)
	delete(v, "name")
	v["floating_network_id"], v["floating_ip_address"] = f.NetworkID, f.Address.String()
	v["status"], v["port_id"], v["router_id"] = f.Status, textOrNull(f.PortID), textOrNull(f.RouterID)
	v["fixed_ip_address"], v["port_details"] = orNull(f.Fixed), nil
	if p, err := a.svc.GetPort(ctx, f.PortID); err == nil {
		v["port_details"] = view{
			"status": p.Status, "name": p.Name, "admin_state_up": p.AdminStateUp, "network_id": p.NetworkID,
			"device_owner": p.DeviceOwner, "device_id": p.DeviceID, "mac_address": p.MAC,
		}
	}
	return v
}

// seeEnds refuses a network or a port that the caller may not see, and for all but
// administrators a port of another project.
func (a *api) seeEnds(ctx context.Context, r *httpapi.Request, body json.RawMessage) error {
	b, err := decode[floatingIPBody](body)
	if err != nil {
		return err
	}
	if b.NetworkID != "" {
		if err := a.seeNetwork(ctx, r, b.NetworkID); err != nil {
			return err
		}
	}
	if b.PortID.value == "" {
		return nil
	}
	if err := a.seePort(ctx, r, b.PortID.value); err != nil {
		return err
	}
	p, err := a.svc.GetPort(ctx, b.PortID.value)
	if err == nil && p.ProjectID != r.Principal.ProjectID && !r.May("context_is_admin", nil) {
		return fault.New(fault.Invalid, "Bad floatingip request: Port %s is associated with a different tenant than the Floating IP.", p.ID).WithCode("BadRequest")
	}
	return err
}

func (a *api) createFloatingIP(ctx context.Context, project string, body json.RawMessage) (network.FloatingIP, error) {
	b, err := decode[floatingIPBody](body)
	if err != nil {
		return network.FloatingIP{}, err
	}
	return a.svc.CreateFloatingIP(ctx, project, network.CreateFloatingIPOptions{
		NetworkID: b.NetworkID, SubnetID: b.SubnetID.value, Address: b.Address.value.Addr,
		Description: b.Description.value, Tags: b.Tags, PortID: b.PortID.value, Fixed: b.Fixed.value.Addr,
	})
}

// updateFloatingIP associates and disassociates. As in Neutron an update without
// port_id and description disassociates too.
func (a *api) updateFloatingIP(ctx context.Context, old network.FloatingIP, body json.RawMessage) (network.FloatingIP, error) {
	b, err := decode[floatingIPBody](body)
	if err != nil {
		return network.FloatingIP{}, err
	}
	o := network.UpdateFloatingIPOptions{
		Description: b.Description.ptr(), PortID: b.PortID.orZero(), Fixed: b.Fixed.value.Addr,
	}
	if o.PortID == nil && b.Fixed.given && old.PortID != "" {
		o.PortID = &old.PortID // another address of the same port
	}
	if o.PortID == nil && o.Description == nil && !b.Fixed.given {
		o.PortID = new(string)
	}
	return a.svc.UpdateFloatingIP(ctx, old.ID, o)
}
