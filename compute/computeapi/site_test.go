package computeapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/compute/computeapi"
	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/compute/placementapi"
	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/image/memstore"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/sqlite"
	"github.com/welkin-cloud/cloud/network"
	networkdriver "github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/memnetwork"
	"github.com/welkin-cloud/cloud/volume"
	volumedriver "github.com/welkin-cloud/cloud/volume/driver"
	"github.com/welkin-cloud/cloud/volume/memvolume"
)

// site is a cloud without identity: tokens are the names of principals.
type site struct {
	testing.TB
	url      string
	compute  *compute.Service
	networks *network.Service
	volumes  *volume.Service
	network  network.Network
	image    string
}

// tokens are who the tests speak for.
type tokens map[string]*policy.Principal

func (t tokens) Authenticate(_ context.Context, token string) (*policy.Principal, error) {
	if p, ok := t[token]; ok {
		return p, nil
	}
	return nil, fault.New(fault.Unauthenticated, "the token is not valid")
}

var people = tokens{
	"admin":    {UserID: "admin", ProjectID: "11111111111111111111111111111111", Roles: []string{"admin", "manager", "member", "reader"}},
	"member":   {UserID: "ann", ProjectID: "22222222222222222222222222222222", Roles: []string{"member", "reader"}},
	"stranger": {UserID: "bob", ProjectID: "33333333333333333333333333333333", Roles: []string{"member", "reader"}},
	"reader":   {UserID: "eve", ProjectID: "22222222222222222222222222222222", Roles: []string{"reader"}},
}

// serve starts a site over an engine; nil keeps nothing.
func serve(t testing.TB, engine state.Engine) *site {
	log := slog.New(slog.DiscardHandler)
	db, source := state.New(engine, nil), ids.Random()
	sagas := saga.New(db, clock.System{}, source, log, saga.Config{})
	c := &core.Core{DB: db, Sagas: sagas, Clock: clock.System{}, IDs: source, Quotas: quota.Define(db), Log: log}
	s := &site{TB: t}
	images, err := image.New(c, image.Config{Store: memstore.New(memstore.Config{})})
	require.NoError(t, err)
	s.volumes, err = volume.New(c, volume.Config{Backends: []volumedriver.Backend{memvolume.New(memvolume.Config{})}, Images: images})
	require.NoError(t, err)
	s.networks, err = network.New(c, network.Config{Mechanisms: map[string]networkdriver.Mechanism{"host-1": memnetwork.New(memnetwork.Config{Name: "host-1"})}})
	require.NoError(t, err)
	s.compute, err = compute.New(c, compute.Config{
		Hypervisors: []driver.Hypervisor{memhypervisor.New(memhypervisor.Config{Name: "host-1", VCPUs: 100_000, MemoryMiB: 1 << 30, DiskGiB: 1 << 30})},
		Networks:    s.networks, Images: images, Volumes: s.volumes,
		Quotas: map[string]int{compute.Instances: -1, compute.Cores: -1, compute.RAM: -1},
	})
	require.NoError(t, err)
	ctx := t.Context()
	require.NoError(t, db.Open(ctx))
	require.NoError(t, images.Start(ctx))
	require.NoError(t, s.volumes.Start(ctx))
	require.NoError(t, s.networks.Start(ctx))
	require.NoError(t, s.compute.Start(ctx))
	require.NoError(t, sagas.Open(ctx))
	t.Cleanup(func() {
		require.NoError(t, sagas.Close())
		require.NoError(t, s.compute.Close())
		require.NoError(t, s.networks.Close())
		require.NoError(t, db.Close())
	})
	rules, err := policy.New(nil)
	require.NoError(t, err)
	opts := httpapi.Options{Auth: people, Policy: rules, Log: log}
	api := computeapi.New(s.compute, computeapi.Siblings{Networks: s.networks, Images: images}, opts)
	require.NoError(t, httpapi.Verify(api))
	web := httptest.NewServer(httpapi.Mount(map[string]http.Handler{
		"/compute": api, "/placement": placementapi.New(s.compute.Placement, opts),
	}))
	t.Cleanup(web.Close)
	s.url = web.URL
	s.populate(images)
	return s
}

// populate makes a network, an image and two flavors.
func (s *site) populate(images *image.Service) {
	ctx, project := s.Context(), people["member"].ProjectID
	var err error
	s.network, err = s.networks.CreateNetwork(ctx, project, network.CreateNetworkOptions{Name: "private"})
	require.NoError(s, err)
	_, err = s.networks.CreateSubnet(ctx, project, network.CreateSubnetOptions{NetworkID: s.network.ID, CIDR: netip.MustParsePrefix("10.8.0.0/16")})
	require.NoError(s, err)
	_, err = s.networks.SetQuotas(ctx, project, map[string]int{"port": -1})
	require.NoError(s, err)
	img, err := images.CreateImage(ctx, project, image.CreateOptions{Name: "tiny", DiskFormat: "raw", ContainerFormat: "bare", Visibility: image.Public})
	require.NoError(s, err)
	_, err = images.UploadImage(ctx, img.ID, strings.NewReader(strings.Repeat("x", 4096)))
	require.NoError(s, err)
	s.image = img.ID
	for id, vcpus := range map[string]int{"1": 1, "2": 2} {
		_, err = s.compute.CreateFlavor(ctx, compute.Flavor{ID: id, Name: "m" + id, VCPUs: vcpus, MemoryMiB: 64 * vcpus, DiskGiB: 1, Public: true})
		require.NoError(s, err)
	}
}

// client is gophercloud's compute client of a person.
func (s *site) client(person, microversion string) *gophercloud.ServiceClient {
	return &gophercloud.ServiceClient{
		ProviderClient: &gophercloud.ProviderClient{TokenID: person}, Type: "compute",
		Endpoint: s.url + "/compute/v2.1/", Microversion: microversion,
	}
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   map[string]any
}

// ask sends a request; path is below /compute/v2.1, or whole if it names a mount.
func (s *site) ask(person, microversion, method, path, body string) answer {
	s.Helper()
	if !strings.HasPrefix(path, "/compute") && !strings.HasPrefix(path, "/placement") {
		path = "/compute/v2.1" + path
	}
	req, err := http.NewRequestWithContext(s.Context(), method, s.url+path, bytes.NewReader([]byte(body)))
	require.NoError(s, err)
	req.Header.Set("X-Auth-Token", person)
	req.Header.Set("Content-Type", "application/json")
	if microversion != "" {
		req.Header.Set("OpenStack-API-Version", microversion)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(s, err)
	a := answer{status: resp.StatusCode, header: resp.Header}
	if len(data) > 0 && data[0] == '{' {
		require.NoError(s, json.Unmarshal(data, &a.body), "%s", data)
	}
	return a
}

// durable is state in a file.
func durable(t testing.TB) state.Engine {
	engine, err := sqlite.Open(filepath.Join(t.TempDir(), "state.db"))
	require.NoError(t, err)
	return engine
}
