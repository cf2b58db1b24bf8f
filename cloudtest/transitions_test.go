package cloudtest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/cloudtest"
)

func TestTransitionsAfterATime(t *testing.T) {
	s := newSite(t, cloudtest.Model{Transitions: cloudtest.Transitions{
		cloudtest.ServerCreate: cloudtest.After(30 * time.Second),
		cloudtest.ServerDelete: cloudtest.After(10 * time.Second),
		cloudtest.VolumeCreate: cloudtest.After(time.Hour),
	}})
	id := s.ask("web")
	s.clock.Advance(29 * time.Second)
	s.WaitIdle()
	require.Equal(t, "BUILD", s.server(id).Status)
	s.clock.Advance(time.Second)
	s.WaitIdle()
	require.Equal(t, "ACTIVE", s.server(id).Status)
	require.Equal(t, "creating", s.volumeStatus(s.volume()))

	require.NoError(t, servers.Delete(t.Context(), s.compute, id).ExtractErr())
	s.pass(9 * time.Second)
	require.Equal(t, "deleting", s.server(id).TaskState)
	s.pass(time.Second)
	_, err := servers.Get(t.Context(), s.compute, id).Extract()
	require.Equal(t, http.StatusNotFound, status(err))
}

func TestTransitionsAfterPolls(t *testing.T) {
	s := newSite(t, cloudtest.Model{Transitions: cloudtest.Transitions{
		cloudtest.ServerCreate: cloudtest.AfterPolls(3),
		cloudtest.VolumeAttach: cloudtest.AfterPolls(2),
		cloudtest.ServerDelete: cloudtest.AfterPolls(1),
	}})
	id := s.ask("web")
	var seen []string
	for range 5 {
		seen = append(seen, s.server(id).Status)
	}
	require.Equal(t, []string{"BUILD", "BUILD", "BUILD", "ACTIVE", "ACTIVE"}, seen)

	data := s.volume()
	s.attach(id, data)
	require.Equal(t, "attaching", s.volumeStatus(data))
	_, err := volumes.List(s.volumes, nil).AllPages(t.Context())
	require.NoError(t, err, "a list is a poll too")
	require.Equal(t, "in-use", s.volumeStatus(data))

	require.NoError(t, servers.Delete(t.Context(), s.compute, id).ExtractErr())
	require.Equal(t, "deleting", s.server(id).TaskState)
	_, err = servers.Get(t.Context(), s.compute, id).Extract()
	require.Equal(t, http.StatusNotFound, status(err))
	s.CheckClean()
}

func TestTransitionsByHand(t *testing.T) {
	s := newSite(t, cloudtest.Model{Flavors: 2})
	s.SetTransition(cloudtest.AnyTransition, cloudtest.ByHand())
	s.SetTransition(cloudtest.PortActivate, cloudtest.Immediately())
	id := s.ask("web")
	require.Equal(t, "server create/compute_spawn", s.WaitHeld(id))
	require.Equal(t, "BUILD", s.server(id).Status)
	s.Release(id)
	s.WaitIdle()
	require.Equal(t, "ACTIVE", s.server(id).Status)

	for _, c := range []struct {
		ask    func() error
		at     string
		during string
		after  string
	}{
		{func() error { return servers.Stop(t.Context(), s.compute, id).ExtractErr() }, "server stop/compute_stop", "ACTIVE", "SHUTOFF"},
		{func() error { return servers.Start(t.Context(), s.compute, id).ExtractErr() }, "server start/compute_start", "SHUTOFF", "ACTIVE"},
		{func() error {
			return servers.Reboot(t.Context(), s.compute, id, servers.RebootOpts{Type: servers.HardReboot}).ExtractErr()
		}, "server reboot/compute_reboot_hard", "HARD_REBOOT", "ACTIVE"},
		{func() error {
			return servers.Resize(t.Context(), s.compute, id, servers.ResizeOpts{FlavorRef: s.Flavors[1].ID}).ExtractErr()
		}, "server resize/compute_resize", "RESIZE", "VERIFY_RESIZE"},
		{func() error { return servers.ConfirmResize(t.Context(), s.compute, id).ExtractErr() },
			"server confirm resize/compute_confirm_resize", "VERIFY_RESIZE", "ACTIVE"},
	} {
		require.NoError(t, c.ask())
		s.WaitIdle()
		require.Equal(t, c.during, s.server(id).Status, c.at)
		require.Equal(t, c.at, s.Release(id))
		s.WaitIdle()
		require.Equal(t, c.after, s.server(id).Status, c.at)
	}
	s.SetTransition(cloudtest.AnyTransition, cloudtest.Immediately())
	s.remove(id)
}

