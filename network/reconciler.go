package network

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/hold"
	"github.com/welkin-cloud/cloud/network/driver"
)

// kind is a class of things that the reconciler realises.
type kind string

const (
	kindHost    kind = "host" // what is on it is listed, and all that is checked
	kindNetwork kind = "network"
	kindPort    kind = "port"
	kindRouter  kind = "router"
	kindGroup   kind = "group" // on no host: the ports that let the group in are done again
)

// key names one thing on one host. Two keys are realised at once, one key never.
type key struct {
	kind kind
	host string
	id   string
}

func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.kind, o.kind), cmp.Compare(k.host, o.host), cmp.Compare(k.id, o.id))
}

// item is what the reconciler knows of a key.
type item struct {
	want    uint64 // the state's revision that must be realised
	applied uint64 // the revision that was realised last
	soon    uint64 // becomes want when the timer ends
	again   bool   // realise once more, whatever the revisions say
	queued  bool
	running bool
	present bool // the last run left the thing on the host
	gone    bool // listed in reconciler.gone
	tries   int  // failures in a row
	later   func() bool
	waiters []*waiter
	served  []*waiter         // those that the run under way works for
	held    int               // calls of the run that are held; see package hold
	giveUp  func()            // ends the ctx of the run under way
	plug    driver.Attachment // of ports
	err     error             // of the last try, if it failed
}

func (it *item) due() bool { return it.again || it.applied < it.want }

// waiter waits for a revision to be realised.
type waiter struct {
	want uint64
	done chan outcome
	ctx  context.Context // whose call waits
	hold *hold.Hold      // set while the run is held
}

type outcome struct {
	plug driver.Attachment
	err  error
}

// Delays of the reconciler.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 30 * time.Second
	leaseDelay = 20 * time.Millisecond
)

// reconciler brings the mechanisms of all hosts to what is recorded. It is
// level-based: a key says only that something may have changed; what shall be is
// read from a snapshot when the key is run. So any number of changes is one run,
// and a run that failed is tried again with what is recorded then.
type reconciler struct {
	s       *Service
	log     *slog.Logger
	workers sync.WaitGroup
	stop    context.CancelFunc
	specs   specs
	remotes remotes

	mu     sync.Mutex
	wake   *sync.Cond // work was queued, or closed
	life   context.Context
	closed bool
	items  map[key]*item
	queue  []key                      // each key at most once
	nets   map[string]map[string]bool // network id to hosts that have, or shall have, it
	asked  map[string]bool            // in a fork: the networks whose hosts are in nets
	gone   []key                      // absent things, kept until their last change was followed
	hosts  map[string]driver.Host
	runs   int           // things being realised now
	seen   uint64        // the revision whose changes have been followed
	moved  chan struct{} // closed when one of them has changed; nil if nobody waits
}

func newReconciler(s *Service, log *slog.Logger) *reconciler {
	r := &reconciler{
		s: s, log: log,
		items: map[key]*item{}, nets: map[string]map[string]bool{}, hosts: map[string]driver.Host{},
	}
	r.specs.build = s.networkSpec
	r.wake = sync.NewCond(&r.mu)
	return r
}

func (r *reconciler) start(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.life != nil || r.closed {
		return fault.New(fault.Conflict, "the network service was started already")
	}
	r.life, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	from := r.s.db.Snapshot().Revision()
	r.seen = from
	if r.s.forked {
		r.inherit()
	} else {
		for _, host := range r.s.cfg.Hosts.Hosts() {
			r.again(key{kindHost, host, host}, from)
		}
	}
	for range r.s.cfg.Workers {
		r.workers.Go(r.work)
	}
	r.workers.Go(func() { r.follow(r.life, from) })
	return nil
}

// close waits for the runs under way; who waits for others gets an error.
func (r *reconciler) close() {
	r.mu.Lock()
	r.closed = true
	if r.stop != nil {
		r.stop()
	}
	for _, it := range r.items {
		if it.later != nil {
			it.later()
		}
		if !it.running {
			it.tell(it.waiters, outcome{err: errClosing()})
			it.waiters = nil
		}
	}
	r.wake.Broadcast()
	r.mu.Unlock()
	r.workers.Wait()
}

func errClosing() error { return fault.New(fault.Unavailable, "the network service is closing") }

func (it *item) tell(all []*waiter, o outcome) {
	for _, w := range all {
		w.done <- o // has room for it
	}
}

// get returns the item of a key, new if need be. The caller holds mu.
func (r *reconciler) get(k key) *item {
	it := r.items[k]
	if it == nil {
		it = &item{}
		r.items[k] = it
		if k.kind == kindNetwork {
			if r.nets[k.id] == nil {
				r.nets[k.id] = map[string]bool{}
			}
			r.nets[k.id][k.host] = true
		}
	}
	return it
}

// forget drops the item of a key. The caller holds mu.
func (r *reconciler) forget(k key) {
	delete(r.items, k)
	if hosts := r.nets[k.id]; k.kind == kindNetwork && hosts != nil {
		delete(hosts, k.host)
		if len(hosts) == 0 {
			delete(r.nets, k.id)
			r.specs.forget(k.id)
		}
	}
}

// need says that the thing must be realised as of a revision, soon.
func (r *reconciler) need(k key, revision uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.push(k, r.get(k), revision)
}

// push queues a key unless the revision is realised already. The caller holds mu.
func (r *reconciler) push(k key, it *item, revision uint64) {
	it.want = max(it.want, revision)
	if r.closed || it.queued || it.running || !it.due() {
		return
	}
	it.queued = true
	r.queue = append(r.queue, k)
	r.wake.Signal()
}

