package identityapi_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// load sends requests over HTTP from several clients, each on a connection that it
// keeps: request gives the n-th one as it goes over the wire. Every answer must have
// the status. Server and clients share the machine.
func load(b *testing.B, url string, status int, request func(n int64) []byte) {
	b.Helper()
	host := strings.TrimPrefix(url, "http://")
	var sent atomic.Int64
	b.SetParallelism(8)
	b.ReportAllocs()
	before := processorTime(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		for pb.Next() {
			if _, err := conn.Write(request(sent.Add(1))); err != nil {
				b.Error(err)
				return
			}
			resp, err := http.ReadResponse(r, nil)
			if err != nil || resp.StatusCode != status {
				b.Error(err, resp)
				return
			}
			io.Copy(io.Discard, resp.Body)
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// processorTime is what this process has used of the processors. Unlike the time on the
// wall it hardly depends on what else the machine does.
func processorTime(b *testing.B) int64 {
	var use syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &use))
	return use.Utime.Nano() + use.Stime.Nano()
}

// get is a GET as it goes over the wire; headers are pairs of a name and a value.
func get(path string, headers ...string) []byte {
	text := "GET " + path + " HTTP/1.1\r\nHost: cloud.test\r\n"
	for i := 0; i+1 < len(headers); i += 2 {
		text += headers[i] + ": " + headers[i+1] + "\r\n"
	}
	return []byte(text + "\r\n")
}

// post is a POST of JSON as it goes over the wire.
func post(path, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: cloud.test\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

// validations are requests that validate subjects with the token of a service.
func validations(caller string, subjects []string) func(int64) []byte {
	requests := make([][]byte, len(subjects))
	for i, subject := range subjects {
		requests[i] = get("/identity/v3/auth/tokens", "X-Auth-Token", caller, "X-Subject-Token", subject)
	}
	return func(n int64) []byte { return requests[n%int64(len(requests))] }
}

// appCredential makes an application credential of the administrator on its project,
// and returns the body of a log-in with it.
func (s *site) appCredential(name string) (id, body string) {
	s.Helper()
	u, err := s.svc.FindUser(s.Context(), identity.DefaultDomainID, "admin")
	require.NoError(s, err)
	p, err := s.svc.FindProject(s.Context(), identity.DefaultDomainID, "admin")
	require.NoError(s, err)
	c, secret, err := s.svc.CreateApplicationCredential(s.Context(), identity.CreateApplicationCredentialOptions{
		Name: name, UserID: u.ID, ProjectID: p.ID,
	})
	require.NoError(s, err)
	return c.ID, `{"auth": {"identity": {"methods": ["application_credential"],
		"application_credential": {"id": "` + c.ID + `", "secret": "` + secret + `"}}}}`
}

func tokenBody(token, scope string) string {
	return `{"auth": {"identity": {"methods": ["token"], "token": {"id": "` + token + `"}}, "scope": ` + scope + `}}`
}

// BenchmarkValidate measures GET /v3/auth/tokens: one token that is caller and subject,
// and tokens of 1,000 log-ins that a service asks about.
func BenchmarkValidate(b *testing.B) {
	s := serve(b)
	token := s.admin()
	b.Run("own", func(b *testing.B) {
		load(b, s.url, http.StatusOK, validations(token, []string{token}))
	})
	subjects := make([]string, 1000)
	for i := range subjects {
		subjects[i] = s.want(http.StatusCreated, "POST", "/v3/auth/tokens", "",
			tokenBody(token, projectScope("admin"))).header.Get("X-Subject-Token")
	}
	b.Run("service", func(b *testing.B) {
		load(b, s.url, http.StatusOK, validations(token, subjects))
	})
	b.Run("service nocatalog", func(b *testing.B) {
		load(b, s.url, http.StatusOK, func(n int64) []byte {
			return get("/identity/v3/auth/tokens?nocatalog", "X-Auth-Token", token, "X-Subject-Token", subjects[n%1000])
		})
	})
}

// BenchmarkInside measures what a request of another service costs that does nothing:
// the token and the rule are checked in the process, without a call to identity.
func BenchmarkInside(b *testing.B) {
	s := serve(b)
	nothing := func(context.Context, *httpapi.Request) (*httpapi.Response, error) { return httpapi.Empty(), nil }
	h := httpapi.New(httpapi.API{Service: "compute", Dialect: httpapi.Nova{}, Routes: []httpapi.Route{
		{Method: "GET", Path: "/v2.1/guarded", Policy: "os_compute_api:servers:index", Handle: nothing, Status: http.StatusNoContent},
		{Method: "GET", Path: "/v2.1/public", Public: true, Handle: nothing, Status: http.StatusNoContent},
	}}, httpapi.Options{Auth: s.svc, Policy: enforcer(b)})
	server := httptest.NewServer(httpapi.Mount(map[string]http.Handler{"/compute": h}))
	b.Cleanup(server.Close)
	token := s.admin()
	for _, path := range []string{"guarded", "public"} {
		request := get("/compute/v2.1/"+path, "X-Auth-Token", token)
		if path == "public" {
			request = get("/compute/v2.1/" + path)
		}
		b.Run(path, func(b *testing.B) {
			load(b, server.URL, http.StatusNoContent, func(int64) []byte { return request })
		})
	}
}

// BenchmarkIssue measures log-ins without a password, on a project.
func BenchmarkIssue(b *testing.B) {
	s := serve(b)
	unscoped := s.login("admin", adminPassword, `"unscoped"`)
	_, byCredential := s.appCredential("bench")
	for _, c := range []struct{ name, path, body string }{
		{"token", "/identity/v3/auth/tokens", tokenBody(unscoped, projectScope("admin"))},
		{"token nocatalog", "/identity/v3/auth/tokens?nocatalog", tokenBody(unscoped, projectScope("admin"))},
		{"credential", "/identity/v3/auth/tokens", byCredential},
		{"credential nocatalog", "/identity/v3/auth/tokens?nocatalog", byCredential},
	} {
		request := post(c.path, c.body)
		b.Run(c.name, func(b *testing.B) {
			load(b, s.url, http.StatusCreated, func(int64) []byte { return request })
		})
	}
}
