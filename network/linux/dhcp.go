package linux

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"github.com/welkin-cloud/cloud/network/driver"
)

// optionMSRoutes is what old Microsoft clients ask for in place of option 121.
const optionMSRoutes = dhcpv4.GenericOptionCode(249)

// leases is what DHCP knows of a network; it is never changed, only replaced.
type leases struct {
	byMAC  map[string]lease
	mtu    int
	time   time.Duration
	domain string
}

// lease is one reservation with what its subnet says.
type lease struct {
	address  netip.Addr
	server   netip.Addr // our address in the subnet
	hostname string
	subnet   driver.Subnet
}

// newLeases collects the IPv4 reservations in subnets that have DHCP. The first of
// a MAC counts.
func newLeases(n driver.Network, cfg Config) *leases {
	t := &leases{byMAC: make(map[string]lease), mtu: n.MTU, time: cfg.LeaseTime, domain: cfg.Domain}
	subnets := make(map[string]driver.Subnet)
	for _, s := range n.Subnets {
		subnets[s.ID] = s
	}
	for _, l := range n.Leases {
		mac, err := net.ParseMAC(l.MAC)
		sub, ok := subnets[l.SubnetID]
		if err != nil || !ok || !sub.DHCP || !l.Address.Is4() {
			continue
		}
		server, ok := serverIn(n.Service.Addresses, sub.CIDR)
		if _, taken := t.byMAC[mac.String()]; taken || !ok {
			continue
		}
		t.byMAC[mac.String()] = lease{address: l.Address, server: server, hostname: l.Hostname, subnet: sub}
	}
	return t
}

// serverIn finds the service address in a subnet.
func serverIn(addresses []netip.Addr, subnet netip.Prefix) (netip.Addr, bool) {
	for _, a := range addresses {
		if subnet.Contains(a) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// answer returns the reply to a request, or nil for silence.
func (t *leases) answer(req *dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, lease) {
	l, ok := t.byMAC[req.ClientHWAddr.String()]
	if !ok || req.OpCode != dhcpv4.OpcodeBootRequest {
		return nil, l // other servers may know the client
	}
	if id := req.ServerIdentifier(); id != nil && !id.Equal(l.server.AsSlice()) {
		return nil, l
	}
	switch req.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		return t.reply(req, l, dhcpv4.MessageTypeOffer), l
	case dhcpv4.MessageTypeRequest:
		asked := req.RequestedIPAddress()
		if asked == nil || asked.IsUnspecified() {
			asked = req.ClientIPAddr
		}
		if asked == nil || !asked.Equal(l.address.AsSlice()) {
			return t.reply(req, l, dhcpv4.MessageTypeNak), l
		}
		return t.reply(req, l, dhcpv4.MessageTypeAck), l
	case dhcpv4.MessageTypeInform:
		return t.reply(req, l, dhcpv4.MessageTypeAck), l
	}
	return nil, l
}

// reply builds one reply.
func (t *leases) reply(req *dhcpv4.DHCPv4, l lease, kind dhcpv4.MessageType) *dhcpv4.DHCPv4 {
	r, err := dhcpv4.NewReplyFromRequest(req, dhcpv4.WithMessageType(kind))
	if err != nil {
		return nil
	}
	r.UpdateOption(dhcpv4.OptServerIdentifier(l.server.AsSlice()))
	if kind == dhcpv4.MessageTypeNak {
		r.SetBroadcast()
		return r
	}
	r.ServerIPAddr = l.server.AsSlice()
	if req.MessageType() == dhcpv4.MessageTypeInform {
		r.ClientIPAddr = req.ClientIPAddr
	} else {
		r.YourIPAddr = l.address.AsSlice()
		r.UpdateOption(dhcpv4.OptIPAddressLeaseTime(t.time))
		r.UpdateOption(dhcpv4.OptRenewTimeValue(t.time / 2))
		r.UpdateOption(dhcpv4.OptRebindingTimeValue(t.time / 8 * 7))
	}
	t.describe(r, l)
	return r
}

// describe adds what the client should know of its network.
func (t *leases) describe(r *dhcpv4.DHCPv4, l lease) {
	sub := l.subnet
	r.UpdateOption(dhcpv4.OptSubnetMask(net.CIDRMask(sub.CIDR.Bits(), 32)))
	r.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionInterfaceMTU, []byte{byte(t.mtu >> 8), byte(t.mtu)}))
	r.UpdateOption(dhcpv4.OptDomainName(t.domain))
	if l.hostname != "" {
		r.UpdateOption(dhcpv4.OptHostName(l.hostname))
	}
	if sub.Gateway.Is4() {
		r.UpdateOption(dhcpv4.OptRouter(sub.Gateway.AsSlice()))
	}
	if dns := ipv4Only(sub.DNS); len(dns) > 0 {
		r.UpdateOption(dhcpv4.OptDNS(dns...))
	}
	routes := classless(l)
	r.UpdateOption(dhcpv4.OptClasslessStaticRoute(routes...))
	r.UpdateOption(dhcpv4.OptGeneric(optionMSRoutes, dhcpv4.Routes(routes).ToBytes()))
}

