// Package network is networking as a service: networks, subnets, ports, routers,
// floating IPs and security groups, with the behaviour of OpenStack Neutron.
//
// What users ask for is recorded first, in one transaction each, and realised
// afterwards: a level-based reconciler follows the commits of the state, works out
// which networks, ports and routers of which hosts they concern, and brings the
// mechanism of each host (package network/driver) to what is recorded. BindPort
// and UnbindPort wait for that; everything else returns at once.
package network

import (
	"context"
	"time"

	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/fleet"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/network/driver"
)

// Config of a Service. The zero value serves without hosts: ports can be made, not
// bound.
type Config struct {
	// Mechanisms realise the networks, by the name of their host.
	Mechanisms map[string]driver.Mechanism
	// Hosts, in a fork, stands for Mechanisms.
	Hosts *fleet.Fleet[driver.Mechanism]
	// RouterHost is where routers live; empty means the first host by name.
	RouterHost string
	// Zone is the availability zone of networks and routers; empty means "nova".
	Zone string
	// MTU of tenant networks; 0 means 1450, what VXLAN leaves of 1500.
	MTU int
	// ExternalPhysical is the provider network of external networks that are made
	// without one; empty leaves them virtual.
	ExternalPhysical string
	// Workers is how many background driver calls run at once; 0 means 4.
	Workers int
}

// Service is networking. Its methods are safe for concurrent use and trust their
// caller: who may do what is decided where requests come in.
type Service struct {
	db      *state.DB
	forked  bool // see core.Core
	clock   clock.Clock
	ids     *ids.Source
	cfg     Config
	t       tables
	limits  *quota.Limits
	cursors cursors
	rec     *reconciler
	taken   func(ctx context.Context, tx *state.Tx, p Port) error // see OnPortTaken
}

// New defines the service's collections in c.DB, which must not be open yet.
func New(c *core.Core, cfg Config) (*Service, error) {
	if cfg.Hosts == nil {
		cfg.Hosts = fleet.New(cfg.Mechanisms)
	}
	if cfg.RouterHost == "" && cfg.Hosts.Len() > 0 {
		cfg.RouterHost = cfg.Hosts.Hosts()[0]
	}
	if cfg.RouterHost != "" && !cfg.Hosts.Has(cfg.RouterHost) {
		return nil, fault.New(fault.Invalid, "there is no mechanism on the router host %q", cfg.RouterHost)
	}
	if cfg.Zone == "" {
		cfg.Zone = "nova"
	}
	if cfg.MTU == 0 {
		cfg.MTU = 1450
	}
	if cfg.Workers <= 0 {
		cfg.Workers = 4
	}
	s := &Service{db: c.DB, forked: c.Forked, clock: c.Clock, ids: c.IDs, cfg: cfg}
	s.t.define(c.DB)
	s.limits = c.Quotas.Service("network", defaultQuotas)
	s.rec = newReconciler(s, c.Log)
	if c.Sagas != nil {
		c.Sagas.WhenGone(s.rec.controllerGone)
	}
	return s, nil
}

// Start begins to realise what is recorded on all hosts, and removes from them
// what is not. The DB must be open.
func (s *Service) Start(ctx context.Context) error {
	return fault.Wrap("network.Start", s.rec.start(ctx))
}

// Close waits for the driver calls under way. What the drivers made stays.
func (s *Service) Close() error {
	s.rec.close()
	return nil
}

// Zone is the availability zone of networks and routers.
func (s *Service) Zone() string { return s.cfg.Zone }

// Hosts are the mechanisms by host.
func (s *Service) Hosts() *fleet.Fleet[driver.Mechanism] { return s.cfg.Hosts }

// SetMetadata makes h answer the guests' metadata requests on all hosts.
func (s *Service) SetMetadata(h driver.MetadataHandler) {
	for _, m := range s.cfg.Hosts.All() {
		m.Serve(h)
	}
}

// OnPortTaken has f called in the transaction that deletes a port which a device still
// has, so that the device may lose its interface. It is for the time before Start.
func (s *Service) OnPortTaken(f func(ctx context.Context, tx *state.Tx, p Port) error) { s.taken = f }

// update runs f in a transaction.
func (s *Service) update(ctx context.Context, op string, f func(tx *state.Tx) error) error {
	return fault.Wrap("network."+op, s.db.Update(ctx, f))
}

// fresh gives the common part of a new resource.
func (s *Service) fresh(id, project, name, description string, tags []string) (Meta, error) {
	if id == "" {
		id = s.ids.UUID()
	}
	now := s.now()
	m := Meta{ID: id, ProjectID: project, Name: name, Description: description, CreatedAt: now, UpdatedAt: now}
	if err := m.labels(); err != nil {
		return m, err
	}
	return m, m.setTags(tags)
}

func (s *Service) now() time.Time { return s.clock.Now().UTC() }

// touch notes that a resource has changed.
func (s *Service) touch(m *Meta) {
	m.Revision++
	m.UpdatedAt = s.now()
}

// emit records an event of a resource.
func (s *Service) emit(ctx context.Context, tx *state.Tx, event, resource string, m *Meta) {
	who := caller.From(ctx)
	tx.Emit(state.Event{
		Type: event, Resource: resource, ID: m.ID, ProjectID: m.ProjectID,
		UserID: who.UserID, RequestID: who.RequestID, Time: s.now(),
	})
}

// list collects a sequence of records; never nil.
func list[T any](seq func(yield func(T) bool)) []T {
	all := []T{}
	for v := range seq {
		all = append(all, v)
	}
	return all
}

func keys[K comparable, V any](m map[K]V) func(yield func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
