package compute

import (
	"context"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/placement"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

const (
	sagaResize  = "compute.resize"
	sagaConfirm = "compute.confirm_resize"
	sagaRevert  = "compute.revert_resize"
)

// ResizeServer begins to give a server another flavor, on its host. Until it is
// confirmed or reverted, the server claims the greater of both.
func (s *Service) ResizeServer(ctx context.Context, id, flavorID string) error {
	const op = "compute.ResizeServer"
	_, err := s.begin(ctx, id, task{
		op: op, verb: VerbResize, saga: sagaResize, action: "resize", state: ResizePrep,
		prepare: func(tx *state.Tx, server *Server) error {
			f, err := s.flavors.Get(tx, flavorID)
			if err != nil || !f.VisibleTo(server.ProjectID) && !isAdmin(ctx) {
				return fault.New(fault.Invalid, "Flavor %s could not be found.", flavorID)
			}
			if err := checkResize(server, &f); err != nil {
				return err
			}
			before := usageOf(server)
			server.Resize = &Resize{Old: server.Flavor, New: f.forServer(), OldState: server.VMState}
			after := usageOf(server)
			return s.checkQuota(tx, server.ProjectID, Usage{Cores: after.Cores - before.Cores, RAM: after.RAM - before.RAM})
		},
	})
	return err
}

func checkResize(server *Server, f *Flavor) error {
	switch {
	case f.ID == server.Flavor.ID:
		return fault.New(fault.Invalid, "When resizing, instances must change flavor!")
	case server.bootVolume() == nil && f.DiskGiB < server.Flavor.DiskGiB:
		return fault.New(fault.Invalid, "Resize error: Unable to resize disk down.")
	}
	return nil
}

// resizeSaga claims what the new flavor needs more, and changes the guest while it
// is off.
func (s *Service) resizeSaga() saga.Definition {
	return saga.Definition{
		Name: sagaResize,
		Steps: []saga.Step{
			{Name: "compute_claim", Do: s.resizeClaim, Undo: s.resizeUnclaim},
			{Name: "compute_stop", Do: s.resizeStop, Undo: s.resizeStart, Attempts: driverAttempts},
			{Name: "compute_resize", Do: s.resizeGuest, Undo: s.resizeUnguest, Attempts: driverAttempts},
			{Name: "compute_start", Do: s.resizeStart, Undo: s.resizeStop, Attempts: driverAttempts},
		},
		Finished: s.finished(func(_ *saga.Run, server *Server) {
			server.VMState = Resized
			server.Flavor = server.Resize.New
		}),
		Failed: s.failed(func(_ *saga.Run, server *Server) {
			server.Resize = nil
		}),
		Stuck: s.broken(),
	}
}

// greater is flavor a with the more of each amount of two.
func greater(a, b ServerFlavor) ServerFlavor {
	a.VCPUs, a.MemoryMiB, a.DiskGiB = max(a.VCPUs, b.VCPUs), max(a.MemoryMiB, b.MemoryMiB), max(a.DiskGiB, b.DiskGiB)
	a.EphemeralGiB, a.SwapMiB = max(a.EphemeralGiB, b.EphemeralGiB), max(a.SwapMiB, b.SwapMiB)
	return a
}

// claim makes the server's claim on its host that of a flavor.
func (s *Service) claim(tx *state.Tx, server *Server, f ServerFlavor) error {
	h, err := s.hosts.Get(tx, server.Host)
	if err != nil {
		return err
	}
	err = s.Placement.Claim(tx, placement.Consumer{
		ID: server.ID, ProjectID: server.ProjectID, UserID: server.UserID, Type: "INSTANCE",
		Allocations: map[string]map[string]int{h.ID: claimOf(server, f)},
	})
	if fault.Of(err) == fault.Exhausted {
		return fault.New(fault.Exhausted, "No valid host was found. %s: %s", server.Host, fault.Public(err))
	}
	return err
}

// commitClaim lets the step's record change the claim to the flavor that pick
// chooses, which must fit if it may be more than now.
func (s *Service) commitClaim(r *saga.Run, next TaskState, pick func(re *Resize) ServerFlavor) error {
	r.Commit(func(tx *state.Tx) error {
		server, err := s.server(tx, serverID(r))
		if err != nil || server.Resize == nil {
			return err
		}
		was, f := server, pick(server.Resize)
		if next == ResizeMigrating {
			if err := s.stay(tx, r, &server, f); err != nil {
				return err
			}
		}
		if err := s.claim(tx, &server, f); err != nil {
			return err
		}
		if server.TaskState != Deleting {
			server.TaskState = next
		}
		return s.writeServer(tx, &was, &server)
	})
	return nil
}

func (s *Service) resizeClaim(_ context.Context, r *saga.Run) error {
	return s.commitClaim(r, ResizeMigrating, func(re *Resize) ServerFlavor { return greater(re.New, re.Old) })
}

func (s *Service) resizeUnclaim(_ context.Context, r *saga.Run) error {
	return s.commitClaim(r, ResizePrep, func(re *Resize) ServerFlavor { return re.Old })
}

func (s *Service) resizeStop(ctx context.Context, r *saga.Run) error {
	return s.onGuest(ctx, r, func(ctx context.Context, server *Server, hv driver.Hypervisor) error {
		return hv.Stop(ctx, server.ID, s.cfg.StopGrace)
	})
}

// resizeStart powers the guest on if it was on before.
func (s *Service) resizeStart(ctx context.Context, r *saga.Run) error {
	return s.onGuest(ctx, r, func(ctx context.Context, server *Server, hv driver.Hypervisor) error {
		if server.Resize == nil || server.Resize.OldState != Active {
			return nil
		}
		return hv.Start(ctx, server.ID)
	})
}

func (s *Service) resizeGuest(ctx context.Context, r *saga.Run) error {
	s.progress(r, ResizeFinish)
	return s.reshape(ctx, r, func(re *Resize) ServerFlavor { return re.New })
}

func (s *Service) resizeUnguest(ctx context.Context, r *saga.Run) error {
	return s.reshape(ctx, r, func(re *Resize) ServerFlavor { return re.Old })
}

// reshape gives the guest the size of a flavor. A disk that has grown stays so.
func (s *Service) reshape(ctx context.Context, r *saga.Run, pick func(re *Resize) ServerFlavor) error {
	return s.onGuest(ctx, r, func(ctx context.Context, server *Server, hv driver.Hypervisor) error {
		f := pick(server.Resize)
		disk := max(server.Resize.Old.DiskGiB, server.Resize.New.DiskGiB)
		if server.bootVolume() != nil {
			disk = 0
		}
		// It is off, unless its host lost it after that step and a restart made it run
		// again as recorded.
		if err := hv.Stop(ctx, server.ID, s.cfg.StopGrace); err != nil {
			return err
		}
		return hv.Resize(ctx, server.ID, f.VCPUs, f.MemoryMiB, disk)
	})
}

// ConfirmResize begins to make a resize lasting.
func (s *Service) ConfirmResize(ctx context.Context, id string) error {
	_, err := s.begin(ctx, id, task{
		op: "compute.ConfirmResize", verb: VerbConfirmResize, saga: sagaConfirm, action: "confirmResize",
		prepare: func(_ *state.Tx, server *Server) error {
			if err := undecided(server, VerbConfirmResize); err != nil {
				return err
			}
			decide(server, true, false)
			return nil
		},
	})
	return err
}

// undecided refuses what decides on a resize otherwise than it is decided already. One
// that did not come to its end can only be reverted.
func undecided(server *Server, verb Verb) error {
	re := server.Resize
	if re == nil {
		return nil
	}
	if re.Confirming {
		return fault.New(fault.Conflict, "Cannot '%s' instance %s: its resize is being confirmed.", verb, server.ID)
	}
	if verb == VerbConfirmResize && (re.Reverting || server.Flavor.ID != re.New.ID) {
		return fault.New(fault.Conflict, "Cannot '%s' instance %s: its resize failed and has to be reverted.", verb, server.ID)
	}
	return nil
}

// decide notes what is to become of a server's resize.
func decide(server *Server, confirm, revert bool) {
	if server.Resize != nil {
		re := *server.Resize
		re.Confirming, re.Reverting = confirm, revert
		server.Resize = &re
	}
}

// confirmSaga gives back what only the old flavor needed.
func (s *Service) confirmSaga() saga.Definition {
	return saga.Definition{
		Name: sagaConfirm,
		Steps: []saga.Step{{
			Name: "compute_confirm_resize",
			Do: func(_ context.Context, r *saga.Run) error {
				return s.commitClaim(r, Idle, func(re *Resize) ServerFlavor { return re.New })
			},
		}},
		Finished: s.finished(func(_ *saga.Run, server *Server) {
			server.VMState = Active
			if server.PowerState == PowerShutdown || server.Resize != nil && server.Resize.OldState == Stopped {
				server.VMState = Stopped
			}
			server.Resize = nil
		}),
		Failed: s.failed(undecide),
		Stuck:  s.failed(undecide),
	}
}

// undecide leaves a server in error whose resize could not be confirmed, so that
// either can be tried once it works again.
func undecide(_ *saga.Run, server *Server) {
	decide(server, false, false)
	if server.TaskState != Deleting {
		server.VMState = Error
	}
}

// RevertResize begins to give a resized server its old flavor again.
func (s *Service) RevertResize(ctx context.Context, id string) error {
	_, err := s.begin(ctx, id, task{
		op: "compute.RevertResize", verb: VerbRevertResize, saga: sagaRevert, action: "revertResize",
		state: ResizeReverting,
		prepare: func(_ *state.Tx, server *Server) error {
			if err := undecided(server, VerbRevertResize); err != nil {
				return err
			}
			decide(server, false, true)
			return nil
		},
	})
	return err
}

// revertSaga takes the guest back to its old size.
func (s *Service) revertSaga() saga.Definition {
	return saga.Definition{
		Name: sagaRevert,
		Steps: []saga.Step{
			{Name: "compute_stop", Do: s.resizeStop, Attempts: driverAttempts},
			{Name: "compute_revert_resize", Do: s.resizeUnguest, Attempts: driverAttempts},
			{Name: "compute_start", Do: s.resizeStart, Attempts: driverAttempts},
			{Name: "compute_claim", Do: func(_ context.Context, r *saga.Run) error {
				return s.commitClaim(r, ResizeReverting, func(re *Resize) ServerFlavor { return re.Old })
			}},
		},
		Finished: s.finished(func(_ *saga.Run, server *Server) {
			if server.Resize != nil {
				server.Flavor, server.VMState = server.Resize.Old, server.Resize.OldState
			}
			server.Resize = nil
		}),
		Failed: s.broken(),
		Stuck:  s.broken(),
	}
}
