package ldap_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/ldap"
	"github.com/welkin-cloud/cloud/identity/ldap/slapdtest"
)

// open returns a directory that the test closes.
func open(t *testing.T, cfg ldap.Config) *ldap.Directory {
	t.Helper()
	d, err := ldap.Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func trusting(t *testing.T, file string) *tls.Config {
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(b))
	return &tls.Config{RootCAs: pool}
}

func authenticate(t *testing.T, d driver.Directory, name, password string) error {
	_, err := d.Authenticate(t.Context(), driver.Ref{Name: name}, password)
	return err
}

func TestEncryption(t *testing.T) {
	server := slapdtest.Start(t, slapdtest.Options{TLS: true})
	other := slapdtest.Start(t, slapdtest.Options{TLS: true})
	server.Person("ada", "very-secret")
	via := newRelay(t, server.URL)
	for name, change := range map[string]func(c *ldap.Config){
		"ldaps":    func(c *ldap.Config) { c.URLs = []string{server.SecureURL} },
		"StartTLS": func(c *ldap.Config) { c.URLs, c.StartTLS = []string{via.url}, true },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(server)
			change(&cfg)
			cfg.TLS = trusting(t, server.CAFile)
			d := open(t, cfg)
			require.NoError(t, authenticate(t, d, "ada", "very-secret"))
			require.ErrorIs(t, authenticate(t, d, "ada", "wrong"), driver.Unauthenticated)

			for why, distrust := range map[string]*tls.Config{
				"unknown authority": nil, "another authority": trusting(t, other.CAFile),
				"another name": {RootCAs: cfg.TLS.RootCAs, ServerName: "ldap.example.org"},
			} {
				cfg.TLS = distrust
				require.ErrorIs(t, authenticate(t, open(t, cfg), "ada", "very-secret"), driver.Unavailable, why)
			}
		})
	}
	require.NotContains(t, via.text(), "very-secret")
	require.NotContains(t, via.text(), slapdtest.Password)
	plain := config(server)
	plain.URLs = []string{via.url}
	require.NoError(t, authenticate(t, open(t, plain), "ada", "very-secret"))
	require.Contains(t, via.text(), "very-secret", "the relay sees what is not encrypted")
}

func TestWrongAccount(t *testing.T) {
	server := slapdtest.Start(t, slapdtest.Options{})
	server.Person("ada", "secret")
	cfg := config(server)
	cfg.Password = "not-the-password"
	d := open(t, cfg)
	err := authenticate(t, d, "ada", "secret")
	require.ErrorIs(t, err, driver.Unavailable, "the account of the cloud is not that of the user")
	require.NotContains(t, err.Error(), "not-the-password")
	cfg.User, cfg.Password = "", ""
	require.NoError(t, authenticate(t, open(t, cfg), "ada", "secret"), "anonymous")
}

func TestServersInOrder(t *testing.T) {
	server := slapdtest.Start(t, slapdtest.Options{})
	server.Person("ada", "secret")
	cfg := config(server)
	cfg.URLs = []string{"ldap://127.0.0.1:1", server.URL}
	require.NoError(t, authenticate(t, open(t, cfg), "ada", "secret"))
}

// TestServerKilled kills the server while many use it, and starts it again.
func TestServerKilled(t *testing.T) {
	server := slapdtest.Start(t, slapdtest.Options{})
	server.Person("ada", "secret")
	d := open(t, config(server))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var work sync.WaitGroup
	wrong, failed := make(chan error, 64), make(chan struct{}, 1)
	for range 8 {
		work.Go(func() {
			for ctx.Err() == nil {
				_, err := d.Authenticate(ctx, driver.Ref{Name: "ada"}, "secret")
				switch {
				case err == nil || ctx.Err() != nil:
				case isUnavailable(err):
					select {
					case failed <- struct{}{}:
					default:
					}
				default:
					select {
					case wrong <- err:
					default:
					}
				}
			}
		})
	}
	server.Kill()
	<-failed
	server.Run()
	require.Eventually(t, func() bool { return authenticate(t, d, "ada", "secret") == nil }, 30*time.Second, 20*time.Millisecond)
	cancel()
	work.Wait()
	close(wrong)
	for err := range wrong {
		require.NoError(t, err, "a user was refused because of the server")
	}
	// Connections that were kept over a restart do no harm.
	server.Kill()
	server.Run()
	require.NoError(t, authenticate(t, d, "ada", "secret"))
}

func isUnavailable(err error) bool {
	kind, ok := err.(interface{ Unwrap() []error })
	return ok && kind.Unwrap()[0] == error(driver.Unavailable)
}

