package state_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/memengine"
)

// model is what a DB should hold, done naively.
type model map[string]server

// pair is a DB and its model, and old snapshots with the models of their time.
type pair struct {
	*cloud
	model model
	past  []moment
	store *memengine.Store // nil in memory
}

type moment struct {
	snapshot *state.Snapshot
	model    model
}

// taken reports whether another document of the model has the name.
func (m model) taken(s server) bool {
	for id, other := range m {
		if id != s.ID && s.Name != "" && other.Name == s.Name && other.Project == s.Project {
			return true
		}
	}
	return false
}

// apply does one random verb to the model and to the transaction and compares.
func (m model) apply(t *rapid.T, c *cloud, tx *state.Tx) {
	s := server{
		ID:      rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}).Draw(t, "id"),
		Project: rapid.SampledFrom([]string{"p", "pp", "q"}).Draw(t, "project"),
		Name:    rapid.SampledFrom([]string{"", "m", "n"}).Draw(t, "name"),
		Size:    rapid.IntRange(0, 9).Draw(t, "size"),
		Tags:    rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y", "z"}), 0, 3, rapid.ID).Draw(t, "tags"),
	}
	if len(s.Tags) == 0 {
		s.Tags = nil // as it comes back from JSON
	}
	_, there := m[s.ID]
	var err error
	var want fault.Kind
	switch rapid.SampledFrom([]string{"insert", "put", "change", "delete", "read"}).Draw(t, "verb") {
	case "insert":
		err = c.servers.Insert(tx, s)
		if there || m.taken(s) {
			want = fault.AlreadyExists
		} else {
			m[s.ID] = s
		}
	case "put":
		err = c.servers.Put(tx, s)
		if m.taken(s) {
			want = fault.AlreadyExists
		} else {
			m[s.ID] = s
		}
	case "change":
		err = c.servers.Change(tx, s.ID, func(doc *server) error { *doc = s; return nil })
		switch {
		case !there:
			want = fault.NotFound
		case m.taken(s):
			want = fault.AlreadyExists
		default:
			m[s.ID] = s
		}
	case "delete":
		err = c.servers.Delete(tx, s.ID)
		if !there {
			want = fault.NotFound
		}
		delete(m, s.ID)
	case "read":
		m.check(t, c, tx)
	}
	require.Equal(t, want, fault.Of(err))
}

// check compares everything that can be read.
func (m model) check(t *rapid.T, c *cloud, r state.Reader) {
	ids := slices.Sorted(maps.Keys(m))
	var all []server
	for _, id := range ids {
		all = append(all, m[id])
		got, err := c.servers.Get(r, id)
		require.NoError(t, err)
		require.Equal(t, m[id], got)
	}
	require.Equal(t, all, slices.Collect(c.servers.All(r)))
	for _, project := range []string{"p", "pp", "q", "none"} {
		n := 0
		for _, s := range m {
			if s.Project == project {
				n++
			}
		}
		require.Equal(t, n, c.servers.Count(r, c.byProject, project))
		for _, name := range []string{"m", "n"} {
			found, ok := c.servers.Find(r, c.byName, project, name)
			require.Equal(t, m.taken(server{ID: "-", Project: project, Name: name}), ok)
			if ok {
				require.Equal(t, m[found.ID], found)
			}
		}
	}
	m.checkPages(t, c, r)
	checkIndexes(t, c, r)
}

// checkPages compares what a walk gives that begins behind any id.
func (m model) checkPages(t *rapid.T, c *cloud, r state.Reader) {
	for _, marker := range []string{"", "a", "a0", "c", "f"} {
		var all, tagged []server
		for _, id := range slices.Sorted(maps.Keys(m)) {
			if id <= marker {
				continue
			}
			all = append(all, m[id])
			if slices.Contains(m[id].Tags, "x") {
				tagged = append(tagged, m[id])
			}
		}
		require.Equal(t, all, slices.Collect(c.servers.After(r, marker)))
		require.Equal(t, tagged, slices.Collect(c.servers.WhereAfter(r, c.byTag, marker, "x")))
		require.Empty(t, slices.Collect(c.servers.WhereAfter(r, c.byTag, marker)), "no tag begins another")
	}
}

// step does one random thing to one of the pairs.
func (p *pair) step(t *rapid.T, tt *testing.T) (forked *pair) {
	switch rapid.SampledFrom([]string{"update", "update", "update", "rivals", "fail", "snapshot", "fork", "reopen"}).Draw(t, "step") {
	case "update":
		p.update(t, func(*state.Tx) {})
	case "rivals":
		// Another commit comes between: the transaction must be as if it ran after.
		done := false
		p.update(t, func(*state.Tx) {
			if !done {
				done = true
				p.update(t, func(*state.Tx) {})
			}
		})
	case "fail":
		broken := errors.New("broken")
		scratch := maps.Clone(p.model)
		require.Equal(t, broken, p.Update(tt.Context(), func(tx *state.Tx) error {
			scratch.apply(t, p.cloud, tx)
			return broken
		}))
	case "snapshot":
		p.past = append(p.past, moment{p.Snapshot(), maps.Clone(p.model)})
	case "fork":
		c := *p.cloud
		c.DB = p.Fork()
		return &pair{cloud: &c, model: maps.Clone(p.model)}
	case "reopen":
		if p.store != nil {
			revision := p.Snapshot().Revision()
			require.NoError(t, p.Close())
			p.cloud = open(tt, on(tt, p.store), nil)
			p.past = nil // they were read with the other's collections
			require.Equal(t, revision, p.Snapshot().Revision())
		}
	}
	return nil
}

// update runs some random verbs in a transaction, with between in their middle.
func (p *pair) update(t *rapid.T, between func(tx *state.Tx)) {
	var before, after model
	require.NoError(t, p.Update(t.Context(), func(tx *state.Tx) error {
		// A run that will be discarded reads an older state than the model's.
		// The event makes it commit, so it comes after its rival in any case.
		tx.Emit(state.Event{Type: "updated"})
		after = model{}
		for s := range p.servers.All(tx) {
			after[s.ID] = s
		}
		before = maps.Clone(after)
		for range rapid.IntRange(0, 4).Draw(t, "verbs") {
			after.apply(t, p.cloud, tx)
		}
		between(tx)
		return nil
	}))
	require.Equal(t, p.model, before, "the run that counted saw all that was committed before it")
	p.model = after
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		store := memengine.NewStore(memengine.Options{})
		pairs := []*pair{
			{cloud: open(t, nil, nil), model: model{}},
			{cloud: open(t, on(t, store), nil), model: model{}, store: store},
		}
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			p := rapid.SampledFrom(pairs).Draw(r, "pair")
			before := p.Snapshot().Revision()
			if forked := p.step(r, t); forked != nil && len(pairs) < 5 {
				pairs = append(pairs, forked)
			}
			require.GreaterOrEqual(r, p.Snapshot().Revision(), before)
			for _, p := range pairs {
				p.model.check(r, p.cloud, p.Snapshot())
				for _, past := range p.past {
					past.model.check(r, p.cloud, past.snapshot)
				}
			}
		}
		for _, p := range pairs {
			require.NoError(r, p.Close())
		}
	})
}
