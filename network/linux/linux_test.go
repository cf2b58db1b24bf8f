package linux_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"

	"github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/drivertest"
	"github.com/welkin-cloud/cloud/network/linux"
)

// plainNetwork is a tenant network without services.
func plainNetwork() driver.Network {
	return driver.Network{
		ID: uuid.NewString(), Segment: 4711, MTU: 1400,
		Subnets: []driver.Subnet{{ID: uuid.NewString(), CIDR: netip.MustParsePrefix("10.5.0.0/24")}},
	}
}

// openPort is a port on which everything is allowed.
func openPort(n driver.Network, mac, address string) driver.Port {
	return driver.Port{
		ID: uuid.NewString(), NetworkID: n.ID, MAC: mac, Addresses: []netip.Addr{netip.MustParseAddr(address)},
		Up: true, Security: true,
		Rules: []driver.Rule{{Ingress: true, PortMin: -1, PortMax: -1}, {PortMin: -1, PortMax: -1}},
	}
}

// plug makes the port on the host, and a guest with its first address.
func (h *host) plug(t *testing.T, p driver.Port) drivertest.Guest {
	t.Helper()
	at, err := h.m.EnsurePort(t.Context(), p)
	require.NoError(t, err)
	g := (&probe{host: h}).Plug(t, at, p.MAC)
	require.NoError(t, g.Configure(netip.Addr{}, netip.PrefixFrom(p.Addresses[0], 24)))
	return g
}

// listen accepts TCP connections in a machine until the test ends.
func listen(t *testing.T, g interface{ Do(func() error) error }, port string) {
	t.Helper()
	require.NoError(t, g.Do(func() error {
		l, err := net.Listen("tcp", ":"+port)
		if err == nil {
			t.Cleanup(func() { l.Close() })
		}
		return err
	}))
}

// dials reports whether a TCP connection comes about.
func dials(g interface{ Do(func() error) error }, to string) bool {
	return g.Do(func() error {
		c, err := net.DialTimeout("tcp", to, time.Second)
		if err == nil {
			c.Close()
		}
		return err
	}) == nil
}

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]linux.Config{
		"no prefix":    {Namespace: "none"},
		"long prefix":  {Prefix: "abcdefghijklm"},
		"dash":         {Prefix: "a-b"},
		"no namespace": {Prefix: "welkin", Namespace: "welkin-that-is-not-there"},
	} {
		_, err := linux.New(t.Context(), cfg)
		require.Error(t, err, name)
	}
}

func TestInvalid(t *testing.T) {
	h := newHost(t)
	n := plainNetwork()
	require.NoError(t, h.m.EnsureNetwork(t.Context(), n))
	for name, change := range map[string]func(*driver.Network){
		"id":       func(n *driver.Network) { n.ID = "../x" },
		"mtu":      func(n *driver.Network) { n.MTU = 12 },
		"service":  func(n *driver.Network) { n.Service = driver.ServicePort{PortID: "x", MAC: "?"} },
		"physical": func(n *driver.Network) { n.Physical = "nowhere" },
	} {
		bad := plainNetwork()
		change(&bad)
		require.Error(t, h.m.EnsureNetwork(t.Context(), bad), name)
	}
	for name, change := range map[string]func(*driver.Port){
		"mac":      func(p *driver.Port) { p.MAC = "zz" },
		"protocol": func(p *driver.Port) { p.Rules = []driver.Rule{{Protocol: "smtp"}} },
		"pair":     func(p *driver.Port) { p.Pairs = []driver.AddressPair{{}} },
		"address":  func(p *driver.Port) { p.Addresses = []netip.Addr{{}} },
	} {
		bad := openPort(n, "fa:16:3e:00:00:01", "10.5.0.5")
		change(&bad)
		_, err := h.m.EnsurePort(t.Context(), bad)
		require.ErrorIs(t, err, driver.Invalid, name)
	}
	inv, err := h.m.Inventory(t.Context())
	require.NoError(t, err)
	require.Equal(t, driver.Inventory{Networks: []string{n.ID}}, inv)
}

