package compute

import (
	"context"
	"time"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// follow keeps the records of a host's servers true to its guests, until ctx is
// done: it looks at all guests, and then again whenever the driver tells of a
// change, or every minute where it does not.
func (s *Service) follow(ctx context.Context, host string, hv driver.Hypervisor) {
	watcher, watches := hv.(driver.Watcher)
	asked := s.askable(host)
	for ctx.Err() == nil {
		var events <-chan driver.Event
		if watches {
			events = watcher.Watch(ctx)
		}
		s.reconcile(ctx, host, hv)
		for s.next(ctx, host, hv, events, asked) {
		}
		if watches && clock.Sleep(ctx, s.core.Clock, time.Second) != nil {
			return
		}
	}
}

// next looks at what events tell of for a minute, and then at all guests: an event may
// come while a server is busy, and is not believed then. It reports whether the events go
// on.
func (s *Service) next(ctx context.Context, host string, hv driver.Hypervisor, events <-chan driver.Event, asked <-chan chan<- bool) bool {
	tick := make(chan struct{})
	stop := s.core.Clock.AfterFunc(time.Minute, func() { close(tick) })
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick:
			s.reconcile(ctx, host, hv)
			return true
		case e, ok := <-events:
			if !s.heard(ctx, host, hv, e, ok) {
				return false
			}
		case answer := <-asked:
			going := s.drain(ctx, host, hv, events)
			answer <- true
			if !going {
				return false
			}
		}
	}
}

// drain looks at what events have told of so far, and reports whether they go on.
func (s *Service) drain(ctx context.Context, host string, hv driver.Hypervisor, events <-chan driver.Event) bool {
	for {
		select {
		case e, ok := <-events:
			if !s.heard(ctx, host, hv, e, ok) {
				return false
			}
		default:
			return true
		}
	}
}

// heard looks at what an event tells of, and reports whether the events go on.
func (s *Service) heard(ctx context.Context, host string, hv driver.Hypervisor, e driver.Event, ok bool) bool {
	switch {
	case !ok:
		return false
	case e.ID == "":
		s.reconcile(ctx, host, hv)
	default:
		s.observe(ctx, host, hv, e.ID, e.Power)
	}
	return true
}

// askable returns the channel over which the follower of a host can be asked whether it
// has looked at all that happened.
func (s *Service) askable(host string) <-chan chan<- bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.followers == nil {
		s.followers = map[string]chan chan<- bool{}
	}
	if s.followers[host] == nil {
		s.followers[host] = make(chan chan<- bool)
	}
	return s.followers[host]
}

// heardAll waits until the follower of a host has looked at all that happened there,
// but not for long: it may be held up.
func (s *Service) heardAll(ctx context.Context, host string) {
	s.mu.Lock()
	follower := s.followers[host]
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer s.core.Clock.AfterFunc(100*time.Millisecond, cancel)()
	answer := make(chan bool, 1)
	select {
	case follower <- answer:
	case <-ctx.Done():
		return
	}
	select {
	case <-answer:
	case <-ctx.Done():
	}
}

// reconcile compares all guests of a host with the servers that should be there, if
// this controller leads. The record is read after the guests, and is then the newest:
// what is not in it has no server.
func (s *Service) reconcile(ctx context.Context, host string, hv driver.Hypervisor) {
	if !s.core.Sagas.Leads() {
		return
	}
	guests, err := hv.List(ctx)
	if err == nil {
		err = s.core.DB.Sync(ctx)
	}
	if err != nil {
		if ctx.Err() == nil {
			s.log.Warn("cannot compare guests with the record", "host", host, "error", err)
		}
		return
	}
	there := make(map[string]bool, len(guests))
	for _, g := range guests {
		there[g.ID] = true
		if s.owns(host, g.ID) {
			s.observe(ctx, host, hv, g.ID, g.Power)
			continue
		}
		s.dropOrphan(ctx, host, g.ID, hv)
	}
	r := s.core.DB.Snapshot()
	for server := range s.servers.Where(r, s.serverBy.host, host) {
		if !there[server.ID] && server.TaskState == Idle && hasGuest(server.VMState) {
			s.lost(ctx, r, host, hv, &server)
		}
	}
	s.reclaim(ctx, host, hv)
}

// owns reports whether a guest on a host is that of a server, or may become it.
func (s *Service) owns(host, id string) bool {
	r := s.core.DB.Snapshot()
	server, err := s.servers.Get(r, id)
	if err != nil {
		return false
	}
	return server.Host == host || len(s.core.Sagas.Active(r, resource(id))) > 0
}

// hasGuest reports whether a server in that state has a guest.
func hasGuest(state VMState) bool {
	return state == Active || state == Stopped || state == Paused || state == Suspended || state == Resized
}