func TestServerSlow(t *testing.T) {
	server := slapdtest.Start(t, slapdtest.Options{})
	server.Person("ada", "secret")
	cfg := config(server)
	cfg.Timeout, cfg.PoolSize = 200*time.Millisecond, 2
	d := open(t, cfg)
	require.NoError(t, authenticate(t, d, "ada", "secret"))
	server.Freeze()
	began := time.Now()
	require.ErrorIs(t, authenticate(t, d, "ada", "secret"), driver.Unavailable)
	fresh := open(t, cfg) // one without connections
	require.ErrorIs(t, authenticate(t, fresh, "ada", "secret"), driver.Unavailable)
	require.Less(t, time.Since(began), 5*time.Second)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var work sync.WaitGroup
	for range 10 { // more than there are connections: those who wait give up too
		work.Go(func() {
			_, err := d.Users(ctx, driver.Query{})
			if err == nil {
				t.Error("a frozen server has answered")
			}
		})
	}
	work.Wait()
	server.Thaw()
	require.Eventually(t, func() bool { return authenticate(t, d, "ada", "secret") == nil }, 10*time.Second, 20*time.Millisecond)
}

func TestBoundedConnections(t *testing.T) {
	server := slapdtest.Start(t, slapdtest.Options{})
	server.Person("ada", "secret")
	via := newRelay(t, server.URL)
	cfg := config(server)
	cfg.URLs, cfg.PoolSize = []string{via.url}, 3
	d, err := ldap.Open(cfg)
	require.NoError(t, err)
	var work sync.WaitGroup
	for range 64 {
		work.Go(func() {
			if err := authenticate(t, d, "ada", "secret"); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	via.mu.Lock()
	peak := via.peak
	via.mu.Unlock()
	require.LessOrEqual(t, peak, 6, "3 that search and 3 that check passwords")
	require.NoError(t, d.Close())
	require.Eventually(t, func() bool {
		via.mu.Lock()
		defer via.mu.Unlock()
		return via.now == 0
	}, 10*time.Second, 10*time.Millisecond, "Close ends all connections")
}

func TestPages(t *testing.T) {
	server := slapdtest.Start(t, slapdtest.Options{NoSync: true})
	const users = 1203
	server.Do(func(c *goldap.Conn) error {
		for i := range users {
			uid := fmt.Sprintf("u%04d", i)
			err := c.Add(slapdtest.Entry("uid="+uid+","+slapdtest.People, map[string][]string{
				"objectClass": {"inetOrgPerson"}, "uid": {uid}, "cn": {uid}, "sn": {uid},
			}))
			if err != nil {
				return err
			}
		}
		return nil
	})
	cfg := config(server)
	cfg.User, cfg.Password = "", "" // whom slapd gives 500 entries at once
	cfg.PageSize = 100
	list, err := open(t, cfg).Users(t.Context(), driver.Query{Limit: users})
	require.NoError(t, err)
	require.Len(t, list, users)
	_, err = open(t, cfg).Users(t.Context(), driver.Query{Limit: users - 1})
	require.ErrorIs(t, err, driver.TooLarge)
	cfg.PageSize = -1
	_, err = open(t, cfg).Users(t.Context(), driver.Query{})
	require.ErrorIs(t, err, driver.TooLarge, "the server's own limit")
}

// TestNestedGroups looks at what is asked: slapd does not have the matching rule of
// Active Directory, and answers that nothing matches.
func TestNestedGroups(t *testing.T) {
	server := slapdtest.Start(t, slapdtest.Options{MemberOf: true})
	via := newRelay(t, server.URL)
	w := world()
	active.fill(server, w)
	cfg := config(server)
	active.config(&cfg)
	cfg.URLs, cfg.Groups.Nested = []string{via.url}, true
	d := open(t, cfg)
	ada, err := d.Users(t.Context(), driver.Query{Name: "ada"})
	require.NoError(t, err)
	require.Len(t, ada, 1)
	_, err = d.GroupsOf(t.Context(), ada[0], 10)
	require.NoError(t, err)
	const rule = "1.2.840.113556.1.4.1941"
	require.Regexp(t, rule+`..member..`+ada[0].Locator, via.text())
	groups, err := d.Groups(t.Context(), driver.Query{Name: "devs"})
	require.NoError(t, err)
	require.Len(t, groups, 1)
	_, err = d.Members(t.Context(), groups[0].ID, 10)
	require.NoError(t, err)
	require.Regexp(t, rule+`..memberOf..cn=devs,`+slapdtest.Groups, via.text())
}
