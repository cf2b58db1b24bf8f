package cloudtest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/cloudtest"
)

// list lists the servers as a client does.
func (s *site) list() ([]servers.Server, error) {
	pages, err := servers.List(s.compute, servers.ListOpts{}).AllPages(s.t.Context())
	if err != nil {
		return nil, err
	}
	return servers.ExtractServers(pages)
}

// TestAnswersOfTheAPI: what the client sees, and that the next request succeeds.
func TestAnswersOfTheAPI(t *testing.T) {
	for _, c := range []struct {
		fault cloudtest.Fault
		code  int
		retry string // Retry-After
		body  string
	}{
		{cloudtest.APIUnavailable(), 503, "1", "<h1>503 Service Unavailable</h1>"},
		{cloudtest.APIFails(), 500, "", `{"computeFault":{"code":500,"message":"Unexpected API error."}}`},
		{cloudtest.RateLimited(), 429, "1", `"overLimit":{"code":429`},
		{cloudtest.ConflictsOnce(), 409, "", `"conflictingRequest":{"code":409`},
		{cloudtest.GatewayTimesOut(), 504, "", "<h1>504 Gateway Timeout</h1>"},
		{cloudtest.RequestFails(418, "no coffee"), 418, "", "no coffee"},
	} {
		t.Run(c.fault.String(), func(t *testing.T) {
			s := newSite(t)
			s.Inject(c.fault.At("GET /compute/v2.1/servers/detail").Times(1))
			_, err := s.list()
			require.Equal(t, c.code, status(err), "%v", err)
			var seen gophercloud.ErrUnexpectedResponseCode
			require.ErrorAs(t, err, &seen)
			require.Equal(t, c.retry, seen.ResponseHeader.Get("Retry-After"))
			require.Contains(t, string(seen.Body), c.body)
			_, err = s.list()
			require.NoError(t, err)
		})
	}
}

func TestErrorsAreInTheServicesOwnForm(t *testing.T) {
	s := newSite(t)
	s.Inject(cloudtest.RateLimited())
	for path, want := range map[string]string{
		"/identity/v3/projects":    `"title":"Too Many Requests"`,
		"/compute/v2.1/servers":    `"overLimit"`,
		"/network/v2.0/ports":      `"NeutronError"`,
		"/volume/v3/volumes":       `"overLimit"`,
		"/image/v2/images":         "<title>429 Too Many Requests</title>",
		"/placement/":              `"errors"`,
		"/compute/v2.1/servers/no": `"overLimit"`,
	} {
		answer, err := http.Get(s.URL() + path)
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusTooManyRequests, answer.StatusCode)
		require.Contains(t, string(body), want, path)
	}
}

func TestConnectionsThatBreak(t *testing.T) {
	create := func(s *site) error {
		_, err := ports.Create(t.Context(), s.networks, ports.CreateOpts{NetworkID: s.Projects[0].Networks[0].ID}).Extract()
		return err
	}
	broken := func(err error) bool {
		return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
	}
	for _, c := range []struct {
		fault cloudtest.Fault
		done  int // ports that were made all the same
		sees  func(err error) bool
	}{
		{cloudtest.RequestLost(), 0, broken},
		{cloudtest.AnswerLost(), 1, broken},
		{cloudtest.AnswerCut(), 1, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{cloudtest.GatewayTimesOut(), 1, func(err error) bool { return status(err) == http.StatusGatewayTimeout }},
		{cloudtest.APIFails(), 0, func(err error) bool { return status(err) == http.StatusInternalServerError }},
	} {
		t.Run(c.fault.String(), func(t *testing.T) {
			s := newSite(t)
			count := func() int {
				all, err := s.Networks.ListPorts(t.Context())
				require.NoError(t, err)
				return len(all)
			}
			before := count()
			s.Inject(c.fault.At("POST /network/v2.0/ports").Times(1))
			err := create(s)
			require.Error(t, err)
			require.True(t, c.sees(err), "%v", err)
			require.Equal(t, before+c.done, count())
			require.NoError(t, create(s))
			s.CheckClean()
		})
	}
}

func TestAPIRecoversAfterATime(t *testing.T) {
	s := newSite(t)
	s.Inject(cloudtest.APIUnavailable().At("/compute/").Lasting(time.Minute))
	_, err := s.list()
	require.Equal(t, http.StatusServiceUnavailable, status(err))
	_, err = ports.List(s.networks, nil).AllPages(t.Context())
	require.NoError(t, err, "the others are not concerned")
	s.clock.Advance(time.Minute)
	_, err = s.list()
	require.NoError(t, err)
}

func TestAPISlow(t *testing.T) {
	s := newSite(t)
	slow := s.Inject(cloudtest.APISlow(10 * time.Second).At("GET /compute/v2.1/servers/detail"))
	listed := make(chan error, 1)
	go func() {
		_, err := s.list()
		listed <- err
	}()
	slow.Wait(1)
	require.Empty(t, listed)
	advanceUntil(s, listed)
	_, err := ports.List(s.networks, nil).AllPages(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, slow.Hits())
}

// advanceUntil lets time go by until something has ended well.
func advanceUntil(s *site, done <-chan error) {
	s.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			require.NoError(s.t, err)
			return
		case <-tick.C:
			s.clock.Advance(time.Second)
		}
	}
}

