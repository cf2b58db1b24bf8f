package network_test

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/network"
)

func TestPortsGetAddresses(t *testing.T) {
	c := start(t)
	n := c.network(t, network.CreateNetworkOptions{Name: "n"})
	v4 := c.subnet(t, n.ID, "10.0.0.0/29")
	require.Equal(t, "10.0.0.1", v4.Gateway.String())
	require.Equal(t, []network.Pool{{Start: addr("10.0.0.2"), End: addr("10.0.0.6")}}, v4.Pools)
	p := c.port(t, n.ID)
	require.Regexp(t, "^fa:16:3e:", p.MAC)
	require.Len(t, p.FixedIPs, 1)
	require.Equal(t, v4.ID, p.FixedIPs[0].SubnetID)
	require.True(t, v4.CIDR.Contains(p.FixedIPs[0].Address))
	require.Len(t, p.SecurityGroups, 1)

	t.Run("again with the same id", func(t *testing.T) {
		again, err := c.CreatePort(t.Context(), project, network.CreatePortOptions{ID: p.ID, NetworkID: n.ID})
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
	t.Run("in use", func(t *testing.T) {
		_, err := c.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: n.ID, FixedIPs: []network.FixedIP{{Address: p.FixedIPs[0].Address}}})
		isRefused(t, err, fault.Conflict, "IpAddressInUse")
		_, err = c.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: n.ID, MAC: p.MAC})
		isRefused(t, err, fault.Conflict, "MacAddressInUse")
	})
	t.Run("not of the network", func(t *testing.T) {
		_, err := c.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: n.ID, FixedIPs: []network.FixedIP{{Address: addr("10.1.0.3")}}})
		isRefused(t, err, fault.Invalid, "InvalidIpForNetwork")
		_, err = c.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: n.ID, FixedIPs: []network.FixedIP{{SubnetID: v4.ID, Address: addr("10.0.0.7")}}})
		isRefused(t, err, fault.Invalid, "InvalidIpForSubnet")
	})
	t.Run("until there are none", func(t *testing.T) {
		var last network.Port
		for range 3 { // 5 addresses: one is of DHCP, one of p
			last = c.port(t, n.ID)
		}
		_, err := c.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: n.ID})
		isRefused(t, err, fault.Exhausted, "IpAddressGenerationFailure")
		require.NoError(t, c.DeletePort(t.Context(), last.ID))
		require.Equal(t, ips(last), ips(c.port(t, n.ID)))
	})
}

func TestHostsComputeTheirAddresses(t *testing.T) {
	c := start(t)
	n := c.network(t, network.CreateNetworkOptions{})
	before, err := c.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: n.ID, MAC: "FA:16:3E:01:02:04"})
	require.NoError(t, err)
	require.Empty(t, before.FixedIPs)
	sub, err := c.CreateSubnet(t.Context(), project, network.CreateSubnetOptions{
		NetworkID: n.ID, CIDR: netip.MustParsePrefix("2001:db8::/64"), RAMode: "slaac", AddressMode: "slaac",
	})
	require.NoError(t, err)
	after, err := c.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: n.ID, MAC: "fa:16:3e:01:02:03"})
	require.NoError(t, err)
	require.Equal(t, []string{"2001:db8::f816:3eff:fe01:203"}, ips(after))
	before, err = c.GetPort(t.Context(), before.ID)
	require.NoError(t, err)
	require.Equal(t, []string{"2001:db8::f816:3eff:fe01:204"}, ips(before))
	_, err = c.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: n.ID, FixedIPs: []network.FixedIP{{SubnetID: sub.ID, Address: addr("2001:db8::5")}}})
	isRefused(t, err, fault.Invalid, "AllocationOnAutoAddressSubnet")
	require.NoError(t, c.DeleteSubnet(t.Context(), sub.ID))
	after, err = c.GetPort(t.Context(), after.ID)
	require.NoError(t, err)
	require.Empty(t, after.FixedIPs)
	isRefused(t, c.DeleteNetwork(t.Context(), n.ID), fault.Conflict, "NetworkInUse")
}

func TestAddressesAreUniqueUnderConcurrency(t *testing.T) {
	c := start(t)
	_, err := c.SetQuotas(t.Context(), project, map[string]int{"port": -1})
	require.NoError(t, err)
	n := c.network(t, network.CreateNetworkOptions{})
	c.subnet(t, n.ID, "10.0.0.0/21")
	const goroutines, each = 64, 20
	var wg sync.WaitGroup
	errs := make(chan error, goroutines*each)
	for range goroutines {
		wg.Go(func() {
			for range each {
				_, err := c.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: n.ID})
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	ports, err := c.PortsOn(t.Context(), n.ID)
	require.NoError(t, err)
	require.Len(t, ports, goroutines*each+1)
	seen, macs := map[string]bool{}, map[string]bool{}
	for _, p := range ports {
		require.False(t, seen[ips(p)[0]] || macs[p.MAC], "twice: %v", p)
		seen[ips(p)[0]], macs[p.MAC] = true, true
	}
}

func TestFullSubnetUnderConcurrency(t *testing.T) {
	c := start(t)
	n := c.network(t, network.CreateNetworkOptions{})
	c.subnet(t, n.ID, "10.0.0.0/27") // 29 in the pool, one of them is of DHCP
	var wg sync.WaitGroup
	var mu sync.Mutex
	made, full := 0, 0
	for range 64 {
		wg.Go(func() {
			_, err := c.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: n.ID})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made++
			} else if fault.Of(err) == fault.Exhausted {
				full++
			}
		})
	}
	wg.Wait()
	require.Equal(t, 28, made)
	require.Equal(t, 36, full)
}