// observe writes down what a guest did by itself. A server with a task is left
// alone: the task knows better. What was reported may be old, so the hypervisor is
// asked once more, and the record must not change meanwhile.
func (s *Service) observe(ctx context.Context, host string, hv driver.Hypervisor, id string, p driver.Power) {
	r := s.core.DB.Snapshot()
	before, err := s.servers.Get(r, id)
	if err != nil || !differs(&before, host, p) {
		return
	}
	guest, err := hv.Get(ctx, id)
	if err != nil || !differs(&before, host, guest.Power) {
		return
	}
	err = s.core.DB.Update(ctx, func(tx *state.Tx) error {
		now, err := s.servers.Get(tx, id)
		if err != nil || !s.untouched(tx, r, &now, &before) || !differs(&now, host, guest.Power) {
			return nil
		}
		return s.change(tx, id, func(server *Server) {
			s.log.Info("guest changed by itself", "server", id, "host", host, "power", guest.Power, "was", server.VMState)
			server.PowerState = powerState(guest.Power)
			server.VMState = observedState(server.VMState, guest.Power)
			if guest.Power == driver.Crashed {
				s.log.Error("a guest crashed", "server", id, "host", host)
				server.Fault = s.faultOf(fault.New(fault.Internal, "The guest crashed on host %s.", host))
			}
			s.emitServer(ctx, tx, server, "power_update.end")
		})
	})
	if err != nil && ctx.Err() == nil {
		s.log.Warn("cannot record a guest's power", "server", id, "error", err)
	}
}

// untouched reports whether nobody has worked on a server between two states of it.
func (s *Service) untouched(later, earlier state.Reader, now, before *Server) bool {
	return now.UpdatedAt.Equal(before.UpdatedAt) && now.TaskState == before.TaskState &&
		s.lastSaga(later, now.ID) == s.lastSaga(earlier, now.ID)
}

// lastSaga is the id of the newest saga of a server.
func (s *Service) lastSaga(r state.Reader, id string) (last string) {
	for _, h := range s.core.Sagas.History(r, resource(id)) {
		last = h.ID
	}
	return last
}

// differs reports whether a guest's power contradicts the record of its server.
func differs(server *Server, host string, p driver.Power) bool {
	return server.Host == host && server.TaskState == Idle && hasGuest(server.VMState) &&
		observedState(server.VMState, p) != server.VMState
}

// observedState is the state of a server whose guest is found in a power state: a
// running server found off is stopped, and one found running is active. A paused
// one is only logged by Nova, so it stays as it is.
func observedState(was VMState, p driver.Power) VMState {
	off := p == driver.Shutdown || p == driver.Crashed
	switch {
	case off && (was == Active || was == Paused):
		return Stopped
	case p == driver.Running && was == Stopped:
		return Active
	}
	return was
}

// dropOrphan destroys a guest that no server owns, once it has been so for the
// grace: a boot may be under way elsewhere.
func (s *Service) dropOrphan(ctx context.Context, host, id string, hv driver.Hypervisor) {
	s.log.Warn("guest without a server", "guest", id, "host", host)
	s.work.Go(func() {
		if clock.Sleep(ctx, s.core.Clock, s.cfg.OrphanGrace) != nil || !s.core.Sagas.Leads() {
			return
		}
		if s.core.DB.Sync(ctx) != nil || s.owns(host, id) {
			return // the next look finds it if it is still an orphan
		}
		if _, err := hv.Get(ctx, id); fault.Of(err) == fault.NotFound {
			return // an earlier look has seen to it
		}
		if err := hv.Destroy(ctx, id); err != nil {
			s.log.Warn("cannot destroy an orphan", "guest", id, "host", host, "error", err)
			return
		}
		s.log.Info("destroyed a guest without a server", "guest", id, "host", host)
	})
}

// lost marks a server whose guest is gone from its host, unless its record has
// changed since it was seen: then somebody works on it.
func (s *Service) lost(ctx context.Context, r state.Reader, host string, hv driver.Hypervisor, seen *Server) {
	if _, err := hv.Get(ctx, seen.ID); fault.Of(err) != fault.NotFound {
		return
	}
	s.log.Error("the guest of a server is gone", "server", seen.ID, "host", host)
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		now, err := s.servers.Get(tx, seen.ID)
		if err != nil || !s.untouched(tx, r, &now, seen) {
			return nil
		}
		return s.change(tx, seen.ID, func(server *Server) {
			server.VMState, server.PowerState = Error, NoPower
			server.Fault = s.faultOf(fault.New(fault.NotFound, "The guest is gone from host %s.", host))
			s.emitServer(ctx, tx, server, "lost")
		})
	})
	if err != nil && ctx.Err() == nil {
		s.log.Warn("cannot record a lost guest", "server", seen.ID, "error", err)
	}
}
