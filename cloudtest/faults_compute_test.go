package cloudtest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/services"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/agents"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/cloudtest"
	"github.com/welkin-cloud/cloud/compute"
)

// TestBootsThatFail: the client sees why, nothing stays behind, and the next boot works.
func TestBootsThatFail(t *testing.T) {
	for _, c := range []struct {
		fault cloudtest.Fault
		why   string
	}{
		{cloudtest.PortBindingFails(), "Binding failed for port"},
		{cloudtest.NetworkAgentDown(), "The network agent does not answer."},
		{cloudtest.DHCPUpdateFails(), "The DHCP service was not updated."},
		{cloudtest.NoValidHost(), "No valid host was found"},
		{cloudtest.HostFull(), "The host has no room left."},
		{cloudtest.HostDown(), "No valid host was found"},
		{cloudtest.BootFails(), "The host cannot run such a guest."},
		{cloudtest.BootFailsHalfway(), "The guest exited when it was started."},
		{cloudtest.ImageTransferFails(), "The image did not arrive."},
		{cloudtest.ImageStoreDown(), "The image store does not answer."},
		{cloudtest.CallFails("hypervisor.HasImage", cloud.Invalid), "invalid"},
	} {
		t.Run(c.fault.String(), func(t *testing.T) {
			s := newSite(t)
			broken := s.Inject(c.fault)
			id := s.ask("web")
			s.pass(5 * time.Second)
			got := s.server(id)
			require.Equal(t, "ERROR", got.Status)
			require.Contains(t, got.Fault.Message, c.why)
			require.Positive(t, broken.Hits())
			broken.End()
			s.pass(35 * time.Second)
			s.CheckClean()
			s.remove(id)
			s.boot("again")
			s.CheckClean()
		})
	}
}

// TestAPortOfTheClientsIsGivenBack: a boot that fails takes no port with it that it did
// not make.
func TestAPortOfTheClientsIsGivenBack(t *testing.T) {
	for _, fault := range []cloudtest.Fault{
		cloudtest.PortBindingFails(), cloudtest.NoValidHost(), cloudtest.HostFull(), cloudtest.BootFailsHalfway(),
	} {
		t.Run(fault.String(), func(t *testing.T) {
			s := newSite(t)
			port := s.port()
			s.Inject(fault)
			made, err := servers.Create(t.Context(), s.compute, servers.CreateOpts{
				Name: "web", FlavorRef: s.Flavors[0].ID, ImageRef: s.PublicImages[0].ID,
				Networks: []servers.Network{{Port: port.ID}},
			}, nil).Extract()
			require.NoError(t, err)
			s.pass(5 * time.Second)
			require.Equal(t, "ERROR", s.server(made.ID).Status)
			got, err := ports.Get(t.Context(), s.networks, port.ID).Extract()
			require.NoError(t, err)
			require.Equal(t, []string{"DOWN", ""}, []string{got.Status, got.DeviceID})
			s.CheckClean()
		})
	}
}

// TestBootsThatHang: BUILD for as long as it lasts; then ACTIVE, or gone if deleted.
func TestBootsThatHang(t *testing.T) {
	for _, fault := range []cloudtest.Fault{
		cloudtest.PortBindingHangs(), cloudtest.BootHangs(), cloudtest.CallHangs("hypervisor.PutImage"),
	} {
		t.Run(fault.String(), func(t *testing.T) {
			s := newSite(t)
			hung := s.Inject(fault)
			patient, deleted := s.ask("patient"), ""
			hung.Wait(1)
			s.pass(time.Minute)
			require.Equal(t, "BUILD", s.server(patient).Status)
			if fault.String() != "CallHangs hypervisor.PutImage" { // a second one waits for the first one's image
				deleted = s.ask("deleted")
				hung.Wait(2)
				s.remove(deleted)
			}
			hung.End()
			s.WaitIdle()
			require.Equal(t, "ACTIVE", s.server(patient).Status)
			s.CheckClean()
		})
	}
}

