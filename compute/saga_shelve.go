package compute

import (
	"context"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

const (
	sagaShelve   = "compute.shelve"
	sagaUnshelve = "compute.unshelve"
)

// shelveParams tell what was before.
type shelveParams struct {
	ImageID string  `json:"image,omitempty"` // to hold the root disk; empty for a boot volume
	Was     VMState `json:"was"`
}

// ShelveServer begins to put a server away: its root disk is kept as an image, and
// its host is given back at once, as Nova does by default.
func (s *Service) ShelveServer(ctx context.Context, id string) error {
	const op = "compute.ShelveServer"
	server, err := s.GetServer(ctx, id)
	if err != nil {
		return fault.Wrap(op, err)
	}
	params := &shelveParams{}
	if server.bootVolume() == nil {
		params.ImageID = s.core.IDs.UUID()
	}
	_, err = s.begin(ctx, id, task{
		op: op, verb: VerbShelve, saga: sagaShelve, action: "shelve", state: ShelvingTask, params: params,
		prepare: func(_ *state.Tx, server *Server) error {
			params.Was = server.VMState
			return nil
		},
	})
	return err
}

// shelveSaga turns the guest off, exports its disk, and removes it from its host.
// Ports and volumes stay the server's.
func (s *Service) shelveSaga() saga.Definition {
	return saga.Definition{
		Name: sagaShelve,
		Steps: []saga.Step{
			{Name: "compute_stop", Do: s.shelveStop, Undo: s.shelveRestart, Attempts: driverAttempts},
			{Name: "compute_snapshot", Do: s.shelveExport, Undo: s.shelveUnexport},
			{Name: "compute_offload", Do: s.shelveOffload, Undo: s.shelveReload, Attempts: driverAttempts},
		},
		Finished: func(tx *state.Tx, r *saga.Run) error {
			if err := s.Placement.Release(tx, serverID(r)); err != nil {
				return err
			}
			return s.finished(func(r *saga.Run, server *Server) {
				var p shelveParams
				if r.Params(&p) == nil {
					server.ShelvedImage = p.ImageID
				}
				server.VMState, server.PowerState, server.Host, server.Zone = ShelvedOffloaded, NoPower, "", ""
			})(tx, r)
		},
		Failed: s.failed(nil),
		Stuck:  s.broken(),
	}
}

func (s *Service) shelveStop(ctx context.Context, r *saga.Run) error {
	return s.onHost(r, func(server *Server, hv driver.Hypervisor) error {
		s.progress(r, ShelvingUploading)
		return hv.Stop(ctx, server.ID, s.cfg.StopGrace)
	})
}

// shelveRestart powers the guest on if it was active. What was in the memory of a
// paused or suspended one is lost.
func (s *Service) shelveRestart(ctx context.Context, r *saga.Run) error {
	var p shelveParams
	if err := r.Params(&p); err != nil {
		return err
	}
	return s.onGuest(ctx, r, func(ctx context.Context, server *Server, hv driver.Hypervisor) error {
		if p.Was == Stopped {
			return nil
		}
		return hv.Start(ctx, server.ID)
	})
}

func (s *Service) shelveExport(ctx context.Context, r *saga.Run) error {
	var p shelveParams
	if err := r.Params(&p); err != nil || p.ImageID == "" {
		return err
	}
	return s.onHost(r, func(server *Server, hv driver.Hypervisor) error {
		err := s.queueImage(ctx, server, snapshotParams{ImageID: p.ImageID, Name: server.Name + "-shelved"}, nil)
		if err != nil {
			return err
		}
		s.progress(r, ShelvingOffload)
		return s.export(ctx, hv, server.ID, p.ImageID)
	})
}

func (s *Service) shelveUnexport(ctx context.Context, r *saga.Run) error {
	var p shelveParams
	if err := r.Params(&p); err != nil || p.ImageID == "" {
		return err
	}
	return s.dropImage(ctx, p.ImageID)
}

func (s *Service) shelveOffload(ctx context.Context, r *saga.Run) error {
	return s.onHost(r, func(server *Server, hv driver.Hypervisor) error {
		if err := hv.Destroy(ctx, server.ID); err != nil {
			return err
		}
		return s.unbind(ctx, server)
	})
}

// unbind takes all ports off the server's host; they stay the server's.
func (s *Service) unbind(ctx context.Context, server *Server) error {
	for _, n := range server.NICs {
		if err := s.cfg.Networks.UnbindPort(ctx, n.PortID, server.ID); err != nil {
			return err
		}
	}
	return nil
}

// shelveReload makes the guest again from the image that holds its disk.
func (s *Service) shelveReload(ctx context.Context, r *saga.Run) error {
	var p shelveParams
	if err := r.Params(&p); err != nil {
		return err
	}
	return s.onGuest(ctx, r, func(ctx context.Context, server *Server, hv driver.Hypervisor) error {
		if _, err := hv.Get(ctx, server.ID); fault.Of(err) != fault.NotFound {
			return err
		}
		if p.ImageID != "" {
			if err := s.fetchImage(ctx, server.Host, p.ImageID); err != nil {
				return err
			}
		}
		return s.respawn(ctx, server, p.ImageID)
	})
}

// OffloadServer is for servers that are shelved and still on a host. Here they never
// are: shelving gives the host back at once, and so nothing is left to do.
func (s *Service) OffloadServer(ctx context.Context, id string) error {
	server, err := s.GetServer(ctx, id)
	if err == nil {
		err = VerbShelveOffload.allows(&server)
	}
	return fault.Wrap("compute.OffloadServer", err)
}

// UnshelveServer begins to bring a shelved server back, on whatever host has room;
// zone, if not empty, says where.
func (s *Service) UnshelveServer(ctx context.Context, id, zone string) error {
	_, err := s.begin(ctx, id, task{
		op: "compute.UnshelveServer", verb: VerbUnshelve, saga: sagaUnshelve, action: "unshelve", state: UnshelvingTask,
		prepare: func(tx *state.Tx, server *Server) error {
			if zone == "" {
				return nil
			}
			if !s.zoneExists(tx, zone) {
				return fault.New(fault.Invalid, "The requested availability zone is not available")
			}
			server.RequestedZone = zone
			return nil
		},
	})
	return err
}

// unshelveSaga boots a server again: as the creation does, but with the ports and
// volumes that it has.
func (s *Service) unshelveSaga() saga.Definition {
	return saga.Definition{
		Name: sagaUnshelve,
		Steps: []saga.Step{
			{Name: "compute_schedule", Do: s.unshelveSchedule, Undo: s.createUnschedule},
			{
				Name: "compute_image", Do: s.unshelveImage, Attempts: driverAttempts,
				Skip: s.skip(func(v *Server) bool { return v.ShelvedImage == "" }),
			},
			{Name: "compute_spawn", Do: s.unshelveSpawn, Undo: s.unshelveUnspawn, Attempts: driverAttempts},
			{
				Name: "compute_cleanup", Do: s.unshelveCleanup,
				Skip: s.skip(func(v *Server) bool { return v.ShelvedImage == "" }),
			},
		},
		Finished: s.finished(func(_ *saga.Run, server *Server) {
			server.VMState, server.PowerState, server.ShelvedImage = Active, PowerRunning, ""
			server.LaunchedAt = s.core.Clock.Now()
		}),
		Failed: s.failed(nil),
		Stuck:  s.broken(),
	}
}

func (s *Service) unshelveSchedule(ctx context.Context, r *saga.Run) error {
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
		return s.writeServer(tx, &was, &server)
	})
	return nil
}

