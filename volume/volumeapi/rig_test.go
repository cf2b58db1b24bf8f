package volumeapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/image/memstore"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/core/coretest"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/volume"
	"github.com/welkin-cloud/cloud/volume/driver"
	"github.com/welkin-cloud/cloud/volume/memvolume"
	"github.com/welkin-cloud/cloud/volume/volumeapi"
)

// The projects of the users of the tests.
const (
	project = "11111111111111111111111111111111"
	foreign = "22222222222222222222222222222222"
	system  = "33333333333333333333333333333333"
	unknown = "99999999-9999-4999-8999-999999999999"
)

// tokens knows callers by their tokens.
type tokens map[string]*policy.Principal

func (t tokens) Authenticate(_ context.Context, token string) (*policy.Principal, error) {
	if p := t[token]; p != nil {
		return p, nil
	}
	return nil, fault.New(fault.Unauthenticated, "unknown token")
}

var users = tokens{
	"member": {UserID: "u1", ProjectID: project, Roles: []string{"member", "reader"}},
	"reader": {UserID: "u2", ProjectID: project, Roles: []string{"reader"}},
	"other":  {UserID: "u3", ProjectID: foreign, Roles: []string{"member", "reader"}},
	"admin":  {UserID: "u4", ProjectID: system, Roles: []string{"admin", "member", "reader"}},
}

// rig is the volume service behind HTTP.
type rig struct {
	t       *testing.T
	core    *core.Core
	svc     *volume.Service
	images  *image.Service
	backend *memvolume.Backend
	url     string
}

func newRig(t *testing.T) *rig {
	c := coretest.New(t)
	g := &rig{t: t, core: c, backend: memvolume.New(memvolume.Config{})}
	var err error
	g.images, err = image.New(c, image.Config{Store: memstore.New(memstore.Config{})})
	require.NoError(t, err)
	g.svc, err = volume.New(c, volume.Config{
		Backends: []driver.Backend{g.backend}, Images: g.images, Backups: memstore.New(memstore.Config{}),
	})
	require.NoError(t, err)
	coretest.Open(t, c)
	require.NoError(t, g.images.Start(t.Context()))
	require.NoError(t, g.svc.Start(t.Context()))
	rules, err := policy.New(nil)
	require.NoError(t, err)
	h := volumeapi.New(g.svc, httpapi.Options{Auth: users, Policy: rules, Log: c.Log, IDs: c.IDs})
	require.NoError(t, httpapi.Verify(h))
	server := httptest.NewServer(httpapi.Mount(map[string]http.Handler{"/volume": h}))
	t.Cleanup(server.Close)
	g.url = server.URL + "/volume"
	return g
}

// client is gophercloud's, as a user at a microversion.
func (g *rig) client(user, version string) *gophercloud.ServiceClient {
	p := &gophercloud.ProviderClient{TokenID: user}
	endpoint := g.url + "/v3/" + users[user].ProjectID + "/"
	return &gophercloud.ServiceClient{ProviderClient: p, Endpoint: endpoint, Type: "volume", Microversion: version}
}

// settle waits until all sagas are done.
func (g *rig) settle() {
	g.t.Helper()
	require.NoError(g.t, g.core.Sagas.Idle(g.t.Context()))
}

// answer is what came back of a request.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

// at gives a value inside the body.
func (a answer) at(path ...string) any {
	var v any = a.body
	for _, key := range path {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

// do sends a request as a user; what is "METHOD /path", optionally with " @3.N".
func (g *rig) do(user, what, body string, headers ...string) answer {
	g.t.Helper()
	what, version, _ := strings.Cut(what, " @")
	method, path, _ := strings.Cut(what, " ")
	req, err := http.NewRequestWithContext(g.t.Context(), method, g.url+path, bytes.NewBufferString(body))
	require.NoError(g.t, err)
	req.Header.Set("X-Auth-Token", user)
	if version != "" {
		req.Header.Set("OpenStack-API-Version", "volume "+version)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	require.NoError(g.t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(g.t, err)
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &a.body) // an empty body is none
	return a
}

// must is do with the status that is wanted.
func (g *rig) must(status int, user, what, body string, headers ...string) answer {
	g.t.Helper()
	a := g.do(user, what, body, headers...)
	require.Equal(g.t, status, a.status, "%s: %s", what, a.raw)
	return a
}

// volume makes a volume of a project and waits for it.
func (g *rig) volume(projectID string, opts volume.CreateOptions) volume.Volume {
	g.t.Helper()
	if opts.SizeGiB == 0 {
		opts.SizeGiB = 1
	}
	v, err := g.svc.CreateVolume(g.t.Context(), projectID, opts)
	require.NoError(g.t, err)
	v, err = g.svc.WaitVolume(g.t.Context(), v.ID)
	require.NoError(g.t, err)
	return v
}

// status reads the status of a volume.
func (g *rig) status(id string) volume.Status {
	g.t.Helper()
	v, err := g.svc.GetVolume(g.t.Context(), id)
	require.NoError(g.t, err)
	return v.Status
}
