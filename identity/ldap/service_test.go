package ldap_test

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/ldap"
	"github.com/welkin-cloud/cloud/identity/ldap/slapdtest"
)

// ofLDAP is an identity service whose domain "corp" is in a server.
func ofLDAP(t testing.TB, server *slapdtest.Server, change func(c *ldap.Config)) *identity.Service {
	cfg := config(server)
	cfg.PageSize = 500
	if change != nil {
		change(&cfg)
	}
	d, err := ldap.Open(cfg)
	require.NoError(t, err)
	s, err := identity.Open(context.Background(), identity.Config{
		Directories:   map[string]driver.Directory{"corp": d},
		AdminPassword: "secret",
		Settings:      identity.Settings{BcryptCost: 4, DirectoryLimit: 20_000, DirectoryTimeout: time.Minute},
	}, nil)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, d.Close())
	})
	return s
}

func loginOf(name, password string) identity.LoginRequest {
	return identity.LoginRequest{Password: &identity.PasswordLogin{
		User: identity.UserRef{Name: name, Domain: identity.DomainRef{Name: "corp"}}, Password: password,
	}}
}

// TestServiceOverServerKilled: while a server is down its users keep what they have,
// and nobody else is concerned.
func TestServiceOverServerKilled(t *testing.T) {
	server := slapdtest.Start(t, slapdtest.Options{})
	server.Person("ada", "secret")
	server.Group("devs", "ada")
	s := ofLDAP(t, server, nil)
	ctx := t.Context()
	token, what, err := s.Login(ctx, loginOf("ada", "secret"))
	require.NoError(t, err)
	groups, err := s.ListGroups(ctx, &identity.ListGroupsOptions{UserID: what.User.ID})
	require.NoError(t, err)
	require.Len(t, groups, 1)
	server.Kill()
	_, _, err = s.Login(ctx, loginOf("ada", "secret"))
	require.ErrorIs(t, err, driver.Unavailable)
	_, err = s.Validate(ctx, token)
	require.NoError(t, err)
	_, _, err = s.Login(ctx, identity.LoginRequest{Password: &identity.PasswordLogin{
		User: identity.UserRef{Name: "admin", Domain: identity.DomainRef{ID: "default"}}, Password: "secret",
	}})
	require.NoError(t, err)
	server.Run()
	server.Do(func(c *goldap.Conn) error {
		return c.Del(goldap.NewDelRequest("uid=ada,"+slapdtest.People, nil))
	})
	require.NoError(t, s.RefreshDirectory(ctx, what.User.Domain.ID))
	_, err = s.Validate(ctx, token)
	require.ErrorIs(t, err, driver.Unauthenticated)
}

// salted is a password as OpenLDAP keeps it by default.
func salted(password string) string {
	const salt = "NaCl"
	sum := sha1.Sum([]byte(password + salt))
	return "{SSHA}" + base64.StdEncoding.EncodeToString(append(sum[:], salt...))
}

// populate adds users, a hundred in each group.
func populate(server *slapdtest.Server, users int) {
	server.Do(func(c *goldap.Conn) error {
		var members []string
		for i := range users {
			uid := fmt.Sprintf("u%05d", i)
			members = append(members, "uid="+uid+","+slapdtest.People)
			err := c.Add(slapdtest.Entry(members[len(members)-1], map[string][]string{
				"objectClass": {"inetOrgPerson"}, "uid": {uid}, "cn": {uid}, "sn": {uid},
				"mail": {uid + "@example.org"}, "userPassword": {salted("secret")},
			}))
			if err != nil {
				return err
			}
			if len(members) < 100 && i+1 < users {
				continue
			}
			cn := "cn=" + uid + "," + slapdtest.Groups
			err = c.Add(slapdtest.Entry(cn, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {uid}, "member": members}))
			if err != nil {
				return err
			}
			members = nil
		}
		return nil
	})
}

// BenchmarkLogin logs users in: a search, a bind, a search for groups, and a token.
func BenchmarkLogin(b *testing.B) {
	server := slapdtest.Start(b, slapdtest.Options{NoSync: true})
	const users = 1000
	populate(server, users)
	s := ofLDAP(b, server, nil)
	b.SetParallelism(4)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, _, err := s.Login(b.Context(), loginOf(fmt.Sprintf("u%05d", i%users), "secret")); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "logins/s")
}

// BenchmarkRefresh lists 10,000 users for the first time, and then refreshes their
// shadows and memberships while nothing changes.
func BenchmarkRefresh(b *testing.B) {
	server := slapdtest.Start(b, slapdtest.Options{NoSync: true})
	const users = 10_000
	populate(server, users)
	s := ofLDAP(b, server, nil)
	domains, err := s.ListDomains(b.Context(), &identity.ListDomainsOptions{Name: "corp"})
	require.NoError(b, err)
	began := time.Now()
	list, err := s.ListUsers(b.Context(), &identity.ListUsersOptions{DomainID: domains[0].ID})
	require.NoError(b, err)
	require.Len(b, list, users)
	first := time.Since(began)
	require.NoError(b, s.RefreshDirectory(b.Context(), domains[0].ID))
	began = time.Now()
	_, err = s.ListUsers(b.Context(), &identity.ListUsersOptions{DomainID: domains[0].ID})
	require.NoError(b, err)
	again := time.Since(began)
	for b.Loop() {
		require.NoError(b, s.RefreshDirectory(b.Context(), domains[0].ID))
	}
	b.ReportMetric(float64(first.Milliseconds()), "ms/first-list")
	b.ReportMetric(float64(again.Milliseconds()), "ms/list")
}
