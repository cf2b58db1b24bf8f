// Package memnetwork is a network mechanism in memory: for tests and simulations.
// It moves no packets, but it holds what it was told, it can be looked into, and
// it can be made slow or faulty.
package memnetwork

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/inject"
	"github.com/welkin-cloud/cloud/internal/overlay"
	"github.com/welkin-cloud/cloud/network/driver"
)

// Config describes the fake's host.
type Config struct {
	Name     string   // "mem" if empty
	Physical []string // the provider networks that it reaches; "physnet1" if nil

	Clock clock.Clock // the machine's if nil

	// Fault is asked at each call with the method's name and the id of the network,
	// port or router: before the effect as "EnsurePort", after it as
	// "EnsurePort/after". The call ends with the error that it returns. It may block
	// until ctx ends.
	Fault func(ctx context.Context, op, id string) error
	// Delay says how long a call takes on Clock.
	Delay func(op, id string) time.Duration

	// Base is what is on the host already; nothing if it is zero.
	Base Base
}

// Base is what a host holds before its first call. Its functions may be nil; they are
// asked for a thing when it is first touched, and must give the same answers always. A
// host with a base reaches every provider network.
type Base struct {
	Network func(id string) (driver.Network, bool)
	Port    func(id string) (driver.Port, bool)
	Router  func(id string) (driver.Router, bool)
	// Networks, Ports and Routers are the ids of all.
	Networks, Ports, Routers func() []string
}

// Mechanism is the fake. It is a driver.Mechanism. Closing it is what the end of a
// process is to a real one: it may be used again.
type Mechanism struct {
	host    driver.Host
	points  *inject.Points
	reaches bool // every provider network

	mu       sync.Mutex
	networks *overlay.Map[driver.Network]
	ports    *overlay.Map[driver.Port]
	routers  *overlay.Map[driver.Router]
	served   map[string]bool // networks with metadata since the last Close
	handler  driver.MetadataHandler
}

var _ driver.Mechanism = (*Mechanism)(nil)

// New returns a mechanism with nothing on it.
func New(cfg Config) *Mechanism {
	if cfg.Name == "" {
		cfg.Name = "mem"
	}
	if cfg.Physical == nil {
		cfg.Physical = []string{"physnet1"}
	}
	return &Mechanism{
		host:     driver.Host{Name: cfg.Name, Type: "fake", Physical: slices.Sorted(slices.Values(cfg.Physical))},
		points:   inject.New(cfg.Clock, cfg.Fault, cfg.Delay),
		reaches:  cfg.Base.Network != nil,
		networks: overlay.New(overlay.Base[driver.Network]{Get: cfg.Base.Network, Keys: cfg.Base.Networks}),
		ports:    overlay.New(overlay.Base[driver.Port]{Get: cfg.Base.Port, Keys: cfg.Base.Ports}),
		routers:  overlay.New(overlay.Base[driver.Router]{Get: cfg.Base.Router, Keys: cfg.Base.Routers}),
		served:   make(map[string]bool),
	}
}

// SetFault replaces Config.Fault; nil ends all faults.
func (m *Mechanism) SetFault(f func(ctx context.Context, op, id string) error) { m.points.SetFault(f) }

// SetDelay replaces Config.Delay; nil ends all delays.
func (m *Mechanism) SetDelay(f func(op, id string) time.Duration) { m.points.SetDelay(f) }

// FailTimes returns a fault for the next n calls of op, on whatever id: negative n
// for all.
func FailTimes(op string, n int, err error) func(ctx context.Context, op, id string) error {
	var mu sync.Mutex
	return func(_ context.Context, called, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		if called != op || n == 0 {
			return nil
		}
		n--
		return err
	}
}

// change is a call that changes what is held.
func (m *Mechanism) change(ctx context.Context, op, id string, do func() error) error {
	return m.points.Call(ctx, op, id, &m.mu, do)
}

// Host describes the host.
func (m *Mechanism) Host(ctx context.Context) (driver.Host, error) {
	return m.host, m.points.Before(ctx, "Host", "")
}

