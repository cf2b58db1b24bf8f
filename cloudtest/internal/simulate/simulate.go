// Package simulate runs a whole cloud, with several controllers over one state, in a
// world that one seed decides: the order in which everything happens, which driver
// calls and commits are slow, fail or lose their answers, when a controller crashes,
// stands still or comes back, and what clients ask for. After it has come to rest,
// nothing may be wrong with it.
//
// Each place where two goroutines could go on in either order has a stop: the start and
// the end of a transaction, each call of a driver and of the state's engine, each alarm
// of the clock. The schedule lets one stop at a time go on and waits until nothing moves
// any more (testing/synctest tells), so a seed gives the same run again.
package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// Options of Run.
type Options struct {
	Seed        uint64
	Operations  int       // that clients ask for; 0 means 200
	Controllers int       // 0 lets the seed decide: one to three
	Log         io.Writer // gets every event; nil for none
}

// Result of Run.
type Result struct {
	Problems   []string // what is wrong, with when it was found
	Tale       []string // the newest events before the end
	Trace      uint64   // a hash of all events: the same for the same seed
	Steps      int
	Operations int
	Refused    int // operations that ended with an error
	Faults     int
	Crashes    int
	Virtual    time.Duration // how long it took in the world
}

// Run runs one seed, inside a bubble of testing/synctest.
func Run(ctx context.Context, o Options) Result {
	if o.Operations == 0 {
		o.Operations = 200
	}
	s := newSchedule(o.Seed, o.Log)
	if o.Controllers == 0 {
		o.Controllers = 1 + s.random.IntN(3)
	}
	logs := io.Discard
	if o.Log != nil {
		logs = o.Log
	}
	handler := &watchful{Handler: slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})}
	w := newWorld(ctx, o.Seed, s, slog.New(handler))
	handler.world = w
	r := run{world: w}
	r.play(o)
	return Result{
		Problems: w.problems, Tale: s.tale, Trace: s.trace.Sum64(), Steps: s.steps,
		Operations: r.asked, Refused: r.refused, Faults: w.faults, Crashes: w.crashes,
		Virtual: w.clock.Now().Sub(newClock().Now()),
	}
}

// run is a run under way.
type run struct {
	*world
	asked, refused int
	clients        int // requests under way
}

// clientsAtOnce bounds the requests that are under way together.
const clientsAtOnce = 6

func (r *run) play(o Options) {
	for i := range o.Controllers {
		r.controllers = append(r.controllers, r.boot(fmt.Sprintf("c%d", i+1), 0))
	}
	r.until("the controllers start", func() bool { return len(r.running()) == o.Controllers })
	r.ask("furnish", func(q *request) error { return r.furnish(q.ctx, q.c) })
	r.until("the world is furnished", func() bool { return r.clients == 0 })
	for r.asked < o.Operations && len(r.problems) == 0 {
		r.chaos = r.mood()
		for n := min(r.asked+o.Operations/4, o.Operations); r.asked < n && len(r.problems) == 0; {
			r.step()
		}
		r.settle()
		r.inspect()
	}
	if len(r.problems) == 0 {
		r.clear()
	}
	r.end()
}

// mood is how bad the next part of the run gets: some parts are calm, so that things
// get built up, and some have one kind of trouble only.
func (r *run) mood() chaos {
	c := chaos{hurry: 0.02, driverSlow: 0.01}
	level := r.schedule.random.Float64()
	for _, p := range []struct {
		field *float64
		most  float64
	}{
		{&c.driverFails, 0.06}, {&c.driverLost, 0.06}, {&c.driverTwice, 0.06}, {&c.driverSlow, 0.05},
		{&c.commitFails, 0.02}, {&c.commitLost, 0.02},
		{&c.crash, 0.004}, {&c.freeze, 0.002}, {&c.guestDies, 0.002},
	} {
		if r.schedule.chance(0.6) {
			*p.field = level * p.most
		}
	}
	c.reboot, c.thaw = 0.05, 0.01
	return c
}

