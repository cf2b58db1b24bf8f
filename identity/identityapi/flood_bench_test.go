package identityapi_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/identityapi"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// floodClients log in with wrong passwords as fast as they are answered: more than the
// queue of password hashes takes.
const floodClients = 200

// BenchmarkValidateInLoginFlood measures validations over HTTP, one after the other,
// while many clients try passwords at Keystone's cost, and without them.
func BenchmarkValidateInLoginFlood(b *testing.B) {
	for _, workers := range []int{0, 1, 2} {
		name := fmt.Sprintf("workers=%d", workers)
		if workers == 0 {
			name = "quiet"
		}
		b.Run(name, func(b *testing.B) {
			s := serveCosts(b, workers)
			token := s.admin()
			flood := startFlood(b, s, workers > 0)
			took := make([]time.Duration, 0, b.N)
			for b.Loop() {
				started := time.Now()
				a := s.do("GET", "/v3/auth/tokens", token, "", "X-Subject-Token", token)
				took = append(took, time.Since(started))
				require.Equal(b, http.StatusOK, a.status)
			}
			tried, refused := flood()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(tried/b.Elapsed().Seconds(), "passwords/s")
			b.ReportMetric(refused/b.Elapsed().Seconds(), "429s/s")
		})
	}
}

// serveCosts is serve with passwords that cost what they do in Keystone.
func serveCosts(b *testing.B, workers int) *site {
	svc, err := identity.Open(b.Context(), identity.Config{AdminPassword: adminPassword, Settings: identity.Settings{HashWorkers: workers}}, nil)
	require.NoError(b, err)
	server := newServer(identityapi.New(svc, httpapi.Options{Policy: enforcer(b)}))
	b.Cleanup(func() {
		server.Close()
		require.NoError(b, svc.Close())
	})
	return &site{TB: b, svc: svc, url: server.URL}
}

// startFlood starts the clients; stop ends them and tells how many passwords were
// checked and how many refused.
func startFlood(b *testing.B, s *site, on bool) (stop func() (tried, refused float64)) {
	var checked, turnedAway atomic.Int64
	var clients sync.WaitGroup
	done := make(chan struct{})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: floodClients}}
	body := authBody("admin", "wrong", "")
	for range floodClients {
		if !on {
			break
		}
		clients.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				resp, err := client.Post(s.url+"/identity/v3/auth/tokens", "application/json", strings.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusTooManyRequests {
					checked.Add(1)
					continue
				}
				turnedAway.Add(1)
				select { // as Retry-After asks
				case <-time.After(time.Second):
				case <-done:
				}
			}
		})
	}
	return func() (float64, float64) {
		tried, refused := float64(checked.Load()), float64(turnedAway.Load()) // not those that still wait
		close(done)
		clients.Wait()
		client.CloseIdleConnections()
		return tried, refused
	}
}