// TestHostIsOutOfReach has a guest knock at the host's own addresses.
func TestHostIsOutOfReach(t *testing.T) {
	h := newHost(t)
	n := plainNetwork()
	require.NoError(t, h.m.EnsureNetwork(t.Context(), n))
	a := h.plug(t, openPort(n, "fa:16:3e:00:00:01", "10.5.0.5"))
	b := h.plug(t, openPort(n, "fa:16:3e:00:00:02", "10.5.0.6"))
	root := machineOf(t, h.cfg.Namespace)
	listen(t, root, "80")
	listen(t, b, "80")
	bridge := bridgeOf(t, root, n.ID)
	require.NoError(t, root.nl.AddrAdd(bridge, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 5, 0, 1), Mask: net.CIDRMask(24, 32)}}))
	require.True(t, dials(root, "10.5.0.1:80"))
	require.True(t, dials(a, "10.5.0.6:80"))
	require.False(t, dials(a, "10.5.0.1:80"))
}

// TestTwoCloudsOnOneHost checks that a cloud sees and removes only what is its own.
func TestTwoCloudsOnOneHost(t *testing.T) {
	one := newHost(t)
	other, err := linux.New(t.Context(), linux.Config{
		HostName: "other", Namespace: one.cfg.Namespace, Prefix: one.cfg.Prefix + "x", Physical: one.cfg.Physical,
	})
	require.NoError(t, err)
	n, o := plainNetwork(), plainNetwork()
	require.NoError(t, one.m.EnsureNetwork(t.Context(), n))
	require.NoError(t, other.EnsureNetwork(t.Context(), o))
	p := openPort(n, "fa:16:3e:00:00:01", "10.5.0.5")
	at, err := one.m.EnsurePort(t.Context(), p)
	require.NoError(t, err)

	require.ErrorIs(t, other.EnsureNetwork(t.Context(), n), driver.Conflict, "the bridge is another cloud's")
	betweenClouds(t, one, &host{cfg: linux.Config{Namespace: one.cfg.Namespace, Prefix: one.cfg.Prefix}, m: other})
	require.NoError(t, other.Teardown(t.Context()))
	again, err := one.m.EnsurePort(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, at, again)
}

// betweenClouds has guests of two clouds meet on a provider network: the rules of
// each hold.
func betweenClouds(t *testing.T, clouds ...*host) {
	t.Helper()
	var guests []drivertest.Guest
	for i, h := range clouds {
		n := plainNetwork()
		n.Physical = physical
		require.NoError(t, h.m.EnsureNetwork(t.Context(), n))
		for j, rules := range [][]driver.Rule{openPort(n, "", "10.5.0.1").Rules, {{PortMin: -1, PortMax: -1}}} {
			p := openPort(n, fmt.Sprintf("fa:16:3e:01:%02x:%02x", i, j), fmt.Sprintf("10.5.0.%d", 10+2*i+j))
			p.Rules = rules
			guests = append(guests, h.plug(t, p))
			listen(t, guests[len(guests)-1], "80")
		}
	}
	for i, g := range guests {
		for j := range guests {
			if i != j {
				require.Equal(t, j%2 == 0, dials(g, fmt.Sprintf("10.5.0.%d:80", 10+j)), "from %d to %d", i, j)
			}
		}
	}
}

