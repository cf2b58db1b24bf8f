package cloudtest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/cloudtest"
)

func TestDatabaseReadOnly(t *testing.T) {
	s := newSite(t, cloudtest.Model{Dir: t.TempDir()})
	id := s.boot("web")
	down := s.Inject(cloudtest.DatabaseReadOnly())
	_, err := ports.Create(t.Context(), s.networks, ports.CreateOpts{NetworkID: s.Projects[0].Networks[0].ID}).Extract()
	require.Equal(t, http.StatusServiceUnavailable, status(err), "%v", err)
	require.Equal(t, http.StatusServiceUnavailable, status(servers.Delete(t.Context(), s.compute, id).ExtractErr()))
	require.Equal(t, "ACTIVE", s.server(id).Status, "reads go on, and nothing has changed")
	down.End()
	s.CheckClean()
	s.remove(id)
}

// TestDatabaseReadOnlyDuringWork: what was under way goes on when commits succeed again.
func TestDatabaseReadOnlyDuringWork(t *testing.T) {
	for after := range 6 {
		s := newSite(t, cloudtest.Model{Dir: t.TempDir()})
		s.WaitIdle() // no commit but those of the server counts
		down := s.Inject(cloudtest.DatabaseReadOnly().After(after + 1))
		id := s.ask("web")
		down.Wait(1)
		s.clock.Advance(5 * time.Second)
		require.Equal(t, "BUILD", s.server(id).Status)
		down.End()
		s.clock.Advance(10 * time.Second) // to the next try, and the next sign of life of the controller
		s.pass(5 * time.Second)
		require.Equal(t, "ACTIVE", s.server(id).Status, "the commit after %d failed", after)
		s.CheckClean()
	}
}

func TestDatabaseSlow(t *testing.T) {
	s := newSite(t, cloudtest.Model{Dir: t.TempDir()})
	slow := s.Inject(cloudtest.DatabaseSlow(time.Second))
	made := make(chan error, 1)
	go func() {
		_, err := ports.Create(t.Context(), s.networks, ports.CreateOpts{NetworkID: s.Projects[0].Networks[0].ID}).Extract()
		made <- err
	}()
	slow.Wait(1)
	require.Empty(t, made, "nothing is acknowledged before it is durable")
	_, err := s.list()
	require.NoError(t, err, "reads do not wait")
	s.clock.Advance(time.Minute) // what the clock calls meanwhile commits as well
	advanceUntil(s, made)
}

func TestClockJumps(t *testing.T) {
	s := newSite(t)
	id := s.boot("web")
	before := s.clock.Now()
	old := s.compute.Token()
	s.SetTransition(cloudtest.ServerCreate, cloudtest.ByHand())
	held := s.ask("held")
	s.WaitHeld(held)
	jump := s.Inject(cloudtest.ClockJumps(48 * time.Hour))
	require.Equal(t, 48*time.Hour, s.clock.Now().Sub(before))
	_, err := s.Identity.Validate(t.Context(), old)
	require.Error(t, err, "tokens have run out")
	require.Equal(t, "ACTIVE", s.server(id).Status, "with a new one")
	s.Release(held)
	s.WaitIdle()
	require.Equal(t, "ACTIVE", s.server(held).Status)
	jump.End()
	require.Equal(t, before, s.clock.Now())

	s.Inject(cloudtest.ClockJumps(-time.Hour))
	s.SetTransition(cloudtest.ServerCreate, cloudtest.Immediately())
	s.boot("in the past")
	s.CheckClean()
}

func TestControllerCrashes(t *testing.T) {
	const steps = 4 // of a boot: schedule, network, image, spawn
	for after := range steps {
		s := newSite(t, cloudtest.Model{Dir: t.TempDir()})
		crash := s.Inject(cloudtest.ControllerCrashes().After(after))
		id := s.ask("web")
		crash.Wait(1)
		_, err := http.Get(s.URL())
		require.Error(t, err, "the connection is reset")
		s.Restart()
		s.pass(2 * time.Second)
		require.Equal(t, "ACTIVE", s.server(id).Status)
		require.Equal(t, 1, s.Hosts[0].Hypervisor.Guests()[0].Boots, "what was done is not done twice")
		require.Equal(t, 1, crash.Hits())
		s.CheckClean()
		s.remove(id)
	}
}

func TestControllerCrashesDuringDelete(t *testing.T) {
	s := newSite(t, cloudtest.Model{Dir: t.TempDir()})
	id := s.boot("web")
	crash := s.Inject(cloudtest.ControllerCrashes())
	require.NoError(t, servers.Delete(t.Context(), s.compute, id).ExtractErr())
	crash.Wait(1)
	s.Restart()
	s.pass(2 * time.Second)
	_, err := servers.Get(t.Context(), s.compute, id).Extract()
	require.Equal(t, http.StatusNotFound, status(err))
	s.CheckClean()
	for range 3 {
		s.boot("identifiers of the second start are new")
	}
}