// TestAddressesLikeAModel compares the service with a set of addresses.
func TestAddressesLikeAModel(t *testing.T) {
	c := start(t)
	_, err := c.SetQuotas(t.Context(), project, map[string]int{"port": -1, "network": -1, "subnet": -1})
	require.NoError(t, err)
	rapid.Check(t, func(rt *rapid.T) {
		n := c.network(t, network.CreateNetworkOptions{})
		bits := rapid.IntRange(27, 30).Draw(rt, "bits")
		sub, err := c.CreateSubnet(t.Context(), project, network.CreateSubnetOptions{
			NetworkID: n.ID, CIDR: netip.MustParsePrefix(fmt.Sprintf("10.0.0.0/%d", bits)), EnableDHCP: ptr(false),
		})
		require.NoError(rt, err)
		free := 1<<(32-bits) - 3
		model := map[string]string{} // address to port
		rt.Repeat(map[string]func(*rapid.T){
			"create": func(rt *rapid.T) {
				p, err := c.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: n.ID})
				if len(model) == free {
					require.Equal(rt, fault.Exhausted, fault.Of(err))
					return
				}
				require.NoError(rt, err)
				a := ips(p)[0]
				require.NotContains(rt, model, a)
				require.NotEqual(rt, sub.Gateway.String(), a)
				model[a] = p.ID
			},
			"ask": func(rt *rapid.T) {
				a := netip.AddrFrom4([4]byte{10, 0, 0, byte(2 + rapid.IntRange(0, free-1).Draw(rt, "host"))})
				p, err := c.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: n.ID, FixedIPs: []network.FixedIP{{Address: a}}})
				if _, taken := model[a.String()]; taken {
					require.Equal(rt, fault.Conflict, fault.Of(err))
					return
				}
				require.NoError(rt, err)
				model[a.String()] = p.ID
			},
			"delete": func(rt *rapid.T) {
				for a, id := range model {
					require.NoError(rt, c.DeletePort(t.Context(), id))
					delete(model, a)
					return
				}
			},
			"": func(rt *rapid.T) {
				ports, err := c.PortsOn(t.Context(), n.ID)
				require.NoError(rt, err)
				require.Len(rt, ports, len(model))
				for _, p := range ports {
					require.Equal(rt, p.ID, model[ips(p)[0]])
				}
			},
		})
	})
}

func TestPortChanges(t *testing.T) {
	c := start(t)
	n := c.network(t, network.CreateNetworkOptions{})
	one, two := c.subnet(t, n.ID, "10.0.0.0/24"), c.subnet(t, n.ID, "10.0.1.0/24")
	p := c.port(t, n.ID)
	both := []network.FixedIP{{SubnetID: one.ID}, {SubnetID: two.ID}}
	p2, err := c.UpdatePort(t.Context(), p.ID, network.UpdatePortOptions{FixedIPs: &both, Labels: network.Labels{Name: ptr("x")}})
	require.NoError(t, err)
	require.Len(t, p2.FixedIPs, 2)
	require.Equal(t, p.FixedIPs[0], p2.FixedIPs[0], "it keeps what it has")
	require.Equal(t, "x", p2.Name)
	require.Equal(t, p.Revision+1, p2.Revision)
	_, err = c.UpdatePort(t.Context(), p.ID, network.UpdatePortOptions{PortSecurity: ptr(false)})
	isRefused(t, err, fault.Conflict, "PortSecurityPortHasSecurityGroup")
	_, err = c.UpdatePort(t.Context(), p.ID, network.UpdatePortOptions{PortSecurity: ptr(false), SecurityGroups: &[]string{}})
	require.NoError(t, err)
	pair := network.AddressPair{Address: netip.MustParsePrefix("10.9.0.0/24")}
	_, err = c.UpdatePort(t.Context(), p.ID, network.UpdatePortOptions{Pairs: &[]network.AddressPair{pair}})
	isRefused(t, err, fault.Conflict, "AddressPairAndPortSecurityRequired")
	isRefused(t, c.DeleteSubnet(t.Context(), one.ID), fault.Conflict, "SubnetInUse")
	found, err := c.PortAt(t.Context(), n.ID, ips(p2)[1])
	require.NoError(t, err)
	require.Equal(t, p.ID, found.ID)
}

func TestQuotas(t *testing.T) {
	c := start(t)
	n := c.network(t, network.CreateNetworkOptions{})
	_, err := c.SetQuotas(t.Context(), project, map[string]int{"port": 1})
	require.NoError(t, err)
	p := c.port(t, n.ID)
	_, err = c.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: n.ID})
	isRefused(t, err, fault.QuotaExceeded, "OverQuota")
	require.NoError(t, c.DeletePort(t.Context(), p.ID))
	c.port(t, n.ID)
	used, err := c.Usage(t.Context(), project)
	require.NoError(t, err)
	require.Equal(t, 1, used["port"])
	require.Equal(t, 1, used["network"])
}
