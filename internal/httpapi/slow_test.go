package httpapi_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// pipes is a listener of connections in memory, which go by a test's own time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func TestSlowBodiesEnd(t *testing.T) {
	for name, c := range map[string]struct {
		head   string
		status int
	}{
		"that are read":       {"POST /v2.1/servers HTTP/1.1\r\nX-Auth-Token: member\r\n", http.StatusRequestTimeout},
		"that nobody reads":   {"POST /v2.1/servers HTTP/1.1\r\n", http.StatusUnauthorized},
		"that are of no use":  {"GET /v2.1/servers HTTP/1.1\r\nX-Auth-Token: member\r\n", http.StatusOK},
		"that have no length": {"POST /v2.1/nowhere HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- httpapi.Run(ctx, ln, httpapi.Server(newCompute(t, io.Discard), nil)) }()
				client, server := net.Pipe()
				ln.conns <- server
				if !strings.Contains(c.head, "chunked") {
					c.head += "Content-Length: 100\r\n"
				}
				_, err := fmt.Fprint(client, c.head+"Host: x\r\n\r\n1")
				require.NoError(t, err)
				resp, err := http.ReadResponse(bufio.NewReader(client), nil)
				require.NoError(t, err)
				require.Equal(t, c.status, resp.StatusCode)
				client.Close()
				cancel()
				require.NoError(t, <-ended)
			})
		})
	}
}
