package cloudtest_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/volumeattach"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/cloudtest"
)

// site is a cloud whose time is the test's, with the clients of a user.
type site struct {
	*cloudtest.Cloud
	t                                  *testing.T
	clock                              *cloudtest.Clock
	compute, networks, volumes, images *gophercloud.ServiceClient
}

// newSite makes a site; the model needs no clock.
func newSite(t *testing.T, model ...cloudtest.Model) *site {
	t.Helper()
	m := cloudtest.Model{}
	if len(model) > 0 {
		m = model[0]
	}
	m.Clock = cloudtest.NewClock()
	s := &site{Cloud: cloudtest.New(t, m), t: t, clock: m.Clock}
	p := s.login(s.Projects[0].Users[0])
	s.compute, s.networks, s.volumes, s.images = clients(t, p)
	return s
}

func (s *site) login(u cloudtest.User) *gophercloud.ProviderClient {
	s.t.Helper()
	a := s.Access(u)
	p, err := openstack.AuthenticatedClient(s.t.Context(), gophercloud.AuthOptions{
		IdentityEndpoint: a.Endpoint, Username: a.Username, Password: a.Password,
		TenantName: a.Project, DomainName: a.Domain, AllowReauth: true,
	})
	require.NoError(s.t, err)
	return p
}

func clients(t *testing.T, p *gophercloud.ProviderClient) (compute, networks, volumes, images *gophercloud.ServiceClient) {
	t.Helper()
	where := gophercloud.EndpointOpts{Region: cloudtest.Region}
	var err error
	compute, err = openstack.NewComputeV2(p, where)
	require.NoError(t, err)
	compute.Microversion = "2.37"
	networks, err = openstack.NewNetworkV2(p, where)
	require.NoError(t, err)
	volumes, err = openstack.NewBlockStorageV3(p, where)
	require.NoError(t, err)
	images, err = openstack.NewImageV2(p, where)
	require.NoError(t, err)
	return compute, networks, volumes, images
}

// pass lets time go by, and what happens in it.
func (s *site) pass(d time.Duration) {
	s.t.Helper()
	for ; d > 0; d -= time.Second {
		s.WaitIdle()
		s.clock.Advance(time.Second)
	}
	s.WaitIdle()
}

// ask asks for a server and returns its id.
func (s *site) ask(name string) string {
	s.t.Helper()
	made, err := servers.Create(s.t.Context(), s.compute, servers.CreateOpts{
		Name: name, FlavorRef: s.Flavors[0].ID, ImageRef: s.PublicImages[0].ID, Networks: "auto",
	}, nil).Extract()
	require.NoError(s.t, err)
	return made.ID
}

// boot asks for a server that must come up.
func (s *site) boot(name string) string {
	s.t.Helper()
	id := s.ask(name)
	s.WaitIdle()
	require.Equal(s.t, "ACTIVE", s.server(id).Status)
	return id
}

func (s *site) server(id string) *servers.Server {
	s.t.Helper()
	got, err := servers.Get(s.t.Context(), s.compute, id).Extract()
	require.NoError(s.t, err)
	return got
}

// remove deletes a server, which must leave nothing.
func (s *site) remove(id string) {
	s.t.Helper()
	require.NoError(s.t, servers.Delete(s.t.Context(), s.compute, id).ExtractErr())
	s.pass(2 * time.Second)
	_, err := servers.Get(s.t.Context(), s.compute, id).Extract()
	require.True(s.t, gophercloud.ResponseCodeIs(err, http.StatusNotFound), "%v", err)
	s.CheckClean()
}

// port makes a port on the project's network.
func (s *site) port() *ports.Port {
	s.t.Helper()
	p, err := ports.Create(s.t.Context(), s.networks, ports.CreateOpts{NetworkID: s.Projects[0].Networks[0].ID}).Extract()
	require.NoError(s.t, err)
	return p
}

// volume makes a volume and waits for its end.
func (s *site) volume() string {
	s.t.Helper()
	v, err := volumes.Create(s.t.Context(), s.volumes, volumes.CreateOpts{Name: "data", Size: 1}, nil).Extract()
	require.NoError(s.t, err)
	s.pass(4 * time.Second)
	return v.ID
}

func (s *site) volumeStatus(id string) string {
	s.t.Helper()
	v, err := volumes.Get(s.t.Context(), s.volumes, id).Extract()
	require.NoError(s.t, err)
	return v.Status
}

func (s *site) attach(server, volume string) {
	s.t.Helper()
	_, err := volumeattach.Create(s.t.Context(), s.compute, server, volumeattach.CreateOpts{VolumeID: volume}).Extract()
	require.NoError(s.t, err)
}

func (s *site) detach(server, volume string) {
	s.t.Helper()
	require.NoError(s.t, volumeattach.Delete(s.t.Context(), s.compute, server, volume).ExtractErr())
}

// queued makes an image without content.
func (s *site) queued() string {
	s.t.Helper()
	img, err := images.Create(s.t.Context(), s.images, images.CreateOpts{
		Name: "own", DiskFormat: "raw", ContainerFormat: "bare",
	}).Extract()
	require.NoError(s.t, err)
	return img.ID
}

func (s *site) imageStatus(id string) string {
	s.t.Helper()
	img, err := images.Get(s.t.Context(), s.images, id).Extract()
	require.NoError(s.t, err)
	return string(img.Status)
}

func (s *site) upload(id, content string) error {
	return imagedata.Upload(s.t.Context(), s.images, id, strings.NewReader(content)).ExtractErr()
}

// status is that of a failed request.
func status(err error) int {
	var unexpected gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &unexpected) {
		return 0
	}
	return unexpected.Actual
}
