package ldap_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// relay stands between a driver and a server: it counts connections, and keeps what the
// driver sends.
type relay struct {
	url  string
	mu   sync.Mutex
	sent bytes.Buffer
	now  int
	peak int
}

func newRelay(t *testing.T, to string) *relay {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{url: "ldap://" + l.Addr().String()}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { r.pass(c, strings.TrimPrefix(to, "ldap://")) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		work.Wait()
	})
	return r
}

// pass forwards a connection until either side ends it.
func (r *relay) pass(c net.Conn, to string) {
	defer c.Close()
	s, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer s.Close()
	r.count(1)
	defer r.count(-1)
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(c, s) // it ends with the connection
		c.Close()
	})
	_, _ = io.Copy(io.MultiWriter(r, s), c)
	s.Close()
	back.Wait()
}

func (r *relay) count(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now += n
	r.peak = max(r.peak, r.now)
}

// Write keeps what the driver sends.
func (r *relay) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent.Write(p)
}

func (r *relay) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent.String()
}
