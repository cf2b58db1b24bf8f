package linux

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sys/unix"

	"github.com/welkin-cloud/cloud/network/driver"
)

// The limits of the metadata service of one network.
const (
	metadataConns  = 128
	metadataBody   = 64 << 10
	metadataHeader = 16 << 10
)

// listenMetadata opens listeners for what comes in through a device. It runs in the
// device's namespace.
func listenMetadata(ctx context.Context, device string, addresses ...netip.Addr) ([]net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (failure error) {
		err := c.Control(func(fd uintptr) { failure = unix.BindToDevice(int(fd), device) })
		return errors.Join(err, failure)
	}}
	var all []net.Listener
	for _, addr := range addresses {
		l, err := config.Listen(ctx, "tcp", netip.AddrPortFrom(addr, 80).String())
		if err != nil {
			for _, open := range all {
				open.Close()
			}
			return nil, err
		}
		all = append(all, netutil.LimitListener(l, metadataConns))
	}
	return all, nil
}

// serveMetadata answers on the listeners until the service is closed.
func (m *Mechanism) serveMetadata(s *service, listeners []net.Listener) {
	server := &http.Server{
		Handler:           m.metadata(s.network),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    metadataHeader,
	}
	s.stop = append(s.stop, func() { server.Close() })
	for _, l := range listeners {
		s.wg.Go(func() { _ = server.Serve(l) }) // it ends when the server is closed
	}
}

// metadata hands requests of a network to the cloud, with the source that the
// connection has: guests cannot choose it.
func (m *Mechanism) metadata(network string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		h := m.handler.Load()
		if h == nil || err != nil {
			http.Error(w, "the metadata service is not ready", http.StatusServiceUnavailable)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, metadataBody)
		(*h).ServeMetadata(w, r, driver.MetadataRequest{
			NetworkID: network, Source: from.Addr().Unmap().WithZone(""),
		})
	})
}
