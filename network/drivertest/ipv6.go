package drivertest

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/welkin-cloud/cloud/network/driver"
)

func ipv6Cases() []testCase {
	return []testCase{
		{"RouterAdvertisesSLAAC", routerAdvertises},
		{"IPv6IsGuarded", ipv6Guarded},
	}
}

// eui64 returns the address that a guest with the MAC gives itself.
func eui64(t *testing.T, prefix netip.Prefix, mac string) netip.Addr {
	hw := hardware(t, mac)
	a := prefix.Addr().As16()
	copy(a[8:], []byte{hw[0] ^ 2, hw[1], hw[2], 0xff, 0xfe, hw[3], hw[4], hw[5]})
	return netip.AddrFrom16(a)
}

// has reports whether the guest's device has the address.
func has(g Guest, want netip.Addr) (found bool) {
	_ = g.Do(func() error {
		device, err := net.InterfaceByName(g.Device())
		if err != nil {
			return err
		}
		all, err := device.Addrs()
		for _, a := range all {
			p, parseErr := netip.ParsePrefix(a.String())
			found = found || parseErr == nil && p.Addr() == want
		}
		return err
	})
	return found
}

// answers reports whether a machine answers TCP at all: by refusing.
func answers(g Guest, to netip.Addr) bool {
	for range 3 {
		c, err := connect(g, to, 9, silence)
		if err == nil {
			c.Close()
		}
		if err == nil || errors.Is(err, unix.ECONNREFUSED) {
			return true
		}
	}
	return false
}

// addIPv6 adds a subnet that guests configure by themselves.
func (s *site) addIPv6(cidr string) driver.Subnet {
	p := netip.MustParsePrefix(cidr)
	sub := driver.Subnet{ID: uuid.NewString(), CIDR: p, Gateway: p.Addr().Next(), RAMode: "slaac"}
	s.Subnets = append(s.Subnets, sub)
	s.ensure()
	return sub
}

func openIPv6() []driver.Rule {
	return []driver.Rule{
		{Ingress: true, IPv6: true, PortMin: -1, PortMax: -1},
		{IPv6: true, PortMin: -1, PortMax: -1},
	}
}

func routerAdvertises(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	sub := s.addIPv6("2001:db8:1::/64")
	p := s.port(openIPv6()...)
	own := eui64(t, sub.CIDR, p.MAC)
	p.Addresses = append(p.Addresses, own)
	r := driver.Router{ID: uuid.NewString(), Up: true, Ports: []driver.RouterPort{s.leg()}}
	r.Ports[0].Addresses = append(r.Ports[0].Addresses, netip.PrefixFrom(sub.Gateway, 64))
	require.NoError(t, h.Mechanism.EnsureRouter(t.Context(), r))
	g := h.Probe.Plug(t, s.ensurePort(p), p.MAC)
	require.Eventually(t, func() bool { return has(g, own) }, 4*patience, 50*time.Millisecond)
	require.True(t, answers(g, sub.Gateway), "the router must answer")
	require.NoError(t, h.Mechanism.RemoveRouter(t.Context(), r.ID))
	require.False(t, answers(g, sub.Gateway), "the router must be gone")
}

func ipv6Guarded(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	local := netip.MustParsePrefix("fe80::/64")
	p, q := s.port(openIPv6()...), s.port(openIPv6()...)
	a, b := s.plug(p), s.plug(q)
	zoned := func(g Guest, mac string) netip.Addr { return eui64(t, local, mac).WithZone(g.Device()) }
	require.True(t, answers(a, zoned(a, q.MAC)))
	mac, group := hardware(t, p.MAC), []byte{0x33, 0x33, 0, 0, 0, 1}
	for _, c := range []struct {
		name   string
		source netip.Addr
		kind   byte
		body   netip.Addr
		pass   bool
	}{
		{"own advertisement", eui64(t, local, p.MAC), 136, eui64(t, local, p.MAC), true},
		{"advertisement of another's address", eui64(t, local, p.MAC), 136, eui64(t, local, q.MAC), false},
		{"router advertisement", eui64(t, local, p.MAC), 134, netip.IPv6Unspecified(), false},
		{"another's source", eui64(t, local, q.MAC), 135, eui64(t, local, p.MAC), false},
		{"duplicate address detection", netip.IPv6Unspecified(), 135, eui64(t, local, p.MAC), true},
	} {
		require.Equal(t, c.pass, arrives(t, a, b, icmp6(group, mac, c.source, c.kind, c.body)), c.name)
	}
	q.Rules = q.Rules[1:]
	s.ensurePort(q)
	require.False(t, answers(a, zoned(a, q.MAC)))
	require.True(t, answers(b, zoned(b, p.MAC)))
}

// icmp6 builds a neighbour discovery frame to all nodes.
func icmp6(to, from net.HardwareAddr, source netip.Addr, kind byte, about netip.Addr) []byte {
	target := netip.MustParseAddr("ff02::1")
	body := append([]byte{kind, 0, 0, 0, 0, 0, 0, 0}, about.AsSlice()...)
	sum := uint32(len(body)) + 58
	for _, part := range [][]byte{source.AsSlice(), target.AsSlice(), body} {
		for i := 0; i < len(part); i += 2 {
			sum += uint32(part[i])<<8 | uint32(part[i+1])
		}
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	body[2], body[3] = byte(^sum>>8), byte(^sum)
	header := []byte{0x60, 0, 0, 0, 0, byte(len(body)), 58, 255}
	header = append(append(header, source.AsSlice()...), target.AsSlice()...)
	return frame(to, from, unix.ETH_P_IPV6, append(header, body...))
}
