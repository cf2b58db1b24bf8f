package network_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/network"
	"github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/memnetwork"
)

var _ compute.Networks = (*network.Service)(nil)

func TestBindPort(t *testing.T) {
	c := start(t, "h1", "h2")
	n := c.network(t, network.CreateNetworkOptions{})
	sub := c.subnet(t, n.ID, "10.0.0.0/24")
	p := c.port(t, n.ID)
	require.Equal(t, network.Down, p.Status)

	a := c.bind(t, p.ID, "h1")
	require.NotEmpty(t, a.Tap)
	p, err := c.GetPort(t.Context(), p.ID)
	require.NoError(t, err)
	require.Equal(t, network.Active, p.Status)
	require.Equal(t, "h1", p.Host)

	made, ok := c.hosts["h1"].Network(n.ID)
	require.True(t, ok)
	require.Equal(t, n.Segment, made.Segment)
	require.Equal(t, sub.CIDR, made.Subnets[0].CIDR)
	require.Contains(t, made.Leases, driver.Lease{PortID: p.ID, MAC: p.MAC, Address: p.FixedIPs[0].Address, SubnetID: sub.ID, Hostname: "vm"})
	require.Len(t, made.Service.Addresses, 1)
	plugged, ok := c.hosts["h1"].Port(p.ID)
	require.True(t, ok)
	require.Equal(t, p.MAC, plugged.MAC)
	require.True(t, plugged.Security)
	require.NotEmpty(t, plugged.Rules)

	t.Run("again", func(t *testing.T) { require.Equal(t, a, c.bind(t, p.ID, "h1")) })
	t.Run("by another", func(t *testing.T) {
		_, err := c.BindPort(t.Context(), p.ID, network.Binding{Host: "h1", DeviceID: "other"})
		isRefused(t, err, fault.Conflict, "PortInUse")
		require.NoError(t, c.UnbindPort(t.Context(), p.ID, "other"))
		_, ok := c.hosts["h1"].Port(p.ID)
		require.True(t, ok)
	})
	t.Run("on no host", func(t *testing.T) {
		_, err := c.BindPort(t.Context(), p.ID, network.Binding{Host: "h9", DeviceID: p.DeviceID})
		isRefused(t, err, fault.Invalid, "HostNotFound")
	})
	t.Run("moved", func(t *testing.T) {
		c.bind(t, p.ID, "h2")
		_, ok := c.hosts["h2"].Port(p.ID)
		require.True(t, ok)
		c.settle(t, func() bool { return c.empty(t, "h1") })
	})
	t.Run("unbound", func(t *testing.T) {
		require.NoError(t, c.UnbindPort(t.Context(), p.ID, p.DeviceID))
		_, ok := c.hosts["h2"].Port(p.ID)
		require.False(t, ok)
		p, err := c.GetPort(t.Context(), p.ID)
		require.NoError(t, err)
		require.Equal(t, network.Down, p.Status)
		require.Empty(t, p.Host)
		require.Empty(t, p.DeviceID)
		c.settle(t, func() bool { return c.empty(t, "h2") })
		require.NoError(t, c.UnbindPort(t.Context(), "gone", "x"))
	})
}

// empty reports whether a host has nothing.
func (c *cloud) empty(t *testing.T, host string) bool {
	found, err := c.hosts[host].Inventory(t.Context())
	return err == nil && len(found.Networks)+len(found.Ports)+len(found.Routers) == 0
}

