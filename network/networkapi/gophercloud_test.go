package networkapi_test

import (
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/attributestags"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/quotas"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/subnetpools"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	"github.com/stretchr/testify/require"
)

// TestGophercloud walks through a tenant's day with an unmodified client.
func TestGophercloud(t *testing.T) {
	s := serve(t)
	ctx, c, admin := t.Context(), s.client("one"), s.client("admin")
	public := s.make(t, "admin", "networks", "network", `{"network":{"name":"public","router:external":true}}`)["id"].(string)
	_, err := subnets.Create(ctx, admin, subnets.CreateOpts{NetworkID: public, IPVersion: 4, CIDR: "198.51.100.0/24"}).Extract()
	require.NoError(t, err)

	n, err := networks.Create(ctx, c, networks.CreateOpts{Name: "n"}).Extract()
	require.NoError(t, err)
	require.Equal(t, "ACTIVE", n.Status)
	require.Equal(t, projectOne, n.ProjectID)
	noGateway := ""
	bare, err := subnets.Create(ctx, c, subnets.CreateOpts{NetworkID: n.ID, IPVersion: 4, CIDR: "10.1.0.0/24", GatewayIP: &noGateway}).Extract()
	require.NoError(t, err)
	require.Empty(t, bare.GatewayIP)
	require.NoError(t, subnets.Delete(ctx, c, bare.ID).ExtractErr())
	sub, err := subnets.Create(ctx, c, subnets.CreateOpts{
		NetworkID: n.ID, IPVersion: 4, CIDR: "10.0.0.0/24", DNSNameservers: []string{"192.0.2.53"},
		HostRoutes: []subnets.HostRoute{{DestinationCIDR: "10.9.0.0/16", NextHop: "10.0.0.9"}},
	}).Extract()
	require.NoError(t, err)
	require.Equal(t, "10.0.0.1", sub.GatewayIP)
	require.Equal(t, []subnets.AllocationPool{{Start: "10.0.0.2", End: "10.0.0.254"}}, sub.AllocationPools)

	g, err := groups.Create(ctx, c, groups.CreateOpts{Name: "web"}).Extract()
	require.NoError(t, err)
	require.Len(t, g.Rules, 2)
	rule := rules.CreateOpts{SecGroupID: g.ID, Direction: rules.DirIngress, EtherType: rules.EtherType4, Protocol: rules.ProtocolTCP, PortRangeMin: 80, PortRangeMax: 81}
	_, err = rules.Create(ctx, c, rule).Extract()
	require.NoError(t, err)
	_, err = rules.Create(ctx, c, rule).Extract()
	require.ErrorContains(t, err, "SecurityGroupRuleExists")

	p, err := ports.Create(ctx, c, ports.CreateOpts{
		NetworkID: n.ID, Name: "p", SecurityGroups: &[]string{g.ID},
		FixedIPs:            []ports.IP{{SubnetID: sub.ID, IPAddress: "10.0.0.77"}},
		AllowedAddressPairs: []ports.AddressPair{{IPAddress: "10.0.0.200"}},
	}).Extract()
	require.NoError(t, err)
	require.Equal(t, []ports.IP{{SubnetID: sub.ID, IPAddress: "10.0.0.77"}}, p.FixedIPs)
	require.Equal(t, "10.0.0.200", p.AllowedAddressPairs[0].IPAddress)
	pages, err := ports.List(c, ports.ListOpts{NetworkID: n.ID, FixedIPs: []ports.FixedIPOpts{{IPAddress: "10.0.0.77"}}}).AllPages(ctx)
	require.NoError(t, err)
	found, err := ports.ExtractPorts(pages)
	require.NoError(t, err)
	require.Len(t, found, 1)

	r, err := routers.Create(ctx, c, routers.CreateOpts{Name: "r", GatewayInfo: &routers.GatewayInfo{NetworkID: public}}).Extract()
	require.NoError(t, err)
	require.Len(t, r.GatewayInfo.ExternalFixedIPs, 1)
	_, err = routers.AddInterface(ctx, c, r.ID, routers.AddInterfaceOpts{SubnetID: sub.ID}).Extract()
	require.NoError(t, err)
	f, err := floatingips.Create(ctx, c, floatingips.CreateOpts{FloatingNetworkID: public, PortID: p.ID}).Extract()
	require.NoError(t, err)
	require.Equal(t, "10.0.0.77", f.FixedIP)
	f, err = floatingips.Update(ctx, c, f.ID, floatingips.UpdateOpts{PortID: new(string)}).Extract()
	require.NoError(t, err)
	require.Empty(t, f.PortID)
	require.NoError(t, floatingips.Delete(ctx, c, f.ID).ExtractErr())
	_, err = routers.RemoveInterface(ctx, c, r.ID, routers.RemoveInterfaceOpts{SubnetID: sub.ID}).Extract()
	require.NoError(t, err)
	require.NoError(t, routers.Delete(ctx, c, r.ID).ExtractErr())

	require.NoError(t, attributestags.Add(ctx, c, "ports", p.ID, "blue").ExtractErr())
	have, err := attributestags.Confirm(ctx, c, "ports", p.ID, "blue").Extract()
	require.NoError(t, err)
	require.True(t, have)
	require.NoError(t, ports.Delete(ctx, c, p.ID).ExtractErr())
	require.NoError(t, networks.Delete(ctx, c, n.ID).ExtractErr())

	pool, err := subnetpools.Create(ctx, c, subnetpools.CreateOpts{Name: "pool", Prefixes: []string{"10.20.0.0/16"}, DefaultPrefixLen: 24}).Extract()
	require.NoError(t, err)
	cut, err := networks.Create(ctx, c, networks.CreateOpts{Name: "cut"}).Extract()
	require.NoError(t, err)
	for _, want := range []string{"10.20.0.0/24", "10.20.1.0/24"} {
		sub, err := subnets.Create(ctx, c, subnets.CreateOpts{NetworkID: cut.ID, IPVersion: 4, SubnetPoolID: pool.ID}).Extract()
		require.NoError(t, err)
		require.Equal(t, want, sub.CIDR)
	}
	require.ErrorContains(t, subnetpools.Delete(ctx, c, pool.ID).ExtractErr(), "SubnetPoolDeleteError")

	five := 5
	q, err := quotas.Update(ctx, admin, projectOne, quotas.UpdateOpts{Network: &five}).Extract()
	require.NoError(t, err)
	require.Equal(t, 5, q.Network)
	detail, err := quotas.GetDetail(ctx, admin, projectOne).Extract()
	require.NoError(t, err)
	require.Equal(t, 1, detail.Network.Used)
}

// TestPagesOfGophercloud lists page by page with links.
func TestPagesOfGophercloud(t *testing.T) {
	s := serve(t)
	c := s.client("one")
	for range 5 {
		_, err := networks.Create(t.Context(), c, networks.CreateOpts{}).Extract()
		require.NoError(t, err)
	}
	pages, err := networks.List(c, networks.ListOpts{Limit: 2, SortKey: "id"}).AllPages(t.Context())
	require.NoError(t, err)
	all, err := networks.ExtractNetworks(pages)
	require.NoError(t, err)
	require.Len(t, all, 5)
}
