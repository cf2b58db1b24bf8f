package compute

import (
	"context"
	"maps"
	"slices"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
)

// powerVerb is a verb that is one call of the hypervisor: all of them are sagas of
// one step.
type powerVerb struct {
	action string // as instance actions show it; the saga is "compute." and this
	verb   Verb
	task   TaskState
	do     func(ctx context.Context, s *Service, server *Server, hv driver.Hypervisor) error
	// after and power are the server's states once it is done.
	after VMState
	power PowerState
}

// powerVerbs by name.
var powerVerbs = map[string]powerVerb{
	"start": {
		action: "start", verb: VerbStart, task: PoweringOn, after: Active, power: PowerRunning,
		do: func(ctx context.Context, s *Service, server *Server, hv driver.Hypervisor) error {
			if _, err := s.plug(ctx, server, server.NICs); err != nil {
				return err
			}
			return hv.Start(ctx, server.ID)
		},
	},
	"stop": {
		action: "stop", verb: VerbStop, task: PoweringOff, after: Stopped, power: PowerShutdown,
		do: func(ctx context.Context, s *Service, server *Server, hv driver.Hypervisor) error {
			return hv.Stop(ctx, server.ID, s.cfg.StopGrace)
		},
	},
	"reboot": {
		action: "reboot", verb: VerbReboot, task: Rebooting, after: Active, power: PowerRunning,
		do: func(ctx context.Context, _ *Service, server *Server, hv driver.Hypervisor) error {
			return hv.Reboot(ctx, server.ID, false)
		},
	},
	"reboot_hard": {
		action: "reboot", verb: VerbHardReboot, task: RebootingHard, after: Active, power: PowerRunning,
		do: func(ctx context.Context, s *Service, server *Server, hv driver.Hypervisor) error {
			if _, err := s.plug(ctx, server, server.NICs); err != nil {
				return err
			}
			return hv.Reboot(ctx, server.ID, true)
		},
	},
	"pause": {
		action: "pause", verb: VerbPause, task: Pausing, after: Paused, power: PowerPaused,
		do: func(ctx context.Context, _ *Service, server *Server, hv driver.Hypervisor) error {
			return hv.Pause(ctx, server.ID)
		},
	},
	"unpause": {
		action: "unpause", verb: VerbUnpause, task: Unpausing, after: Active, power: PowerRunning,
		do: func(ctx context.Context, _ *Service, server *Server, hv driver.Hypervisor) error {
			return hv.Unpause(ctx, server.ID)
		},
	},
	"suspend": {
		action: "suspend", verb: VerbSuspend, task: Suspending, after: Suspended, power: PowerShutdown,
		do: func(ctx context.Context, _ *Service, server *Server, hv driver.Hypervisor) error {
			suspender, ok := hv.(driver.Suspender)
			if !ok {
				return fault.New(fault.Unsupported, "host %s cannot suspend guests", server.Host)
			}
			return suspender.Suspend(ctx, server.ID)
		},
	},
	"resume": {
		action: "resume", verb: VerbResume, task: Resuming, after: Active, power: PowerRunning,
		do: func(ctx context.Context, _ *Service, server *Server, hv driver.Hypervisor) error {
			return hv.Start(ctx, server.ID)
		},
	},
}

// powerSagas are the sagas of all power verbs.
func (s *Service) powerSagas() []saga.Definition {
	var all []saga.Definition
	for _, name := range slices.Sorted(maps.Keys(powerVerbs)) {
		all = append(all, s.powerSaga(name, powerVerbs[name]))
	}
	return all
}

func (s *Service) powerSaga(name string, v powerVerb) saga.Definition {
	return saga.Definition{
		Name: "compute." + name,
		Steps: []saga.Step{{
			Name: "compute_" + name, Attempts: driverAttempts,
			Do: func(ctx context.Context, r *saga.Run) error {
				return s.onHost(r, func(server *Server, hv driver.Hypervisor) error {
					return v.do(ctx, s, server, hv)
				})
			},
		}},
		Finished: s.finished(func(_ *saga.Run, server *Server) {
			server.PowerState = v.power
			server.turn(v.after)
		}),
		Failed: s.broken(),
		Stuck:  s.broken(),
	}
}

// power begins a power verb.
func (s *Service) power(ctx context.Context, op, name, id string) error {
	v := powerVerbs[name]
	_, err := s.begin(ctx, id, task{
		op: "compute." + op, verb: v.verb, saga: "compute." + name, action: v.action, state: v.task,
	})
	return err
}

// StartServer begins to power a stopped server on.
func (s *Service) StartServer(ctx context.Context, id string) error {
	return s.power(ctx, "StartServer", "start", id)
}

// StopServer begins to shut a server down.
func (s *Service) StopServer(ctx context.Context, id string) error {
	return s.power(ctx, "StopServer", "stop", id)
}

// RebootServer begins to restart a server: soft asks its guest, hard resets it.
func (s *Service) RebootServer(ctx context.Context, id string, hard bool) error {
	if hard {
		return s.power(ctx, "RebootServer", "reboot_hard", id)
	}
	return s.power(ctx, "RebootServer", "reboot", id)
}

// PauseServer begins to stop a server's processors.
func (s *Service) PauseServer(ctx context.Context, id string) error {
	return s.power(ctx, "PauseServer", "pause", id)
}

// UnpauseServer begins to let a paused server go on.
func (s *Service) UnpauseServer(ctx context.Context, id string) error {
	return s.power(ctx, "UnpauseServer", "unpause", id)
}

// SuspendServer begins to save a server to disk.
func (s *Service) SuspendServer(ctx context.Context, id string) error {
	return s.power(ctx, "SuspendServer", "suspend", id)
}

// ResumeServer begins to restore a suspended server.
func (s *Service) ResumeServer(ctx context.Context, id string) error {
	return s.power(ctx, "ResumeServer", "resume", id)
}
