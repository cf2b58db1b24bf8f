package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/guestimage"
)

// The soak's flags: "make crash" gives them.
var (
	soakKills = flag.Int("kills", 0, "how often a soak kills the server; 0 for a few")
	soakSeed  = flag.Uint64("seed", 0, "of a soak; 0 for one of its own")
)

// soak is a cloud whose server is killed again and again while customers use it.
type soak struct {
	*server
	real      bool // guests and networks are real
	rng       *rand.Rand
	ledger    *ledger
	customers []*customer

	imageID, externalID, routerID, subnetID, networkID string
	flavors                                            [2]string
	opts                                               servers.CreateOpts

	trigger chan struct{} // gets a token for each request of a customer
	mu      sync.Mutex
	faults  []string // what customers complained of
	killed  map[string]int
}

// newSoak starts a server and makes what its customers share.
func newSoak(t *testing.T, drivers string) *soak {
	seed := *soakSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("the seed is %d: -seed %[1]d asks for the same again", seed)
	k := &soak{
		real: drivers == "linux", rng: rand.New(rand.NewPCG(seed, 0)), ledger: newLedger(),
		trigger: make(chan struct{}, 1), killed: map[string]int{},
	}
	k.server = newServer(t, drivers)
	k.o.stopGrace = 2 * time.Second
	k.start()
	k.login()
	k.volume.Microversion = "3.47" // the first that makes volumes of backups
	content := make([]byte, 1<<20)
	format := "raw"
	if k.real {
		var err error
		content, err = os.ReadFile(guestimage.Path(t))
		require.NoError(t, err)
		format = guestimage.Format
	}
	k.imageID = k.upload("guest", format, bytes.NewReader(content))
	k.networkID, k.subnetID = k.newNetwork()
	k.externalID, k.routerID = k.newWay(k.subnetID)
	k.flavors = [2]string{k.newFlavor(128, 1), k.largerFlavor()}
	k.opts = servers.CreateOpts{ImageRef: k.imageID, FlavorRef: k.flavors[0], Networks: []servers.Network{{UUID: k.networkID}}}
	for _, name := range []string{"ann", "bob", "cid"} {
		k.customers = append(k.customers, &customer{
			soak: k, name: name, rng: rand.New(rand.NewPCG(seed, uint64(len(k.customers)+1))),
		})
	}
	return k
}

func (k *soak) largerFlavor() string {
	disk := 1
	f, err := flavors.Create(k.ctx(), k.compute, flavors.CreateOpts{Name: "larger", RAM: 160, VCPUs: 1, Disk: &disk}).Extract()
	require.NoError(k.t, err)
	return f.ID
}

// run kills the server so often, looks each time whether all is well, and then
// deletes everything.
func (k *soak) run(kills int) {
	if *soakKills > 0 {
		kills = *soakKills
	}
	started := time.Now()
	for i := range kills {
		k.round(i)
		if (i+1)%10 == 0 || *soakKills > 0 {
			k.t.Logf("%d kills in %s", i+1, time.Since(started).Round(100*time.Millisecond))
		}
	}
	k.clear()
	k.t.Logf("killed: %v in %s; %s", k.killed, time.Since(started).Round(time.Second), k.ledger.report())
}

// round lets the customers work, kills the server in the middle of it and starts it
// again.
func (k *soak) round(i int) {
	k.t.Helper()
	for _, e := range k.ledger.things {
		e.touched = false
	}
	before := k.guests()
	ctx, cancel := context.WithTimeout(k.ctx(), wait)
	defer cancel()
	var work sync.WaitGroup
	for _, c := range k.customers {
		c.ctx, c.cut = ctx, false
		work.Go(c.work)
	}
	k.moment()
	daemons := k.killed["libvirtd"]
	victim := k.killOthers()
	k.kill()
	k.killed["server"]++
	cancel()
	work.Wait()
	k.excuseCopies(victim, k.killed["libvirtd"] > daemons)
	k.startKilled()
	k.start()
	k.settle(fmt.Sprintf("after kill %d", i+1), before, victim)
}

// moment waits for the moment of the kill: any, or just after a request was sent,
// where its transactions are.
func (k *soak) moment() {
	most := 400 * time.Millisecond
	if k.real {
		most = 4 * time.Second
	}
	<-time.After(time.Duration(k.rng.Int64N(int64(most)))) // any moment will do
	if k.rng.IntN(2) == 0 {
		return
	}
	select {
	case <-k.trigger: // an old one
	default:
	}
	select {
	case <-k.trigger:
	case <-time.After(most):
	}
	<-time.After(time.Duration(k.rng.Int64N(int64(6 * time.Millisecond))))
}

// startKilled sometimes starts the server and kills it while it is starting.
func (k *soak) startKilled() {
	k.t.Helper()
	for k.rng.IntN(4) == 0 {
		cmd := k.command()
		require.NoError(k.t, cmd.Start())
		most := 100 * time.Millisecond
		if k.real {
			most = 1500 * time.Millisecond
		}
		<-time.After(time.Duration(k.rng.Int64N(int64(most)))) // any moment will do
		require.NoError(k.t, cmd.Process.Kill())
		require.Error(k.t, cmd.Wait())
		k.killed["starting server"]++
	}
}

// asked tells of a request that is being made.
func (k *soak) asked(string) {
	select {
	case k.trigger <- struct{}{}:
	default:
	}
}

// complain notes what a customer found wrong.
func (k *soak) complain(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults = append(k.faults, what)
}

// killOthers sometimes kills libvirtd or a guest's QEMU as well, and returns the id of
// that guest.
func (k *soak) killOthers() (victim string) {
	if !k.real {
		return ""
	}
	switch k.rng.IntN(6) {
	case 0:
		if k.killProcess("libvirtd") {
			k.killed["libvirtd"]++
		}
	case 1:
		for id, pid := range k.guests() {
			k.killID(pid)
			k.killed["QEMU"]++
			return id
		}
	}
	return ""
}

// excuseCopies lets the images fail that were being made of servers whose copier was
// killed: QEMU, or the libvirtd that heard of its end.
func (k *soak) excuseCopies(victim string, daemon bool) {
	for _, e := range k.ledger.of(anImage, "") {
		if e.touched && e.server != nil && (daemon || e.server.id == victim) {
			e.fate = max(e.fate, going)
		}
	}
}

// guests gives the processes of the guests that run on the host, by server.
func (k *soak) guests() map[string]int {
	all := map[string]int{}
	if !k.real {
		return all
	}
	for _, p := range k.processes() {
		var name string
		var pid int
		if n, _ := fmt.Sscanf(p, "%s %d", &name, &pid); n != 2 || !strings.HasPrefix(name, "qemu") {
			continue
		}
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			continue // it has just ended
		}
		_, rest, ok := strings.Cut(string(line), "guest="+k.host().tag+"-")
		if id, _, found := strings.Cut(rest, ","); ok && found {
			all[id] = pid
		}
	}
	return all
}

// TestKilledAtAnyMoment kills the server with SIGKILL in the middle of whatever its
// customers do, and starts it again: it goes on where it was.
func TestKilledAtAnyMoment(t *testing.T) { newSoak(t, "memory").run(15) }

// TestKilledAtAnyMomentWithGuests does the same with real guests and networks, and
// kills libvirtd and guests too.
func TestKilledAtAnyMomentWithGuests(t *testing.T) { newSoak(t, "linux").run(5) }
