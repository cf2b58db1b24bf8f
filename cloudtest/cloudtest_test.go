package cloudtest_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/cloudtest"
	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/network"
	"github.com/welkin-cloud/cloud/volume"
)

// boot asks for a server in the first project and waits for its end.
func boot(t *testing.T, c *cloudtest.Cloud, name string) compute.Server {
	t.Helper()
	s, err := c.Compute.CreateServer(t.Context(), c.Projects[0].ID, compute.CreateServerOptions{
		Name: name, FlavorID: c.Flavors[0].ID, ImageID: c.PublicImages[0].ID,
	})
	require.NoError(t, err)
	c.WaitIdle()
	s, err = c.Compute.GetServer(t.Context(), s.ID)
	require.NoError(t, err)
	return s
}

func TestNewBootsServers(t *testing.T) {
	c := cloudtest.New(t)
	s := boot(t, c, "web")
	require.Equal(t, "ACTIVE", s.Status(), "%+v", s.Fault)
	require.Equal(t, "host-1", s.Host)
	require.Len(t, c.Hosts[0].Hypervisor.Guests(), 1)
	c.CheckClean()

	require.NoError(t, c.Compute.DeleteServer(t.Context(), s.ID))
	c.CheckClean()
	require.Empty(t, c.Hosts[0].Hypervisor.Guests())
	ports, err := c.Networks.PortsOf(t.Context(), s.ID)
	require.NoError(t, err)
	require.Empty(t, ports)
}

func TestModelCounts(t *testing.T) {
	c := cloudtest.New(t, cloudtest.Model{Hosts: 3, Projects: 2, Users: 2, Flavors: 4, Images: 2, Networks: 3})
	require.Len(t, c.Hosts, 3)
	require.Len(t, c.Compute.ListHosts(t.Context()), 3)
	require.Len(t, c.Compute.ListFlavors(t.Context()), 4)
	require.Len(t, c.PublicImages, 2)
	require.Len(t, c.Projects, 2)
	require.Equal(t, "user-3", c.Projects[1].Users[0].Name)
	for _, p := range c.Projects {
		require.Len(t, p.Networks, 3)
		require.Len(t, p.Subnets, 3)
		require.Equal(t, "10.0.3.0/24", p.Subnets[2].CIDR.String())
	}
	c.CheckClean()

	bare := cloudtest.New(t, cloudtest.Model{Projects: -1, Flavors: -1, Images: -1})
	require.Empty(t, bare.Projects)
	require.Empty(t, bare.Compute.ListFlavors(t.Context()))
	require.Empty(t, bare.PublicImages)
}

func TestUnlimitedLiftsQuotas(t *testing.T) {
	const more = 11 // than Nova's default of 10
	ask := func(c *cloudtest.Cloud) error {
		_, err := c.Compute.CreateServers(t.Context(), c.Projects[0].ID, compute.CreateServerOptions{
			Name: "many", FlavorID: c.Flavors[0].ID, ImageID: c.PublicImages[0].ID, MinCount: more, MaxCount: more,
		})
		c.WaitIdle()
		return err
	}
	require.ErrorIs(t, ask(cloudtest.New(t)), cloud.QuotaExceeded)
	require.NoError(t, ask(cloudtest.New(t, cloudtest.Model{Unlimited: true})))
}

func TestSeedMakesIdentifiers(t *testing.T) {
	first, same := cloudtest.New(t), cloudtest.New(t)
	require.Equal(t, first.Admin, same.Admin)
	other := cloudtest.New(t, cloudtest.Model{Seed: 2})
	require.NotEqual(t, first.Admin.ID, other.Admin.ID)
}

func TestAccessOverHTTP(t *testing.T) {
	c := cloudtest.New(t)
	for _, u := range []cloudtest.User{c.Admin, c.Projects[0].Users[0]} {
		a := c.Access(u)
		p, err := openstack.AuthenticatedClient(t.Context(), gophercloud.AuthOptions{
			IdentityEndpoint: a.Endpoint, Username: a.Username, Password: a.Password,
			TenantName: a.Project, DomainName: a.Domain,
		})
		require.NoError(t, err)
		require.NotEmpty(t, p.Token())
		require.Contains(t, a.Environ(), "OS_PROJECT_NAME="+u.Project)
	}
	for _, path := range []string{"/identity/v3", "/compute/v2.1/", "/placement/", "/image/", "/network/", "/volume/"} {
		resp, err := http.Get(c.URL() + path)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Less(t, resp.StatusCode, 400, path)
	}
}

