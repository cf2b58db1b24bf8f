package compute

import (
	"context"
	"net/netip"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

const (
	sagaAttachInterface = "compute.attach_interface"
	sagaDetachInterface = "compute.detach_interface"
)

// interfaceParams name the interface that is attached or detached.
type interfaceParams struct {
	NIC NIC `json:"nic"`
}

// AttachInterface begins to give a server a further interface. Without a network
// or a port it is on the project's only network. The interface's port has its id
// already, and may be waited for with WaitServer.
func (s *Service) AttachInterface(ctx context.Context, id string, n NetworkRequest) (NIC, error) {
	const op = "compute.AttachInterface"
	server, err := s.GetServer(ctx, id)
	if err != nil {
		return NIC{}, fault.Wrap(op, err)
	}
	nic, err := s.newNIC(ctx, &server, n)
	if err != nil {
		return NIC{}, fault.Wrap(op, err)
	}
	_, err = s.begin(ctx, id, task{
		op: op, verb: VerbAttachInterface, saga: sagaAttachInterface, action: "attach_interface",
		params: interfaceParams{nic},
		prepare: func(_ *state.Tx, server *Server) error {
			if server.nic(nic.PortID) >= 0 {
				return fault.New(fault.Conflict, "Port %s is still in use.", nic.PortID)
			}
			return nil
		},
	})
	return nic, err
}

// newNIC resolves the interface that is asked for.
func (s *Service) newNIC(ctx context.Context, server *Server, n NetworkRequest) (NIC, error) {
	if s.cfg.Networks == nil {
		return NIC{}, fault.New(fault.Unsupported, "this cloud has no network service")
	}
	if n.PortID != "" {
		return s.portNIC(ctx, server.ProjectID, n)
	}
	visible, err := s.cfg.Networks.VisibleNetworks(ctx, server.ProjectID)
	if err != nil {
		return NIC{}, err
	}
	if n.NetworkID == "" {
		nics, err := s.defaultNICs(ctx, server.ProjectID, NetworksAuto)
		if err != nil {
			return NIC{}, err
		}
		n.NetworkID = nics[0].NetworkID
	}
	nic, err := s.networkNIC(visible, n, 1)
	nic.PortID = s.core.IDs.UUID()
	return nic, err
}

// attachInterfaceSaga plugs a port and gives it to the guest.
func (s *Service) attachInterfaceSaga() saga.Definition {
	return saga.Definition{
		Name: sagaAttachInterface,
		Steps: []saga.Step{
			{Name: "compute_plug", Do: s.interfacePlug, Undo: s.interfaceUnplug, Attempts: driverAttempts},
			{Name: "compute_attach_interface", Do: s.interfaceAttach, Undo: s.interfaceDetach, Attempts: driverAttempts},
		},
		Finished: s.finished(func(r *saga.Run, server *Server) {
			var p interfaceParams
			if r.Params(&p) == nil && server.nic(p.NIC.PortID) < 0 {
				server.NICs = append(server.copyOf().NICs, p.NIC)
			}
		}),
		Failed: s.failed(nil),
		Stuck:  s.broken(),
	}
}

func (s *Service) interfacePlug(ctx context.Context, r *saga.Run) error {
	var p interfaceParams
	if err := r.Params(&p); err != nil {
		return err
	}
	return s.onHost(r, func(server *Server, _ driver.Hypervisor) error {
		nic, err := s.plugOne(ctx, server, p.NIC)
		if err != nil {
			return err
		}
		r.Set(varNICs, nic)
		return nil
	})
}

func (s *Service) interfaceUnplug(ctx context.Context, r *saga.Run) error {
	var p interfaceParams
	if err := r.Params(&p); err != nil {
		return err
	}
	server, err := s.load(r)
	if err != nil {
		return err
	}
	return s.unplug(ctx, &server, []NIC{p.NIC})
}

func (s *Service) interfaceAttach(ctx context.Context, r *saga.Run) error {
	return s.onHost(r, func(server *Server, hv driver.Hypervisor) error {
		var nic driver.NIC
		r.Load(varNICs, &nic)
		return hv.AttachNIC(ctx, server.ID, nic)
	})
}

func (s *Service) interfaceDetach(ctx context.Context, r *saga.Run) error {
	var p interfaceParams
	if err := r.Params(&p); err != nil {
		return err
	}
	return s.onGuest(ctx, r, func(ctx context.Context, server *Server, hv driver.Hypervisor) error {
		return hv.DetachNIC(ctx, server.ID, p.NIC.PortID)
	})
}

// interfaceRoll gives an interface back to the guest that could not be detached, unless
// its port is gone.
func (s *Service) interfaceRoll(ctx context.Context, r *saga.Run) error {
	var p interfaceParams
	if err := r.Params(&p); err != nil {
		return err
	}
	return s.onGuest(ctx, r, func(ctx context.Context, server *Server, hv driver.Hypervisor) error {
		if server.nic(p.NIC.PortID) < 0 {
			return nil
		}
		nic, err := s.plugOne(ctx, server, p.NIC)
		if err == nil {
			err = hv.AttachNIC(ctx, server.ID, nic)
		}
		if fault.Of(err) == fault.NotFound {
			return nil
		}
		return err
	})
}

// DetachInterface begins to take an interface from a server. Its port is deleted if
// it was made for the server.
func (s *Service) DetachInterface(ctx context.Context, id, portID string) error {
	const op = "compute.DetachInterface"
	server, err := s.GetServer(ctx, id)
	if err != nil {
		return fault.Wrap(op, err)
	}
	i := server.nic(portID)
	if i < 0 {
		return fault.Wrap(op, fault.New(fault.NotFound, "Port id %s could not be found.", portID))
	}
	_, err = s.begin(ctx, id, task{
		op: op, verb: VerbDetachInterface, saga: sagaDetachInterface, action: "detach_interface",
		params: interfaceParams{server.NICs[i]},
	})
	return err
}

// detachInterfaceSaga takes an interface from the guest and lets its port go. A guest that
// does not let go, or says too late that it did, has the interface as before.
func (s *Service) detachInterfaceSaga() saga.Definition {
	return saga.Definition{
		Name: sagaDetachInterface,
		Steps: []saga.Step{
			{Name: "compute_detach_interface", Do: s.interfaceDetach, Undo: s.interfaceRoll, Attempts: driverAttempts},
			{Name: "compute_unplug", Do: s.interfaceUnplug, Attempts: forwardAttempts, Insist: true},
		},
		Finished: s.finished(dropNIC),
		Failed:   s.failed(nil),
		Stuck:    s.broken(),
	}
}

// AddFixedIP begins to give a server a further interface on a network.
func (s *Service) AddFixedIP(ctx context.Context, id, networkID string) error {
	_, err := s.AttachInterface(ctx, id, NetworkRequest{NetworkID: networkID})
	return err
}

// RemoveFixedIP begins to take the interface with an address from a server.
func (s *Service) RemoveFixedIP(ctx context.Context, id, address string) error {
	const op = "compute.RemoveFixedIP"
	if _, err := netip.ParseAddr(address); err != nil {
		return fault.Wrap(op, fault.New(fault.Invalid, "%q is not an address", address))
	}
	addresses, err := s.Addresses(ctx, id)
	if err != nil {
		return err
	}
	for _, a := range addresses[id] {
		if a.IP == address && !a.Floating {
			return s.DetachInterface(ctx, id, a.PortID)
		}
	}
	return fault.Wrap(op, fault.New(fault.Invalid, "Fixed IP %s is not associated with instance %s.", address, id))
}
