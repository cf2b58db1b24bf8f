package network_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/network"
)

// topology is a tenant network behind a router to an external network.
type topology struct {
	external, inside network.Network
	subnet           network.Subnet
	router           network.Router
}

func (c *cloud) topology(t *testing.T) topology {
	t.Helper()
	var x topology
	x.external = c.network(t, network.CreateNetworkOptions{Name: "public", External: true, Physical: "physnet1"})
	_, err := c.CreateSubnet(t.Context(), project, network.CreateSubnetOptions{NetworkID: x.external.ID, CIDR: netip.MustParsePrefix("198.51.100.0/24"), EnableDHCP: ptr(false)})
	require.NoError(t, err)
	x.inside = c.network(t, network.CreateNetworkOptions{Name: "inside"})
	x.subnet = c.subnet(t, x.inside.ID, "10.0.0.0/24")
	x.router, err = c.CreateRouter(t.Context(), project, network.CreateRouterOptions{Name: "r", Gateway: &network.GatewayOptions{NetworkID: x.external.ID}})
	require.NoError(t, err)
	_, err = c.AddRouterInterface(t.Context(), x.router.ID, network.Interface{SubnetID: x.subnet.ID})
	require.NoError(t, err)
	return x
}

func TestRouterAndFloatingIP(t *testing.T) {
	c := start(t)
	x := c.topology(t)
	c.settle(t, func() bool {
		r, ok := c.hosts["h1"].Router(x.router.ID)
		return ok && len(r.Ports) == 1 && r.Gateway != nil && r.Gateway.SNAT &&
			r.Ports[0].Addresses[0].String() == "10.0.0.1/24" && r.Gateway.NextHops[0].String() == "198.51.100.1"
	})
	p := c.port(t, x.inside.ID)
	f, err := c.CreateFloatingIP(t.Context(), project, network.CreateFloatingIPOptions{NetworkID: x.external.ID})
	require.NoError(t, err)
	require.Equal(t, network.Down, f.Status)

	f, err = c.UpdateFloatingIP(t.Context(), f.ID, network.UpdateFloatingIPOptions{PortID: &p.ID})
	require.NoError(t, err)
	require.Equal(t, p.FixedIPs[0].Address, f.Fixed)
	require.Equal(t, x.router.ID, f.RouterID)
	c.settle(t, func() bool {
		r, _ := c.hosts["h1"].Router(x.router.ID)
		now, err := c.GetFloatingIP(t.Context(), f.ID)
		return err == nil && now.Status == network.Active && len(r.Floating) == 1 && r.Floating[0].External == f.Address
	})
	_, err = c.UpdatePort(t.Context(), p.ID, network.UpdatePortOptions{DeviceID: ptr("server")})
	require.NoError(t, err)
	all, err := c.Addresses(t.Context(), "server", "none")
	require.NoError(t, err)
	require.Equal(t, map[string][]network.Address{"server": {
		{NetworkID: x.inside.ID, NetworkName: "inside", PortID: p.ID, MAC: p.MAC, IP: f.Fixed.String()},
		{NetworkID: x.inside.ID, NetworkName: "inside", PortID: p.ID, MAC: p.MAC, IP: f.Address.String(), Floating: true},
	}}, all)

	t.Run("refused", func(t *testing.T) {
		_, err := c.CreateFloatingIP(t.Context(), project, network.CreateFloatingIPOptions{NetworkID: x.external.ID, PortID: p.ID})
		isRefused(t, err, fault.Conflict, "FloatingIPPortAlreadyAssociated")
		_, err = c.CreateFloatingIP(t.Context(), project, network.CreateFloatingIPOptions{NetworkID: x.inside.ID})
		isRefused(t, err, fault.Invalid, "BadRequest")
		_, err = c.CreateFloatingIP(t.Context(), project, network.CreateFloatingIPOptions{NetworkID: x.external.ID, Address: f.Address})
		isRefused(t, err, fault.Conflict, "IpAddressInUse")
		lonely := c.network(t, network.CreateNetworkOptions{})
		c.subnet(t, lonely.ID, "10.7.0.0/24")
		_, err = c.CreateFloatingIP(t.Context(), project, network.CreateFloatingIPOptions{NetworkID: x.external.ID, PortID: c.port(t, lonely.ID).ID})
		isRefused(t, err, fault.NotFound, "ExternalGatewayForFloatingIPNotFound")
		isRefused(t, c.DeleteRouter(t.Context(), x.router.ID), fault.Conflict, "RouterInUse")
		_, err = c.RemoveRouterInterface(t.Context(), x.router.ID, network.Interface{SubnetID: x.subnet.ID})
		isRefused(t, err, fault.Conflict, "RouterInterfaceInUseByFloatingIP")
		_, err = c.UpdateRouter(t.Context(), x.router.ID, network.UpdateRouterOptions{Gateway: &network.GatewayOptions{}})
		isRefused(t, err, fault.Conflict, "RouterExternalGatewayInUseByFloatingIp")
		isRefused(t, c.DeletePort(t.Context(), f.HolderID), fault.Conflict, "L3PortInUse")
		isRefused(t, c.DeletePort(t.Context(), x.router.Gateway.PortID), fault.Conflict, "L3PortInUse")
		_, err = c.UpdateNetwork(t.Context(), x.external.ID, network.UpdateNetworkOptions{External: ptr(false)})
		isRefused(t, err, fault.Conflict, "ExternalNetworkInUse")
		isRefused(t, c.DeleteNetwork(t.Context(), x.external.ID), fault.Conflict, "NetworkInUse")
	})

	require.NoError(t, c.DeletePort(t.Context(), p.ID))
	f, err = c.GetFloatingIP(t.Context(), f.ID)
	require.NoError(t, err)
	require.Equal(t, network.Down, f.Status)
	require.Empty(t, f.PortID+f.RouterID)
	c.settle(t, func() bool {
		r, _ := c.hosts["h1"].Router(x.router.ID)
		return len(r.Floating) == 0
	})
	require.NoError(t, c.PurgeProject(t.Context(), project))
	c.settle(t, func() bool { return c.empty(t, "h1") })
	left, err := c.ListPorts(t.Context())
	require.NoError(t, err)
	require.Empty(t, left)
	used, err := c.Usage(t.Context(), project)
	require.NoError(t, err)
	for resource, n := range used {
		require.Zero(t, n, resource)
	}
}

