package compute

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

// This file holds what all verbs of servers share: how a task is begun with its
// saga, and how the saga leaves the server when it ends.

type adminKey struct{}

// AsAdmin returns a ctx in which neither the lock of a server, nor a project's lack
// of access to a flavor or an image, holds the caller back.
func AsAdmin(ctx context.Context) context.Context {
	return context.WithValue(ctx, adminKey{}, true)
}

func isAdmin(ctx context.Context) bool {
	admin, _ := ctx.Value(adminKey{}).(bool)
	return admin
}

// task is a verb that is done by a saga.
type task struct {
	op     string // the Go operation, for errors
	verb   Verb   // whose precondition must hold
	saga   string // the saga's name
	action string // as instance actions show it
	state  TaskState
	params any // of the saga
	// prepare changes the row further, and may refuse; may be nil.
	prepare func(tx *state.Tx, server *Server) error
}

// begin checks that the task is allowed, marks the server and starts the saga, in
// one transaction.
func (s *Service) begin(ctx context.Context, id string, t task) (Server, error) {
	var server Server
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		var err error
		if server, err = s.server(tx, id); err != nil {
			return err
		}
		if err := checkLock(ctx, &server); err != nil {
			return err
		}
		if err := t.verb.allows(&server); err != nil {
			return err
		}
		was := server
		server.TaskState, server.Fault = t.state, nil
		if t.prepare != nil {
			if err := t.prepare(tx, &server); err != nil {
				return err
			}
		}
		if err := s.writeServer(tx, &was, &server); err != nil {
			return err
		}
		s.emitServer(ctx, tx, &server, t.action+".start")
		return s.startSaga(ctx, tx, &server, t)
	})
	return server, fault.Wrap(t.op, err)
}

// startSaga starts the saga of a task in tx.
func (s *Service) startSaga(ctx context.Context, tx *state.Tx, server *Server, t task) error {
	who := caller.From(ctx)
	_, err := s.core.Sagas.Start(tx, saga.Start{
		Name: t.saga, Action: t.action, Resource: resource(server.ID),
		ProjectID: server.ProjectID, UserID: who.UserID, RequestID: who.RequestID, Params: t.params,
	})
	return err
}

func checkLock(ctx context.Context, server *Server) error {
	if server.Locked && !isAdmin(ctx) {
		return fault.New(fault.Conflict, "Instance %s is locked", server.ID)
	}
	return nil
}

// server reads one server.
func (s *Service) server(r state.Reader, id string) (Server, error) {
	server, err := s.servers.Get(r, id)
	if err != nil {
		return Server{}, fault.New(fault.NotFound, "Instance %s could not be found.", id)
	}
	return server, nil
}

// writeServer replaces the row of a server and keeps the usage of its project. was
// is nil for a new row, is is nil for one that goes.
func (s *Service) writeServer(tx *state.Tx, was, is *Server) error {
	var before, after Usage
	if was != nil {
		before = usageOf(was)
	}
	if is == nil {
		after.ProjectID = was.ProjectID
		if err := s.addUsage(tx, before, after); err != nil {
			return err
		}
		return s.servers.Delete(tx, was.ID)
	}
	is.UpdatedAt = s.core.Clock.Now()
	after = usageOf(is)
	if was == nil {
		before.ProjectID = is.ProjectID
	}
	if err := s.addUsage(tx, before, after); err != nil {
		return err
	}
	return s.servers.Put(tx, *is)
}

// change alters a server's row in tx; a server that is gone is left so.
func (s *Service) change(tx *state.Tx, id string, f func(server *Server)) error {
	server, err := s.servers.Get(tx, id)
	if err != nil {
		return nil
	}
	was := server
	f(&server)
	return s.writeServer(tx, &was, &server)
}

// update alters a server's row for the user, whatever its state.
func (s *Service) update(ctx context.Context, op, id string, f func(tx *state.Tx, server *Server) error) (Server, error) {
	var server Server
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		var err error
		if server, err = s.server(tx, id); err != nil {
			return err
		}
		was := server
		if err := f(tx, &server); err != nil {
			return err
		}
		s.emitServer(ctx, tx, &server, "update")
		return s.writeServer(tx, &was, &server)
	})
	return server, fault.Wrap(op, err)
}

