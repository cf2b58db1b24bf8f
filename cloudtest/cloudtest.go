// Package cloudtest gives a test a whole cloud in memory, in one line:
//
//	c := cloudtest.New(t)
//	server, err := c.Compute.CreateServer(ctx, c.Projects[0].ID, compute.CreateServerOptions{
//		Name: "web", FlavorID: c.Flavors[0].ID, ImageID: c.PublicImages[0].ID,
//	})
//
// It is the real control plane on the fake drivers of this module, so it answers as a
// cloud does, over HTTP too ([Cloud.URL], [Cloud.Access]): whatever speaks OpenStack can
// be tested against it. A [Model] says how much of everything there is. Identifiers come
// from a seed, and the time may be the test's own ([Clock]). The drivers are fields of
// the cloud, to look into ([Cloud.CheckClean]).
//
// What goes wrong in real clouds is brought about in one line, by [Cloud.Inject] with one
// of the functions that return a [Fault]; docs/faults.md lists them. How long changes
// take, and when they end, is the test's to say: [Transitions].
//
// A cloud ends with its test; many run side by side.
package cloudtest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/compute"
	hypervisor "github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/image/memstore"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/network"
	mechanism "github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/memnetwork"
	backend "github.com/welkin-cloud/cloud/volume/driver"
	"github.com/welkin-cloud/cloud/volume/memvolume"
)

// Patience is how long WaitIdle and CheckClean wait before they fail the test.
const Patience = 30 * time.Second

// Cloud is a cloud in memory with what its Model asked for. The services are those of
// the embedded cloud.Cloud.
type Cloud struct {
	*cloud.Cloud

	// Admin may do everything; its project is "admin".
	Admin    User
	Projects []Project
	Flavors  []compute.Flavor
	// PublicImages are bootable, and the administrator's.
	PublicImages []image.Image
	// External is the network "public" that floating IPs come from.
	External network.Network

	// Hosts, Volumes and stores are the fakes beneath.
	Hosts         []Host
	VolumeBackend *memvolume.Backend
	ImageStore    *memstore.Store
	BackupStore   *memstore.Store

	t     testing.TB
	model Model

	injections  injections
	transitions transitions
	live        atomic.Pointer[cloud.Cloud] // Cloud, for those who run beside the test
	starts      int

	mu      sync.Mutex
	handler http.Handler     // made when it is first needed
	server  *httptest.Server // likewise
}

// Host is a compute host.
type Host struct {
	Name       string
	Hypervisor *memhypervisor.Hypervisor
	Network    *memnetwork.Mechanism
}

// New starts a cloud that ends with the test: one host, project, user, flavor, image
// and network, or as a Model says. It fails the test if it cannot.
func New(t testing.TB, model ...Model) *Cloud {
	t.Helper()
	c := &Cloud{t: t}
	if len(model) > 1 {
		t.Fatal("cloudtest: New takes one Model")
	}
	for _, m := range model {
		c.model = m
	}
	c.model.setDefaults()
	c.transitions.cloud = c
	c.addDrivers()
	c.start()
	t.Cleanup(c.close)
	t.Cleanup(c.checkAtEnd)
	if err := c.populate(t.Context()); err != nil {
		t.Fatalf("cloudtest: cannot make what the model asks for: %v", err)
	}
	for which, pace := range c.model.Transitions {
		c.SetTransition(which, pace)
	}
	return c
}

