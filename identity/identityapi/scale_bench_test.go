package identityapi_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

// large adds the sizes that take minutes and gigabytes.
var large = flag.Bool("large", false, "benchmark a million users and 100,000 revocations as well")

// sizes leaves out what only -large is for.
func sizes(all ...int) []int {
	if !*large {
		return all[:len(all)-1]
	}
	return all
}

// inUse returns heap bytes that are reachable.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// each runs f for all numbers below n, on all cores.
func each(b testing.TB, n int, f func(i int) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// populate makes n users, who have a role on a project each, a hundred on one project;
// it returns how many bytes users and assignments take.
func (s *site) populate(n int) (user, assignment uint64) {
	s.Helper()
	ctx := s.Context()
	projects := make([]string, n/100+1)
	for i := range projects {
		p, err := s.svc.CreateProject(ctx, identity.CreateProjectOptions{Name: fmt.Sprintf("project-%d", i)})
		require.NoError(s, err)
		projects[i] = p.ID
	}
	users := make([]string, n)
	before := inUse()
	each(s, n, func(i int) error {
		u, err := s.svc.CreateUser(ctx, identity.CreateUserOptions{Name: fmt.Sprintf("user-%d", i)})
		users[i] = u.ID
		return err
	})
	between := inUse()
	role, err := s.svc.FindRole(ctx, "member")
	require.NoError(s, err)
	each(s, n, func(i int) error {
		return s.svc.Assign(ctx, identity.Assignment{RoleID: role.ID, UserID: users[i], ProjectID: projects[i/100]})
	})
	return (between - before) / uint64(n), (inUse() - between) / uint64(n)
}

// issue makes n tokens out of another one, for the same project.
func (s *site) issue(token string, n int) []string {
	s.Helper()
	now, err := s.svc.Validate(s.Context(), token)
	require.NoError(s, err)
	scope := identity.LoginScope{Project: &identity.ProjectRef{ID: now.Project.ID}}
	list := make([]string, n)
	each(s, n, func(i int) (err error) {
		list[i], _, err = s.svc.Login(s.Context(), identity.LoginRequest{Token: token, Scope: scope})
		return err
	})
	return list
}

// BenchmarkRevocations measures validations when so many tokens are revoked.
func BenchmarkRevocations(b *testing.B) {
	for _, n := range sizes(0, 1000, 100_000) {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := serve(b)
			token := s.admin()
			for _, revoked := range s.issue(token, n) {
				require.NoError(b, s.svc.Revoke(b.Context(), revoked))
			}
			load(b, s.url, http.StatusOK, validations(token, s.issue(token, 100)))
		})
	}
}

// BenchmarkPopulation measures what a request costs among so many users and as many
// assignments. B/user and B/assignment are what each takes of the memory.
func BenchmarkPopulation(b *testing.B) {
	for _, n := range sizes(10, 10_000, 1_000_000) {
		s := serve(b)
		user, assignment := s.populate(n)
		token := s.admin()
		measure := func(name string, status int, request func(int64) []byte) {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				load(b, s.url, status, request)
				b.ReportMetric(float64(user), "B/user")
				b.ReportMetric(float64(assignment), "B/assignment")
			})
		}
		same := func(request []byte) func(int64) []byte { return func(int64) []byte { return request } }
		measure("validate", http.StatusOK, validations(token, s.issue(token, 100)))
		measure("issue", http.StatusCreated, same(post("/identity/v3/auth/tokens", tokenBody(token, projectScope("admin")))))
		measure("user", http.StatusOK, same(get("/identity/v3/users?name=user-7", "X-Auth-Token", token)))
		measure("users", http.StatusOK, same(get("/identity/v3/users?limit=100", "X-Auth-Token", token)))
		measure("assignments", http.StatusOK, same(get("/identity/v3/role_assignments?limit=100", "X-Auth-Token", token)))
	}
}

// BenchmarkWhileChanging measures validations while other users change so often in a
// second: of a user with one role, and of one who is in 50 groups.
func BenchmarkWhileChanging(b *testing.B) {
	for _, groups := range []int{0, 50} {
		for _, rate := range []int{0, 1, 100} {
			b.Run(fmt.Sprintf("%d groups/%d writes/s", groups, rate), func(b *testing.B) {
				s := serve(b)
				userID, projectID, token := s.member("ann", "lab")
				s.join(userID, projectID, groups)
				subjects := s.issue(token, 2000)
				for _, subject := range subjects { // so that all are known
					s.want(http.StatusOK, "GET", "/v3/auth/tokens", token, "", "X-Subject-Token", subject)
				}
				defer s.write(rate)()
				load(b, s.url, http.StatusOK, validations(token, subjects))
			})
		}
	}
}

// join puts a user into groups that are readers of a project.
func (s *site) join(userID, projectID string, groups int) {
	s.Helper()
	role, err := s.svc.FindRole(s.Context(), "reader")
	require.NoError(s, err)
	for i := range groups {
		g, err := s.svc.CreateGroup(s.Context(), identity.CreateGroupOptions{Name: fmt.Sprintf("group-%d", i)})
		require.NoError(s, err)
		require.NoError(s, s.svc.AddUserToGroup(s.Context(), g.ID, userID))
		require.NoError(s, s.svc.Assign(s.Context(), identity.Assignment{RoleID: role.ID, GroupID: g.ID, ProjectID: projectID}))
	}
}

// write changes users, one after another, rate times in a second until it is told to stop.
func (s *site) write(rate int) (stop func()) {
	if rate == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(s.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if _, err := s.svc.CreateUser(ctx, identity.CreateUserOptions{Name: fmt.Sprintf("new-%d", i)}); err != nil && ctx.Err() == nil {
					s.Error(err)
				}
			}
		}
	}()
	return func() { cancel(); <-ended }
}
