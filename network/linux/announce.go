package linux

import (
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// announce tells the neighbours of a link that IPv4 addresses are there now, by
// gratuitous ARP: another machine may have had them a moment ago.
func (s *space) announce(l netlink.Link, added []netip.Prefix) error {
	added = slices.DeleteFunc(slices.Clone(added), func(p netip.Prefix) bool { return !p.Addr().Is4() })
	if len(added) == 0 {
		return nil
	}
	return failed("announce addresses", s.do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		to := &unix.SockaddrLinklayer{Protocol: 0x0608, Ifindex: l.Attrs().Index, Halen: 6}
		for _, p := range added {
			if err := unix.Sendto(fd, gratuitousARP(l.Attrs().HardwareAddr, p.Addr()), 0, to); err != nil {
				return err
			}
		}
		return nil
	}))
}

// gratuitousARP is a broadcast frame in which mac asks for its own address.
func gratuitousARP(mac []byte, a netip.Addr) []byte {
	ip := a.As4()
	return slices.Concat(
		[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, mac, []byte{8, 6}, // Ethernet
		[]byte{0, 1, 8, 0, 6, 4, 0, 1}, // ARP request, IPv4 over Ethernet
		mac, ip[:], make([]byte, 6), ip[:])
}
