package compute

import (
	"context"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/network"
)

const sagaPortTaken = "compute.port_taken"

// PortTaken follows the deletion of a port that a server has, in the transaction that
// deletes it: the guest loses its interface, as Neutron has Nova do it with the event
// network-vif-deleted. It waits for what is under way with the server. Conflict if the
// server is suspended: what is saved cannot lose a device.
func (s *Service) PortTaken(_ context.Context, tx *state.Tx, p network.Port) error {
	server, err := s.servers.Get(tx, p.DeviceID)
	if err != nil || server.TaskState == Deleting {
		return nil
	}
	if server.VMState == Suspended || server.TaskState == Suspending {
		return fault.New(fault.Conflict, "Port %s is in use by instance %s, which is suspended.", p.ID, server.ID)
	}
	_, err = s.core.Sagas.Start(tx, saga.Start{
		Name: sagaPortTaken, Action: "detach_interface", Resource: resource(server.ID),
		ProjectID: server.ProjectID, Params: interfaceParams{NIC{PortID: p.ID}},
	})
	return err
}

// portTakenSaga takes an interface whose port is gone from the guest.
func (s *Service) portTakenSaga() saga.Definition {
	return saga.Definition{
		Name: sagaPortTaken,
		Steps: []saga.Step{
			{Name: "compute_detach_interface", Do: s.dropInterface, Attempts: forwardAttempts, Insist: true},
		},
		Finished: s.ifThere(s.finished(dropNIC)),
		Failed: func(tx *state.Tx, r *saga.Run, cause error) error {
			return s.ifThere(func(tx *state.Tx, r *saga.Run) error { return s.failed(nil)(tx, r, cause) })(tx, r)
		},
	}
}

// ifThere makes a hook do nothing if the server was deleted meanwhile.
func (s *Service) ifThere(hook func(*state.Tx, *saga.Run) error) func(*state.Tx, *saga.Run) error {
	return func(tx *state.Tx, r *saga.Run) error {
		if !s.servers.Has(tx, serverID(r)) {
			return nil
		}
		return hook(tx, r)
	}
}

// dropInterface has the guest let go of the interface, if there is a guest.
func (s *Service) dropInterface(ctx context.Context, r *saga.Run) error {
	server, err := s.load(r)
	if fault.Of(err) == fault.NotFound || err == nil && server.Host == "" {
		return nil
	}
	var p interfaceParams
	if err := r.Params(&p); err != nil {
		return err
	}
	return s.onGuest(ctx, r, func(ctx context.Context, server *Server, hv driver.Hypervisor) error {
		return hv.DetachNIC(ctx, server.ID, p.NIC.PortID)
	})
}

// dropNIC takes the interface that a saga is about from the server's row.
func dropNIC(r *saga.Run, server *Server) {
	var p interfaceParams
	if r.Params(&p) != nil {
		return
	}
	if i := server.nic(p.NIC.PortID); i >= 0 {
		nics := server.copyOf().NICs
		server.NICs = append(nics[:i], nics[i+1:]...)
	}
}