// classless lists the routes of option 121: a client that takes it ignores the
// router option, so the default route is repeated.
func classless(l lease) []*dhcpv4.Route {
	routes := []*dhcpv4.Route{{Dest: toIPNet(single(metadataIPv4)), Router: l.server.AsSlice()}}
	for _, r := range l.subnet.Routes {
		if r.Destination.Addr().Is4() && r.NextHop.Is4() {
			routes = append(routes, &dhcpv4.Route{Dest: toIPNet(r.Destination.Masked()), Router: r.NextHop.AsSlice()})
		}
	}
	if l.subnet.Gateway.Is4() {
		everything := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		routes = append(routes, &dhcpv4.Route{Dest: toIPNet(everything), Router: l.subnet.Gateway.AsSlice()})
	}
	return routes
}

func ipv4Only(all []netip.Addr) []net.IP {
	var out []net.IP
	for _, a := range all {
		if a.Is4() {
			out = append(out, a.AsSlice())
		}
	}
	return out
}

// listenDHCP opens the server's socket. It runs in the network's namespace.
func listenDHCP(ctx context.Context, device string) (net.PacketConn, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failure error
		err := c.Control(func(fd uintptr) {
			failure = errors.Join(
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1),
				// Some clients check the UDP checksum before the host has filled it in.
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1),
				unix.BindToDevice(int(fd), device),
			)
		})
		return errors.Join(err, failure)
	}}
	return config.ListenPacket(ctx, "udp4", "0.0.0.0:67")
}

// serveDHCP answers until the socket is closed.
func (s *service) serveDHCP(conn net.PacketConn, log *slog.Logger) {
	packets := ipv4.NewPacketConn(conn)
	buffer := make([]byte, 4096)
	for {
		n, _, from, err := packets.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			log.Warn("network: DHCP cannot read", "network", s.network, "error", err)
			return
		}
		req, err := dhcpv4.FromBytes(buffer[:n])
		if err != nil || !req.GatewayIPAddr.IsUnspecified() {
			continue // not DHCP, or through a relay, which we do not serve
		}
		reply, l := s.leases.Load().answer(req)
		if reply == nil {
			continue
		}
		control := &ipv4.ControlMessage{Src: l.server.AsSlice(), IfIndex: s.device}
		if _, err := packets.WriteTo(reply.ToBytes(), control, destination(reply, from)); err != nil {
			log.Warn("network: DHCP cannot answer", "network", s.network, "client", req.ClientHWAddr.String(), "error", err)
		}
	}
}

// destination says where a reply goes: to the client's address if it has one,
// else to everybody.
func destination(reply *dhcpv4.DHCPv4, from net.Addr) net.Addr {
	udp, ok := from.(*net.UDPAddr)
	if ok && !udp.IP.IsUnspecified() && reply.MessageType() != dhcpv4.MessageTypeNak {
		return &net.UDPAddr{IP: udp.IP, Port: 68}
	}
	return &net.UDPAddr{IP: net.IPv4bcast, Port: 68}
}