// step lets one thing happen.
func (r *run) step() {
	ready := r.schedule.ready()
	r.bury()
	if r.misfortune() {
		return
	}
	s := r.schedule
	if r.clients < clientsAtOnce && len(r.running()) > 0 && (len(ready) == 0 || s.chance(0.1)) {
		op := choose(s)
		r.ask(op.name, op.do)
		return
	}
	if len(ready) == 0 || s.chance(r.chaos.hurry) {
		if !r.clock.ring(r.clock.Now().Add(time.Minute)) {
			s.note("time passes")
		}
		s.steps++
		return
	}
	st := ready[s.random.IntN(len(ready))]
	if s.chance(r.chaos.driverSlow) {
		st.until = r.clock.Now().Add(time.Duration(s.random.IntN(40)) * time.Second)
		s.note("slow until %s: %s", st.until.Format("15:04:05"), st.label)
		return
	}
	s.release(st)
}

// misfortune has a controller crash, come back, stand still or go on, or a guest die.
func (r *run) misfortune() bool {
	s := r.schedule
	for i, c := range r.controllers {
		switch {
		case c.dead && s.chance(r.chaos.reboot):
			s.note("reboot %s", c.name)
			r.controllers[i] = r.boot(c.name, c.life+1)
		case c.dead:
			continue
		case c.err != nil: // it did not start: as a process that ended
			s.note("%s did not start", c.name)
			c.dead = true
			r.fading = append(r.fading, c)
			r.crash(c)
		case s.chance(r.chaos.crash):
			s.note("crash %s", c.name)
			r.crashes++
			r.fading = append(r.fading, c)
			r.crash(c)
		case c.frozen && s.chance(r.chaos.thaw):
			s.note("thaw %s", c.name)
			c.frozen = false
		case !c.frozen && len(r.controllers) > 1 && s.chance(r.chaos.freeze):
			s.note("freeze %s", c.name)
			c.frozen = true
		default:
			continue
		}
		return true
	}
	if s.chance(r.chaos.guestDies) {
		if m, _ := pick(s, r.hosts); len(m.hypervisor.Guests()) > 0 {
			g, _ := pick(s, m.hypervisor.Guests())
			s.note("guest %s on %s is off", g.ID, m.name)
			m.hypervisor.SetPower(g.ID, "shutdown")
			return true
		}
	}
	return false
}

// bury forgets the lives whose goroutines have ended.
func (r *run) bury() {
	r.fading = slices.DeleteFunc(r.fading, func(c *controller) bool { return c.gone })
}

// ask has a client ask a controller for something, in a goroutine of its own.
func (r *run) ask(name string, do func(q *request) error) {
	c, ok := pick(r.schedule, r.running())
	if !ok {
		return
	}
	r.asked++
	r.clients++
	id := fmt.Sprintf("req-%d", r.asked)
	r.schedule.note("%s asks %s: %s", id, c.name, name)
	ctx := caller.With(c.context(r.ctx), caller.Info{RequestID: id, UserID: "user"})
	q := &request{world: r.world, c: c.cloud, ctx: ctx, id: id}
	go func() {
		_ = c.stop(ctx, "ask")
		err := do(q)
		r.clients--
		if err == nil {
			r.schedule.note("%s is done", id)
			return
		}
		r.refused++
		r.schedule.note("%s: %v", id, err)
		if fault.Of(err) == fault.Internal && !errors.Is(err, errInjected) {
			r.complain("%s (%s) ended with an internal error: %v", id, name, err)
		}
	}()
}

