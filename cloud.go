// Package cloud composes a private cloud in one Go value.
//
//	c, err := cloud.New(ctx, cloud.Config{
//		Dir:         "/var/lib/cloud",
//		Hypervisors: []hypervisor.Hypervisor{host},
//		…
//	})
//
// A [Cloud] has the services as fields, each with a Go API of its own, and gives them
// OpenStack-shaped HTTP APIs with [Cloud.Handler]. Many clouds live side by side in
// one process; nothing is global.
//
// Every contact with the world is a driver from the configuration: see the driver
// packages compute/driver, network/driver, volume/driver and image/driver, and package
// cloudtest for a cloud made of fakes. All state is one value, kept in a directory or
// in memory; all long work survives a crash and goes on at the next New.
package cloud

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"github.com/welkin-cloud/cloud/compute"
	hypervisor "github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/identity"
	directory "github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/image"
	store "github.com/welkin-cloud/cloud/image/driver"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/sqlite"
	"github.com/welkin-cloud/cloud/network"
	mechanism "github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/volume"
	backend "github.com/welkin-cloud/cloud/volume/driver"
)

// Clock tells a cloud the time; see Config.Clock.
type Clock = clock.Clock

// Principal is who sends a request: a user, and the project, the domain or the system
// for which it has Roles; see Config.Session.
type Principal = policy.Principal

// Config of New. The drivers are required, and belong to the cloud from then on:
// Close closes them, and so does New if it fails. The rest has defaults.
type Config struct {
	// Dir keeps the state and the token keys; it is made with mode 0700. A
	// directory serves one cloud at a time. Empty keeps everything in memory.
	Dir string
	// Engine keeps the state instead of Dir: it may be one that several controllers
	// share. It belongs to the cloud from New on. Without Dir it keeps the token keys
	// too; with it they are in Dir, and controllers need the same ones.
	Engine state.Engine
	// Controller names this process among those that work on one state, each of which
	// needs a name of its own; empty means "controller". With the same name as before,
	// a process goes on with its own work at once after a crash; others take that work
	// when its lease is over.
	Controller string

	Hypervisors []hypervisor.Hypervisor        // one for each compute host
	Networks    map[string]mechanism.Mechanism // by host
	Images      store.Store
	Volumes     []backend.Backend
	Backups     store.Store // of volumes; may be nil: there are no backups then

	// Directories keep the users and groups of domains, such as LDAP, by the name of the
	// domain, which is made if it is not there.
	Directories map[string]directory.Directory
	// OpenDirectory lets the configurations of domains, which the API sets, name further
	// directories; see identity.Config.
	OpenDirectory func(kind string, options map[string]string) (directory.Directory, error)
	// Federation names the identity providers whose users may log in, such as those of
	// package identity/oidc.
	Federation identity.FederationConfig

	// AdminPassword of the user "admin" in project "admin", made at the first
	// start; empty makes no administrator.
	AdminPassword string
	// Session tells who sends a request that has no token, by a session of the program's
	// own: a cookie, a client certificate, a header that a proxy has set. It returns nil
	// if it does not know, which is answered with 401, as is an error of the kind
	// Unauthenticated. What the principal may do follows from its Roles (those that they
	// imply have to be among them) and its project, as with a token; the user need not be
	// known to the cloud.
	//
	// Browsers send cookies with requests of other sites' pages too: let the cookie be
	// SameSite, or look at the Origin header.
	Session func(r *http.Request) (*Principal, error)
	// Identity is how long tokens and the like last, how many there may be of what, and
	// what is asked of passwords. The zero value is Keystone's defaults.
	Identity identity.Settings
	// Policies are rules that replace the defaults, by service ("compute", "network",
	// …) and rule name, in oslo.policy's language.
	Policies map[string]map[string]string
	// PolicyDir has files of such rules, which lie over Policies: SERVICE.yaml or .json,
	// or policy.yaml for several services. They may be changed, made and removed while
	// the cloud runs, and count some seconds later; a wrong one is logged and changes
	// nothing. Empty for none. See docs/policy.md.
	PolicyDir string
	// IgnoreScopes makes rules hold for tokens of any scope, not only of those that the
	// rule is for.
	IgnoreScopes bool
	// ExternalNetwork is the provider network of external networks that are made
	// without one.
	ExternalNetwork string
	// StopGrace is how long a guest may take to shut down; 0 means one minute.
	StopGrace time.Duration
	// ResumeGuests makes the guests of servers again that hosts lost while no cloud
	// ran: for hypervisors that forget, such as the one in memory.
	ResumeGuests bool

	// WrapStep, if set, replaces each step of the work of each kind, named by its saga:
	// tests hold and break work with it.
	WrapStep func(saga string, step saga.Step) saga.Step

	Log   *slog.Logger // nil for none
	Clock Clock        // nil for the machine's
	// Seed makes identifiers and secrets predictable, for tests only; 0 draws them
	// from the operating system. Controllers of one state need different seeds: with
	// the same one they would make the same identifiers.
	Seed uint64
}