func TestTransitionsStepByStep(t *testing.T) {
	s := newSite(t)
	s.SetTransition(cloudtest.ServerCreate, cloudtest.StepByStep())
	id := s.ask("web")
	var steps []string
	for range 4 {
		steps = append(steps, s.WaitHeld(id)+" "+s.server(id).TaskState)
		s.Release(id)
		s.WaitIdle()
	}
	require.Equal(t, []string{
		"server create/compute_schedule scheduling", "server create/compute_network networking",
		"server create/compute_image spawning", "server create/compute_spawn spawning",
	}, steps)
	require.Equal(t, "ACTIVE", s.server(id).Status)
}

// TestWhatIsHeldCanBeDeleted: the hold ends, and the work is undone.
func TestWhatIsHeldCanBeDeleted(t *testing.T) {
	s := newSite(t)
	s.SetTransition(cloudtest.ServerCreate, cloudtest.StepByStep())
	for steps := range 4 {
		id := s.ask("web")
		for range steps {
			s.Release(id)
		}
		s.WaitHeld(id)
		s.remove(id)
	}
}

func TestPortsAndFloatingIPsAreHeld(t *testing.T) {
	s := newSite(t, cloudtest.Model{Transitions: cloudtest.Transitions{
		cloudtest.PortActivate:     cloudtest.ByHand(),
		cloudtest.FloatingActivate: cloudtest.AfterPolls(1),
	}})
	id := s.ask("web")
	require.Equal(t, "port activate", s.WaitHeld(id))
	mine, err := s.Networks.PortsOf(t.Context(), id)
	require.NoError(t, err)
	port, err := ports.Get(t.Context(), s.networks, mine[0].ID).Extract()
	require.NoError(t, err)
	require.Equal(t, "BUILD", port.Status)
	require.Equal(t, "BUILD", s.server(id).Status)
	s.Release(port.ID)
	s.WaitIdle()
	require.Equal(t, "ACTIVE", s.server(id).Status)

	f, err := floatingips.Create(t.Context(), s.networks, floatingips.CreateOpts{FloatingNetworkID: s.External.ID, PortID: port.ID}).Extract()
	require.NoError(t, err)
	var seen []string
	for range 2 {
		f, err = floatingips.Get(t.Context(), s.networks, f.ID).Extract()
		require.NoError(t, err)
		seen = append(seen, f.Status)
	}
	require.Equal(t, []string{"DOWN", "ACTIVE"}, seen)
	s.CheckClean()
}

func TestImageUploadsAreHeld(t *testing.T) {
	s := newSite(t)
	s.SetTransition(cloudtest.ImageUpload, cloudtest.ByHand())
	id := s.queued()
	uploaded := make(chan error, 1)
	go func() { uploaded <- s.upload(id, "content") }()
	require.Equal(t, "image upload", s.WaitHeld(id))
	require.Equal(t, "saving", s.imageStatus(id))
	s.Release(id)
	require.NoError(t, <-uploaded)
	require.Equal(t, "active", s.imageStatus(id))
}

// TestHoldsOutliveARestart: what was held is held again.
func TestHoldsOutliveARestart(t *testing.T) {
	s := newSite(t, cloudtest.Model{Dir: t.TempDir()})
	s.SetTransition(cloudtest.ServerCreate, cloudtest.ByHand())
	id := s.ask("web")
	s.WaitHeld(id)
	s.Restart()
	s.WaitHeld(id)
	s.SetTransition(cloudtest.ServerCreate, cloudtest.Immediately())
	s.WaitIdle()
	require.Equal(t, "ACTIVE", s.server(id).Status)
	s.CheckClean()
}
