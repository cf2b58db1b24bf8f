package network_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/network"
)

func TestDefaultGroup(t *testing.T) {
	c := start(t)
	g, err := c.DefaultSecurityGroup(t.Context(), project)
	require.NoError(t, err)
	rules, err := c.RulesOf(t.Context(), g.ID)
	require.NoError(t, err)
	require.Len(t, rules, 4)
	found, err := c.FindSecurityGroup(t.Context(), project, "default")
	require.NoError(t, err)
	require.Equal(t, g, found)
	_, err = c.FindSecurityGroup(t.Context(), project, "nobody")
	isRefused(t, err, fault.NotFound, "SecurityGroupNotFound")
	isRefused(t, c.DeleteSecurityGroup(t.Context(), g.ID, nil), fault.Conflict, "SecurityGroupCannotRemoveDefault")
	require.NoError(t, c.DeleteSecurityGroup(t.Context(), g.ID, &network.DeleteSecurityGroupOptions{Default: true}))
	_, err = c.CreateSecurityGroup(t.Context(), project, network.CreateSecurityGroupOptions{Name: "default"})
	isRefused(t, err, fault.Conflict, "SecurityGroupDefaultAlreadyExists")
}

func TestRulesAreChecked(t *testing.T) {
	c := start(t)
	g, err := c.CreateSecurityGroup(t.Context(), project, network.CreateSecurityGroupOptions{Name: "g"})
	require.NoError(t, err)
	v4 := netip.MustParsePrefix("10.0.0.0/8")
	for _, x := range []struct {
		name string
		rule network.CreateSecurityGroupRuleOptions
		code string
	}{
		{"direction", network.CreateSecurityGroupRuleOptions{Direction: "up"}, "InvalidInput"},
		{"ethertype", network.CreateSecurityGroupRuleOptions{Direction: network.Ingress, EtherType: "IPX"}, "SecurityGroupRuleInvalidEtherType"},
		{"protocol", network.CreateSecurityGroupRuleOptions{Direction: network.Ingress, Protocol: "256"}, "SecurityGroupRuleInvalidProtocol"},
		{"ports alone", network.CreateSecurityGroupRuleOptions{Direction: network.Ingress, PortMin: ptr(1), PortMax: ptr(2)}, "SecurityGroupProtocolRequiredWithPorts"},
		{"half a range", network.CreateSecurityGroupRuleOptions{Direction: network.Ingress, Protocol: "tcp", PortMin: ptr(1)}, "SecurityGroupInvalidPortRange"},
		{"turned range", network.CreateSecurityGroupRuleOptions{Direction: network.Ingress, Protocol: "tcp", PortMin: ptr(2), PortMax: ptr(1)}, "SecurityGroupInvalidPortRange"},
		{"port 0", network.CreateSecurityGroupRuleOptions{Direction: network.Ingress, Protocol: "udp", PortMin: ptr(0), PortMax: ptr(1)}, "SecurityGroupInvalidPortValue"},
		{"ICMP type", network.CreateSecurityGroupRuleOptions{Direction: network.Ingress, Protocol: "icmp", PortMin: ptr(256)}, "SecurityGroupInvalidIcmpValue"},
		{"ICMP code alone", network.CreateSecurityGroupRuleOptions{Direction: network.Ingress, Protocol: "icmp", PortMax: ptr(0)}, "SecurityGroupMissingIcmpType"},
		{"ports of GRE", network.CreateSecurityGroupRuleOptions{Direction: network.Ingress, Protocol: "gre", PortMin: ptr(1), PortMax: ptr(1)}, "SecurityGroupInvalidPortRange"},
		{"two remotes", network.CreateSecurityGroupRuleOptions{Direction: network.Ingress, RemotePrefix: v4, RemoteGroupID: g.ID}, "SecurityGroupMultipleRemoteEntitites"},
		{"version", network.CreateSecurityGroupRuleOptions{Direction: network.Ingress, EtherType: network.IPv6, RemotePrefix: v4}, "SecurityGroupRuleParameterConflict"},
		{"IPv6 ICMP", network.CreateSecurityGroupRuleOptions{Direction: network.Ingress, Protocol: "ipv6-icmp"}, "SecurityGroupEthertypeConflictWithProtocol"},
	} {
		t.Run(x.name, func(t *testing.T) {
			x.rule.GroupID = g.ID
			_, err := c.CreateSecurityGroupRule(t.Context(), project, x.rule)
			isRefused(t, err, fault.Invalid, x.code)
		})
	}
	everyone := network.CreateSecurityGroupRuleOptions{GroupID: g.ID, Direction: network.Ingress, Protocol: "tcp"}
	_, err = c.CreateSecurityGroupRule(t.Context(), project, everyone)
	require.NoError(t, err)
	everyone.RemotePrefix = netip.MustParsePrefix("0.0.0.0/0")
	_, err = c.CreateSecurityGroupRule(t.Context(), project, everyone)
	isRefused(t, err, fault.Conflict, "SecurityGroupRuleExists")
}

