package matrix_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/cloudtest"
	"github.com/welkin-cloud/cloud/identity"
)

// voids are personas whose token was good until what it rests on was taken away, and
// one that never had one.
func (l places) voids(t *testing.T, c *cloudtest.Cloud, clk *cloudtest.Clock) (all []*persona) {
	ctx, off := t.Context(), false
	add := func(name, token string) { all = append(all, &persona{name: name, token: token}) }
	void := func(name string, spoil func(user string) error) {
		token, who := l.login(t, c, name, here, "member")
		require.NoError(t, spoil(who.UserID))
		add(name, token)
	}
	void("disabled user", func(user string) error {
		_, err := c.Identity.UpdateUser(ctx, user, identity.UpdateUserOptions{Enabled: &off})
		return err
	})
	void("deleted user", func(user string) error { return c.Identity.DeleteUser(ctx, user) })
	void("user with a new password", func(user string) error {
		word := "another"
		_, err := c.Identity.UpdateUser(ctx, user, identity.UpdateUserOptions{Password: &word})
		return err
	})
	void("user without its role", func(user string) error {
		return c.Identity.Unassign(ctx, l.assignment(t, c, user, "member"))
	})
	closed := l.closing(t, c, "project")
	token, _ := closed.login(t, c, "user of a disabled project", here, "member")
	_, err := c.Identity.UpdateProject(ctx, closed.here.ID, identity.UpdateProjectOptions{Enabled: &off})
	require.NoError(t, err)
	add("user of a disabled project", token)
	closed = l.closing(t, c, "domain")
	token, _ = closed.login(t, c, "user of a disabled domain", domainHere, "admin")
	_, err = c.Identity.UpdateDomain(ctx, closed.domainHere.ID, identity.UpdateDomainOptions{Enabled: &off})
	require.NoError(t, err)
	add("user of a disabled domain", token)
	add("receipt", l.receipt(t, c))
	return append(all, l.withdrawn(t, c, clk)...)
}

// assignment is the role of a user on P.
func (l places) assignment(t *testing.T, c *cloudtest.Cloud, user, role string) identity.Assignment {
	found, err := c.Identity.FindRole(t.Context(), role)
	require.NoError(t, err)
	return identity.Assignment{UserID: user, ProjectID: l.here.ID, RoleID: found.ID}
}

// closing are a domain and a project, one of which will be disabled.
func (l places) closing(t *testing.T, c *cloudtest.Cloud, what string) places {
	name := secret + "-closing-" + what
	domain, err := c.Identity.CreateDomain(t.Context(), identity.CreateDomainOptions{Name: name})
	require.NoError(t, err)
	project, err := c.Identity.CreateProject(t.Context(), identity.CreateProjectOptions{Name: name, DomainID: domain.ID})
	require.NoError(t, err)
	return places{here: project, domainHere: domain}
}

// receipt is what a user has got for a password where more is asked for.
func (l places) receipt(t *testing.T, c *cloudtest.Cloud) string {
	u, err := c.Identity.CreateUser(t.Context(), identity.CreateUserOptions{
		Name: secret + "-receipt", DomainID: l.domainHere.ID, Password: "word",
		Options: identity.Attributes{"multi_factor_auth_rules": []any{[]any{"password", "totp"}}},
	})
	require.NoError(t, err)
	_, _, err = c.Identity.Login(t.Context(), identity.LoginRequest{
		Password: &identity.PasswordLogin{User: identity.UserRef{ID: u.ID}, Password: "word"},
	})
	var more *identity.MoreMethodsError
	require.True(t, errors.As(err, &more), "%v", err)
	return more.Receipt.ID
}

// withdrawn are personas whose delegation has ended.
func (l places) withdrawn(t *testing.T, c *cloudtest.Cloud, clk *cloudtest.Clock) (all []*persona) {
	ctx, a := t.Context(), agent{c, clk, l.here}
	_, who := l.login(t, c, "lender", here, "member")
	_, trustee := l.login(t, c, "borrower", "", "")
	lender := &persona{who: who}
	end := func(p *persona, err error) {
		require.NoError(t, err)
		p.who = nil
		all = append(all, p)
	}
	p := a.trustee(t, "trustee of a withdrawn trust", lender, trustee, "member", true)
	end(p, c.Identity.DeleteTrust(ctx, p.from))
	p = a.keyOf(t, "withdrawn key", byKey, lender, nil)
	end(p, c.Identity.DeleteApplicationCredential(ctx, p.from))
	p = a.portalOf(t, "portal without its access token", lender, "member")
	end(p, c.Identity.DeleteAccessToken(ctx, who.UserID, p.from))
	p = a.trustee(t, "trustee of one who has lost the role", lender, trustee, "member", false)
	end(p, c.Identity.Unassign(ctx, l.assignment(t, c, who.UserID, "member")))
	return all
}
