package linux

import (
	"encoding/binary"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"

	"github.com/welkin-cloud/cloud/network/driver"
)

// How often routers advertise, and how long a guest believes it.
const (
	advertInterval = 60 * time.Second
	advertLifetime = 1800 * time.Second
)

// The option types of a router advertisement.
const (
	optionSourceMAC = 1
	optionPrefix    = 3
	optionMTU       = 5
	optionDNS       = 25
)

// Flags of a router advertisement and of a prefix in it.
const (
	flagManaged    = 0x80
	flagOther      = 0x40
	flagOnLink     = 0x80
	flagAutonomous = 0x40
)

// advert is what one leg of a router advertises.
type advert struct {
	inner   string
	mac     net.HardwareAddr
	mtu     int
	subnets []driver.Subnet
}

// advertiser sends the router advertisements of one router.
type advertiser struct {
	space   string
	adverts []advert
	conn    *ipv6.PacketConn
	raw     *icmp.PacketConn
	byIndex map[int]advert
	log     *slog.Logger
	wg      sync.WaitGroup
}

// close stops the advertiser and waits for it.
func (a *advertiser) close() {
	a.raw.Close()
	a.wg.Wait()
}

// advertise makes this process send router advertisements on the legs that need
// it. Which do is known from EnsureNetwork.
func (m *Mechanism) advertise(r driver.Router, legs []leg, in *space) error {
	var want []advert
	if r.Up {
		want = m.wantedAdverts(legs)
	}
	m.mu.Lock()
	running := m.running[r.ID]
	m.mu.Unlock()
	if running != nil && running.space == in.fd.UniqueId() && reflect.DeepEqual(running.adverts, want) {
		return nil
	}
	m.stopAdvertising(r.ID)
	if len(want) == 0 {
		return nil
	}
	a := &advertiser{space: in.fd.UniqueId(), adverts: want, byIndex: make(map[int]advert), log: m.cfg.Log}
	if err := a.open(in); err != nil {
		return failed("advertise router "+r.ID, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		a.raw.Close()
		return driver.Errorf(driver.Unavailable, "the network mechanism is closed")
	}
	m.running[r.ID] = a
	a.wg.Go(a.run)
	return nil
}

// wantedAdverts lists what the legs shall advertise.
func (m *Mechanism) wantedAdverts(legs []leg) []advert {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []advert
	for _, l := range legs {
		if l.inner == gatewayLink {
			continue
		}
		mac, err := parseMAC(l.MAC)
		if err != nil {
			continue
		}
		a := advert{inner: l.inner, mac: mac, mtu: l.segment.mtu}
		for _, sub := range m.subnets[l.NetworkID] {
			if sub.RAMode != "" && sub.CIDR.Addr().Is6() && serves(l, sub) {
				a.subnets = append(a.subnets, sub)
			}
		}
		if len(a.subnets) > 0 {
			all = append(all, a)
		}
	}
	return all
}

// serves reports whether the leg has an address in the subnet.
func serves(l leg, sub driver.Subnet) bool {
	return slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return sub.CIDR.Contains(p.Addr()) })
}

// stopAdvertising stops the advertisements of a router.
func (m *Mechanism) stopAdvertising(router string) {
	m.mu.Lock()
	a := m.running[router]
	delete(m.running, router)
	m.mu.Unlock()
	if a != nil {
		a.close()
	}
}

// open opens the socket in the router's namespace.
func (a *advertiser) open(in *space) error {
	err := in.do(func() (err error) {
		a.raw, err = icmp.ListenPacket("ip6:ipv6-icmp", "::")
		return err
	})
	if err != nil {
		return err
	}
	a.conn = a.raw.IPv6PacketConn()
	var filter ipv6.ICMPFilter
	filter.SetAll(true)
	filter.Accept(ipv6.ICMPTypeRouterSolicitation)
	err = a.conn.SetICMPFilter(&filter)
	if err == nil {
		err = a.conn.SetControlMessage(ipv6.FlagInterface, true)
	}
	for _, advert := range a.adverts {
		l, findErr := in.nl.LinkByName(advert.inner)
		if findErr != nil {
			err = findErr
			break
		}
		a.byIndex[l.Attrs().Index] = advert
		routers := &net.IPAddr{IP: net.IPv6linklocalallrouters}
		if joinErr := a.conn.JoinGroup(&net.Interface{Index: l.Attrs().Index}, routers); joinErr != nil {
			err = joinErr
		}
	}
	if err != nil {
		a.raw.Close()
	}
	return err
}

// run advertises at intervals and when a guest asks, until the socket is closed.
func (a *advertiser) run() {
	buffer := make([]byte, 1500)
	next := time.Now()
	for {
		if !time.Now().Before(next) {
			for index := range a.byIndex {
				a.send(index)
			}
			next = time.Now().Add(advertInterval)
		}
		if err := a.raw.SetReadDeadline(next); err != nil {
			return
		}
		_, control, _, err := a.conn.ReadFrom(buffer)
		switch {
		case os.IsTimeout(err):
		case err != nil:
			return
		case control != nil:
			a.send(control.IfIndex)
		}
	}
}

// send advertises to everybody on one leg.
func (a *advertiser) send(index int) {
	advert, ok := a.byIndex[index]
	if !ok {
		return
	}
	control := &ipv6.ControlMessage{IfIndex: index, HopLimit: 255}
	_, err := a.conn.WriteTo(advert.marshal(), control, &net.IPAddr{IP: net.IPv6linklocalallnodes})
	if err != nil {
		a.log.Warn("network: cannot advertise a router", "space", a.space, "device", advert.inner, "error", err)
	}
}

// marshal builds the ICMPv6 message, without its checksum, which the kernel adds.
func (a advert) marshal() []byte {
	var flags byte
	for _, sub := range a.subnets {
		switch sub.RAMode {
		case "dhcpv6-stateful":
			flags |= flagManaged | flagOther
		case "dhcpv6-stateless":
			flags |= flagOther
		}
	}
	b := []byte{icmpRouterAdvert, 0, 0, 0, 64, flags}
	b = binary.BigEndian.AppendUint16(b, uint16(advertLifetime/time.Second))
	b = append(b, make([]byte, 8)...) // times of neighbour discovery: as the guest has them
	b = append(b, optionSourceMAC, 1)
	b = append(b, a.mac...)
	b = append(b, optionMTU, 1, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(a.mtu))
	for _, sub := range a.subnets {
		b = appendPrefix(b, sub)
		b = appendDNS(b, sub.DNS)
	}
	return b
}

// appendPrefix adds the option that describes a subnet.
func appendPrefix(b []byte, sub driver.Subnet) []byte {
	flags := byte(flagOnLink)
	if sub.RAMode != "dhcpv6-stateful" {
		flags |= flagAutonomous
	}
	b = append(b, optionPrefix, 4, byte(sub.CIDR.Bits()), flags)
	b = binary.BigEndian.AppendUint32(b, 86400)
	b = binary.BigEndian.AppendUint32(b, 14400)
	b = append(b, 0, 0, 0, 0)
	return append(b, sub.CIDR.Masked().Addr().AsSlice()...)
}

// appendDNS adds the option that names the resolvers.
func appendDNS(b []byte, servers []netip.Addr) []byte {
	servers = slices.DeleteFunc(slices.Clone(servers), func(a netip.Addr) bool { return !a.Is6() })
	if len(servers) == 0 {
		return b
	}
	b = append(b, optionDNS, byte(1+2*len(servers)), 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(advertLifetime/time.Second))
	for _, s := range servers {
		b = append(b, s.AsSlice()...)
	}
	return b
}
