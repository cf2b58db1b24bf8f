package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"sync"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/welkin-cloud/cloud/identity/driver"
)

// pool keeps connections, no more than its slots.
type pool struct {
	cfg     *Config
	greet   func(c *goldap.Conn) error // what is done on a new one; may be nil
	slots   chan struct{}
	mu      sync.Mutex
	idle    []*conn
	busy    map[*conn]bool
	closed  bool
	closing chan struct{}
}

// conn is a connection, and what is below it.
type conn struct {
	*goldap.Conn
	raw net.Conn
}

// drop ends a connection at once, whatever it is doing.
func (c *conn) drop() {
	c.raw.Close()
	c.Close()
}

func newPool(cfg *Config, greet func(c *goldap.Conn) error) *pool {
	return &pool{
		cfg: cfg, greet: greet, slots: make(chan struct{}, cfg.PoolSize),
		busy: map[*conn]bool{}, closing: make(chan struct{}),
	}
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	close(p.closing)
	for _, c := range p.idle {
		c.drop()
	}
	for c := range p.busy {
		c.raw.Close()
	}
	p.idle = nil
}

// do runs f with a connection. A connection that was kept may have been ended by the
// server since: then f runs again with a new one. So it must be a question, or a change
// that may be repeated.
func (p *pool) do(ctx context.Context, f func(c *goldap.Conn) error) error {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-p.closing:
		return errClosed()
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		c, kept, err := p.get(ctx)
		if err != nil {
			return err
		}
		err = p.use(ctx, c, f)
		if kept && err != nil && !answered(err) && ctx.Err() == nil && !goldap.IsErrorWithCode(err, goldap.LDAPResultTimeout) {
			continue
		}
		return err
	}
}

// get returns a connection that was kept, or a new one.
func (p *pool) get(ctx context.Context) (c *conn, kept bool, err error) {
	p.mu.Lock()
	for len(p.idle) > 0 && !kept {
		c = p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		kept = !c.IsClosing()
	}
	if kept {
		p.busy[c] = true
	}
	closed := p.closed
	p.mu.Unlock()
	switch {
	case closed:
		return nil, false, errClosed()
	case kept:
		return c, true, nil
	}
	if c, err = p.dial(ctx); err != nil {
		return nil, false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.drop()
		return nil, false, errClosed()
	}
	p.busy[c] = true
	return c, false, nil
}

// use runs f with a connection, and keeps it if it is still good.
func (p *pool) use(ctx context.Context, c *conn, f func(c *goldap.Conn) error) error {
	err := bounded(ctx, p.cfg.Timeout, c, func() error { return f(c.Conn) })
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.busy, c)
	if p.closed || err != nil && !answered(err) || c.IsClosing() {
		c.drop()
	} else {
		p.idle = append(p.idle, c)
	}
	if p.closed && err != nil {
		return errClosed()
	}
	return err
}

// bounded runs f, which uses a connection, and ends the connection when ctx ends.
func bounded(ctx context.Context, timeout time.Duration, c *conn, f func() error) error {
	if until, ok := ctx.Deadline(); ok {
		timeout = max(min(timeout, time.Until(until)), time.Millisecond)
	}
	c.SetTimeout(timeout)
	stop := context.AfterFunc(ctx, func() { c.raw.Close() })
	err := f()
	if !stop() { // ctx has ended
		return errors.Join(ctx.Err(), err)
	}
	return err
}

// answered reports whether an error is the server's answer: the connection is good.
func answered(err error) bool {
	var e *goldap.Error
	return errors.As(err, &e) && e.ResultCode < goldap.ErrorNetwork && e.ResultCode != goldap.LDAPResultTimeout &&
		e.ResultCode != goldap.LDAPResultUnavailable && e.ResultCode != goldap.LDAPResultServerDown
}

// dial connects to the first server that answers.
func (p *pool) dial(ctx context.Context) (*conn, error) {
	var errs []error
	for _, text := range p.cfg.URLs {
		c, err := p.dialOne(ctx, text)
		if err == nil {
			return c, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

func (p *pool) dialOne(ctx context.Context, text string) (*conn, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = map[string]string{"ldap": goldap.DefaultLdapPort, "ldaps": goldap.DefaultLdapsPort}[u.Scheme]
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	secure := new(tls.Config)
	if p.cfg.TLS != nil {
		secure = p.cfg.TLS.Clone()
	}
	if secure.ServerName == "" {
		secure.ServerName = host
	}
	c := &conn{raw: raw}
	if u.Scheme == "ldaps" {
		over := tls.Client(raw, secure)
		if err := over.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, err
		}
		c.Conn = goldap.NewConn(over, true)
	} else {
		c.Conn = goldap.NewConn(raw, false)
	}
	c.Start()
	err = bounded(ctx, p.cfg.Timeout, c, func() error { return p.prepare(c, secure) })
	if err != nil {
		c.drop()
		return nil, err
	}
	return c, nil
}

// prepare encrypts a new connection, if that is to be done here, and says who asks.
func (p *pool) prepare(c *conn, secure *tls.Config) error {
	if p.cfg.StartTLS {
		if err := c.StartTLS(secure); err != nil {
			return err
		}
	}
	if p.greet == nil {
		return nil
	}
	if err := p.greet(c.Conn); err != nil {
		// Whatever it is, it is not about what the caller wants.
		return errors.Join(driver.Unavailable, err)
	}
	return nil
}

func errClosed() error { return driver.Errorf(driver.Unavailable, "The directory is closed.") }