// TestWhatIsTriedAgainIsNotSeen: what passes by itself costs time only.
func TestWhatIsTriedAgainIsNotSeen(t *testing.T) {
	for _, fault := range []cloudtest.Fault{
		cloudtest.BootAnswerLost(), cloudtest.ImageTransferFails().Times(2), cloudtest.DHCPUpdateFails().Times(2),
		cloudtest.CallFails("hypervisor.Create", cloud.Unavailable).Times(3),
		cloudtest.CallFails("network.EnsurePort/after", cloud.Unavailable).Times(1),
	} {
		t.Run(fault.String(), func(t *testing.T) {
			s := newSite(t)
			broken := s.Inject(fault)
			id := s.ask("web")
			s.pass(5 * time.Second)
			require.Equal(t, "ACTIVE", s.server(id).Status)
			require.Positive(t, broken.Hits())
			require.Equal(t, 1, s.Hosts[0].Hypervisor.Guests()[0].Boots, "it was started once")
			s.CheckClean()
		})
	}
}

func TestBootTakes(t *testing.T) {
	for _, fault := range []cloudtest.Fault{
		cloudtest.BootTakes(30 * time.Second), cloudtest.CallTakes("hypervisor.Start", 30*time.Second),
	} {
		s := newSite(t)
		s.Inject(fault)
		id := s.ask("web")
		s.pass(29 * time.Second)
		require.Equal(t, "BUILD", s.server(id).Status)
		s.pass(time.Second)
		require.Equal(t, "ACTIVE", s.server(id).Status)
	}
	s := newSite(t)
	slow := s.Inject(cloudtest.BootTakes(time.Hour))
	id := s.ask("web")
	slow.Wait(1)
	slow.End()
	s.WaitIdle()
	require.Equal(t, "ACTIVE", s.server(id).Status, "with the fault ends what waits for it")
}

func TestHostDown(t *testing.T) {
	s := newSite(t, cloudtest.Model{Hosts: 2})
	first := s.boot("first")
	at, err := s.Compute.GetServer(t.Context(), first)
	require.NoError(t, err)
	admin, err := openstack.NewComputeV2(s.login(s.Admin), gophercloud.EndpointOpts{Region: cloudtest.Region})
	require.NoError(t, err)
	states := func() map[string]string {
		pages, err := services.List(admin, services.ListOpts{Binary: "nova-compute"}).AllPages(t.Context())
		require.NoError(t, err)
		all, err := services.ExtractServices(pages)
		require.NoError(t, err)
		found := map[string]string{}
		for _, one := range all {
			found[one.Host] = one.State
		}
		return found
	}
	down := s.Inject(cloudtest.HostDown().OnHost(at.Host))
	require.Equal(t, "down", states()[at.Host])
	second, err := s.Compute.GetServer(t.Context(), s.boot("second"))
	require.NoError(t, err)
	require.NotEqual(t, at.Host, second.Host, "a new server goes elsewhere")

	require.NoError(t, servers.Stop(t.Context(), s.compute, first).ExtractErr())
	s.pass(5 * time.Second)
	require.Equal(t, "ERROR", s.server(first).Status)
	down.End()
	require.Equal(t, "up", states()[at.Host])
	s.remove(first)
}

func TestNetworkAgentDown(t *testing.T) {
	s := newSite(t)
	id := s.boot("web")
	admin, err := openstack.NewNetworkV2(s.login(s.Admin), gophercloud.EndpointOpts{Region: cloudtest.Region})
	require.NoError(t, err)
	alive := func() bool {
		pages, err := agents.List(admin, agents.ListOpts{}).AllPages(t.Context())
		require.NoError(t, err)
		all, err := agents.ExtractAgents(pages)
		require.NoError(t, err)
		require.NotEmpty(t, all)
		return all[0].Alive
	}
	require.True(t, alive())
	down := s.Inject(cloudtest.NetworkAgentDown().OnHost("host-1"))
	require.False(t, alive())
	require.Equal(t, "ACTIVE", s.server(id).Status)
	down.End()
	require.True(t, alive())
	s.pass(35 * time.Second)
	s.CheckClean()
}

func TestFloatingIPFails(t *testing.T) {
	s := newSite(t)
	mine, err := s.Networks.PortsOf(t.Context(), s.boot("web"))
	require.NoError(t, err)
	broken := s.Inject(cloudtest.FloatingIPFails())
	f, err := floatingips.Create(t.Context(), s.networks, floatingips.CreateOpts{
		FloatingNetworkID: s.External.ID, PortID: mine[0].ID,
	}).Extract()
	require.NoError(t, err, "the association succeeds")
	read := func() string {
		f, err := floatingips.Get(t.Context(), s.networks, f.ID).Extract()
		require.NoError(t, err)
		return f.Status
	}
	s.pass(5 * time.Second)
	require.Equal(t, "DOWN", read())
	broken.End()
	s.pass(35 * time.Second)
	require.Equal(t, "ACTIVE", read())
	s.CheckClean()
}