// EnsureNetwork keeps the network.
func (m *Mechanism) EnsureNetwork(ctx context.Context, n driver.Network) error {
	return m.change(ctx, "EnsureNetwork", n.ID, func() error {
		if n.ID == "" {
			return driver.Errorf(driver.Invalid, "a network has no id")
		}
		if n.Physical != "" && !m.reaches && !slices.Contains(m.host.Physical, n.Physical) {
			return driver.Errorf(driver.Unsupported, "this host does not reach provider network %s", n.Physical)
		}
		n.Subnets, n.Peers, n.Leases = slices.Clone(n.Subnets), slices.Clone(n.Peers), slices.Clone(n.Leases)
		m.networks.Set(n.ID, n)
		m.served[n.ID] = n.Service.PortID != ""
		return nil
	})
}

// RemoveNetwork forgets the network.
func (m *Mechanism) RemoveNetwork(ctx context.Context, id string) error {
	return m.change(ctx, "RemoveNetwork", id, func() error {
		if m.used(id) {
			return driver.Errorf(driver.Conflict, "network %s still has ports on this host", id)
		}
		m.networks.Delete(id)
		delete(m.served, id)
		return nil
	})
}

// used reports whether a port or a router is on the network.
func (m *Mechanism) used(network string) bool {
	for _, p := range m.ports.All() {
		if p.NetworkID == network {
			return true
		}
	}
	for _, r := range m.routers.All() {
		if slices.Contains(networksOf(r), network) {
			return true
		}
	}
	return false
}

// networksOf lists the networks that a router has legs in.
func networksOf(r driver.Router) []string {
	var all []string
	for _, p := range r.Ports {
		all = append(all, p.NetworkID)
	}
	if r.Gateway != nil {
		all = append(all, r.Gateway.NetworkID)
	}
	return all
}

// EnsurePort keeps the port.
func (m *Mechanism) EnsurePort(ctx context.Context, p driver.Port) (at driver.Attachment, err error) {
	err = m.change(ctx, "EnsurePort", p.ID, func() error {
		n, ok := m.networks.Get(p.NetworkID)
		if !ok {
			return driver.Errorf(driver.NotFound, "network %s is not on this host", p.NetworkID)
		}
		p.Addresses, p.Pairs, p.Rules = slices.Clone(p.Addresses), slices.Clone(p.Pairs), slices.Clone(p.Rules)
		m.ports.Set(p.ID, p)
		at = driver.Attachment{Tap: tapName(p.ID), MTU: n.MTU}
		return nil
	})
	if err != nil {
		return driver.Attachment{}, err
	}
	return at, nil
}

// tapName is the port's device, were it real.
func tapName(port string) string { return "tap" + port[:min(11, len(port))] }

// RemovePort forgets the port.
func (m *Mechanism) RemovePort(ctx context.Context, id string) error {
	return m.change(ctx, "RemovePort", id, func() error {
		m.ports.Delete(id)
		return nil
	})
}

// EnsureRouter keeps the router.
func (m *Mechanism) EnsureRouter(ctx context.Context, r driver.Router) error {
	return m.change(ctx, "EnsureRouter", r.ID, func() error {
		for _, id := range networksOf(r) {
			if _, ok := m.networks.Get(id); !ok {
				return driver.Errorf(driver.NotFound, "network %s is not on this host", id)
			}
		}
		r.Ports, r.Floating, r.Routes = slices.Clone(r.Ports), slices.Clone(r.Floating), slices.Clone(r.Routes)
		m.routers.Set(r.ID, r)
		return nil
	})
}

// RemoveRouter forgets the router.
func (m *Mechanism) RemoveRouter(ctx context.Context, id string) error {
	return m.change(ctx, "RemoveRouter", id, func() error {
		m.routers.Delete(id)
		return nil
	})
}

// Inventory lists what is held.
func (m *Mechanism) Inventory(ctx context.Context) (driver.Inventory, error) {
	if err := m.points.Before(ctx, "Inventory", ""); err != nil {
		return driver.Inventory{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return driver.Inventory{
		Networks: m.networks.Keys(),
		Ports:    m.ports.Keys(),
		Routers:  m.routers.Keys(),
	}, nil
}

// Close ends metadata until the next Serve and EnsureNetwork. What is held stays.
func (m *Mechanism) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.handler = nil
	clear(m.served)
	return nil
}

// Network returns a network as it was last ensured.
func (m *Mechanism) Network(id string) (driver.Network, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.networks.Get(id)
}

// Port returns a port as it was last ensured.
func (m *Mechanism) Port(id string) (driver.Port, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ports.Get(id)
}

// Router returns a router as it was last ensured.
func (m *Mechanism) Router(id string) (driver.Router, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.routers.Get(id)
}
