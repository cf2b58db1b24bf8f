package simulate

import (
	"context"
	"errors"
	"io"

	"github.com/welkin-cloud/cloud"
	hypervisor "github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/image/memstore"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
	mechanism "github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/memnetwork"
	backend "github.com/welkin-cloud/cloud/volume/driver"
	"github.com/welkin-cloud/cloud/volume/memvolume"
)

// controller is one process of the cloud: one of its lives, from a start to a crash.
type controller struct {
	world  *world
	name   string // "c1": stable over its lives
	life   int
	cloud  *cloud.Cloud  // nil until it has started
	dead   bool          // nothing that it does has an effect any more
	frozen bool          // it stands still, and does not know
	gone   bool          // all its goroutines have ended
	err    error         // why it did not start
	booted chan struct{} // closed when it has started, or not
}

type ownerKey struct{}

// ownerOf returns the controller that a call comes from.
func ownerOf(ctx context.Context) *controller {
	c, _ := ctx.Value(ownerKey{}).(*controller)
	return c
}

func (c *controller) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, ownerKey{}, c)
}

var errDead = fault.New(fault.Unavailable, "the controller has crashed")

// stop stands still until the schedule lets it go on; a dead controller gets errDead,
// and must not have the effect that it was about to have.
func (c *controller) stop(ctx context.Context, label string) error {
	if !c.dead {
		c.world.schedule.wait(ctx, c, label)
	}
	if c.dead {
		return errDead
	}
	return nil
}

// boot starts a life of the controller; it goes on in a goroutine of its own.
func (w *world) boot(name string, life int) *controller {
	c := &controller{world: w, name: name, life: life, booted: make(chan struct{})}
	go func() {
		defer close(c.booted)
		store, err := w.store.Open()
		if err != nil {
			c.err = err
			return
		}
		if c.cloud, c.err = cloud.New(c.context(w.ctx), w.config(c, store.(state.Follower))); c.err != nil {
			w.schedule.note("%s does not start: %v", c.name, c.err)
		}
	}()
	return c
}

// config is that of a cloud on the world's drivers.
func (w *world) config(c *controller, store state.Follower) cloud.Config {
	cfg := cloud.Config{
		Engine: &engine{store, c}, Controller: c.name, Clock: ownClock{w.clock, c}, Log: w.log,
		Seed:     w.seed<<16 + uint64(c.name[1])<<8 + uint64(c.life) + 1,
		Networks: map[string]mechanism.Mechanism{}, ExternalNetwork: physical,
		Images: store_{w.images}, Backups: store_{w.backups}, Volumes: []backend.Backend{volumes{w.volumes}},
		Identity: identity.Settings{BcryptCost: 4},
	}
	for _, h := range w.hosts {
		cfg.Hypervisors = append(cfg.Hypervisors, hypervisor.Hypervisor(host{h.hypervisor}))
		cfg.Networks[h.name] = networks{h.network}
	}
	return cfg
}

// crash ends a life: from now on it has no effect on anything.
func (w *world) crash(c *controller) {
	c.dead, c.frozen = true, false
	w.schedule.releaseAll(c)
	go func() {
		<-c.booted
		if c.cloud != nil {
			err := c.cloud.Close()
			_ = err // it is dead: whatever it could not do is what a crash is
		}
		c.gone = true
	}()
}

// The drivers outlive a controller, so its Close does not close them.
type (
	host     struct{ *memhypervisor.Hypervisor }
	networks struct{ *memnetwork.Mechanism }
	volumes  struct{ *memvolume.Backend }
	store_   struct{ *memstore.Store }
)

// Export gives the start of a volume: gigabytes of zeros would take the time of all
// the rest.
func (v volumes) Export(ctx context.Context, id, format string) (io.ReadCloser, error) {
	r, err := v.Backend.Export(ctx, id, format)
	if err != nil || format != "raw" {
		return r, err
	}
	return io.NopCloser(io.LimitReader(r, 4096)), nil
}

func (host) Close() error     { return nil }
func (networks) Close() error { return nil }
func (volumes) Close() error  { return nil }
func (store_) Close() error   { return nil }

// engine is a controller's connection to the shared state.
type engine struct {
	state.Follower
	owner *controller
}

// Pass is state.Gate's.
func (e *engine) Pass(ctx context.Context) { _ = e.owner.stop(ctx, "transaction") }

// Load is a read.
func (e *engine) Load(ctx context.Context, row func(state.Row) error) (uint64, error) {
	if err := e.owner.stop(ctx, "load"); err != nil {
		return 0, err
	}
	return e.Follower.Load(ctx, row)
}

// Commit may fail before it is stored, and after: then the answer is lost.
func (e *engine) Commit(ctx context.Context, base uint64, sets []state.ChangeSet) error {
	w := e.owner.world
	if err := e.owner.stop(ctx, "commit"); err != nil {
		return err
	}
	if w.fails(w.chaos.commitFails, "the state is not stored") {
		return errLost
	}
	if err := e.Follower.Commit(ctx, base, sets); err != nil {
		return err
	}
	if err := e.owner.stop(ctx, "committed"); err != nil {
		return err
	}
	if w.fails(w.chaos.commitLost, "the state is stored, but the answer is lost") {
		return errLost
	}
	return nil
}

// Since is a read.
func (e *engine) Since(ctx context.Context, revision uint64) ([]state.ChangeSet, error) {
	if err := e.owner.stop(ctx, "catch up"); err != nil {
		return nil, err
	}
	return e.Follower.Since(ctx, revision)
}

// Await hears of others' commits, late.
func (e *engine) Await(ctx context.Context, revision uint64) (uint64, error) {
	newest, err := e.Follower.Await(ctx, revision)
	if err != nil {
		return 0, err
	}
	return newest, e.owner.stop(ctx, "hear")
}

var errLost = errors.New("the connection to the state was lost")
