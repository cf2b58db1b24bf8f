package compute

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

// DeleteServer begins to delete a server, in whatever state it is: what is being
// done with it is cancelled and undone first. nil if it is being deleted already.
func (s *Service) DeleteServer(ctx context.Context, id string) error {
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		server, err := s.server(tx, id)
		if err != nil {
			return err
		}
		if err := checkLock(ctx, &server); err != nil {
			return err
		}
		if server.TaskState == Deleting {
			return nil
		}
		if err := s.core.Sagas.Cancel(tx, resource(id)); err != nil {
			return err
		}
		was := server
		server.TaskState, server.Fault = Deleting, nil
		if err := s.writeServer(tx, &was, &server); err != nil {
			return err
		}
		s.emitServer(ctx, tx, &server, "delete.start")
		tx.AfterCommit(func() { s.interrupts.interrupt(id) })
		return s.startSaga(ctx, tx, &server, task{saga: sagaDelete, action: "delete"})
	})
	return fault.Wrap("compute.DeleteServer", err)
}

// deleteSaga removes everything that a server has, and then its row. It cannot be
// undone: what fails is tried again, and at last the server is in error and can be
// deleted once more. It is found in the row what there is to remove; sagas that
// were cancelled have undone their part before.
func (s *Service) deleteSaga() saga.Definition {
	return saga.Definition{
		Name: sagaDelete,
		Steps: []saga.Step{
			{Name: "compute_destroy", Do: s.deleteGuest, Attempts: driverAttempts},
			{
				Name: "compute_network", Do: s.deletePorts, Attempts: forwardAttempts, Insist: true,
				Skip: s.skip(func(v *Server) bool { return len(v.NICs) == 0 }),
			},
			{
				Name: "compute_volume", Do: s.deleteVolumes, Attempts: forwardAttempts, Insist: true,
				Skip: s.skip(func(v *Server) bool { return len(v.Volumes) == 0 }),
			},
			{
				Name: "compute_image", Do: s.deleteShelved, Attempts: forwardAttempts, Insist: true,
				Skip: s.skip(func(v *Server) bool { return v.ShelvedImage == "" }),
			},
		},
		Finished: s.deleteFinished,
		Failed:   s.deleteFailed,
		Stuck:    s.deleteFailed,
	}
}

func (s *Service) deleteGuest(ctx context.Context, r *saga.Run) error {
	server, err := s.load(r)
	if err != nil {
		return err
	}
	r.OnHost(server.Host)
	return s.destroy(ctx, server.Host, server.ID)
}

func (s *Service) deletePorts(ctx context.Context, r *saga.Run) error {
	server, err := s.load(r)
	if err != nil {
		return err
	}
	return s.unplug(ctx, &server, server.NICs)
}

func (s *Service) deleteVolumes(ctx context.Context, r *saga.Run) error {
	server, err := s.load(r)
	if err != nil {
		return err
	}
	return s.release(ctx, server.Volumes)
}

// deleteShelved removes the image that holds a shelved server's disk.
func (s *Service) deleteShelved(ctx context.Context, r *saga.Run) error {
	server, err := s.load(r)
	if err != nil {
		return err
	}
	return s.dropImage(ctx, server.ShelvedImage)
}

func (s *Service) deleteFinished(tx *state.Tx, r *saga.Run) error {
	server, err := s.servers.Get(tx, serverID(r))
	if err != nil {
		return nil
	}
	if err := s.Placement.Release(tx, server.ID); err != nil {
		return err
	}
	if err := s.forgetDecisions(tx, server.ID); err != nil {
		return err
	}
	s.emitSaga(tx, r, &server, ".end")
	return s.writeServer(tx, &server, nil)
}

// deleteFailed leaves the server in error. A resize that waited to be confirmed is not to
// be decided on any more.
func (s *Service) deleteFailed(tx *state.Tx, r *saga.Run, cause error) error {
	if server, err := s.server(tx, serverID(r)); err == nil && server.Resize != nil {
		if err := s.claim(tx, &server, server.Flavor); err != nil {
			return err
		}
	}
	return s.change(tx, serverID(r), func(server *Server) {
		server.VMState, server.TaskState, server.Fault = Error, Idle, s.faultOf(cause)
		server.Resize = nil
		s.emitSaga(tx, r, server, ".error")
	})
}
