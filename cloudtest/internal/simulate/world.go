package simulate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/image/memstore"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/inject"
	"github.com/welkin-cloud/cloud/internal/state/memengine"
	"github.com/welkin-cloud/cloud/network/memnetwork"
	"github.com/welkin-cloud/cloud/volume/memvolume"
)

// physical is the provider network that external networks are on.
const physical = "physnet1"

// world is what outlives every controller: the stored state and the drivers.
type world struct {
	ctx      context.Context
	seed     uint64
	schedule *schedule
	clock    *clock
	chaos    chaos
	log      *slog.Logger

	store   *memengine.Store
	hosts   []*machine
	volumes *memvolume.Backend
	images  *memstore.Store
	backups *memstore.Store

	controllers []*controller // the newest life of each
	fading      []*controller // earlier lives, whose goroutines have not all ended
	ledger      ledger
	faults      int // faults that were injected
	crashes     int
	problems    []string
}

// machine is a compute host.
type machine struct {
	name       string
	hypervisor *memhypervisor.Hypervisor
	network    *memnetwork.Mechanism
}

// chaos is how likely each misfortune is, for each time that it could happen.
type chaos struct {
	driverFails, driverLost, driverTwice, driverSlow float64
	commitFails, commitLost                          float64
	crash, reboot, freeze, thaw                      float64
	guestDies                                        float64
	hurry                                            float64 // time passes although work is under way
}

func newWorld(ctx context.Context, seed uint64, sched *schedule, log *slog.Logger) *world {
	w := &world{
		ctx: ctx, seed: seed, schedule: sched, clock: newClock(), log: log,
		store: memengine.NewStore(memengine.Options{Shared: true}),
	}
	sched.clock = w.clock
	if sched.log != nil {
		w.clock.heard = func(a *alarm) {
			fmt.Fprintf(sched.log, "       ring %s%s %s\n", a.at.Format("15:04:05.000"), a.set, a.owner.name)
		}
	}
	for _, name := range []string{"host-1", "host-2", "host-3"} {
		w.hosts = append(w.hosts, &machine{
			name: name,
			hypervisor: memhypervisor.New(memhypervisor.Config{
				Name: name, VCPUs: 4, MemoryMiB: 4096, DiskGiB: 40, Fault: w.fault(name+" ", "Host"),
			}),
			network: memnetwork.New(memnetwork.Config{
				Name: name, Physical: []string{physical}, Fault: w.fault(name+" ", "Host"),
			}),
		})
	}
	w.volumes = memvolume.New(memvolume.Config{CapacityGiB: 60, Fault: w.fault("volume ")})
	w.images = memstore.New(memstore.Config{Fault: w.fault("image ")})
	w.backups = memstore.New(memstore.Config{Fault: w.fault("backup ")})
	return w
}

// errInjected is the cause of every error that the simulation makes up.
var errInjected = errors.New("injected by the simulation")

// fault is asked by a driver at each call, with its context: so it knows the controller
// that calls. The calls named free just pass.
func (w *world) fault(where string, free ...string) inject.Fault {
	return func(ctx context.Context, op, id string) error {
		c := ownerOf(ctx)
		for _, f := range free {
			if op == f && (c == nil || !c.dead) {
				return nil
			}
		}
		if c == nil {
			return nil
		}
		if err := c.stop(ctx, where+op+" "+id); err != nil {
			return err
		}
		lost := strings.HasSuffix(op, "/after")
		switch {
		case lost && w.fails(w.chaos.driverLost, "the answer is lost"),
			!lost && w.fails(w.chaos.driverFails, "unavailable"):
			return fault.New(fault.Unavailable, "the driver does not answer").Because(errInjected)
		case !lost && w.fails(w.chaos.driverFails/4, "broken"):
			return fault.New(fault.Internal, "the driver is broken").Because(errInjected)
		case !lost && changes(op) && w.fails(w.chaos.driverTwice, "twice"):
			return inject.ErrTwice
		}
		return nil
	}
}

// changes reports whether a call has an effect that could be had twice.
func changes(op string) bool {
	for _, read := range []string{"Get", "List", "Has", "Inventory", "Open", "Export", "Import", "Put", "Console", "Overwrite"} {
		if strings.HasPrefix(op, read) {
			return false
		}
	}
	return true
}

// fails is true with probability p, and tells of it.
func (w *world) fails(p float64, what string) bool {
	if !w.schedule.chance(p) {
		return false
	}
	w.faults++
	w.schedule.note("  %s", what)
	return true
}

// complain records what must not be.
func (w *world) complain(format string, args ...any) {
	w.schedule.note("WRONG: "+format, args...)
	w.problems = append(w.problems, w.schedule.tale[len(w.schedule.tale)-1])
}

// running returns the controllers that a client can reach.
func (w *world) running() []*controller {
	var list []*controller
	for _, c := range w.controllers {
		if !c.dead && c.cloud != nil {
			list = append(list, c)
		}
	}
	return list
}

const (
	// settleTime is how long the cloud gets to come to rest: longer than any lease,
	// backoff or grace.
	settleTime = 4 * time.Minute
	// patience is how long the simulation waits for what must happen.
	patience = 15 * time.Minute
)