// until lets things happen without misfortune until done.
func (r *run) until(what string, done func() bool) {
	calm := r.chaos
	r.chaos = chaos{}
	defer func() { r.chaos = calm }()
	for end := r.clock.Now().Add(patience); ; {
		ready := r.schedule.ready()
		r.bury()
		switch {
		case done():
			return
		case len(ready) > 0:
			r.schedule.release(ready[r.schedule.random.IntN(len(ready))])
		case r.clock.ring(r.schedule.slow(end)):
			r.schedule.steps++
		case r.clock.Now().Before(end): // a slow call goes on
			r.schedule.steps++
		default:
			r.complain("it does not come about that %s: %s", what, r.waiting())
			return
		}
		if r.schedule.steps > maxSteps {
			r.complain("it goes on for ever before %s", what)
			panic(strings.Join(append(r.problems, r.schedule.tale...), "\n"))
		}
	}
}

// waiting tells what is under way.
func (r *run) waiting() string {
	list := []string{fmt.Sprintf("%d requests are under way", r.clients)}
	for _, c := range r.controllers {
		switch {
		case c.err != nil:
			list = append(list, fmt.Sprintf("%s did not start: %v", c.name, c.err))
		case c.dead || c.cloud == nil:
			list = append(list, c.name+" does not run")
		}
	}
	for _, c := range r.fading {
		list = append(list, fmt.Sprintf("life %d of %s has not ended", c.life, c.name))
	}
	return strings.Join(list, ", ")
}

// maxSteps bounds a run that does not come to its end.
const maxSteps = 100_000

// settle ends all misfortune and gives the cloud time to come to rest.
func (r *run) settle() {
	r.schedule.note("settle")
	r.awaken()
	rest := r.clock.Now().Add(settleTime)
	r.until("it rests", func() bool { return !r.clock.Now().Before(rest) })
}

// awaken has all controllers run.
func (r *run) awaken() {
	r.chaos = chaos{}
	calm := map[*controller]bool{} // started when all misfortune was over
	r.until("all controllers run and no request is under way", func() bool {
		for i, c := range r.controllers {
			c.frozen = false
			if calm[c] || !c.dead && c.err == nil {
				continue
			}
			if !c.dead {
				r.crash(c)
				r.fading = append(r.fading, c)
			}
			r.controllers[i] = r.boot(c.name, c.life+1)
			calm[r.controllers[i]] = true
		}
		return len(r.running()) == len(r.controllers) && r.clients == 0 && len(r.fading) == 0
	})
}

// inspect checks the cloud, and that what was acknowledged is there.
func (r *run) inspect() {
	r.schedule.note("inspect")
	for _, c := range r.running() {
		r.examine(c)
	}
}

func (r *run) examine(c *controller) {
	done := false
	go func() {
		defer func() { done = true }()
		report, err := c.cloud.Check(c.context(r.ctx), nil)
		if err != nil {
			r.complain("%s cannot check: %v", c.name, err)
		}
		for _, f := range report.Findings {
			r.complain("%s: %s: %s: %s", c.name, f.Check, f.Resource, f.Problem)
		}
		r.compare(c.cloud)
	}()
	r.until("the check ends", func() bool { return done })
}

// compare looks for what clients were promised.
func (r *run) compare(c *cloud.Cloud) {
	for _, kind := range []struct {
		name string
		ids  []string
		get  func(id string) error
	}{
		{"server", r.ledger.servers, func(id string) error { _, err := c.Compute.GetServer(r.ctx, id); return err }},
		{"snapshot", r.ledger.snapshots, func(id string) error { _, err := c.Volumes.GetSnapshot(r.ctx, id); return err }},
		{"image", r.ledger.images, func(id string) error { _, err := c.Images.GetImage(r.ctx, id); return err }},
		{"network", r.ledger.networks, func(id string) error { _, err := c.Networks.GetNetwork(r.ctx, id); return err }},
		{"floating IP", r.ledger.floats, func(id string) error { _, err := c.Networks.GetFloatingIP(r.ctx, id); return err }},
	} {
		for _, id := range kind.ids {
			if err := kind.get(id); err != nil && !r.ledger.deleted[id] && !r.ledger.deleted[r.ledger.origin[id]] {
				r.complain("%s %s was acknowledged and is lost: %v", kind.name, id, err)
			}
		}
	}
}
