// Package compute is servers as a service: flavors, keypairs, servers and their
// life, server groups, aggregates and hosts, with the behaviour of OpenStack Nova;
// and, in package placement below it, what hosts have and who uses it.
//
// Long verbs are sagas, one file each (saga_*.go): the method starts the saga in
// the transaction that marks the server as busy, and returns. [Service.WaitServer]
// waits for the end.
package compute

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/placement"
	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/fleet"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Config of a Service. Networks, Images and Volumes may be nil in a cloud without
// them: what needs them is then refused.
type Config struct {
	Hypervisors []driver.Hypervisor // each names its host
	// Hosts, in a fork, stands for Hypervisors.
	Hosts    *fleet.Fleet[driver.Hypervisor]
	Networks Networks
	Images   Images
	Volumes  Volumes

	// Overcommit of hosts; 0 means 4 for processors and 1 for memory and disk.
	CPURatio, RAMRatio, DiskRatio float64
	// Reserved is what hosts keep for themselves.
	ReservedMemoryMiB, ReservedDiskGiB int
	// Zone is the availability zone of hosts in no aggregate that names one;
	// empty means "nova".
	Zone string
	// Quotas overrides default limits by resource; see the constants.
	Quotas map[string]int
	// StopGrace is how long a guest may take to shut down; 0 means one minute.
	StopGrace time.Duration
	// OrphanGrace is how long a guest that no server owns is left alone; 0 means
	// one minute.
	OrphanGrace time.Duration
	// ResumeGuests is for hosts that lose their guests when the controller ends, as
	// after a reboot of the host: Start makes the guests of all servers again and
	// powers them as recorded. Without it such servers are in error.
	ResumeGuests bool
	// VendorData is served to guests as vendor_data.json; nil for none.
	VendorData map[string]any
}

func (c Config) withDefaults() Config {
	defaults := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	defaults(&c.CPURatio, 4)
	defaults(&c.RAMRatio, 1)
	defaults(&c.DiskRatio, 1)
	if c.Zone == "" {
		c.Zone = "nova"
	}
	if c.StopGrace == 0 {
		c.StopGrace = time.Minute
	}
	if c.OrphanGrace == 0 {
		c.OrphanGrace = time.Minute
	}
	return c
}

// Service is compute. Its methods are safe for concurrent use and trust their
// caller: who may do what is decided where requests come in.
type Service struct {
	core   *core.Core
	cfg    Config
	log    *slog.Logger
	limits *quota.Limits

	// Placement is what hosts have and who uses it.
	Placement *placement.Store

	servers       *state.Collection[Server]
	serverBy      serverIndexes
	flavors       *state.Collection[Flavor]
	flavorNames   *state.Index[Flavor]
	keypairs      *state.Collection[Keypair]
	keypairUsers  *state.Index[Keypair]
	groups        *state.Collection[ServerGroup]
	groupProjects *state.Index[ServerGroup]
	aggregates    *state.Collection[Aggregate]
	hosts         *state.Collection[Host]
	usages        *state.Collection[Usage]
	decisions     *state.Collection[decisions]

	hypervisors *fleet.Fleet[driver.Hypervisor] // set by Start; in a fork by New
	images      imageCache
	interrupts  interrupts

	mu        sync.Mutex
	life      context.Context // of the goroutines; nil before Start and after Close
	stop      context.CancelFunc
	work      sync.WaitGroup
	followers map[string]chan chan<- bool // of hosts: see askable
}

// New defines the service's collections and sagas in c, whose DB must not be open
// yet.
func New(c *core.Core, cfg Config) (*Service, error) {
	s := &Service{
		core: c, cfg: cfg.withDefaults(), log: c.Log.With("service", "compute"),
		limits:    c.Quotas.Service("compute", withOverrides(defaultLimits, cfg.Quotas)),
		Placement: placement.Define(c.DB, c.Clock, c.IDs),
		stop:      func() {},
	}
	if s.hypervisors = cfg.Hosts; cfg.Hosts == nil {
		s.hypervisors = fleet.New[driver.Hypervisor](nil)
	}
	s.hypervisors.OnOpen(s.hostOpened)
	s.defineCollections(c.DB)
	s.defineSagas()
	return s, nil
}

func withOverrides(defaults, overrides map[string]int) map[string]int {
	m := maps.Clone(defaults)
	maps.Copy(m, overrides)
	return m
}

