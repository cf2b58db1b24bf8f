// Package ldap keeps users and groups in an LDAP directory: OpenLDAP, Active Directory
// and their like. It implements identity/driver.
//
// Passwords are checked by binding as the user, on connections of their own. All else is
// searched with the account of the configuration, in pages. Connections are made when
// they are needed and kept, no more than Config.PoolSize of each kind; after a failure
// the next call connects again. Referrals are not followed, and aliases not resolved.
package ldap

import (
	"context"
	"errors"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/welkin-cloud/cloud/identity/driver"
)

// Directory is a driver.Writer over LDAP.
type Directory struct {
	cfg      Config
	search   *pool // connections of the account that searches
	bind     *pool // connections that check passwords
	noUser   string
	userTree *goldap.DN
}

var _ driver.Writer = (*Directory)(nil)

// Open returns a directory. It connects when it is first asked.
func Open(cfg Config) (*Directory, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	tree, err := goldap.ParseDN(cfg.Users.Tree)
	if err != nil {
		return nil, err
	}
	d := &Directory{cfg: cfg, noUser: "cn=no-such-user," + cfg.Users.Tree, userTree: tree}
	d.search = newPool(&d.cfg, func(c *goldap.Conn) error {
		if cfg.User == "" {
			return c.UnauthenticatedBind("")
		}
		return c.Bind(cfg.User, cfg.Password)
	})
	d.bind = newPool(&d.cfg, nil)
	return d, nil
}

// Close ends all connections; calls under way fail.
func (d *Directory) Close() error {
	d.search.close()
	d.bind.close()
	return nil
}

// Authenticate binds as the user.
func (d *Directory) Authenticate(ctx context.Context, ref driver.Ref, password string) (driver.User, error) {
	if password == "" {
		return driver.User{}, denied() // it would be an anonymous bind, which succeeds
	}
	u, known, err := d.only(ctx, ref)
	if err != nil {
		return driver.User{}, err
	}
	dn := d.noUser
	if known {
		dn = u.Locator
	}
	err = d.bind.do(ctx, func(c *goldap.Conn) error { return c.Bind(dn, password) })
	switch {
	case refused(err) || err == nil && !known:
		return driver.User{}, denied()
	case err != nil:
		return driver.User{}, failure(err)
	}
	return u, nil
}

// only finds the one user that a reference means.
func (d *Directory) only(ctx context.Context, ref driver.Ref) (driver.User, bool, error) {
	q := driver.Query{Name: ref.Name, Limit: 1}
	if ref.ID != "" {
		q = driver.Query{IDs: []string{ref.ID}, Limit: 1}
	}
	if ref == (driver.Ref{}) {
		q.IDs = []string{}
	}
	list, err := d.Users(ctx, q)
	if errors.Is(err, driver.TooLarge) {
		return driver.User{}, false, nil
	}
	if err != nil || len(list) == 0 {
		return driver.User{}, false, err
	}
	return list[0], true, nil
}

func denied() error {
	return driver.Errorf(driver.Unauthenticated, "The user or its password is wrong.")
}

// refused reports whether a bind failed because of who wanted it.
func refused(err error) bool {
	return goldap.IsErrorAnyOf(err, goldap.LDAPResultInvalidCredentials, goldap.LDAPResultNoSuchObject,
		goldap.LDAPResultInappropriateAuthentication, goldap.LDAPResultConstraintViolation,
		goldap.LDAPResultInsufficientAccessRights, goldap.LDAPResultUnwillingToPerform,
		goldap.LDAPResultInvalidDNSyntax)
}
