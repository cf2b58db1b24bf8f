package cloudtest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/welkin-cloud/cloud/internal/hold"
)

// Fault is something that goes wrong in real clouds, which Cloud.Inject brings about:
//
//	c.Inject(cloudtest.VolumeDetachHangs().For(server.ID))
//	c.Inject(cloudtest.APIUnavailable().At("POST /compute/v2.1/servers").Times(2))
//
// The functions of this package that return one are listed in docs/faults.md. A Fault is
// a value: its methods return one that strikes less often or in fewer places.
type Fault struct {
	name string
	// One of these says how it comes about.
	call    *callFault    // in calls of drivers
	request *requestFault // in requests over HTTP
	step    *stepFault    // in steps of work under way
	commit  *commitFault  // when the database commits
	begin   func(in *Injection) (end func(), err error)
	crash   bool // it ends when the cloud is started again

	ids, hosts, routes []string
	skip, times        int
	lasting            time.Duration
}

// String names the fault as the function that made it.
func (f Fault) String() string { return f.name }

// For limits the fault to what is about one of the resources: a server, with its ports,
// networks and volumes; a port, volume, image, router or network; over HTTP, what has
// the id in its path.
func (f Fault) For(ids ...string) Fault {
	f.ids = slices.Concat(f.ids, ids)
	return f
}

// OnHost limits a fault of hosts to some of them: "host-1".
func (f Fault) OnHost(hosts ...string) Fault {
	f.hosts = slices.Concat(f.hosts, hosts)
	return f
}

// At limits a fault of the API to some routes, in the patterns of http.ServeMux:
// "GET /compute/v2.1/servers/{id}", "/volume/" for all of a service. It replaces the
// routes that the fault is limited to by itself.
func (f Fault) At(patterns ...string) Fault {
	f.routes = slices.Clone(patterns)
	return f
}

// After lets the fault pass over the first n times that it could strike.
func (f Fault) After(n int) Fault {
	f.skip = n
	return f
}

// Times lets the fault strike n times; 0 is without end.
func (f Fault) Times(n int) Fault {
	f.times = n
	return f
}

// Lasting ends the fault by itself after a time on the cloud's clock.
func (f Fault) Lasting(d time.Duration) Fault {
	f.lasting = d
	return f
}

// Inject brings a fault about, from now on until the Injection or the test ends.
// Several at once add up, in the order in which they were injected.
func (c *Cloud) Inject(f Fault) *Injection {
	c.t.Helper()
	in := &Injection{cloud: c, fault: f, struck: make(chan struct{})}
	if err := in.prepare(); err != nil {
		c.t.Fatalf("cloudtest: %s: %v", f.name, err)
	}
	c.injections.add(in)
	if f.begin != nil {
		end, err := f.begin(in)
		if err != nil {
			c.t.Fatalf("cloudtest: %s: %v", f.name, err)
		}
		in.undo = end
	}
	if f.lasting > 0 {
		in.stop = c.clock().AfterFunc(f.lasting, in.End)
	}
	c.t.Cleanup(in.End)
	return in
}

// Injection is a fault at work. It is safe for concurrent use.
type Injection struct {
	cloud    *Cloud
	fault    Fault
	matchers []*http.ServeMux // of Fault.At
	undo     func()           // of faults that begin at once; may be nil
	stop     func() bool      // ends the timer of Lasting; may be nil

	mu     sync.Mutex
	seen   int // how often it could strike
	hits   int
	ended  bool
	holds  map[*hold.Hold]struct{}
	struck chan struct{} // closed and replaced at each hit
}

// prepare checks that the fault can be limited as it is.
func (in *Injection) prepare() (err error) {
	f := &in.fault
	if len(f.hosts) > 0 && (f.call == nil || !f.call.ofHosts) {
		return fmt.Errorf("OnHost is for faults of hosts")
	}
	if len(f.routes) > 0 && f.request == nil {
		return fmt.Errorf("At is for faults of the API")
	}
	for _, h := range f.hosts {
		if !slices.ContainsFunc(in.cloud.Hosts, func(have Host) bool { return have.Name == h }) {
			return fmt.Errorf("there is no host %q", h)
		}
	}
	in.matchers, err = matchers(f.routes)
	return err
}

// End ends the fault: calls that it holds go on as if nothing had been. It may be
// called again, and is at the end of the test.
func (in *Injection) End() {
	in.mu.Lock()
	if in.ended {
		in.mu.Unlock()
		return
	}
	in.ended = true
	holds := in.holds
	in.holds = nil
	in.mu.Unlock()
	in.cloud.injections.remove(in)
	if in.stop != nil {
		in.stop()
	}
	for h := range holds {
		h.End()
	}
	if in.undo != nil {
		in.undo()
	}
}

// Hits is how often the fault has struck.
func (in *Injection) Hits() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.hits
}

// Wait returns when the fault has struck n times. It fails the test if that takes
// longer than Patience.
func (in *Injection) Wait(n int) {
	in.cloud.t.Helper()
	patience := time.NewTimer(Patience)
	defer patience.Stop()
	for {
		in.mu.Lock()
		hits, struck := in.hits, in.struck
		in.mu.Unlock()
		if hits >= n {
			return
		}
		select {
		case <-struck:
		case <-patience.C:
			in.cloud.t.Fatalf("cloudtest: %s has struck %d times, not %d", in.fault.name, hits, n)
		}
	}
}

// strikes counts a place where the fault could strike and reports whether it does.
func (in *Injection) strikes() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ended {
		return false
	}
	in.seen++
	if in.seen <= in.fault.skip || in.fault.times > 0 && in.hits >= in.fault.times {
		return false
	}
	in.hits++
	close(in.struck)
	in.struck = make(chan struct{})
	return true
}

// hang holds a call until the fault or ctx ends.
func (in *Injection) hang(ctx context.Context) error { return in.hold(ctx, hold.Begin(ctx)) }

// pause holds a call for a time on the cloud's clock, or until the fault or ctx ends.
func (in *Injection) pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	h := hold.Begin(ctx)
	defer in.cloud.clock().AfterFunc(d, h.End)()
	return in.hold(ctx, h)
}

func (in *Injection) hold(ctx context.Context, h *hold.Hold) error {
	in.mu.Lock()
	if in.ended {
		h.End()
	} else {
		if in.holds == nil {
			in.holds = map[*hold.Hold]struct{}{}
		}
		in.holds[h] = struct{}{}
	}
	in.mu.Unlock()
	defer func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		delete(in.holds, h)
	}()
	return h.Wait(ctx)
}

// about reports whether the fault is about a resource, or about none in particular.
func (in *Injection) about(related func(id string) bool) bool {
	return len(in.fault.ids) == 0 || slices.ContainsFunc(in.fault.ids, related)
}

// injections are the faults at work, in order. Reading costs one atomic load.
type injections struct {
	mu     sync.Mutex
	active atomic.Pointer[[]*Injection]
}

func (i *injections) all() []*Injection {
	if p := i.active.Load(); p != nil {
		return *p
	}
	return nil
}

func (i *injections) add(in *Injection) {
	i.mu.Lock()
	defer i.mu.Unlock()
	next := append(slices.Clone(i.all()), in)
	i.active.Store(&next)
}

func (i *injections) remove(in *Injection) {
	i.mu.Lock()
	defer i.mu.Unlock()
	next := slices.DeleteFunc(slices.Clone(i.all()), func(o *Injection) bool { return o == in })
	i.active.Store(&next)
}

// end ends all faults, the newest first.
func (i *injections) end() {
	for _, in := range slices.Backward(i.all()) {
		in.End()
	}
}
