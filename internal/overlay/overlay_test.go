package overlay_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/overlay"
)

func TestOnlyWhatIsTouchedIsTaken(t *testing.T) {
	asked := map[string]int{}
	base := map[string]int{"a": 1, "b": 2, "c": 3}
	m := overlay.New(overlay.Base[int]{
		Get: func(id string) (int, bool) {
			asked[id]++
			v, ok := base[id]
			return v, ok
		},
		Keys: func() []string { return []string{"a", "b", "c"} },
	})
	v, ok := m.Get("a")
	require.True(t, ok)
	require.Equal(t, 1, v)
	_, ok = m.Get("x")
	require.False(t, ok)
	m.Get("a")
	m.Get("x")
	require.Equal(t, map[string]int{"a": 1, "x": 1}, asked, "each is asked for once")

	m.Delete("b")
	m.Set("c", 30)
	m.Set("d", 40)
	require.Equal(t, []string{"a", "c", "d"}, m.Keys())
	_, ok = m.Get("b")
	require.False(t, ok, "what was deleted does not come back")
	v, _ = m.Get("c")
	require.Equal(t, 30, v)
	require.Equal(t, 3, m.Len())
	m.Set("b", 20)
	require.Equal(t, []string{"a", "b", "c", "d"}, m.Keys())
	require.Equal(t, map[string]int{"a": 1, "b": 2, "c": 3}, base, "the base stays as it is")
}

func TestWithoutABaseItIsAMap(t *testing.T) {
	m := overlay.New(overlay.Base[string]{})
	require.Zero(t, m.Len())
	m.Set("a", "1")
	for id, v := range m.All() {
		require.Equal(t, "a 1", id+" "+v)
	}
	m.Delete("a")
	_, ok := m.Get("a")
	require.False(t, ok)
}