func TestRouterInterfaces(t *testing.T) {
	c := start(t)
	x := c.topology(t)
	other := c.network(t, network.CreateNetworkOptions{})
	overlapping := c.subnet(t, other.ID, "10.0.0.128/25")
	_, err := c.AddRouterInterface(t.Context(), x.router.ID, network.Interface{SubnetID: overlapping.ID})
	isRefused(t, err, fault.Invalid, "BadRequest")
	_, err = c.AddRouterInterface(t.Context(), x.router.ID, network.Interface{SubnetID: x.subnet.ID})
	isRefused(t, err, fault.Invalid, "BadRequest")
	sub := c.subnet(t, other.ID, "10.1.0.0/24")
	used, err := c.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: other.ID, DeviceID: "vm", FixedIPs: []network.FixedIP{{SubnetID: sub.ID}}})
	require.NoError(t, err)
	_, err = c.AddRouterInterface(t.Context(), x.router.ID, network.Interface{PortID: used.ID})
	isRefused(t, err, fault.Conflict, "PortInUse")
	p, err := c.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: other.ID, FixedIPs: []network.FixedIP{{SubnetID: sub.ID}}})
	require.NoError(t, err)
	i, err := c.AddRouterInterface(t.Context(), x.router.ID, network.Interface{PortID: p.ID})
	require.NoError(t, err)
	require.Equal(t, []string{sub.ID}, i.SubnetIDs)

	route := network.Route{Destination: netip.MustParsePrefix("10.9.0.0/16"), NextHop: addr("10.1.0.9")}
	r, err := c.AddRoutes(t.Context(), x.router.ID, []network.Route{route})
	require.NoError(t, err)
	require.Equal(t, []network.Route{route}, r.Routes)
	_, err = c.UpdateRouter(t.Context(), x.router.ID, network.UpdateRouterOptions{Routes: &[]network.Route{{Destination: route.Destination, NextHop: addr("10.2.0.1")}}})
	isRefused(t, err, fault.Invalid, "InvalidRoutes")
	_, err = c.RemoveRouterInterface(t.Context(), x.router.ID, network.Interface{PortID: p.ID})
	isRefused(t, err, fault.Conflict, "RouterInterfaceInUseByRoute")
	_, err = c.RemoveRoutes(t.Context(), x.router.ID, []network.Route{route})
	require.NoError(t, err)
	_, err = c.RemoveRouterInterface(t.Context(), x.router.ID, network.Interface{PortID: p.ID})
	require.NoError(t, err)
	_, err = c.GetPort(t.Context(), p.ID)
	isRefused(t, err, fault.NotFound, "PortNotFound")
	_, err = c.RemoveRouterInterface(t.Context(), x.router.ID, network.Interface{SubnetID: sub.ID})
	isRefused(t, err, fault.NotFound, "RouterInterfaceNotFoundForSubnet")
}
