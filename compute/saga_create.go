package compute

import (
	"context"
	"strings"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

// The names of the sagas are stored with them.
const (
	sagaCreate = "compute.create"
	sagaDelete = "compute.delete"
)

// Names under which sagas keep values from one step for the next.
const (
	varNICs  = "nics"
	varDisks = "disks"
)

// driverAttempts is how often a step tries what a driver answers with
// fault.Unavailable.
const driverAttempts = 5

// forwardAttempts is for steps after which there is no way back, because the guest has
// let go of a device already: with the longest backoff it is a quarter of an hour.
const forwardAttempts = 40

// defineSagas registers all sagas of the service.
func (s *Service) defineSagas() {
	all := append(s.powerSagas(),
		s.createSaga(), s.deleteSaga(), s.snapshotSaga(), s.rebuildSaga(),
		s.attachVolumeSaga(), s.detachVolumeSaga(), s.attachInterfaceSaga(), s.detachInterfaceSaga(),
		s.portTakenSaga(),
		s.resizeSaga(), s.confirmSaga(), s.revertSaga(), s.shelveSaga(), s.unshelveSaga(),
	)
	for _, d := range all {
		s.core.Sagas.Define(d)
	}
	// Its sagas are a server's instance actions: they stay as long as it does.
	s.core.Sagas.Retain(func(r state.Reader, name string) bool {
		id, ok := strings.CutPrefix(name, resource(""))
		return ok && s.servers.Has(r, id)
	})
}

// createSaga boots a server whose row was written with the saga: it chooses a host
// and claims it, plugs ports, readies volumes and the image, and starts the guest.
// All identifiers are in the row.
func (s *Service) createSaga() saga.Definition {
	return saga.Definition{
		Name: sagaCreate,
		Steps: []saga.Step{
			{Name: "compute_schedule", Do: s.createSchedule, Undo: s.createUnschedule},
			{
				Name: "compute_network", Do: s.createPorts, Undo: s.createUnports,
				Skip: s.skip(func(v *Server) bool { return len(v.NICs) == 0 }), Attempts: driverAttempts,
			},
			{
				Name: "compute_volume", Do: s.createVolumes, Undo: s.createUnvolumes,
				Skip: s.skip(func(v *Server) bool { return len(v.Volumes) == 0 }), Attempts: driverAttempts,
			},
			{
				Name: "compute_image", Do: s.createImageOnHost,
				Skip: s.skip(func(v *Server) bool {
					return v.ImageID == "" || s.images.has(v.Host, v.ImageID)
				}),
				Attempts: driverAttempts,
			},
			{Name: "compute_spawn", Do: s.createGuest, Undo: s.createUnguest, Attempts: driverAttempts},
		},
		Finished: s.finished(func(_ *saga.Run, server *Server) {
			server.VMState, server.PowerState = Active, PowerRunning
			server.LaunchedAt, server.Progress = s.core.Clock.Now(), 0
		}),
		Failed: s.createFailed,
		Stuck:  s.broken(),
	}
}

// skip gives a Step.Skip that looks at the server as it is now.
func (s *Service) skip(f func(server *Server) bool) func(*saga.Run) bool {
	return func(r *saga.Run) bool {
		server, err := s.load(r)
		return err == nil && f(&server)
	}
}

func (s *Service) createSchedule(ctx context.Context, r *saga.Run) error {
	up := s.upHosts(ctx)
	r.Commit(func(tx *state.Tx) error {
		server, err := s.server(tx, serverID(r))
		if err != nil || server.Host != "" {
			return err
		}
		was := server
		if err := s.place(tx, r, &server, up); err != nil {
			return err
		}
		if server.TaskState != Deleting {
			server.TaskState = Networking
		}
		return s.writeServer(tx, &was, &server)
	})
	return nil
}

func (s *Service) createUnschedule(_ context.Context, r *saga.Run) error {
	r.Commit(func(tx *state.Tx) error {
		if err := s.Placement.Release(tx, serverID(r)); err != nil {
			return err
		}
		return s.change(tx, serverID(r), func(server *Server) { server.Host, server.Zone = "", "" })
	})
	return nil
}

func (s *Service) createPorts(ctx context.Context, r *saga.Run) error {
	server, err := s.load(r)
	if err != nil {
		return err
	}
	r.OnHost(server.Host)
	nics, err := s.plug(ctx, &server, server.NICs)
	if err != nil {
		return err
	}
	r.Set(varNICs, nics)
	next := Spawning
	if len(server.Volumes) > 0 {
		next = BlockDeviceMap
	}
	s.progress(r, next)
	return nil
}

func (s *Service) createUnports(ctx context.Context, r *saga.Run) error {
	server, err := s.load(r)
	if err != nil {
		return err
	}
	return s.unplug(ctx, &server, server.NICs)
}

func (s *Service) createVolumes(ctx context.Context, r *saga.Run) error {
	server, err := s.load(r)
	if err != nil {
		return err
	}
	r.OnHost(server.Host)
	disks, err := s.connect(ctx, &server, server.Volumes)
	if err != nil {
		return err
	}
	r.Set(varDisks, disks)
	s.progress(r, Spawning)
	return nil
}

func (s *Service) createUnvolumes(ctx context.Context, r *saga.Run) error {
	server, err := s.load(r)
	if err != nil {
		return err
	}
	return s.releaseNew(ctx, server.Volumes)
}

func (s *Service) createImageOnHost(ctx context.Context, r *saga.Run) error {
	server, err := s.load(r)
	if err != nil {
		return err
	}
	r.OnHost(server.Host)
	return s.fetchImage(ctx, server.Host, server.ImageID)
}

func (s *Service) createGuest(ctx context.Context, r *saga.Run) error {
	return s.onHost(r, func(server *Server, hv driver.Hypervisor) error {
		var nics []driver.NIC
		var disks []driver.Disk
		r.Load(varNICs, &nics)
		r.Load(varDisks, &disks)
		if err := s.spawn(ctx, server, server.ImageID, disks, nics); err != nil {
			return err
		}
		return hv.Start(ctx, server.ID)
	})
}

func (s *Service) createUnguest(ctx context.Context, r *saga.Run) error {
	server, err := s.load(r)
	if err != nil {
		return err
	}
	return s.destroy(ctx, server.Host, server.ID)
}

// createFailed leaves the server in error with its fault. It has nothing any more:
// what was made for it has been undone.
func (s *Service) createFailed(tx *state.Tx, r *saga.Run, cause error) error {
	return s.failed(func(_ *saga.Run, server *Server) {
		if server.TaskState != Deleting {
			server.VMState = Error
		}
		server.PowerState = NoPower
		server.NICs, server.Volumes, server.SecurityGroups = nil, nil, nil
	})(tx, r, cause)
}