func TestBindPortsAtOnce(t *testing.T) {
	c := start(t, "h1", "h2", "h3")
	_, err := c.SetQuotas(t.Context(), project, map[string]int{"port": -1})
	require.NoError(t, err)
	n := c.network(t, network.CreateNetworkOptions{})
	c.subnet(t, n.ID, "10.0.0.0/22")
	var wg sync.WaitGroup
	errs := make(chan error, 200)
	for i := range cap(errs) {
		wg.Go(func() {
			host := fmt.Sprintf("h%d", i%3+1)
			p, err := c.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: n.ID})
			if err == nil {
				_, err = c.BindPort(t.Context(), p.ID, network.Binding{Host: host, DeviceID: p.ID, DeviceOwner: "compute:nova"})
			}
			if err == nil {
				made, _ := c.hosts[host].Network(n.ID)
				if !slices.ContainsFunc(made.Leases, func(l driver.Lease) bool { return l.PortID == p.ID }) {
					err = fmt.Errorf("port %s is ACTIVE without its lease", p.ID)
				}
			}
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	// Every host learns all leases, every port all members of its group.
	ports, err := c.PortsOn(t.Context(), n.ID)
	require.NoError(t, err)
	c.settle(t, func() bool {
		for _, m := range c.hosts {
			if made, _ := m.Network(n.ID); len(made.Leases) != 200 {
				return false
			}
		}
		for _, p := range ports {
			if p.DeviceOwner == network.OwnerDHCP {
				continue
			}
			plugged, _ := c.hosts[p.Host].Port(p.ID)
			if !slices.ContainsFunc(plugged.Rules, func(r driver.Rule) bool { return r.Ingress && len(r.Remotes) == 200 }) {
				return false
			}
		}
		return true
	})
	for _, p := range ports {
		if p.DeviceOwner != network.OwnerDHCP {
			require.NoError(t, c.DeletePort(t.Context(), p.ID))
		}
	}
	require.NoError(t, c.DeleteNetwork(t.Context(), n.ID))
	c.settle(t, func() bool { return c.empty(t, "h1") && c.empty(t, "h2") && c.empty(t, "h3") })
}

func TestFaultsOfTheDriver(t *testing.T) {
	broken := fault.New(fault.Unavailable, "broken")
	for _, op := range []string{"EnsureNetwork", "EnsureNetwork/after", "EnsurePort", "EnsurePort/after"} {
		t.Run(op, func(t *testing.T) {
			c := start(t)
			n := c.network(t, network.CreateNetworkOptions{})
			c.subnet(t, n.ID, "10.0.0.0/24")
			p := c.port(t, n.ID)
			c.hosts["h1"].SetFault(func(_ context.Context, at, _ string) error {
				if at == op {
					return broken
				}
				return nil
			})
			b := network.Binding{Host: "h1", DeviceID: "s"}
			_, err := c.BindPort(t.Context(), p.ID, b)
			require.ErrorIs(t, err, fault.Unavailable)
			c.hosts["h1"].SetFault(nil)
			// The reconciler goes on by itself.
			c.settle(t, func() bool {
				p, err := c.GetPort(t.Context(), p.ID)
				return err == nil && p.Status == network.Active
			})
			_, err = c.BindPort(t.Context(), p.ID, b)
			require.NoError(t, err)
		})
	}
	t.Run("RemovePort", func(t *testing.T) {
		c := start(t)
		n := c.network(t, network.CreateNetworkOptions{})
		p := c.port(t, n.ID)
		c.bind(t, p.ID, "h1")
		c.hosts["h1"].SetFault(memnetwork.FailTimes("RemovePort", 2, broken))
		require.NoError(t, c.DeletePort(t.Context(), p.ID))
		c.settle(t, func() bool { return c.empty(t, "h1") })
	})
}

func TestStartRemovesOrphansAndRepairs(t *testing.T) {
	c := &cloud{hosts: map[string]*memnetwork.Mechanism{"h1": memnetwork.New(memnetwork.Config{Name: "h1"})}}
	h := c.hosts["h1"]
	require.NoError(t, h.EnsureNetwork(t.Context(), driver.Network{ID: "lost", Segment: 7, MTU: 1450}))
	_, err := h.EnsurePort(t.Context(), driver.Port{ID: "stray", NetworkID: "lost", MAC: "fa:16:3e:00:00:01"})
	require.NoError(t, err)
	require.NoError(t, h.EnsureRouter(t.Context(), driver.Router{ID: "ghost"}))
	c.run(t, nil, nil)
	c.settle(t, func() bool { return c.empty(t, "h1") })
}

func TestSecurityGroupChangesReachPorts(t *testing.T) {
	c := start(t)
	n := c.network(t, network.CreateNetworkOptions{})
	c.subnet(t, n.ID, "10.0.0.0/24")
	g, err := c.CreateSecurityGroup(t.Context(), project, network.CreateSecurityGroupOptions{Name: "web"})
	require.NoError(t, err)
	p, err := c.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: n.ID, SecurityGroups: []string{g.ID}})
	require.NoError(t, err)
	c.bind(t, p.ID, "h1")
	rules := func() []driver.Rule {
		plugged, _ := c.hosts["h1"].Port(p.ID)
		return plugged.Rules
	}
	require.Len(t, rules(), 2)
	want := driver.Rule{Ingress: true, Protocol: "tcp", PortMin: 22, PortMax: 22, Remotes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	r, err := c.CreateSecurityGroupRule(t.Context(), project, network.CreateSecurityGroupRuleOptions{
		GroupID: g.ID, Direction: network.Ingress, Protocol: "tcp", PortMin: ptr(22), PortMax: ptr(22), RemotePrefix: want.Remotes[0],
	})
	require.NoError(t, err)
	has := func(r driver.Rule) func() bool {
		return func() bool {
			return slices.ContainsFunc(rules(), func(h driver.Rule) bool { return fmt.Sprint(h) == fmt.Sprint(r) })
		}
	}
	c.settle(t, has(want))
	require.NoError(t, c.DeleteSecurityGroupRule(t.Context(), r.ID))
	c.settle(t, func() bool { return !has(want)() })

	// A remote group lets its members in, as they come and go.
	friends, err := c.CreateSecurityGroup(t.Context(), project, network.CreateSecurityGroupOptions{Name: "friends"})
	require.NoError(t, err)
	_, err = c.CreateSecurityGroupRule(t.Context(), project, network.CreateSecurityGroupRuleOptions{GroupID: g.ID, Direction: network.Ingress, RemoteGroupID: friends.ID})
	require.NoError(t, err)
	friend, err := c.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: n.ID, SecurityGroups: []string{friends.ID}})
	require.NoError(t, err)
	from := driver.Rule{Ingress: true, PortMin: -1, PortMax: -1, Remotes: []netip.Prefix{netip.PrefixFrom(friend.FixedIPs[0].Address, 32)}}
	c.settle(t, has(from))
	require.NoError(t, c.DeletePort(t.Context(), friend.ID))
	c.settle(t, func() bool { return len(rules()) == 2 })
}
