package fleet_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fleet"
)

func TestAForkMakesItsDriversWhenTheyAreNeeded(t *testing.T) {
	f := fleet.New(map[string]int{"b": 2, "a": 1})
	require.Equal(t, []string{"a", "b"}, f.Hosts())
	d, ok := f.Get("a")
	require.True(t, ok)
	require.Equal(t, 1, d)

	var made, told []string
	fork := f.Fork(func(host string) int { made = append(made, host); return 10 })
	fork.OnOpen(func(host string, d int) { told = append(told, host) })
	require.True(t, fork.Has("b"))
	require.Equal(t, 2, fork.Len())
	_, ok = fork.Opened("b")
	require.False(t, ok)
	require.Empty(t, made)
	for range 2 {
		d, ok = fork.Get("b")
		require.True(t, ok)
		require.Equal(t, 10, d)
	}
	_, ok = fork.Get("c")
	require.False(t, ok, "no driver is made for a host that the fleet does not have")
	for host := range fork.AllOpened() {
		require.Equal(t, "b", host)
	}
	n := 0
	for range fork.All() {
		n++
	}
	require.Equal(t, 2, n)
	require.Equal(t, []string{"b", "a"}, made, "each is made once")
	require.Equal(t, made, told)
	d, _ = f.Get("b")
	require.Equal(t, 2, d, "the original keeps its own")
}
