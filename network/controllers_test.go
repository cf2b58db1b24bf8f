package network_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/memengine"
	"github.com/welkin-cloud/cloud/network"
	"github.com/welkin-cloud/cloud/network/memnetwork"
)

// slowNews is a line to a shared state on which news may be held up.
type slowNews struct {
	state.Follower
	hold atomic.Pointer[chan struct{}] // reads wait for it; nil: they pass
	free atomic.Int64                  // so many reads pass all the same
}

func (s *slowNews) Since(ctx context.Context, revision uint64) ([]state.ChangeSet, error) {
	if hold := s.hold.Load(); hold != nil && s.free.Add(-1) < 0 {
		<-*hold
	}
	return s.Follower.Since(ctx, revision)
}

// counted is one controller's way to a host, which counts what it removes.
type counted struct {
	*memnetwork.Mechanism
	removed *atomic.Int64
}

func (c counted) RemovePort(ctx context.Context, id string) error {
	c.removed.Add(1)
	return c.Mechanism.RemovePort(ctx, id)
}

// Two controllers realise the same port. One of them hears late that the port, which it
// knows to be unplugged, is plugged in again: it must not take it away.
func TestOldNewsRemoveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memengine.NewStore(memengine.Options{Shared: true})
		line := func() state.Follower {
			e, err := store.Open()
			require.NoError(t, err)
			return e.(state.Follower)
		}
		host := memnetwork.New(memnetwork.Config{Name: "h1"})
		a := &cloud{hosts: map[string]*memnetwork.Mechanism{"h1": host}}
		a.run(t, line(), nil)
		var removed atomic.Int64
		late := &slowNews{Follower: line()}
		b := &cloud{hosts: a.hosts}
		b.run(t, late, func(c *network.Config) { c.Mechanisms["h1"] = counted{host, &removed} })

		n := a.network(t, network.CreateNetworkOptions{})
		a.subnet(t, n.ID, "10.0.0.0/24")
		p := a.port(t, n.ID)
		a.bind(t, p.ID, "h1")
		synctest.Wait()
		require.Zero(t, removed.Load())

		hold := make(chan struct{})
		late.free.Store(1)
		late.hold.Store(&hold)
		require.NoError(t, a.UnbindPort(t.Context(), p.ID, "server-"+p.ID))
		synctest.Wait() // b knows that the port shall go, and asks whether that is the newest
		a.bind(t, p.ID, "h1")
		late.hold.Store(nil)
		close(hold)
		synctest.Wait()
		require.Zero(t, removed.Load())
		_, there := host.Port(p.ID)
		require.True(t, there)
		require.NoError(t, b.Idle(t.Context()))

		require.NoError(t, a.UnbindPort(t.Context(), p.ID, "server-"+p.ID))
		synctest.Wait()
		_, there = host.Port(p.ID)
		require.False(t, there)
		require.Positive(t, removed.Load(), "what shall go is removed by all")
	})
}