func (s *Service) defineCollections(db *state.DB) {
	s.serverBy = newServerIndexes()
	s.servers = state.Define(db, state.Spec[Server]{
		Name: "compute.servers", Noun: "server",
		Key: func(v *Server) string { return v.ID },
		Indexes: []*state.Index[Server]{
			s.serverBy.all, s.serverBy.project, s.serverBy.host, s.serverBy.group,
		},
	})
	s.flavorNames = state.NewUnique("name", func(f *Flavor) []string { return []string{f.Name} })
	s.flavors = state.Define(db, state.Spec[Flavor]{
		Name: "compute.flavors", Noun: "flavor",
		Key:     func(f *Flavor) string { return f.ID },
		Indexes: []*state.Index[Flavor]{s.flavorNames},
	})
	s.keypairUsers = state.NewIndex("user", func(k *Keypair) []string { return []string{k.UserID} })
	s.keypairs = state.Define(db, state.Spec[Keypair]{
		Name: "compute.keypairs", Noun: "keypair",
		Key:     func(k *Keypair) string { return keypairKey(k.UserID, k.Name) },
		Indexes: []*state.Index[Keypair]{s.keypairUsers},
	})
	s.groupProjects = state.NewIndex("project", func(g *ServerGroup) []string { return []string{g.ProjectID} })
	s.groups = state.Define(db, state.Spec[ServerGroup]{
		Name: "compute.groups", Noun: "server group",
		Key:     func(g *ServerGroup) string { return g.ID },
		Indexes: []*state.Index[ServerGroup]{s.groupProjects},
	})
	s.aggregates = state.Define(db, state.Spec[Aggregate]{
		Name: "compute.aggregates", Noun: "aggregate",
		Key: func(a *Aggregate) string { return fmt.Sprintf("%010d", a.ID) },
	})
	s.hosts = state.Define(db, state.Spec[Host]{
		Name: "compute.hosts", Noun: "compute host",
		Key: func(h *Host) string { return h.Name },
	})
	s.decisions = state.Define(db, state.Spec[decisions]{
		Name: "compute.placements", Noun: "placement",
		Key: func(d *decisions) string { return d.ServerID },
	})
	s.usages = state.Define(db, state.Spec[Usage]{
		Name: "compute.usages", Noun: "usage",
		Key: func(u *Usage) string { return u.ProjectID },
	})
}

// Start registers the hosts and begins to follow their guests. The DB must be open;
// call it before the saga engine is opened, since sagas that go on need the hosts.
func (s *Service) Start(ctx context.Context) error {
	// The goroutines outlive the caller's ctx; Close ends them.
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if !s.core.Forked {
		if err := s.registerHosts(ctx); err != nil {
			cancel()
			return err
		}
	}
	s.mu.Lock()
	s.life, s.stop = life, cancel
	s.mu.Unlock()
	from := s.core.DB.Snapshot().Revision()
	s.work.Go(func() { s.followImages(life, from) })
	if !s.core.Forked {
		s.resumeAndFollow(ctx, life)
	}
	return nil
}

// resumeAndFollow makes the guests again that hosts lost, and begins to follow all.
func (s *Service) resumeAndFollow(ctx, life context.Context) {
	resumed := make(chan struct{}, s.hypervisors.Len())
	for name, hv := range s.hypervisors.All() {
		s.work.Go(func() {
			if s.cfg.ResumeGuests {
				s.resumeGuests(life, name, hv)
			}
			resumed <- struct{}{}
			s.follow(life, name, hv)
		})
	}
	s.waitFor(ctx, resumed)
}

// hostOpened begins to follow the guests of a fork's host, when it is first needed.
func (s *Service) hostOpened(host string, hv driver.Hypervisor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if life := s.life; life != nil {
		s.work.Go(func() { s.follow(life, host, hv) })
	}
}

// waitFor waits until all hosts have their guests again, but not for long.
func (s *Service) waitFor(ctx context.Context, resumed <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer s.core.Clock.AfterFunc(resumeWait, cancel)()
	for range s.hypervisors.Hosts() {
		select {
		case <-resumed:
		case <-ctx.Done():
			return
		}
	}
}

// Close ends what Start began and waits for it. Guests go on running, and the
// drivers stay open: they are their owner's.
func (s *Service) Close() error {
	s.mu.Lock()
	s.stop()
	s.life = nil
	s.mu.Unlock()
	s.work.Wait()
	return nil
}

// Hypervisors are the hypervisors by host: none before Start.
func (s *Service) Hypervisors() *fleet.Fleet[driver.Hypervisor] { return s.hypervisors }

// Now is the cloud's time.
func (s *Service) Now() time.Time { return s.core.Clock.Now() }

// emit records an event about a resource in the transaction.
func (s *Service) emit(ctx context.Context, tx *state.Tx, event, resource, id, project string, traits map[string]string) {
	who := caller.From(ctx)
	tx.Emit(state.Event{
		Type: event, Resource: resource, ID: id, ProjectID: project,
		UserID: who.UserID, RequestID: who.RequestID, Time: s.core.Clock.Now(), Traits: traits,
	})
}