// redo says that the thing must be realised once more although its revision was.
func (r *reconciler) redo(k key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.again(k, 0)
}

// again is redo, as of a revision at least. The caller holds mu.
func (r *reconciler) again(k key, revision uint64) {
	it := r.get(k)
	it.again = true
	r.push(k, it, revision)
}

// needLater is need after a delay, in which more changes may come.
func (r *reconciler) needLater(k key, revision uint64, delay time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	it := r.get(k)
	it.soon = max(it.soon, revision)
	r.delay(k, it, delay)
}

// delay queues the key after a time, if it is due then. The caller holds mu.
func (r *reconciler) delay(k key, it *item, d time.Duration) {
	if r.closed || it.later != nil {
		return
	}
	it.later = r.s.clock.AfterFunc(d, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		it.later = nil
		r.push(k, it, it.soon)
	})
}

// await returns when the thing is realised as of a revision, or a run that tried
// it has failed. It does not wait for a worker.
func (r *reconciler) await(ctx context.Context, k key, revision uint64) (driver.Attachment, error) {
	r.mu.Lock()
	if r.life == nil || r.closed {
		r.mu.Unlock()
		return driver.Attachment{}, errClosing()
	}
	it := r.get(k)
	if it.applied >= revision && !it.again {
		defer r.mu.Unlock()
		return it.plug, nil
	}
	w := &waiter{want: revision, done: make(chan outcome, 1), ctx: ctx}
	it.waiters = append(it.waiters, w)
	if it.held > 0 {
		w.hold = hold.Begin(ctx)
	}
	it.want = max(it.want, revision)
	if !it.running {
		it.running = true
		r.runs++
		r.workers.Go(func() { r.run(k, it) })
	}
	r.mu.Unlock()
	defer r.unhold(w)
	select {
	case o := <-w.done:
		return o.plug, o.err
	case <-ctx.Done():
		return driver.Attachment{}, ctx.Err()
	}
}

// work runs queued keys until the reconciler closes.
func (r *reconciler) work() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		for len(r.queue) == 0 && !r.closed {
			r.wake.Wait()
		}
		if r.closed {
			return
		}
		k := r.queue[0]
		r.queue = r.queue[1:]
		it := r.items[k]
		if it == nil {
			r.tellMoved()
			continue
		}
		it.queued = false
		if it.running || !it.due() {
			r.tellMoved()
			continue
		}
		it.running = true
		r.runs++
		r.mu.Unlock()
		r.run(k, it)
		r.mu.Lock()
	}
}

// run realises a key until nothing is due or it fails. The item is marked as
// running by the caller.
func (r *reconciler) run(k key, it *item) {
	ctx := hold.Watch(r.life, func() func() { return r.hold(it) })
	for {
		r.mu.Lock()
		waiters, want := it.waiters, it.want
		it.waiters, it.served, it.again = nil, waiters, false
		try, giveUp := context.WithCancel(ctx)
		it.giveUp = giveUp
		r.mu.Unlock()
		res, err := r.realise(try, k, want)
		giveUp()
		if !r.finish(k, it, waiters, res, err) {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs--
	r.tellMoved()
}

// overtake ends the call of the run under way, if there is one: what it realises is no
// longer wanted, and it may take long.
func (r *reconciler) overtake(k key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if it := r.items[k]; it != nil && it.running && it.giveUp != nil {
		it.giveUp()
	}
}

// result is what one run found.
type result struct {
	seen    uint64 // the revision that it realised
	present bool
	plug    driver.Attachment
}

// finish notes the outcome of a run and reports whether the key must run again at
// once.
func (r *reconciler) finish(k key, it *item, waiters []*waiter, res result, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	it.err = err
	if err != nil {
		it.again = true
		it.tries++
		it.tell(waiters, outcome{err: err})
		if r.closed {
			it.tell(it.waiters, outcome{err: errClosing()})
			it.waiters, it.running = nil, false
			return false
		}
		level := slog.LevelWarn
		if it.tries == 1 { // the order of things often makes the second try succeed
			level = slog.LevelDebug
		}
		r.log.Log(r.life, level, "network: not realised", "kind", k.kind, "id", k.id, "host", k.host, "try", it.tries, "error", err)
		if it.running = len(it.waiters) > 0; !it.running {
			r.delay(k, it, min(firstRetry<<min(it.tries-1, 16), lastRetry))
		}
		return it.running
	}
	it.applied, it.tries, it.present, it.plug = max(it.applied, res.seen), 0, res.present, res.plug
	for _, w := range waiters {
		if w.want <= it.applied {
			w.done <- outcome{plug: it.plug}
		} else {
			it.waiters = append(it.waiters, w)
		}
	}
	if (len(it.waiters) > 0 || it.due()) && !r.closed {
		return true
	}
	it.tell(it.waiters, outcome{err: errClosing()})
	it.waiters, it.running = nil, false
	if !it.present && !it.gone {
		it.gone = true
		r.gone = append(r.gone, k)
	}
	return false
}

// clear forgets absent things whose last change has been followed.
func (r *reconciler) clear(followed uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := r.gone[:0]
	for _, k := range r.gone {
		switch it := r.items[k]; {
		case it.present:
			it.gone = false
		case it.applied > followed || it.running || it.queued || it.later != nil || it.due():
			kept = append(kept, k)
		default:
			r.forget(k)
		}
	}
	r.gone = kept
}

// hostsOf returns the hosts that have, or shall have, a network, in order.
func (r *reconciler) hostsOf(networkID string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inheritNetwork(networkID)
	return slices.Sorted(maps.Keys(r.nets[networkID]))
}