// TestHalfDone begins with what a process leaves behind that died in the middle.
func TestHalfDone(t *testing.T) {
	h := newHost(t)
	root := machineOf(t, h.cfg.Namespace)
	n := plainNetwork()
	p := openPort(n, "fa:16:3e:00:00:01", "10.5.0.5")
	require.NoError(t, h.m.EnsureNetwork(t.Context(), n))
	bridge := bridgeOf(t, root, n.ID).Attrs().Name
	at, err := h.m.EnsurePort(t.Context(), p)
	require.NoError(t, err)
	before := h.left(t)
	require.NoError(t, h.m.RemovePort(t.Context(), p.ID))
	require.NoError(t, h.m.RemoveNetwork(t.Context(), n.ID))

	require.NoError(t, os.WriteFile("/run/netns/"+h.cfg.Prefix+"-net-"+n.ID, nil, 0o444))
	unmarked := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs()}
	unmarked.Name = bridge
	require.NoError(t, root.nl.LinkAdd(unmarked))
	require.NoError(t, root.Do(func() error {
		tap := &netlink.Tuntap{LinkAttrs: netlink.NewLinkAttrs(), Mode: netlink.TUNTAP_MODE_TAP, Flags: netlink.TUNTAP_NO_PI | netlink.TUNTAP_VNET_HDR}
		tap.Name = at.Tap
		return netlink.LinkAdd(tap)
	}))
	require.NoError(t, h.m.EnsureNetwork(t.Context(), n))
	again, err := h.m.EnsurePort(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, at, again)
	require.ElementsMatch(t, before, h.left(t))
}

// TestHalfRemoved finds a port whose remover was killed after it removed the tap: it is
// known by its part of the firewall.
func TestHalfRemoved(t *testing.T) {
	h := newHost(t)
	n := plainNetwork()
	p := openPort(n, "fa:16:3e:00:00:01", "10.5.0.5")
	require.NoError(t, h.m.EnsureNetwork(t.Context(), n))
	before := h.left(t)
	at, err := h.m.EnsurePort(t.Context(), p)
	require.NoError(t, err)
	require.NoError(t, deleteLink(h.cfg.Namespace, at.Tap))
	inventory, err := h.m.Inventory(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{p.ID}, inventory.Ports)
	require.NoError(t, h.m.RemovePort(t.Context(), p.ID))
	require.ElementsMatch(t, before, h.left(t))
}

// TestForeignDevice finds a device of the port's name that is somebody else's.
func TestForeignDevice(t *testing.T) {
	h := newHost(t)
	root := machineOf(t, h.cfg.Namespace)
	n := plainNetwork()
	p := openPort(n, "fa:16:3e:00:00:01", "10.5.0.5")
	require.NoError(t, h.m.EnsureNetwork(t.Context(), n))
	at, err := h.m.EnsurePort(t.Context(), p)
	require.NoError(t, err)
	require.NoError(t, h.m.RemovePort(t.Context(), p.ID))
	foreign := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs()}
	foreign.Name = at.Tap
	require.NoError(t, root.nl.LinkAdd(foreign))
	t.Cleanup(func() { require.NoError(t, deleteLink(h.cfg.Namespace, at.Tap)) })
	_, err = h.m.EnsurePort(t.Context(), p)
	require.ErrorIs(t, err, driver.Conflict)
	require.NoError(t, h.m.RemovePort(t.Context(), p.ID))
	_, err = root.nl.LinkByName(at.Tap)
	require.NoError(t, err, "it must not be removed")
}

// TestFlushedFirewall heals when the cloud says again what shall be.
func TestFlushedFirewall(t *testing.T) {
	h := newHost(t)
	n := plainNetwork()
	p, q := openPort(n, "fa:16:3e:00:00:01", "10.5.0.5"), openPort(n, "fa:16:3e:00:00:02", "10.5.0.6")
	q.Rules = q.Rules[1:]
	require.NoError(t, h.m.EnsureNetwork(t.Context(), n))
	a, b := h.plug(t, p), h.plug(t, q)
	listen(t, b, "80")
	require.False(t, dials(a, "10.5.0.6:80"))
	root := machineOf(t, h.cfg.Namespace)
	c, err := nftables.New(nftables.WithNetNSFd(int(root.fd)))
	require.NoError(t, err)
	c.FlushRuleset()
	require.NoError(t, c.Flush())
	require.True(t, dials(a, "10.5.0.6:80"))
	require.NoError(t, h.m.EnsureNetwork(t.Context(), n))
	for _, p := range []driver.Port{p, q} {
		_, err = h.m.EnsurePort(t.Context(), p)
		require.NoError(t, err)
	}
	require.False(t, dials(a, "10.5.0.6:80"))
}

