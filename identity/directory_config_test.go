package identity_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/memdirectory"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// openers are what the configurations of domains open.
type openers struct {
	opened  []map[string]string
	byURL   map[string]*memdirectory.Directory
	domain  string
	service *identity.Service
}

func newOpeners(t *testing.T) *openers {
	o := &openers{byURL: map[string]*memdirectory.Directory{}}
	o.service = open(t, func(cfg *identity.Config) {
		cfg.OpenDirectory = func(kind string, options map[string]string) (driver.Directory, error) {
			o.opened = append(o.opened, options)
			d, known := o.byURL[options["url"]]
			if !known || kind != "ldap" {
				return nil, errors.New("there is no such directory")
			}
			return d, nil
		}
	})
	for _, name := range []string{"ada", "bob"} {
		o.byURL["ldap://"+name] = memdirectory.New(memdirectory.Config{Users: []memdirectory.Account{account(name)}})
	}
	d, err := o.service.CreateDomain(t.Context(), identity.CreateDomainOptions{Name: "corp"})
	require.NoError(t, err)
	o.domain = d.ID
	return o
}

func (o *openers) login(t *testing.T, name string) error {
	_, _, err := o.service.Login(t.Context(), identity.LoginRequest{Password: &identity.PasswordLogin{
		User: identity.UserRef{Name: name, Domain: identity.DomainRef{Name: "corp"}}, Password: "secret",
	}})
	return err
}

func (o *openers) set(t *testing.T, url string) {
	t.Helper()
	_, err := o.service.SetDomainConfig(t.Context(), o.domain, identity.DomainConfig{
		"identity": {"driver": "ldap"},
		"ldap":     {"url": url, "password": "hidden", "user": "cn=%(password)s", "page_size": 100},
	})
	require.NoError(t, err)
}

// TestDirectoryByConfiguration: what the configuration of a domain says takes effect at
// once.
func TestDirectoryByConfiguration(t *testing.T) {
	o := newOpeners(t)
	require.ErrorIs(t, o.login(t, "ada"), fault.Unauthenticated)
	o.set(t, "ldap://ada")
	require.NoError(t, o.login(t, "ada"))
	require.NoError(t, o.login(t, "ada"))
	require.Len(t, o.opened, 1, "what stays the same is not opened again")
	require.Equal(t, map[string]string{
		"url": "ldap://ada", "password": "hidden", "user": "cn=hidden", "page_size": "100",
	}, o.opened[0])

	o.set(t, "ldap://bob")
	require.ErrorIs(t, o.login(t, "ada"), fault.Unauthenticated)
	require.NoError(t, o.login(t, "bob"))

	o.set(t, "ldap://nobody")
	require.ErrorIs(t, o.login(t, "bob"), fault.Unavailable, "a wrong configuration lets nobody in")
	require.NoError(t, o.service.DeleteDomainConfig(t.Context(), o.domain, "", ""))
	require.ErrorIs(t, o.login(t, "bob"), fault.Unauthenticated)
	_, err := o.service.CreateUser(t.Context(), identity.CreateUserOptions{Name: "own", DomainID: o.domain, Password: "secret"})
	require.NoError(t, err)
	require.NoError(t, o.login(t, "own"))
}

// TestDirectoryByConfigurationOff: without OpenDirectory nothing happens.
func TestDirectoryByConfigurationOff(t *testing.T) {
	s := open(t)
	_, err := s.SetDomainConfig(t.Context(), "default", identity.DomainConfig{
		"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://127.0.0.1:1"},
	})
	require.NoError(t, err)
	_, _, err = s.Login(t.Context(), byName("ann", "secret"))
	require.ErrorIs(t, err, fault.Unauthenticated)
}
