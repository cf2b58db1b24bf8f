package drivertest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"

	"github.com/welkin-cloud/cloud/network/driver"
)

// The time in which an answer must have come, and in which silence counts as none.
const (
	patience = 3 * time.Second
	silence  = 600 * time.Millisecond
)

// ping sends one echo request and waits for the answer.
func ping(g Guest, to netip.Addr, wait time.Duration) error {
	return g.Do(func() error {
		c, err := icmp.ListenPacket("ip4:icmp", "0.0.0.0")
		if err != nil {
			return err
		}
		defer c.Close()
		m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: os.Getpid() & 0xffff, Seq: 1, Data: []byte("welkin")}}
		b, err := m.Marshal(nil)
		if err != nil {
			return err
		}
		if _, err := c.WriteTo(b, &net.IPAddr{IP: to.AsSlice()}); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return err
		}
		for buffer := make([]byte, 1500); ; {
			n, from, err := c.ReadFrom(buffer)
			if err != nil {
				return err
			}
			answer, err := icmp.ParseMessage(1, buffer[:n])
			if err == nil && answer.Type == ipv4.ICMPTypeEchoReply && from.String() == to.String() {
				return nil
			}
		}
	})
}

// reaches requires that an echo comes back; the first may wait for ARP.
func reaches(t *testing.T, g Guest, to netip.Addr) {
	t.Helper()
	require.NoError(t, ping(g, to, patience), "%s must answer", to)
}

// silent requires that no echo comes back.
func silent(t *testing.T, g Guest, to netip.Addr) {
	t.Helper()
	require.Error(t, ping(g, to, silence), "%s must not answer", to)
}

// echo listens on a TCP port of the guest and sends every line back, with the
// address of who sent it.
func echo(t *testing.T, g Guest, port uint16) {
	t.Helper()
	var l net.Listener
	require.NoError(t, g.Do(func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(netip.IPv4Unspecified(), port).String())
		return err
	}))
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				from := netip.MustParseAddrPort(c.RemoteAddr().String()).Addr()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					fmt.Fprintln(c, from, lines.Text())
				}
			}()
		}
	}()
}

// connect opens a TCP connection from the guest.
func connect(g Guest, to netip.Addr, port uint16, wait time.Duration) (net.Conn, error) {
	var c net.Conn
	err := g.Do(func() (err error) {
		c, err = net.DialTimeout("tcp", netip.AddrPortFrom(to, port).String(), wait)
		return err
	})
	return c, err
}

// talk sends a line over a connection to echo and returns as whom it was seen.
func talk(c net.Conn, wait time.Duration) (netip.Addr, error) {
	if err := c.SetDeadline(time.Now().Add(wait)); err != nil {
		return netip.Addr{}, err
	}
	if _, err := fmt.Fprintln(c, "hello"); err != nil {
		return netip.Addr{}, err
	}
	var from, word string
	if _, err := fmt.Fscan(c, &from, &word); err != nil {
		return netip.Addr{}, err
	}
	return netip.ParseAddr(from)
}

// seenAs opens a connection to echo and returns the source that it saw.
func seenAs(t *testing.T, g Guest, to netip.Addr, port uint16) netip.Addr {
	t.Helper()
	c, err := connect(g, to, port, patience)
	require.NoError(t, err, "%s:%d must be reached", to, port)
	defer c.Close()
	from, err := talk(c, patience)
	require.NoError(t, err)
	return from
}

// refused requires that no connection comes about.
func refused(t *testing.T, g Guest, to netip.Addr, port uint16) {
	t.Helper()
	c, err := connect(g, to, port, silence)
	if err == nil {
		c.Close()
	}
	require.Error(t, err, "%s:%d must not be reached", to, port)
}

// datagrams opens a UDP socket on a port of the guest.
func datagrams(t *testing.T, g Guest, port int) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	require.NoError(t, g.Do(func() (err error) {
		c, err = net.ListenUDP("udp4", &net.UDPAddr{Port: port})
		return err
	}))
	t.Cleanup(func() { c.Close() })
	return c
}

// delivers sends a datagram and reports whether it comes to the other socket.
func delivers(t *testing.T, from, to *net.UDPConn, address netip.Addr, port int) bool {
	t.Helper()
	_, err := from.WriteTo([]byte("hello"), &net.UDPAddr{IP: address.AsSlice(), Port: port})
	require.NoError(t, err)
	require.NoError(t, to.SetReadDeadline(time.Now().Add(silence)))
	_, _, err = to.ReadFrom(make([]byte, 16))
	return err == nil
}

// get asks the guest's metadata service.
func get(g Guest, path string) (status int, body string, err error) {
	err = g.Do(func() error {
		c, err := net.DialTimeout("tcp", "169.254.169.254:80", patience)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		r, err := http.NewRequest(http.MethodGet, "http://169.254.169.254"+path, nil)
		if err != nil {
			return err
		}
		r.Close = true
		if err := r.Write(c); err != nil {
			return err
		}
		res, err := http.ReadResponse(bufio.NewReader(c), r)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
		status, body = res.StatusCode, string(b)
		return err
	})
	return status, body, err
}

// dhcp runs a DHCP exchange from the guest's device.
func dhcp(ctx context.Context, g Guest, wait time.Duration, options ...dhcpv4.Modifier) (lease *nclient4.Lease, err error) {
	err = withDHCP(g, wait, func(c *nclient4.Client) (err error) {
		lease, err = c.Request(ctx, options...)
		return err
	})
	return lease, err
}

// withDHCP runs f with a client on the guest's device. It asks three times: a bridge
// may forward a moment after a guest has come up.
func withDHCP(g Guest, wait time.Duration, f func(c *nclient4.Client) error) error {
	return g.Do(func() error {
		c, err := nclient4.New(g.Device(), nclient4.WithTimeout(wait/3), nclient4.WithRetry(3))
		if err != nil {
			return err
		}
		return errors.Join(f(c), c.Close())
	})
}

// whoAsks is a metadata handler that answers with what it was told of the guest.
type whoAsks struct{}

func (whoAsks) ServeMetadata(w http.ResponseWriter, r *http.Request, from driver.MetadataRequest) {
	fmt.Fprintf(w, "%s %s %s", from.NetworkID, from.Source, r.URL.Path)
}