// addDrivers makes the fakes. They outlive Restart, as real ones do.
func (c *Cloud) addDrivers() {
	var clk cloud.Clock // nil unless the test has one
	if c.model.Clock != nil {
		clk = c.model.Clock
	}
	for i := range count(c.model.Hosts) {
		name := number("host", i)
		c.Hosts = append(c.Hosts, Host{
			Name: name,
			Hypervisor: memhypervisor.New(memhypervisor.Config{
				Name: name, VCPUs: c.model.HostVCPUs, MemoryMiB: c.model.HostMemoryMiB,
				DiskGiB: c.model.HostDiskGiB, Clock: clk, Fault: c.asked("hypervisor", name),
			}),
			Network: memnetwork.New(memnetwork.Config{Name: name, Physical: []string{physical}, Clock: clk, Fault: c.asked("network", name)}),
		})
	}
	c.VolumeBackend = memvolume.New(memvolume.Config{Clock: clk, Fault: c.asked("volume", "")})
	c.ImageStore = memstore.New(memstore.Config{Clock: clk, Fault: c.asked("image", "")})
	c.BackupStore = memstore.New(memstore.Config{Clock: clk, Fault: c.asked("backup", "")})
}

// config composes the cloud of the fakes.
func (c *Cloud) config() cloud.Config {
	cfg := cloud.Config{
		Dir: c.model.Dir, Networks: map[string]mechanism.Mechanism{},
		Images: c.ImageStore, Volumes: []backend.Backend{c.VolumeBackend}, Backups: c.BackupStore,
		AdminPassword: Password, Identity: identity.Settings{BcryptCost: 4}, ExternalNetwork: physical,
		Policies: c.model.Policies, Federation: c.model.Federation, Log: c.model.Log, Seed: c.seed(), WrapStep: c.wrapStep,
	}
	if c.model.Clock != nil {
		cfg.Clock = c.model.Clock
	}
	for _, h := range c.Hosts {
		cfg.Hypervisors = append(cfg.Hypervisors, hypervisor.Hypervisor(h.Hypervisor))
		cfg.Networks[h.Name] = h.Network
	}
	return cfg
}

// seed is another one at each start: a cloud that starts again must not make the same
// identifiers as before.
func (c *Cloud) seed() uint64 { return c.model.Seed + uint64(c.starts)<<32 }

// clock is the cloud's time.
func (c *Cloud) clock() cloud.Clock {
	if c.model.Clock != nil {
		return c.model.Clock
	}
	return clock.System{}
}

func (c *Cloud) start() {
	c.t.Helper()
	cfg := c.config()
	if cfg.Dir != "" && cfg.Engine == nil {
		var err error
		if cfg.Engine, err = c.openDatabase(filepath.Join(cfg.Dir, "state.db")); err != nil {
			c.t.Fatalf("cloudtest: the state cannot be opened: %v", err)
		}
	}
	started, err := cloud.New(c.t.Context(), cfg)
	if err != nil {
		c.t.Fatalf("cloudtest: the cloud does not start: %v", err)
	}
	c.Cloud = started
	c.live.Store(started)
	c.starts++
}

// Restart ends the cloud where it is and starts it again over the same directory, as
// after a crash of the controller: the drivers, and the guests on them, stay. It needs
// Model.Dir. The URL stays the same. ControllerCrashes ends with it.
func (c *Cloud) Restart() {
	c.t.Helper()
	if c.model.Dir == "" {
		c.t.Fatal("cloudtest: Restart needs Model.Dir: the state would be lost")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.Cloud.Close(); err != nil {
		c.t.Errorf("cloudtest: close: %v", err)
	}
	for _, in := range c.injections.all() {
		if in.fault.crash {
			in.End()
		}
	}
	c.handler = nil
	c.start()
}

// close ends faults and holds, so that what they keep waiting comes to an end; then the
// server, so that no request finds the cloud closed.
func (c *Cloud) close() {
	c.injections.end()
	c.transitions.end()
	c.mu.Lock()
	server := c.server
	c.mu.Unlock()
	if server != nil {
		server.Close()
	}
	if err := c.Cloud.Close(); err != nil {
		c.t.Errorf("cloudtest: close: %v", err)
	}
}

// WaitIdle returns when no work is under way: whatever was asked for has come to its
// end, good or bad, or waits for a time to pass, or is held by a fault or a transition.
func (c *Cloud) WaitIdle() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), Patience)
	defer cancel()
	if err := c.Idle(ctx); err != nil {
		c.t.Fatalf("cloudtest: work is still under way: %v", err)
	}
}
