package drivertest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/network/driver"
)

func serviceCases() []testCase {
	return []testCase{
		{"DHCPGivesTheReservation", dhcpGives},
		{"DHCPRenewsAndRefuses", dhcpRenews},
		{"DHCPIsSilentToStrangers", dhcpSilent},
		{"MetadataKnowsWhoAsks", metadataKnows},
		{"MetadataThroughTheRouter", metadataThroughRouter},
		{"MetadataIsNotReadyBeforeServe", metadataNotReady},
	}
}

func dhcpGives(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	s.subnet().Routes = []driver.Route{{
		Destination: netip.MustParsePrefix("10.77.0.0/16"), NextHop: netip.MustParseAddr("10.1.0.7"),
	}}
	p := s.port()
	s.lease(p, "guest-one")
	g := h.Probe.Plug(t, s.ensurePort(p), p.MAC)
	lease, err := dhcp(t.Context(), g, patience)
	require.NoError(t, err)
	ack := lease.ACK
	require.Equal(t, p.Addresses[0].String(), ack.YourIPAddr.String())
	require.Equal(t, "ffffff00", ack.SubnetMask().String())
	require.Equal(t, s.gateway().String(), ack.Router()[0].String())
	require.Equal(t, "9.9.9.9", ack.DNS()[0].String())
	require.Equal(t, "guest-one", ack.HostName())
	require.Equal(t, "openstacklocal", ack.DomainName())
	require.Equal(t, s.Service.Addresses[0].String(), ack.ServerIdentifier().String())
	mtu, err := dhcpv4.GetUint16(dhcpv4.OptionInterfaceMTU, ack.Options)
	require.NoError(t, err)
	require.EqualValues(t, s.MTU, mtu)
	require.Positive(t, ack.IPAddressLeaseTime(0))
	var routes []string
	for _, r := range ack.ClasslessStaticRoute() {
		routes = append(routes, fmt.Sprint(r.Dest, " via ", r.Router))
	}
	require.ElementsMatch(t, []string{
		"169.254.169.254/32 via " + s.Service.Addresses[0].String(),
		"10.77.0.0/16 via 10.1.0.7", "0.0.0.0/0 via " + s.gateway().String(),
	}, routes)
}

func dhcpRenews(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	p := s.port()
	s.lease(p, "guest")
	g := s.plug(p)
	lease, err := dhcp(t.Context(), g, patience)
	require.NoError(t, err)
	require.NoError(t, withDHCP(g, patience, func(c *nclient4.Client) error {
		again, err := c.Renew(t.Context(), lease)
		if err != nil {
			return err
		}
		require.Equal(t, lease.ACK.YourIPAddr.String(), again.ACK.YourIPAddr.String())
		return nil
	}))
	inform, err := dhcpv4.NewInform(hardware(t, p.MAC), p.Addresses[0].AsSlice())
	require.NoError(t, err)
	require.NoError(t, withDHCP(g, patience, func(c *nclient4.Client) error {
		answer, err := c.SendAndRead(t.Context(), nclient4.DefaultServers, inform, nil)
		if err != nil {
			return err
		}
		require.True(t, answer.YourIPAddr.IsUnspecified(), "it has its address already")
		require.Zero(t, answer.IPAddressLeaseTime(0))
		require.Equal(t, s.gateway().String(), answer.Router()[0].String())
		return nil
	}))
	foreign := net.IPv4(10, 1, 0, 200)
	err = withDHCP(g, patience, func(c *nclient4.Client) error {
		_, err := c.RequestFromOffer(t.Context(), lease.Offer, dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(foreign)))
		return err
	})
	var nak *nclient4.ErrNak
	require.ErrorAs(t, err, &nak)
}

func dhcpSilent(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	p := s.port()
	g := h.Probe.Plug(t, s.ensurePort(p), p.MAC)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := dhcp(ctx, g, silence)
	require.Error(t, err)
	s.lease(p, "late")
	_, err = dhcp(t.Context(), g, patience)
	require.NoError(t, err)
}

func metadataKnows(t *testing.T, h Harness) {
	h.Mechanism.Serve(whoAsks{})
	one, two := newSite(t, h, "10.1.0.0/24"), newSite(t, h, "10.1.0.0/24")
	for _, s := range []*site{one, two} {
		p := s.port(allowAll(false))
		g := h.Probe.Plug(t, s.ensurePort(p), p.MAC)
		via := s.Service.Addresses[0]
		require.NoError(t, g.Configure(via, netip.PrefixFrom(p.Addresses[0], 24)))
		status, body, err := get(g, "/openstack")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, fmt.Sprintf("%s %s /openstack", s.ID, p.Addresses[0]), body)
	}
}

// metadataThroughRouter asks from two networks of one router, neither of which has
// DHCP.
func metadataThroughRouter(t *testing.T, h Harness) {
	h.Mechanism.Serve(whoAsks{})
	one, two := newSite(t, h, "10.1.0.0/24"), newSite(t, h, "10.2.0.0/24")
	for _, s := range []*site{one, two} {
		s.subnet().DHCP, s.Service = false, driver.ServicePort{}
		s.ensure()
	}
	r := router(t, h, nil, one, two)
	for _, s := range []*site{one, two} {
		p := s.port(allowAll(false))
		_, body, err := get(s.plug(p), "/latest")
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("%s %s /latest", s.ID, p.Addresses[0]), body)
	}
	require.NoError(t, h.Mechanism.RemoveRouter(t.Context(), r.ID))
}

func metadataNotReady(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	p := s.port(allowAll(false))
	g := h.Probe.Plug(t, s.ensurePort(p), p.MAC)
	require.NoError(t, g.Configure(s.Service.Addresses[0], netip.PrefixFrom(p.Addresses[0], 24)))
	status, _, err := get(g, "/")
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, status)
}
