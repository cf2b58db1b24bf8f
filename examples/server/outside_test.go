package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netns"
	"golang.org/x/crypto/ssh"
)

// outside is the world beyond a cloud's external network: a network namespace with
// one leg on the provider bridge.
type outside struct{ name string }

// The world's address on the external network is its gateway.
var (
	externalRange   = netip.MustParsePrefix("203.0.113.0/24")
	externalGateway = netip.MustParseAddr("203.0.113.1")
)

// newOutside makes the world of the server with that host; it ends with the test.
func newOutside(t *testing.T, h host) outside {
	t.Helper()
	o := outside{name: h.tag + "-outside"}
	inner, outer := "out0", h.tag+"-o"
	ip(t, "netns", "add", o.name)
	t.Cleanup(func() { ip(t, "netns", "delete", o.name) })
	ip(t, "-n", o.name, "link", "set", "lo", "up")
	ip(t, "-n", o.name, "link", "add", inner, "type", "veth", "peer", "name", outer, "netns", h.namespace)
	ip(t, "-n", o.name, "addr", "add", netip.PrefixFrom(externalGateway, externalRange.Bits()).String(), "dev", inner)
	ip(t, "-n", o.name, "link", "set", inner, "up")
	ip(t, "-n", h.namespace, "link", "set", outer, "master", h.network.Physical[physical], "up")
	return o
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	require.NoError(t, err, "ip %s: %s", strings.Join(args, " "), out)
}

// dial connects to a TCP port from the outside.
func (o outside) dial(ctx context.Context, address string) (conn net.Conn, err error) {
	err = within(o.name, func() error {
		// An address without a name is dialled by the calling goroutine, whose thread
		// is in the namespace; the socket stays there.
		conn, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp4", address)
		return err
	})
	return conn, err
}

// within calls f on a thread that is in the network namespace.
func within(name string, f func() error) error {
	done := make(chan error)
	go func() { done <- enter(name, f) }()
	return <-done
}

func enter(name string, f func() error) error {
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		return err
	}
	defer home.Close()
	there, err := netns.GetFromName(name)
	if err != nil {
		return err
	}
	defer there.Close()
	if err := netns.Set(there); err != nil {
		return err
	}
	err = f()
	if back := netns.Set(home); back != nil {
		return errors.Join(err, back) // the thread ends with the goroutine
	}
	runtime.UnlockOSThread()
	return err
}

// newKey makes an SSH key: how to log in with it, and its public line.
func newKey(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	line, err := ssh.NewPublicKey(public)
	require.NoError(t, err)
	return signer, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(line))) + " tester"
}

// login logs in to a guest as root, as soon as it answers.
func (o outside) login(t *testing.T, address string, key ssh.Signer) *ssh.Client {
	t.Helper()
	config := &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, Timeout: 30 * time.Second,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), // the guest is new and the way is ours
	}
	var client *ssh.Client
	var err error
	require.Eventually(t, func() bool {
		var conn net.Conn
		if conn, err = o.dial(t.Context(), net.JoinHostPort(address, "22")); err != nil {
			return false
		}
		var c ssh.Conn
		var channels <-chan ssh.NewChannel
		var requests <-chan *ssh.Request
		if c, channels, requests, err = ssh.NewClientConn(conn, address, config); err != nil {
			conn.Close()
			return false
		}
		client = ssh.NewClient(c, channels, requests)
		return true
	}, 2*time.Minute, time.Second, "SSH to %s", address)
	t.Cleanup(func() { client.Close() })
	return client
}

// shell runs a command in a guest and returns what it prints.
func shell(t *testing.T, c *ssh.Client, command string) string {
	t.Helper()
	session, err := c.NewSession()
	require.NoError(t, err)
	defer session.Close()
	out, err := session.CombinedOutput(command)
	require.NoError(t, err, "%s: %s", command, out)
	return strings.TrimSpace(string(out))
}
