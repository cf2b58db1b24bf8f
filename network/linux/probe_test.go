package linux_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/drivertest"
)

const guestDevice = "eth0"

var guests atomic.Uint32

// probe puts machines on a host's networks. A machine is a network namespace; one
// on a tap has a tap of its own there, and frames are copied between the two, as a
// hypervisor does.
type probe struct{ host *host }

// machine is a namespace with one device.
type machine struct {
	fd netns.NsHandle
	nl *netlink.Handle
}

// newMachine makes a namespace that ends with the test.
func newMachine(t *testing.T, name string) *machine {
	t.Helper()
	require.NoError(t, thread(func() error {
		fd, err := netns.NewNamed(name)
		if err != nil {
			return err
		}
		return fd.Close()
	}))
	t.Cleanup(func() { require.NoError(t, netns.DeleteNamed(name)) })
	m := machineOf(t, name)
	lo, err := m.nl.LinkByName("lo")
	require.NoError(t, err)
	require.NoError(t, m.nl.LinkSetUp(lo))
	require.NoError(t, m.Do(func() error {
		return errors.Join(
			os.WriteFile("/proc/sys/net/ipv6/conf/default/accept_dad", []byte("0"), 0),
			os.WriteFile("/proc/sys/net/ipv4/conf/all/rp_filter", []byte("0"), 0),
		)
	}))
	return m
}

// machineOf opens a namespace that is there.
func machineOf(t *testing.T, name string) *machine {
	t.Helper()
	fd, err := netns.GetFromName(name)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, fd.Close()) })
	nl, err := netlink.NewHandleAt(fd, unix.NETLINK_ROUTE)
	require.NoError(t, err)
	t.Cleanup(nl.Close)
	return &machine{fd: fd, nl: nl}
}

func (p *probe) name() string {
	return p.host.cfg.Prefix + "g" + string(rune('a'+guests.Add(1)%26)) + time.Now().Format("150405.000000")
}

// Plug starts a guest on a tap.
func (p *probe) Plug(t *testing.T, at driver.Attachment, mac string) drivertest.Guest {
	t.Helper()
	m := newMachine(t, p.name())
	hostFD, err := netns.GetFromName(p.host.cfg.Namespace)
	require.NoError(t, err)
	defer hostFD.Close()
	outer := openTap(t, hostFD, at.Tap)
	inner := openTap(t, m.fd, guestDevice)
	l, err := m.nl.LinkByName(guestDevice)
	require.NoError(t, err)
	hw, err := net.ParseMAC(mac)
	require.NoError(t, err)
	require.NoError(t, m.nl.LinkSetHardwareAddr(l, hw))
	require.NoError(t, m.nl.LinkSetMTU(l, at.MTU))
	require.NoError(t, m.nl.LinkSetUp(l))
	pump(t, outer, inner)
	return m
}

// Outside starts a machine on the provider network.
func (p *probe) Outside(t *testing.T) drivertest.Guest {
	t.Helper()
	m := newMachine(t, p.name())
	hostFD, err := netns.GetFromName(p.host.cfg.Namespace)
	require.NoError(t, err)
	defer hostFD.Close()
	nl, err := netlink.NewHandleAt(hostFD, unix.NETLINK_ROUTE)
	require.NoError(t, err)
	defer nl.Close()
	bridge, err := nl.LinkByName(provider)
	require.NoError(t, err)
	v := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: guestDevice, PeerNamespace: netlink.NsFd(m.fd)}
	v.Name, v.MasterIndex = "ext"+time.Now().Format("05.000000"), bridge.Attrs().Index
	require.NoError(t, nl.LinkAdd(v))
	t.Cleanup(func() { require.NoError(t, deleteLink(p.host.cfg.Namespace, v.Name)) })
	require.NoError(t, nl.LinkSetUp(v))
	l, err := m.nl.LinkByName(guestDevice)
	require.NoError(t, err)
	require.NoError(t, m.nl.LinkSetUp(l))
	return m
}

func deleteLink(space, name string) error {
	fd, err := netns.GetFromName(space)
	if err != nil {
		return err
	}
	defer fd.Close()
	nl, err := netlink.NewHandleAt(fd, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer nl.Close()
	l, err := nl.LinkByName(name)
	if err != nil {
		return err
	}
	return nl.LinkDel(l)
}

func (m *machine) Device() string { return guestDevice }

// Configure replaces addresses and the default route.
func (m *machine) Configure(gateway netip.Addr, addresses ...netip.Prefix) error {
	l, err := m.nl.LinkByName(guestDevice)
	if err != nil {
		return err
	}
	have, err := m.nl.AddrList(l, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for _, a := range have {
		if err := m.nl.AddrDel(l, &a); err != nil {
			return err
		}
	}
	for _, p := range addresses {
		bits := p.Addr().BitLen()
		a := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), bits)}}
		if err := m.nl.AddrReplace(l, a); err != nil {
			return err
		}
	}
	if !gateway.IsValid() {
		return nil
	}
	everything := &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}
	return m.nl.RouteReplace(&netlink.Route{
		LinkIndex: l.Attrs().Index, Dst: everything, Gw: gateway.AsSlice(), Flags: int(netlink.FLAG_ONLINK),
	})
}

// SetMAC changes the device's MAC.
func (m *machine) SetMAC(mac string) error {
	hw, err := net.ParseMAC(mac)
	if err != nil {
		return err
	}
	l, err := m.nl.LinkByName(guestDevice)
	if err != nil {
		return err
	}
	return m.nl.LinkSetHardwareAddr(l, hw)
}

// Do runs f on a thread in the machine's namespace.
func (m *machine) Do(f func() error) error {
	return thread(func() error {
		if err := netns.Set(m.fd); err != nil {
			return err
		}
		return f()
	})
}

// thread runs f on a thread that ends with it.
func thread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

// openTap opens a tap, as QEMU does for a virtio device, and makes it if absent.
func openTap(t *testing.T, space netns.NsHandle, name string) *os.File {
	t.Helper()
	var fd int
	require.NoError(t, thread(func() (err error) {
		if err := netns.Set(space); err != nil {
			return err
		}
		if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0); err != nil {
			return err
		}
		req, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		return unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}))
	return os.NewFile(uintptr(fd), filepath.Join("tap", name))
}

// pump copies frames both ways until the test ends.
func pump(t *testing.T, a, b *os.File) {
	done := make(chan struct{}, 2)
	carry := func(from, to *os.File) {
		defer func() { done <- struct{}{} }()
		buffer := make([]byte, 1<<16)
		for {
			n, err := from.Read(buffer)
			if errors.Is(err, os.ErrClosed) {
				return
			}
			if err != nil {
				time.Sleep(time.Millisecond) // the device is down
				continue
			}
			_, _ = to.Write(buffer[:n])
		}
	}
	go carry(a, b)
	go carry(b, a)
	t.Cleanup(func() {
		a.Close()
		b.Close()
		<-done
		<-done
	})
}