func TestSubnetsAreChecked(t *testing.T) {
	c := start(t)
	n := c.network(t, network.CreateNetworkOptions{})
	c.subnet(t, n.ID, "10.0.0.0/24")
	cidr := netip.MustParsePrefix
	pool := func(a, b string) []network.Pool { return []network.Pool{{Start: addr(a), End: addr(b)}} }
	for _, x := range []struct {
		name string
		opts network.CreateSubnetOptions
		kind fault.Kind
		code string
	}{
		{"overlap", network.CreateSubnetOptions{CIDR: cidr("10.0.0.128/25")}, fault.Invalid, "InvalidInput"},
		{"no range", network.CreateSubnetOptions{}, fault.Invalid, "InvalidInput"},
		{"pool outside", network.CreateSubnetOptions{CIDR: cidr("10.1.0.0/24"), Pools: pool("10.1.0.5", "10.1.1.5")}, fault.Invalid, "OutOfBoundsAllocationPool"},
		{"pool turned", network.CreateSubnetOptions{CIDR: cidr("10.1.0.0/24"), Pools: pool("10.1.0.9", "10.1.0.5")}, fault.Invalid, "InvalidAllocationPool"},
		{"pools overlap", network.CreateSubnetOptions{CIDR: cidr("10.1.0.0/24"), Pools: append(pool("10.1.0.5", "10.1.0.9"), pool("10.1.0.9", "10.1.0.12")...)}, fault.Conflict, "OverlappingAllocationPools"},
		{"gateway in pool", network.CreateSubnetOptions{CIDR: cidr("10.1.0.0/24"), Pools: pool("10.1.0.1", "10.1.0.9")}, fault.Conflict, "GatewayConflictWithAllocationPools"},
		{"gateway version", network.CreateSubnetOptions{CIDR: cidr("10.1.0.0/24"), Gateway: ptr(addr("::1"))}, fault.Invalid, "InvalidInput"},
		{"modes of IPv4", network.CreateSubnetOptions{CIDR: cidr("10.1.0.0/24"), RAMode: "slaac"}, fault.Invalid, "InvalidInput"},
		{"modes differ", network.CreateSubnetOptions{CIDR: cidr("2001:db8::/64"), RAMode: "slaac", AddressMode: "dhcpv6-stateful"}, fault.Invalid, "InvalidInput"},
		{"slaac of /80", network.CreateSubnetOptions{CIDR: cidr("2001:db8::/80"), AddressMode: "slaac"}, fault.Invalid, "InvalidInput"},
	} {
		t.Run(x.name, func(t *testing.T) {
			x.opts.NetworkID = n.ID
			_, err := c.CreateSubnet(t.Context(), project, x.opts)
			isRefused(t, err, x.kind, x.code)
		})
	}
	_, err := c.CreateSubnet(t.Context(), project, network.CreateSubnetOptions{NetworkID: "none", CIDR: cidr("10.3.0.0/24")})
	isRefused(t, err, fault.NotFound, "NetworkNotFound")
	sub := c.subnet(t, n.ID, "10.2.0.77/24")
	require.Equal(t, "10.2.0.0/24", sub.CIDR.String())
	six := c.subnet(t, n.ID, "2001:db8:1::/64")
	require.Equal(t, pool("2001:db8:1::2", "2001:db8:1::ffff:ffff:ffff:ffff"), six.Pools)
}
