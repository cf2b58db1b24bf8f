package network_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/hold"
	"github.com/welkin-cloud/cloud/network"
)

// holding makes a host hold each call of an operation, and gives the holds.
func (c *cloud) holding(host, op string) chan *hold.Hold {
	holds := make(chan *hold.Hold, 10)
	c.hosts[host].SetFault(func(ctx context.Context, at, _ string) error {
		if at != op {
			return nil
		}
		h := hold.Begin(ctx)
		holds <- h
		return h.Wait(ctx)
	})
	return holds
}

func TestWhoWaitsForRestIsToldOfHolds(t *testing.T) {
	c := start(t)
	n := c.network(t, network.CreateNetworkOptions{})
	c.subnet(t, n.ID, "10.0.0.0/24")
	p := c.port(t, n.ID)
	require.NoError(t, c.Idle(t.Context()))
	holds := c.holding("h1", "EnsurePort")

	begun, resumed := make(chan bool, 10), make(chan bool, 10)
	ctx := hold.Watch(t.Context(), func() func() {
		begun <- true
		return func() { resumed <- true }
	})
	bound := make(chan error)
	go func() {
		_, err := c.BindPort(ctx, p.ID, network.Binding{Host: "h1", DeviceID: "s"})
		bound <- err
	}()
	h := <-holds
	<-begun
	require.NoError(t, c.Idle(t.Context()), "what is held is not waited for")
	c.hosts["h1"].SetFault(nil)
	h.End()
	require.Len(t, resumed, 1, "who waits for the call goes on with it")
	require.NoError(t, <-bound)
}

// TestUnbindOvertakes: a port that is no longer wanted does not wait for the host that
// hangs on plugging it in.
func TestUnbindOvertakes(t *testing.T) {
	c := start(t)
	n := c.network(t, network.CreateNetworkOptions{})
	p := c.port(t, n.ID)
	holds := c.holding("h1", "EnsurePort")
	ctx, cancel := context.WithCancel(t.Context())
	bound := make(chan error)
	go func() {
		_, err := c.BindPort(ctx, p.ID, network.Binding{Host: "h1", DeviceID: "s"})
		bound <- err
	}()
	<-holds
	cancel()
	require.Error(t, <-bound)
	require.NoError(t, c.UnbindPort(t.Context(), p.ID, "s"))
	require.NoError(t, c.DeletePort(t.Context(), p.ID))
	c.settle(t, func() bool { return c.empty(t, "h1") })
}
