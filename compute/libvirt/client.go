package libvirt

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/unixsock"
)

// client keeps one connection to libvirtd and dials again when it breaks. The RPC
// library knows neither contexts nor time-outs: a call runs in a goroutine, its
// caller may leave it, and a call that takes too long closes the connection, which
// ends every call on it.
type client struct {
	socket  string
	timeout time.Duration
	listen  func(*link) // runs for each new connection, until it breaks
	life    context.Context
	wg      sync.WaitGroup

	mu      sync.Mutex
	current *link         // nil while there is no connection
	changed chan struct{} // closed when current or closing changes
	closing bool
}

// link is one connection.
type link struct {
	*golibvirt.Libvirt
	conn *linkConn
}

// linkConn is a connection that knows when it is broken.
type linkConn struct {
	net.Conn
	once   sync.Once
	broken chan struct{}
}

// Read notes the first error.
func (c *linkConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		c.once.Do(func() { close(c.broken) })
	}
	return n, err
}

// Write notes the first error too: it may come before the reader's.
func (c *linkConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err != nil {
		c.once.Do(func() { close(c.broken) })
	}
	return n, err
}

// Dial hands the connection to the RPC library.
func (c *linkConn) Dial() (net.Conn, error) { return c, nil }

const (
	dialWait    = 15 * time.Second // for libvirtd to come back
	dialBackoff = 100 * time.Millisecond
	openTimeout = 30 * time.Second // libvirtd may be probing QEMU
)

// newClient begins to dial and never gives up until close.
func newClient(life context.Context, socket string, timeout time.Duration, listen func(*link)) *client {
	c := &client{socket: socket, timeout: timeout, listen: listen, life: life, changed: make(chan struct{})}
	c.wg.Go(c.maintain)
	return c
}

// maintain dials whenever there is no connection.
func (c *client) maintain() {
	for c.life.Err() == nil {
		l, err := c.dial()
		if err != nil {
			select {
			case <-time.After(dialBackoff):
			case <-c.life.Done():
			}
			continue
		}
		c.set(l)
		var listener sync.WaitGroup
		listener.Go(func() { c.listen(l) })
		select {
		case <-l.conn.broken:
		case <-c.life.Done():
		}
		c.set(nil)
		l.conn.Close()
		listener.Wait()
	}
}

// set publishes the connection.
func (c *client) set(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = l
	close(c.changed)
	c.changed = make(chan struct{})
}

// dial opens a connection and greets libvirtd.
func (c *client) dial() (*link, error) {
	ctx, cancel := context.WithTimeout(c.life, openTimeout)
	defer cancel()
	conn, err := unixsock.Dial(ctx, c.socket)
	if err != nil {
		return nil, err
	}
	lc := &linkConn{Conn: conn, broken: make(chan struct{})}
	l := &link{Libvirt: golibvirt.NewWithDialer(lc), conn: lc}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err = l.ConnectToURI(golibvirt.QEMUSystem)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return l, nil
}

// close ends the connection and waits for everything that used it. The life of the
// client must have ended.
func (c *client) close() {
	c.mu.Lock()
	c.closing = true
	if c.current != nil {
		c.current.conn.Close()
	}
	c.mu.Unlock()
	c.wg.Wait()
}

// get returns the connection, or waits for one.
func (c *client) get(ctx context.Context) (*link, error) {
	timer := time.NewTimer(dialWait)
	defer timer.Stop()
	for {
		c.mu.Lock()
		l, changed := c.current, c.changed
		c.mu.Unlock()
		if l != nil {
			return l, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.life.Done():
			return nil, driver.Errorf(driver.Unavailable, "the hypervisor driver is closed")
		case <-timer.C:
			return nil, driver.Errorf(driver.Unavailable, "libvirtd does not answer")
		}
	}
}

// call runs fn with a connection. It returns when ctx ends, though what was asked
// of libvirtd may still happen.
func (c *client) call(ctx context.Context, fn func(l *link) error) error {
	l, err := c.get(ctx)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return driver.Errorf(driver.Unavailable, "the hypervisor driver is closed")
	}
	c.wg.Go(func() {
		watchdog := time.AfterFunc(c.timeout, func() { l.conn.Close() })
		defer watchdog.Stop()
		done <- fn(l)
	})
	c.mu.Unlock()
	select {
	case err := <-done:
		return classify(l, err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// classify gives an error of libvirt a kind.
func classify(l *link, err error) error {
	if err == nil {
		return nil
	}
	var e golibvirt.Error
	if !errors.As(err, &e) {
		select {
		case <-l.conn.broken:
			return wrap(driver.Unavailable, "libvirtd does not answer", err)
		default:
			return err
		}
	}
	switch golibvirt.ErrorNumber(e.Code) {
	case golibvirt.ErrNoDomain:
		return wrap(driver.NotFound, "the guest is not on this host", err)
	case golibvirt.ErrOperationInvalid:
		return wrap(driver.Conflict, "the guest's power state forbids it", err)
	case golibvirt.ErrOperationTimeout, golibvirt.ErrAgentUnresponsive:
		return wrap(driver.Unavailable, "the guest does not answer", err)
	case golibvirt.ErrConfigUnsupported, golibvirt.ErrOperationUnsupported, golibvirt.ErrNoSupport:
		return wrap(driver.Unsupported, "the hypervisor cannot do it", err)
	}
	if strings.Contains(e.Message, "Cannot allocate memory") || strings.Contains(e.Message, "No space left") {
		return wrap(driver.Exhausted, "the host has no room", err)
	}
	return err
}