func TestReadsLag(t *testing.T) {
	s := newSite(t)
	id := s.boot("web")
	s.Inject(cloudtest.ReadsLag())
	_, err := s.list()
	require.NoError(t, err)
	_, err = servers.Get(t.Context(), s.compute, id).Extract()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusNotFound))
	require.Equal(t, "ACTIVE", s.server(id).Status)
}

func TestFaultsOfTheAPIAddUp(t *testing.T) {
	s := newSite(t)
	id, other := s.boot("web"), s.boot("other")
	first := s.Inject(cloudtest.APIUnavailable().At("GET /compute/v2.1/servers/{id}").For(id).After(1).Times(1))
	second := s.Inject(cloudtest.ConflictsOnce().At("GET /compute/v2.1/servers/{id}").For(id))
	codes := func(id string) (codes []int) {
		for range 3 {
			_, err := servers.Get(t.Context(), s.compute, id).Extract()
			codes = append(codes, status(err))
		}
		return codes
	}
	require.Equal(t, []int{0, 0, 0}, codes(other))
	require.Equal(t, []int{409, 503, 0}, codes(id))
	require.Equal(t, []int{1, 1}, []int{first.Hits(), second.Hits()})
}

func TestTokenExpires(t *testing.T) {
	s := newSite(t, cloudtest.Model{Unlimited: true})
	before := s.compute.Token()
	expired := s.Inject(cloudtest.TokenExpires().After(2))
	for i := range 4 {
		s.boot(fmt.Sprint(i))
	}
	require.Equal(t, 1, expired.Hits())
	require.NotEqual(t, before, s.compute.Token(), "the client has logged in again")
}

func TestTokenExpiresShowsAsRequired(t *testing.T) {
	s := newSite(t)
	s.Inject(cloudtest.TokenExpires())
	r, err := http.NewRequest(http.MethodGet, s.URL()+"/compute/v2.1/servers", http.NoBody)
	require.NoError(t, err)
	r.Header.Set("X-Auth-Token", s.compute.Token())
	for range 2 {
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
		require.Contains(t, answer.Header.Get("WWW-Authenticate"), "/identity")
	}
}

func TestTokensVoid(t *testing.T) {
	s := newSite(t)
	id := s.ask("web")
	before := s.compute.Token()
	s.Inject(cloudtest.TokensVoid())
	answer, err := http.Get(s.URL() + "/compute/v2.1/servers")
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	_, err = s.Identity.Validate(t.Context(), before)
	require.Error(t, err)
	s.WaitIdle()
	require.Equal(t, "ACTIVE", s.server(id).Status, "with a new token")
	require.NotEqual(t, before, s.compute.Token())
}

func TestIdentityDown(t *testing.T) {
	s := newSite(t)
	s.Inject(cloudtest.IdentityDown())
	a := s.Access(s.Admin)
	_, err := openstack.AuthenticatedClient(t.Context(), gophercloud.AuthOptions{
		IdentityEndpoint: a.Endpoint, Username: a.Username, Password: a.Password, TenantName: a.Project, DomainName: a.Domain,
	})
	require.Error(t, err)
	_, err = s.list()
	require.NoError(t, err)
}

func TestQuotaReached(t *testing.T) {
	s := newSite(t)
	burst := s.Inject(cloudtest.QuotaReached("instances", 2))
	var codes []int
	for i := range 3 {
		_, err := servers.Create(t.Context(), s.compute, servers.CreateOpts{
			Name: fmt.Sprint(i), FlavorRef: s.Flavors[0].ID, ImageRef: s.PublicImages[0].ID, Networks: "auto",
		}, nil).Extract()
		codes = append(codes, status(err))
	}
	require.Equal(t, []int{0, 0, http.StatusForbidden}, codes)
	burst.End()
	s.boot("after")

	s.Inject(cloudtest.QuotaReached("volumes", 0).For(s.Projects[0].ID))
	_, err := volumes.Create(t.Context(), s.volumes, volumes.CreateOpts{Size: 1}, nil).Extract()
	require.Equal(t, http.StatusRequestEntityTooLarge, status(err))
	s.Inject(cloudtest.QuotaReached("port", 0))
	_, err = ports.Create(t.Context(), s.networks, ports.CreateOpts{NetworkID: s.Projects[0].Networks[0].ID}).Extract()
	require.Equal(t, http.StatusConflict, status(err))
	s.CheckClean()
}

// TestWithoutANetworkBetween: requests that do not come over a connection are served too.
func TestWithoutANetworkBetween(t *testing.T) {
	s := newSite(t)
	s.Inject(cloudtest.RequestLost().At("GET /image/"))
	r, err := http.NewRequest(http.MethodGet, "/image/v2/images", http.NoBody)
	require.NoError(t, err)
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { s.ServeHTTP(nowhere{http.Header{}}, r) })
	var document struct{ Versions any }
	answer, err := http.Get(s.URL() + "/compute/")
	require.NoError(t, err)
	defer answer.Body.Close()
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&document))
}

// nowhere is where an answer goes that is not looked at.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header { return n.header }

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

func (nowhere) WriteHeader(int) {}