// Cloud is a running private cloud. Its services are safe for concurrent use; they
// trust their callers, who say in whose name they act. Requests from outside are
// authorised by Handler.
type Cloud struct {
	Identity *identity.Service
	Images   *image.Service
	Volumes  *volume.Service
	Networks *network.Service
	Compute  *compute.Service

	core    *core.Core
	policy  *policy.Enforcer
	session func(r *http.Request) (*Principal, error)
	parts   parts
	seed    uint64
	fakes   *Fakes         // of a fork
	closers []func() error // in reverse order of closing
}

// New starts a cloud: it loads the state, goes on with unfinished work and mends what
// differs between the record and the drivers.
func New(ctx context.Context, cfg Config) (*Cloud, error) {
	c := &Cloud{parts: partsOf(cfg), seed: cfg.Seed, session: cfg.Session}
	c.own(cfg)
	if err := c.open(ctx, cfg); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// own makes the cloud responsible for closing the drivers.
func (c *Cloud) own(cfg Config) {
	for _, d := range cfg.Directories {
		c.closers = append(c.closers, d.Close)
	}
	for _, m := range cfg.Federation.Methods {
		c.closers = append(c.closers, m.Driver.Close)
	}
	if cfg.Images != nil {
		c.closers = append(c.closers, cfg.Images.Close)
	}
	if cfg.Backups != nil {
		c.closers = append(c.closers, cfg.Backups.Close)
	}
	for _, b := range cfg.Volumes {
		c.closers = append(c.closers, b.Close)
	}
	for _, m := range cfg.Networks {
		c.closers = append(c.closers, m.Close)
	}
	for _, h := range cfg.Hypervisors {
		c.closers = append(c.closers, h.Close)
	}
}

func (c *Cloud) open(ctx context.Context, cfg Config) error {
	if cfg.Images == nil || len(cfg.Volumes) == 0 || len(cfg.Networks) == 0 || len(cfg.Hypervisors) == 0 {
		return errors.New("cloud: Hypervisors, Networks, Images and Volumes are required")
	}
	var err error
	if c.policy, err = policy.New(cfg.Policies); err != nil {
		return err
	}
	if cfg.IgnoreScopes {
		c.policy.IgnoreScopes()
	}
	if c.core, err = newCore(cfg); err != nil {
		return err
	}
	if err := c.watchPolicies(ctx, cfg); err != nil {
		return err
	}
	if err := c.compose(); err != nil {
		return err
	}
	return c.start(ctx)
}

// watchPolicies follows the files of PolicyDir.
func (c *Cloud) watchPolicies(ctx context.Context, cfg Config) error {
	if cfg.PolicyDir == "" {
		return nil
	}
	w, err := policy.Watch(ctx, c.policy, policy.WatchConfig{
		Dir: cfg.PolicyDir, Base: cfg.Policies, Clock: c.core.Clock, Log: c.core.Log,
	})
	if err == nil {
		c.closers = append(c.closers, w.Close)
	}
	return err
}

// controller is the name of the only one of a cloud.
const controller = "controller"

// newCore makes what the services stand on.
func newCore(cfg Config) (*core.Core, error) {
	k := &core.Core{Clock: cfg.Clock, IDs: ids.Random(), Log: cfg.Log}
	if k.Clock == nil {
		k.Clock = clock.System{}
	}
	if k.Log == nil {
		k.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Seed != 0 {
		k.IDs = ids.Seeded(cfg.Seed)
	}
	engine := cfg.Engine
	if engine == nil && cfg.Dir != "" {
		var err error
		if engine, err = sqlite.Open(filepath.Join(cfg.Dir, "state.db")); err != nil {
			return nil, err
		}
	}
	k.DB = state.New(engine, nil)
	k.Quotas = quota.Define(k.DB)
	k.Sagas = saga.New(k.DB, k.Clock, k.IDs, k.Log, saga.Config{
		Controller: cmp.Or(cfg.Controller, controller), Wrap: cfg.WrapStep,
	})
	return k, nil
}

// parts is how the services are configured.
type parts struct {
	identity identity.Config
	images   image.Config
	volumes  volume.Config
	networks network.Config
	compute  compute.Config
}

func partsOf(cfg Config) parts {
	p := parts{
		identity: identity.Config{
			Settings: cfg.Identity, AdminPassword: cfg.AdminPassword, Services: catalog(),
			SharedKeys:  cfg.Engine != nil && cfg.Dir == "",
			Directories: cfg.Directories, OpenDirectory: cfg.OpenDirectory,
			Federation: cfg.Federation,
		},
		images:   image.Config{Store: cfg.Images},
		volumes:  volume.Config{Backends: cfg.Volumes, Backups: cfg.Backups},
		networks: network.Config{Mechanisms: cfg.Networks, ExternalPhysical: cfg.ExternalNetwork},
		compute: compute.Config{
			Hypervisors: cfg.Hypervisors, StopGrace: cfg.StopGrace, ResumeGuests: cfg.ResumeGuests,
		},
	}
	if cfg.Dir != "" {
		p.identity.Keys = identity.FileKeys(filepath.Join(cfg.Dir, "keys"))
	}
	return p
}

// compose makes the services, each with the siblings that it needs.
func (c *Cloud) compose() (err error) {
	p := &c.parts
	if c.Identity, err = identity.New(c.core, p.identity); err != nil {
		return err
	}
	if c.Images, err = image.New(c.core, p.images); err != nil {
		return err
	}
	p.volumes.Images = c.Images
	if c.Volumes, err = volume.New(c.core, p.volumes); err != nil {
		return err
	}
	if c.Networks, err = network.New(c.core, p.networks); err != nil {
		return err
	}
	p.compute.Networks, p.compute.Images, p.compute.Volumes = c.Networks, c.Images, c.Volumes
	if c.Compute, err = compute.New(c.core, p.compute); err != nil {
		return err
	}
	c.Networks.OnPortTaken(c.Compute.PortTaken)
	return nil
}

// start opens the state and starts the services; the sagas go on last, when all that
// their steps call is there.
func (c *Cloud) start(ctx context.Context) error {
	c.closers = append(c.closers, c.core.DB.Close)
	if err := c.core.DB.Open(ctx); err != nil {
		return err
	}
	c.Networks.SetMetadata(c.Compute)
	return c.startServices(ctx)
}

func (c *Cloud) startServices(ctx context.Context) error {
	services := []struct {
		start func(context.Context) error
		close func() error
	}{
		{c.Identity.Start, c.Identity.Close},
		{c.Images.Start, c.Images.Close},
		{c.Volumes.Start, nil},
		{c.Networks.Start, c.Networks.Close},
		{c.Compute.Start, c.Compute.Close},
		{c.core.Sagas.Open, c.core.Sagas.Close},
	}
	for _, s := range services {
		if s.close != nil {
			c.closers = append(c.closers, s.close)
		}
		if err := s.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Idle returns when no work is under way: whatever was asked for has come to its end,
// good or bad, or waits for a time to pass.
func (c *Cloud) Idle(ctx context.Context) error {
	if err := c.core.Sagas.Idle(ctx); err != nil {
		return err
	}
	return c.Networks.Idle(ctx)
}

// Sync returns when this controller knows all that the others of its cloud had done when
// it was called. What others do comes by itself, a moment later; Sync is for a client
// that has just talked to another one.
func (c *Cloud) Sync(ctx context.Context) error { return c.core.DB.Sync(ctx) }

// Close ends the cloud: work under way stops where it is and goes on at the next New
// over the same directory. Guests go on running.
func (c *Cloud) Close() error {
	var errs []error
	for i := len(c.closers) - 1; i >= 0; i-- {
		errs = append(errs, c.closers[i]())
	}
	c.closers = nil
	return errors.Join(errs...)
}