func (s *Service) unshelveImage(ctx context.Context, r *saga.Run) error {
	server, err := s.load(r)
	if err != nil {
		return err
	}
	r.OnHost(server.Host)
	return s.fetchImage(ctx, server.Host, server.ShelvedImage)
}

func (s *Service) unshelveSpawn(ctx context.Context, r *saga.Run) error {
	return s.onHost(r, func(server *Server, hv driver.Hypervisor) error {
		if err := s.respawn(ctx, server, server.ShelvedImage); err != nil {
			return err
		}
		return hv.Start(ctx, server.ID)
	})
}

func (s *Service) unshelveUnspawn(ctx context.Context, r *saga.Run) error {
	server, err := s.load(r)
	if err != nil {
		return err
	}
	if err := s.destroy(ctx, server.Host, server.ID); err != nil {
		return err
	}
	return s.unbind(ctx, &server)
}

// unshelveCleanup deletes the image that held the disk. It is not worth failing for.
func (s *Service) unshelveCleanup(ctx context.Context, r *saga.Run) error {
	server, err := s.load(r)
	if err != nil {
		return err
	}
	if err := s.dropImage(ctx, server.ShelvedImage); err != nil {
		s.log.Warn("cannot delete the image of a server that was shelved", "image", server.ShelvedImage, "error", err)
	}
	return nil
}
