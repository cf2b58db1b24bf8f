package state_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// The keys, names and sizes that the clients of the linearizability test use: few, so
// that they meet often.
var (
	linearKeys  = []string{"a", "b", "c"}
	linearNames = []string{"m", "n"}
)

const (
	linearSizes = 3
	linearLimit = 2 // documents that "claim" allows
)

// ask is what a client asks for.
type ask struct {
	verb     string // "get", "count", "put", "swap", "insert", "delete" or "claim"
	key      string
	old, new int    // sizes, for "swap", "put" and "insert"
	name     string // for "insert"
}

// thing is a server as the model sees it.
type thing struct {
	id, name string
	size     int
}

// answer is what it got.
type answer struct {
	kind    fault.Kind
	doc     thing // of "get"
	count   int
	unknown bool // done or not done: the answer was lost
}

// shelf is the model's state: the document under each key, zero if there is none.
type shelf [3]thing

func (s shelf) count() (n int) {
	for _, d := range s {
		if d.id != "" {
			n++
		}
	}
	return n
}

// apply is what the verbs shall do, said in the simplest way.
func (s shelf) apply(a ask) (shelf, answer) {
	i := slices.Index(linearKeys, a.key)
	there := a.key != "" && s[i].id != ""
	switch a.verb {
	case "get":
		if !there {
			return s, answer{kind: fault.NotFound}
		}
		return s, answer{doc: s[i]}
	case "count":
		return s, answer{count: s.count()}
	case "put":
		s[i] = thing{id: a.key, size: a.new}
	case "swap":
		if !there || s[i].size != a.old {
			return s, answer{kind: fault.Conflict}
		}
		s[i].size = a.new
	case "insert":
		taken := slices.ContainsFunc(s[:], func(d thing) bool { return d.id != "" && d.name == a.name })
		if there || taken {
			return s, answer{kind: fault.AlreadyExists}
		}
		s[i] = thing{a.key, a.name, a.new}
	case "claim":
		if there || s.count() >= linearLimit {
			return s, answer{kind: fault.QuotaExceeded}
		}
		s[i] = thing{id: a.key, size: a.new}
	case "delete":
		if !there {
			return s, answer{kind: fault.NotFound}
		}
		s[i] = thing{}
	}
	return s, answer{}
}

// linearModel says which histories are right.
func linearModel() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{shelf{}} },
		Step: func(st, input, output any) []any {
			was, got := st.(shelf), output.(answer)
			is, want := was.apply(input.(ask))
			switch {
			case got.unknown && is != was:
				return []any{was, is}
			case got.unknown:
				return []any{was}
			case got == want:
				return []any{is}
			}
			return nil
		},
	}
	return m.ToModel()
}

// do asks a controller. Reads are of a snapshot after Sync, unless stale is set.
func (c *cloud) do(t *testing.T, a ask, stale bool) (answer, bool) {
	if a.verb == "get" || a.verb == "count" {
		if !stale && c.Sync(t.Context()) != nil {
			return answer{}, false
		}
		return c.read(a), true
	}
	began := uint64(0)
	err := c.Update(t.Context(), func(tx *state.Tx) error { began = tx.Revision(); return c.write(tx, a) })
	if err == nil && c.Snapshot().Revision() <= began {
		t.Errorf("%+v is done, and its controller does not show it", a)
	}
	switch kind := fault.Of(err); {
	case kind == fault.Unavailable:
		return answer{unknown: true}, true
	default:
		return answer{kind: kind}, true
	}
}

func (c *cloud) read(a ask) answer {
	if a.verb == "count" {
		return answer{count: c.servers.Count(c.Snapshot(), nil)}
	}
	doc, err := c.servers.Get(c.Snapshot(), a.key)
	return answer{kind: fault.Of(err), doc: thing{doc.ID, doc.Name, doc.Size}}
}

// shelf is all that a snapshot holds.
func (c *cloud) shelf(r state.Reader) (all shelf) {
	for d := range c.servers.All(r) {
		all[slices.Index(linearKeys, d.ID)] = thing{d.ID, d.Name, d.Size}
	}
	return all
}

func (c *cloud) write(tx *state.Tx, a ask) error {
	switch a.verb {
	case "put":
		return c.servers.Put(tx, server{ID: a.key, Size: a.new})
	case "swap":
		doc, err := c.servers.Get(tx, a.key)
		if err != nil || doc.Size != a.old {
			return fault.New(fault.Conflict, "it has another size")
		}
		doc.Size = a.new
		return c.servers.Put(tx, doc)
	case "insert":
		return c.servers.Insert(tx, server{ID: a.key, Name: a.name, Size: a.new})
	case "claim":
		if c.servers.Has(tx, a.key) || c.servers.Count(tx, c.byProject, "") >= linearLimit {
			return fault.New(fault.QuotaExceeded, "no more")
		}
		return c.servers.Insert(tx, server{ID: a.key, Size: a.new})
	}
	return c.servers.Delete(tx, a.key)
}