// serverID is the id of the server that a saga works on.
func serverID(r *saga.Run) string {
	return strings.TrimPrefix(r.Saga().Resource, resource(""))
}

// load reads the server that a saga works on.
func (s *Service) load(r *saga.Run) (Server, error) {
	return s.server(r.Snapshot(), serverID(r))
}

// progress notes the task state that follows a step, in the step's record.
func (s *Service) progress(r *saga.Run, next TaskState) {
	r.Commit(func(tx *state.Tx) error {
		return s.change(tx, serverID(r), func(server *Server) {
			if server.TaskState != Deleting {
				server.TaskState = next
			}
		})
	})
}

// finished gives the hook that ends a saga well: the server is idle again, and as
// f leaves it.
func (s *Service) finished(f func(r *saga.Run, server *Server)) func(*state.Tx, *saga.Run) error {
	return func(tx *state.Tx, r *saga.Run) error {
		return s.change(tx, serverID(r), func(server *Server) {
			s.idle(tx, r, server)
			f(r, server)
			s.emitSaga(tx, r, server, ".end")
		})
	}
}

// failed gives the hook that ends a saga that was unwound: the server is idle again
// and has the fault, unless it is being deleted. f, if not nil, says how it is then;
// without it the server is as before the saga.
func (s *Service) failed(f func(r *saga.Run, server *Server)) func(*state.Tx, *saga.Run, error) error {
	return func(tx *state.Tx, r *saga.Run, cause error) error {
		if err := s.keepRefusal(tx, r); err != nil {
			return err
		}
		return s.change(tx, serverID(r), func(server *Server) {
			if s.idle(tx, r, server); server.TaskState != Deleting {
				server.Fault = s.faultOf(cause)
				s.explainFault(r, server.Fault)
			}
			if f != nil {
				f(r, server)
			}
			s.emitSaga(tx, r, server, ".error")
		})
	}
}

// idle says that nothing is being done with the server any more, unless another
// saga waits for its turn: then the task is that one's.
func (s *Service) idle(tx *state.Tx, r *saga.Run, server *Server) {
	for _, other := range s.core.Sagas.Active(tx, resource(server.ID)) {
		if other.ID != r.ID() {
			return
		}
	}
	server.TaskState = Idle
}

// broken is failed for sagas after which the server's state is not known.
func (s *Service) broken() func(*state.Tx, *saga.Run, error) error {
	return s.failed(func(_ *saga.Run, server *Server) {
		if server.TaskState != Deleting {
			server.VMState = Error
		}
	})
}

// faultOf is what a server's owner is told of an error.
func (s *Service) faultOf(cause error) *Fault {
	f := &Fault{Code: 500, Message: fault.Public(cause), Created: s.core.Clock.Now()}
	var e *fault.Error
	if errors.As(cause, &e) {
		f.Details = e.Error()
	}
	return f
}

// emitServer records an event about a server that a request caused.
func (s *Service) emitServer(ctx context.Context, tx *state.Tx, server *Server, what string) {
	s.emit(ctx, tx, "compute.instance."+what, "server", server.ID, server.ProjectID, serverTraits(server))
}

// emitSaga records an event about a server that its saga caused.
func (s *Service) emitSaga(tx *state.Tx, r *saga.Run, server *Server, suffix string) {
	doc := r.Saga()
	tx.Emit(state.Event{
		Type: "compute.instance." + doc.Action + suffix, Resource: "server", ID: server.ID,
		ProjectID: server.ProjectID, UserID: doc.UserID, RequestID: doc.RequestID,
		Time: s.core.Clock.Now(), Traits: serverTraits(server),
	})
}

func serverTraits(server *Server) map[string]string {
	return map[string]string{
		"display_name": server.Name, "instance_type": server.Flavor.Name,
		"state": string(server.VMState), "host": server.Host,
	}
}

// copyOf returns slices and maps of a row that may be changed.
func (s *Server) copyOf() Server {
	c := *s
	c.NICs, c.Volumes = slices.Clone(s.NICs), slices.Clone(s.Volumes)
	c.Metadata, c.Hints = maps.Clone(s.Metadata), maps.Clone(s.Hints)
	return c
}
