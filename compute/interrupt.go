package compute

import (
	"context"
	"sync"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/saga"
)

// interrupts ends what is under way with the guest of a server when the server is
// deleted. The saga engine ends a step that is cancelled, but it lets an undo go on: one
// that asks a guest which does not listen would hold the deletion up.
type interrupts struct {
	mu      sync.Mutex
	cancels map[string]context.CancelFunc // by server: its sagas run one at a time
}

// enter returns a ctx that ends when the server is deleted, and what to call when its
// work is done.
func (i *interrupts) enter(ctx context.Context, serverID string) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cancels == nil {
		i.cancels = map[string]context.CancelFunc{}
	}
	i.cancels[serverID] = cancel
	return ctx, func() {
		cancel()
		i.mu.Lock()
		defer i.mu.Unlock()
		delete(i.cancels, serverID)
	}
}

// interrupt ends what is under way with the guest of a server.
func (i *interrupts) interrupt(serverID string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if cancel := i.cancels[serverID]; cancel != nil {
		cancel()
	}
}

// onGuest is onHost for what is done with a guest that exists already, or undone. The
// guest of a server that is being deleted is destroyed instead, at once: it goes
// anyway, and it may not listen to anything gentler.
func (s *Service) onGuest(ctx context.Context, r *saga.Run, f func(ctx context.Context, server *Server, hv driver.Hypervisor) error) error {
	// The server is read after that, so that no deletion comes between unseen.
	guest, done := s.interrupts.enter(ctx, serverID(r))
	defer done()
	return s.onHost(r, func(server *Server, hv driver.Hypervisor) error {
		if server.TaskState != Deleting {
			err := f(guest, server, hv)
			if guest.Err() == nil || ctx.Err() != nil {
				return err
			}
		}
		return hv.Destroy(ctx, server.ID)
	})
}