// TestTunnel joins two hosts by VXLAN over a cable.
func TestTunnel(t *testing.T) {
	addresses := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}
	var hosts []*host
	for _, a := range addresses {
		hosts = append(hosts, newHost(t, func(c *linux.Config) { c.Underlay = a }))
	}
	cable(t, hosts[0], hosts[1], addresses)
	n := plainNetwork()
	n.Peers = addresses
	service := driver.ServicePort{PortID: uuid.NewString(), MAC: "fa:16:3e:00:00:ff", Addresses: []netip.Addr{netip.MustParseAddr("10.5.0.2")}}
	n.Subnets[0].DHCP, n.Service = true, service
	for _, h := range hosts {
		h.m.Serve(hostName(h.cfg.HostName))
		require.NoError(t, h.m.EnsureNetwork(t.Context(), n))
		require.NoError(t, h.m.EnsureNetwork(t.Context(), n))
	}
	a := hosts[0].plug(t, openPort(n, "fa:16:3e:00:00:01", "10.5.0.5"))
	b := hosts[1].plug(t, openPort(n, "fa:16:3e:00:00:02", "10.5.0.6"))
	listen(t, b, "80")
	require.True(t, dials(a, "10.5.0.6:80"))
	for i, g := range []drivertest.Guest{a, b} {
		require.Equal(t, hosts[i].cfg.HostName, whoServes(t, g, []string{"10.5.0.5", "10.5.0.6"}[i]), "each host serves its own guests")
	}

	n.Peers = nil
	require.NoError(t, hosts[0].m.EnsureNetwork(t.Context(), n))
	require.False(t, dials(a, "10.5.0.6:80"))
}

// hostName answers metadata requests with the name of the host.
type hostName string

func (n hostName) ServeMetadata(w http.ResponseWriter, _ *http.Request, _ driver.MetadataRequest) {
	fmt.Fprint(w, string(n))
}

// whoServes asks the metadata service by way of the service address, which all
// hosts have.
func whoServes(t *testing.T, g drivertest.Guest, own string) string {
	t.Helper()
	require.NoError(t, g.Configure(netip.MustParseAddr("10.5.0.2"), netip.MustParsePrefix(own+"/24")))
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (c net.Conn, err error) {
		err = g.Do(func() (err error) {
			var d net.Dialer
			c, err = d.DialContext(ctx, network, address)
			return err
		})
		return c, err
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 3 * time.Second}
	res, err := client.Get("http://169.254.169.254/")
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(body)
}

// bridgeOf finds the bridge of a network by its mark.
func bridgeOf(t *testing.T, m *machine, network string) netlink.Link {
	t.Helper()
	links, err := m.nl.LinkList()
	require.NoError(t, err)
	for _, l := range links {
		if l.Type() == "bridge" && strings.Contains(l.Attrs().Alias, network) {
			return l
		}
	}
	require.Fail(t, "the network has no bridge")
	return nil
}

// cable joins the host namespaces.
func cable(t *testing.T, a, b *host, addresses []netip.Addr) {
	t.Helper()
	one, two := machineOf(t, a.cfg.Namespace), machineOf(t, b.cfg.Namespace)
	v := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: "cable", PeerNamespace: netlink.NsFd(two.fd)}
	v.Name = "cable"
	require.NoError(t, one.nl.LinkAdd(v))
	for i, m := range []*machine{one, two} {
		l, err := m.nl.LinkByName("cable")
		require.NoError(t, err)
		address := &netlink.Addr{IPNet: &net.IPNet{IP: addresses[i].AsSlice(), Mask: net.CIDRMask(24, 32)}}
		require.NoError(t, m.nl.AddrAdd(l, address))
		require.NoError(t, m.nl.LinkSetUp(l))
	}
}