func TestFaultsEndInReadableErrorsAndLeaveNothing(t *testing.T) {
	for _, op := range []string{"Create", "Create/after", "Start", "Start/after", "PutImage"} {
		t.Run(op, func(t *testing.T) {
			c := cloudtest.New(t)
			broken := c.Inject(cloudtest.CallFails("hypervisor."+op, cloud.Invalid))
			s := boot(t, c, "doomed")
			require.Equal(t, "ERROR", s.Status())
			require.NotNil(t, s.Fault)
			broken.End()
			c.CheckClean()
			require.NoError(t, c.Compute.DeleteServer(t.Context(), s.ID))
			c.CheckClean()
		})
	}
}

func TestRestartGoesOn(t *testing.T) {
	c := cloudtest.New(t, cloudtest.Model{Dir: t.TempDir()})
	url := c.URL()
	s := boot(t, c, "lasting")
	c.Restart()
	again, err := c.Compute.GetServer(t.Context(), s.ID)
	require.NoError(t, err)
	require.Equal(t, "ACTIVE", again.Status())
	require.Equal(t, 1, c.Hosts[0].Hypervisor.Guests()[0].Boots, "the guest kept running")
	require.Equal(t, url, c.URL())
	resp, err := http.Get(url + "/identity/v3")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	c.CheckClean()
}

func TestVolumesAndFloatingIPs(t *testing.T) {
	c := cloudtest.New(t)
	p := c.Projects[0]
	s := boot(t, c, "web")
	v, err := c.Volumes.CreateVolume(t.Context(), p.ID, volume.CreateOptions{Name: "data", SizeGiB: 1})
	require.NoError(t, err)
	c.WaitIdle()
	_, err = c.Compute.AttachVolume(t.Context(), s.ID, compute.AttachVolumeOptions{VolumeID: v.ID})
	require.NoError(t, err)
	c.CheckClean()
	require.Equal(t, []string{v.ID}, c.Hosts[0].Hypervisor.Guests()[0].Disks)

	ports, err := c.Networks.PortsOf(t.Context(), s.ID)
	require.NoError(t, err)
	f, err := c.Networks.CreateFloatingIP(t.Context(), p.ID, network.CreateFloatingIPOptions{
		NetworkID: c.External.ID, PortID: ports[0].ID,
	})
	require.NoError(t, err)
	require.Contains(t, f.Address.String(), "203.0.113.")
	require.NoError(t, c.Compute.DeleteServer(t.Context(), s.ID))
	c.CheckClean()
}

func TestVirtualClock(t *testing.T) {
	clock := cloudtest.NewClock()
	c := cloudtest.New(t, cloudtest.Model{Clock: clock})
	u := c.Projects[0].Users[0]
	token, issued, err := c.Identity.Login(t.Context(), identity.LoginRequest{
		Password: &identity.PasswordLogin{User: identity.UserRef{ID: u.ID}, Password: u.Password},
	})
	require.NoError(t, err)
	require.Equal(t, clock.Now(), issued.IssuedAt)
	_, err = c.Identity.Validate(t.Context(), token)
	require.NoError(t, err)
	clock.Advance(issued.ExpiresAt.Sub(clock.Now()) + time.Second)
	_, err = c.Identity.Validate(t.Context(), token)
	require.Error(t, err)
	require.Equal(t, "ACTIVE", boot(t, c, "later").Status())
}

func TestClockAdvance(t *testing.T) {
	c := cloudtest.NewClock()
	start := c.Now()
	var order []time.Duration
	note := func() { order = append(order, c.Now().Sub(start)) }
	c.AfterFunc(3*time.Second, note)
	c.AfterFunc(time.Second, func() {
		note()
		c.AfterFunc(time.Second, note)
	})
	stop := c.AfterFunc(2*time.Second, func() { t.Error("was stopped") })
	require.True(t, stop())
	require.False(t, stop(), "twice")
	next, ok := c.Next()
	require.True(t, ok)
	require.Equal(t, start.Add(time.Second), next)
	c.Advance(2500 * time.Millisecond)
	require.Equal(t, []time.Duration{time.Second, 2 * time.Second}, order)
	c.Advance(time.Second)
	require.Equal(t, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}, order)
	require.Equal(t, start.Add(3500*time.Millisecond), c.Now())
	_, ok = c.Next()
	require.False(t, ok)
	var now sync.WaitGroup
	now.Add(1)
	c.AfterFunc(0, now.Done)
	now.Wait()
}

func TestCheckCleanFindsLeaks(t *testing.T) {
	c := cloudtest.New(t, cloudtest.Model{SkipCheck: true})
	s := boot(t, c, "web")
	c.CheckClean()
	require.NoError(t, c.Hosts[0].Hypervisor.Destroy(t.Context(), s.ID))
	differ := c.Differences()
	require.Len(t, differ, 1)
	require.Contains(t, differ[0], "server/"+s.ID+" is active on host host-1, but has no guest there")
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		c := cloudtest.New(b)
		_ = c
	}
}