func randomAsk(r *rand.Rand) ask {
	verbs := []string{"get", "get", "count", "put", "swap", "swap", "insert", "insert", "claim", "delete"}
	return ask{
		verb: verbs[r.IntN(len(verbs))], key: linearKeys[r.IntN(len(linearKeys))],
		name: linearNames[r.IntN(len(linearNames))], old: r.IntN(linearSizes), new: r.IntN(linearSizes),
	}
}

// run is one history: clients at several controllers, scheduled by a seed.
type linearRun struct {
	seed        uint64
	controllers int
	clients     int // of each
	asks        int // of each client
	stale       bool
	wrap        func(state.Follower) state.Follower // breaks the engine
}

// history plays the run and returns what the clients saw.
func (run linearRun) history(t *testing.T) (history []porcupine.Operation) {
	synctest.Test(t, func(t *testing.T) {
		store := sharedStore(0)
		s := newScheduler(run.seed)
		var controllers []*cloud
		for i := range run.controllers {
			f := on(t, store).(state.Follower)
			if run.wrap != nil {
				f = run.wrap(f)
			}
			controllers = append(controllers, open(t, &scheduled{f, s, fmt.Sprintf("db%d", i)}, nil))
		}
		var mu sync.Mutex
		now, contents := int64(0), map[uint64]shelf{}
		tick := func() int64 { mu.Lock(); defer mu.Unlock(); now++; return now }
		var group sync.WaitGroup
		for i := range run.controllers * run.clients {
			choose := rand.New(rand.NewPCG(run.seed, uint64(i+1)))
			c := controllers[i%run.controllers]
			seen := uint64(0)
			group.Go(func() {
				for range run.asks {
					s.stop(fmt.Sprintf("client%d", i), false)
					op := porcupine.Operation{ClientId: i, Input: randomAsk(choose), Call: tick()}
					got, ok := c.do(t, op.Input.(ask), run.stale)
					op.Output, op.Return = got, tick()
					if ok {
						mu.Lock()
						history = append(history, op)
						mu.Unlock()
					}
					// Without Sync a client may see what is old, but what it sees
					// never goes back, and is the same for all at one revision.
					at := c.Snapshot()
					if at.Revision() < seen {
						t.Errorf("seed %d: revision %d after %d", run.seed, at.Revision(), seen)
					}
					seen = at.Revision()
					mu.Lock()
					if was, known := contents[seen]; known && was != c.shelf(at) && run.wrap == nil {
						t.Errorf("seed %d: controllers differ at revision %d", run.seed, seen)
					}
					contents[seen] = c.shelf(at)
					mu.Unlock()
				}
			})
		}
		done := make(chan struct{})
		go func() { defer close(done); group.Wait() }()
		s.run(done)
		for i := range history {
			if history[i].Output.(answer).unknown {
				history[i].Return = now + 1
			}
		}
	})
	return history
}

func TestTransactionsAreLinearizable(t *testing.T) {
	for _, controllers := range []int{2, 3} {
		t.Run(fmt.Sprintf("%d controllers", controllers), func(t *testing.T) {
			unknown := 0
			for seed := range uint64(150) {
				run := linearRun{seed: seed + 1, controllers: controllers, clients: 2, asks: 12}
				history := run.history(t)
				require.True(t, porcupine.CheckOperations(linearModel(), history), "seed %d:\n%s", run.seed, tell(history))
				for _, op := range history {
					if op.Output.(answer).unknown {
						unknown++
					}
				}
			}
			require.Positive(t, unknown, "no answer was ever lost")
		})
	}
}

// A history that is wrong must be found: otherwise the test above proves nothing.
func TestLinearizabilityIsNotTrivial(t *testing.T) {
	for name, broken := range map[string]linearRun{
		"the engine does not compare revisions": {wrap: func(f state.Follower) state.Follower { return heedless{f} }},
		"reads do not sync":                     {stale: true},
	} {
		t.Run(name, func(t *testing.T) {
			broken.controllers, broken.clients, broken.asks = 2, 2, 12
			wrong := 0
			for broken.seed = 1; broken.seed <= 40; broken.seed++ {
				if !porcupine.CheckOperations(linearModel(), broken.history(t)) {
					wrong++
				}
			}
			require.Positive(t, wrong)
			t.Logf("%d of 40 histories are wrong", wrong)
		})
	}
}

func tell(history []porcupine.Operation) (text string) {
	for _, op := range history {
		text += fmt.Sprintf("%d: %d-%d %+v -> %+v\n", op.ClientId, op.Call, op.Return, op.Input, op.Output)
	}
	return text
}