func TestMetadataDown(t *testing.T) {
	s := newSite(t)
	id := s.boot("web")
	mine, err := s.Networks.PortsOf(t.Context(), id)
	require.NoError(t, err)
	get := func() int {
		answer, err := s.Hosts[0].Network.Get(mine[0].NetworkID, mine[0].FixedIPs[0].Address, "/openstack/latest/meta_data.json")
		require.NoError(t, err)
		return answer.StatusCode
	}
	require.Equal(t, http.StatusOK, get())
	s.Inject(cloudtest.MetadataDown().For(s.External.ID))
	require.Equal(t, http.StatusOK, get(), "it is another network's")
	down := s.Inject(cloudtest.MetadataDown().For(id))
	require.Equal(t, http.StatusServiceUnavailable, get())
	down.End()
	require.Equal(t, http.StatusOK, get())
}

func TestSnapshotFails(t *testing.T) {
	s := newSite(t)
	id := s.boot("web")
	s.Inject(cloudtest.SnapshotFails())
	image, err := servers.CreateImage(t.Context(), s.compute, id, servers.CreateImageOpts{Name: "copy"}).ExtractImageID()
	require.NoError(t, err)
	s.pass(5 * time.Second)
	_, err = images.Get(t.Context(), s.images, image).Extract()
	require.Equal(t, http.StatusNotFound, status(err), "%v", err)
	require.Equal(t, "ACTIVE", s.server(id).Status)
	s.CheckClean()
}

func TestResizeFails(t *testing.T) {
	s := newSite(t, cloudtest.Model{Flavors: 2})
	id := s.boot("web")
	s.Inject(cloudtest.ResizeFails())
	require.NoError(t, servers.Resize(t.Context(), s.compute, id, servers.ResizeOpts{FlavorRef: s.Flavors[1].ID}).ExtractErr())
	s.pass(5 * time.Second)
	got := s.server(id)
	require.Equal(t, "ACTIVE", got.Status)
	require.Equal(t, s.Flavors[0].ID, got.Flavor["id"])
	_, err := flavors.Get(t.Context(), s.compute, s.Flavors[0].ID).Extract()
	require.NoError(t, err)
	s.CheckClean()
}

func TestGuestIgnoresShutdown(t *testing.T) {
	s := newSite(t)
	id := s.boot("web")
	s.Inject(cloudtest.GuestIgnoresShutdown().For(id))
	require.NoError(t, servers.Stop(t.Context(), s.compute, id).ExtractErr())
	s.pass(59 * time.Second)
	require.Equal(t, "ACTIVE", s.server(id).Status)
	s.pass(time.Second)
	require.Equal(t, "SHUTOFF", s.server(id).Status)
}

// awaitStatus waits for what the cloud finds by itself.
func (s *site) awaitStatus(id, want string) *servers.Server {
	s.t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for n := 0; ; n++ {
		if got := s.server(id); got.Status == want {
			return got
		}
		require.Less(s.t, n, 10_000, "server %s is not %s", id, want)
		<-look.C
	}
}

func TestGuestCrashes(t *testing.T) {
	s := newSite(t)
	id, other := s.boot("web"), s.boot("other")
	crash := s.Inject(cloudtest.GuestCrashes().For(id))
	require.Equal(t, 1, crash.Hits())
	s.awaitStatus(id, "SHUTOFF")
	got, err := s.Compute.GetServer(t.Context(), id)
	require.NoError(t, err)
	require.Contains(t, got.Fault.Message, "crashed")
	require.Equal(t, "ACTIVE", s.server(other).Status)
	require.NoError(t, servers.Start(t.Context(), s.compute, id).ExtractErr())
	s.pass(time.Second)
	require.Equal(t, "ACTIVE", s.server(id).Status)
	s.CheckClean()
}

func TestHostForgetsGuests(t *testing.T) {
	s := newSite(t)
	id := s.boot("web")
	s.Inject(cloudtest.HostForgetsGuests().OnHost("host-1"))
	got := s.awaitStatus(id, "ERROR")
	require.Contains(t, got.Fault.Message, "The guest is gone")
	_, err := s.Compute.GetServer(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, compute.Error, func() compute.VMState { v, _ := s.Compute.GetServer(t.Context(), id); return v.VMState }())
	s.remove(id)
}
