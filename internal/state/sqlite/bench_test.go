package sqlite_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/sqlite"
)

// thing stands for a server: about 1 KB of JSON.
type thing struct {
	ID, Name, Project, Host, Status string
	Metadata                        map[string]string
	Size                            int
	Notes                           []string
}

type things struct {
	*state.DB
	all       *state.Collection[thing]
	small     *state.Collection[thing]
	byProject *state.Index[thing]
}

func openThings(t testing.TB, path string) *things {
	engine, err := sqlite.Open(path)
	require.NoError(t, err)
	c := &things{DB: state.New(engine, nil)}
	c.byProject = state.NewIndex("project", func(s *thing) []string { return []string{state.Key(s.Project, s.Name)} })
	byHost := state.NewIndex("host", func(s *thing) []string { return []string{state.Key(s.Host)} })
	id := func(s *thing) string { return s.ID }
	c.all = state.Define(c.DB, state.Spec[thing]{Name: "things", Noun: "thing", Key: id, Indexes: []*state.Index[thing]{c.byProject, byHost}})
	c.small = state.Define(c.DB, state.Spec[thing]{Name: "small", Noun: "thing", Key: id, Indexes: []*state.Index[thing]{c.byProject, byHost}})
	require.NoError(t, c.Open(t.Context()))
	return c
}

func numbered(i int) thing {
	return thing{
		ID: fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(i)*2654435761, i), Name: fmt.Sprint("server-", i),
		Project: fmt.Sprintf("project-%d", i%100), Host: fmt.Sprintf("host-%d", i%1000), Status: "ACTIVE",
		Metadata: map[string]string{"a": strings.Repeat("x", 200), "b": strings.Repeat("y", 200)},
		Notes:    []string{strings.Repeat("n", 180), strings.Repeat("m", 180)}, Size: i,
	}
}

func BenchmarkInsert(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("%d writers", writers), func(b *testing.B) {
			c := openThings(b, filepath.Join(b.TempDir(), "state.db"))
			var next atomic.Int64
			var group sync.WaitGroup
			b.ResetTimer()
			for range writers {
				group.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						err := c.Update(b.Context(), func(tx *state.Tx) error { return c.all.Insert(tx, numbered(int(i))) })
						if err != nil {
							b.Error(err)
						}
					}
				})
			}
			group.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			b.StopTimer()
			require.NoError(b, c.Close())
		})
	}
}

// BenchmarkOpen reads a cloud of servers of 1 KB and twice as many smaller rows.
func BenchmarkOpen(b *testing.B) {
	for _, servers := range []int{33_000, 100_000} {
		b.Run(fmt.Sprintf("%d documents", 3*servers), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "state.db")
			c := openThings(b, path)
			for i := 0; i < servers; i += 1000 {
				require.NoError(b, c.Update(b.Context(), func(tx *state.Tx) error {
					for j := range 1000 {
						s := numbered(i + j)
						if err := c.all.Insert(tx, s); err != nil {
							return err
						}
						s.Metadata, s.Notes = nil, s.Notes[:1]
						for _, suffix := range []string{"p", "c"} {
							s.ID += suffix
							if err := c.small.Insert(tx, s); err != nil {
								return err
							}
						}
					}
					return nil
				}))
			}
			require.NoError(b, c.Close())
			c = nil
			for b.Loop() {
				c = openThings(b, path)
				b.StopTimer()
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB")
				require.NoError(b, c.Close())
				b.StartTimer()
			}
		})
	}
}
