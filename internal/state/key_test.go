package state_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/state"
)

func TestKey(t *testing.T) {
	require.Equal(t, "a\x00b", state.Key("a", "b"))
	require.Equal(t, "a", state.Key("a"))
	require.Equal(t, "", state.Key())
	require.NotEqual(t, state.Key("a\x00b"), state.Key("a", "b"))
	require.NotEqual(t, state.Key("a\x01"), state.Key("a\x00"))
}

// FuzzKey checks on random parts that keys sort as their parts do, that different
// parts never meet, and that Where finds a document by each prefix of its parts
// and by nothing else.
func FuzzKey(f *testing.F) {
	f.Add("a", "b", "a", "bc")
	f.Add("a\x00b", "", "a", "b")
	f.Add("\x00", "\x01", "\x00\x01", "")
	f.Add("a", "\xff", "a\x00\xff", "")
	f.Add("a\x01", "b", "a", "\x01b")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		one, two := []string{a, b}, []string{c, d}
		require.Equal(t, slices.Compare(one, two), cmpStrings(state.Key(one...), state.Key(two...)))

		db := open(t, nil, nil)
		db.insert(t, server{ID: "1", Project: a, Name: b})
		for n := range 3 {
			prefix := two[:n]
			want := 0
			if slices.Equal(one[:n], prefix) {
				want = 1
			}
			require.Equal(t, want, db.servers.Count(db.Snapshot(), db.byProject, prefix...))
			_, found := db.servers.Find(db.Snapshot(), db.byProject, prefix...)
			require.Equal(t, n == 2 && want == 1, found)
		}
	})
}
