package identity_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/memprotocol"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// abroad is a world whose provider "acme" logs people in by "openid".
type abroad struct {
	*world
	provider *memprotocol.Provider
	group    identity.Group // "crew" in the default domain; a member of the project "lab"
}

// basicRules give a user the name of its claim, and the groups of its claims in the
// default domain.
var basicRules = []identity.MappingRule{{
	Local: []identity.MappingLocal{
		{User: &identity.MappingUser{Name: "{0}", Email: "{0}@acme.example"}},
		{Groups: "{1}", Domain: &identity.Named{ID: "default"}},
	},
	Remote: []identity.MappingRemote{{Type: "name"}, {Type: "groups"}},
}}

func newAbroad(t testing.TB, change ...func(*identity.Config)) *abroad {
	t.Helper()
	a := &abroad{provider: &memprotocol.Provider{}}
	a.world = newWorld(t, append(change, func(c *identity.Config) {
		c.Federation.Methods = []identity.FederationMethod{{ProviderID: "acme", ProtocolID: "openid", Driver: a.provider}}
	})...)
	ctx := context.Background()
	var err error
	a.group, err = a.CreateGroup(ctx, identity.CreateGroupOptions{Name: "crew"})
	require.NoError(t, err)
	require.NoError(t, a.Assign(ctx, identity.Assignment{RoleID: a.member.ID, GroupID: a.group.ID, ProjectID: a.lab.ID}))
	_, err = a.CreateMapping(ctx, identity.Mapping{ID: "basic", Rules: basicRules})
	require.NoError(t, err)
	a.provide(t)
	a.provider.Know("bob's", driver.Assertion{"name": {"bob"}, "groups": {"crew", "guests"}})
	return a
}

// provide makes provider and protocol.
func (a *abroad) provide(t testing.TB) {
	t.Helper()
	_, err := a.CreateIdentityProvider(context.Background(), identity.CreateIdentityProviderOptions{ID: "acme", Enabled: true})
	require.NoError(t, err)
	_, err = a.CreateFederationProtocol(context.Background(), identity.FederationProtocol{
		ID: "openid", ProviderID: "acme", MappingID: "basic",
	})
	require.NoError(t, err)
}

// come logs somebody in from abroad.
func (a *abroad) come(credential string) (string, *identity.Token, error) {
	return a.LoginFederated(context.Background(), identity.FederatedLogin{
		ProviderID: "acme", ProtocolID: "openid", Credential: credential,
	})
}

// comeTo logs somebody in from abroad, on the project "lab".
func (a *abroad) comeTo(t testing.TB, credential string) (string, *identity.Token) {
	t.Helper()
	token, _, err := a.come(credential)
	require.NoError(t, err)
	token, got, err := a.Login(context.Background(), on(identity.LoginRequest{Token: token}, "lab"))
	require.NoError(t, err)
	return token, got
}

func TestFederatedLogin(t *testing.T) {
	a := newAbroad(t)
	token, got, err := a.come("bob's")
	require.NoError(t, err)
	require.LessOrEqual(t, len(token), 255)
	require.False(t, got.Scoped())
	require.Equal(t, []string{"openid"}, got.Methods)
	require.Equal(t, &identity.TokenFederation{ProviderID: "acme", ProtocolID: "openid", GroupIDs: []string{a.group.ID}}, got.Federation)
	user, err := a.GetUser(t.Context(), got.User.ID)
	require.NoError(t, err)
	provider, err := a.GetIdentityProvider(t.Context(), "acme")
	require.NoError(t, err)
	require.Equal(t, provider.DomainID, user.DomainID)
	require.Equal(t, "bob", user.Name)
	require.Equal(t, "bob@acme.example", user.Email)

	scoped, on, err := a.Login(t.Context(), on(identity.LoginRequest{Token: token}, "lab"))
	require.NoError(t, err)
	require.LessOrEqual(t, len(scoped), 255)
	require.Equal(t, []string{"member", "reader"}, roleNames(on))
	require.Equal(t, []string{"token", "openid"}, on.Methods)
	require.Equal(t, got.ExpiresAt, on.ExpiresAt)
	require.Equal(t, got.Federation, on.Federation)
	projects, err := a.ProjectsOfToken(t.Context(), got)
	require.NoError(t, err)
	require.Equal(t, []identity.Project{a.lab}, projects)

	_, again, err := a.come("bob's")
	require.NoError(t, err)
	require.Equal(t, got.User.ID, again.User.ID, "the same user")
}

func TestFederatedUsersFollowTheirProvider(t *testing.T) {
	a := newAbroad(t)
	_, err := a.UpdateMapping(t.Context(), identity.Mapping{ID: "basic", Rules: []identity.MappingRule{{
		Local: []identity.MappingLocal{
			{User: &identity.MappingUser{ID: "{0}", Name: "{1}"}},
			{Groups: "{2}", Domain: &identity.Named{Name: "Default"}},
		},
		Remote: []identity.MappingRemote{{Type: "sub"}, {Type: "name"}, {Type: "groups"}},
	}}})
	require.NoError(t, err)
	a.provider.Know("x", driver.Assertion{"sub": {"17@acme"}, "name": {"ann"}, "groups": {"crew"}})
	token, first := a.comeTo(t, "x")
	links, err := a.FederatedIdentities(t.Context(), first.User.ID)
	require.NoError(t, err)
	require.Equal(t, []identity.FederatedIdentity{{ProviderID: "acme", ProtocolID: "openid", UniqueID: "17%40acme"}}, links)
	require.NotEqual(t, a.ann.ID, first.User.ID, "a name is no proof")

	a.provider.Know("y", driver.Assertion{"sub": {"17@acme"}, "name": {"anna"}, "groups": {"others"}})
	_, second, err := a.come("y")
	require.NoError(t, err)
	require.Equal(t, first.User.ID, second.User.ID)
	require.Equal(t, "anna", second.User.Name)
	require.Empty(t, second.Federation.GroupIDs)
	_, err = a.Validate(t.Context(), token)
	require.ErrorIs(t, err, fault.Unauthenticated, "who has left the group has its roles no more, in older tokens too")
	local, err := a.FindUser(t.Context(), "default", "ann")
	require.NoError(t, err)
	require.Equal(t, a.ann.ID, local.ID)
}

func TestFederatedTokensEndWithWhatTheyRestOn(t *testing.T) {
	off := false
	for name, end := range map[string]func(ctx context.Context, a *abroad) error{
		"provider disabled": func(ctx context.Context, a *abroad) error {
			_, err := a.UpdateIdentityProvider(ctx, "acme", identity.UpdateIdentityProviderOptions{Enabled: &off})
			return err
		},
		"provider disabled for a moment": func(ctx context.Context, a *abroad) error {
			for _, enabled := range []bool{false, true} {
				if _, err := a.UpdateIdentityProvider(ctx, "acme", identity.UpdateIdentityProviderOptions{Enabled: &enabled}); err != nil {
					return err
				}
			}
			return nil
		},
		"provider deleted": func(ctx context.Context, a *abroad) error { return a.DeleteIdentityProvider(ctx, "acme") },
		"protocol deleted": func(ctx context.Context, a *abroad) error {
			return a.DeleteFederationProtocol(ctx, "acme", "openid")
		},
		"mapping deleted": func(ctx context.Context, a *abroad) error { return a.DeleteMapping(ctx, "basic") },
		"mapping made anew": func(ctx context.Context, a *abroad) error {
			if err := a.DeleteMapping(ctx, "basic"); err != nil {
				return err
			}
			_, err := a.CreateMapping(ctx, identity.Mapping{ID: "basic", Rules: basicRules})
			return err
		},
		"group deleted": func(ctx context.Context, a *abroad) error { return a.DeleteGroup(ctx, a.group.ID) },
		"domain disabled": func(ctx context.Context, a *abroad) error {
			p, err := a.GetIdentityProvider(ctx, "acme")
			if err != nil {
				return err
			}
			_, err = a.UpdateDomain(ctx, p.DomainID, identity.UpdateDomainOptions{Enabled: &off})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAbroad(t)
			token, _ := a.comeTo(t, "bob's")
			_, err := a.Validate(t.Context(), token)
			require.NoError(t, err)
			require.NoError(t, end(t.Context(), a))
			_, err = a.Validate(t.Context(), token)
			require.ErrorIs(t, err, fault.Unauthenticated)
			_, _, err = a.Login(t.Context(), identity.LoginRequest{Token: token})
			require.ErrorIs(t, err, fault.Unauthenticated)
		})
	}
}

func TestMappedToALocalUser(t *testing.T) {
	a := newAbroad(t)
	_, err := a.UpdateMapping(t.Context(), identity.Mapping{ID: "basic", Rules: []identity.MappingRule{{
		Local: []identity.MappingLocal{{
			User: &identity.MappingUser{Name: "{0}", Type: identity.UserLocal, Domain: &identity.Named{Name: "Default"}},
		}},
		Remote: []identity.MappingRemote{{Type: "name"}},
	}}})
	require.NoError(t, err)
	_, _, err = a.come("bob's")
	require.ErrorIs(t, err, fault.Unauthenticated, "there is no bob here")
	a.provider.Know("ann's", driver.Assertion{"name": {"ann"}})
	token, got := a.comeTo(t, "ann's")
	require.Equal(t, a.ann.ID, got.User.ID)
	require.Nil(t, got.Federation)
	mfa := identity.Attributes{"multi_factor_auth_rules": [][]string{{"password", "totp"}}}
	_, err = a.UpdateUser(t.Context(), a.ann.ID, identity.UpdateUserOptions{Options: mfa})
	require.NoError(t, err)
	_, _, err = a.come("ann's")
	require.ErrorIs(t, err, fault.Unauthenticated, "the rules of a user hold for every way to log in")
	require.NoError(t, a.DeleteFederationProtocol(t.Context(), "acme", "openid"))
	_, err = a.Validate(t.Context(), token)
	require.ErrorIs(t, err, fault.Unauthenticated)
	_, err = a.GetUser(t.Context(), a.ann.ID)
	require.NoError(t, err)
}

func TestFederatedLoginIsRefused(t *testing.T) {
	off := false
	for name, c := range map[string]struct {
		credential string
		change     func(ctx context.Context, a *abroad) error
		want       fault.Kind
	}{
		"unknown credential": {"nobody's", nil, fault.Unauthenticated},
		"no credential":      {"", nil, fault.Unauthenticated},
		"provider down": {"bob's", func(_ context.Context, a *abroad) error {
			a.provider.Down(true)
			return nil
		}, fault.Unavailable},
		"provider disabled": {"bob's", func(ctx context.Context, a *abroad) error {
			_, err := a.UpdateIdentityProvider(ctx, "acme", identity.UpdateIdentityProviderOptions{Enabled: &off})
			return err
		}, fault.Forbidden},
		"no protocol": {"bob's", func(ctx context.Context, a *abroad) error {
			return a.DeleteFederationProtocol(ctx, "acme", "openid")
		}, fault.NotFound},
		"no provider": {"bob's", func(ctx context.Context, a *abroad) error {
			return a.DeleteIdentityProvider(ctx, "acme")
		}, fault.NotFound},
		"no mapping": {"bob's", func(ctx context.Context, a *abroad) error { return a.DeleteMapping(ctx, "basic") }, fault.Unauthenticated},
		"no rule holds": {"x", func(_ context.Context, a *abroad) error {
			a.provider.Know("x", driver.Assertion{"other": {"x"}})
			return nil
		}, fault.Unauthenticated},
		"two names": {"x", func(_ context.Context, a *abroad) error {
			a.provider.Know("x", driver.Assertion{"name": {"a", "b"}, "groups": {"crew"}})
			return nil
		}, fault.Unauthenticated},
		"a name too long": {"x", func(_ context.Context, a *abroad) error {
			a.provider.Know("x", driver.Assertion{"name": {strings.Repeat("x", 256)}, "groups": {"crew"}})
			return nil
		}, fault.Unauthenticated},
		"user disabled": {"bob's", func(ctx context.Context, a *abroad) error {
			_, got, err := a.come("bob's")
			if err != nil {
				return err
			}
			_, err = a.UpdateUser(ctx, got.User.ID, identity.UpdateUserOptions{Enabled: &off})
			return err
		}, fault.Unauthenticated},
		"another issuer": {"x", func(ctx context.Context, a *abroad) error {
			a.provider.Know("x", driver.Assertion{"name": {"x"}, "groups": {"x"}, "iss": {"https://other.example"}})
			return a.expectIssuer(ctx)
		}, fault.Forbidden},
		"no issuer": {"bob's", func(ctx context.Context, a *abroad) error { return a.expectIssuer(ctx) }, fault.Unauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAbroad(t)
			if c.change != nil {
				require.NoError(t, c.change(t.Context(), a))
			}
			before, err := a.ListUsers(t.Context(), nil)
			require.NoError(t, err)
			_, _, err = a.come(c.credential)
			require.ErrorIs(t, err, c.want)
			after, err := a.ListUsers(t.Context(), nil)
			require.NoError(t, err)
			require.Equal(t, before, after)
		})
	}
}

// expectIssuer makes the protocol look at who asserts.
func (a *abroad) expectIssuer(ctx context.Context) error {
	iss, ids := "iss", []string{"https://acme.example"}
	if _, err := a.UpdateFederationProtocol(ctx, "acme", "openid", identity.UpdateFederationProtocolOptions{RemoteIDAttribute: &iss}); err != nil {
		return err
	}
	_, err := a.UpdateIdentityProvider(ctx, "acme", identity.UpdateIdentityProviderOptions{RemoteIDs: &ids})
	return err
}

func TestGroupsOfFederationHoldForATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAbroad(t, func(c *identity.Config) {
			c.TokenTTL, c.Federation.GroupTTL = 3*time.Hour, time.Hour
		})
		federated, got := a.comeTo(t, "bob's")
		cred, secret, err := a.CreateApplicationCredential(t.Context(), identity.CreateApplicationCredentialOptions{
			UserID: got.User.ID, ProjectID: a.lab.ID, Name: "robot",
		})
		require.NoError(t, err)
		byCredential := identity.LoginRequest{AppCredential: &identity.AppCredentialLogin{ID: cred.ID, Secret: secret}}
		token, _, err := a.Login(t.Context(), byCredential)
		require.NoError(t, err)
		_, err = a.Validate(t.Context(), token)
		require.NoError(t, err)
		effective, err := a.ListAssignments(t.Context(), &identity.ListAssignmentsOptions{UserID: got.User.ID, Effective: true})
		require.NoError(t, err)
		require.Len(t, effective, 2)

		time.Sleep(time.Hour - time.Second)
		_, err = a.Validate(t.Context(), token)
		require.NoError(t, err)
		time.Sleep(time.Second)
		_, err = a.Validate(t.Context(), token)
		require.ErrorIs(t, err, fault.Unauthenticated, "nothing has changed but the time")
		_, _, err = a.Login(t.Context(), byCredential)
		require.ErrorIs(t, err, fault.Unauthenticated)
		_, err = a.Validate(t.Context(), federated)
		require.NoError(t, err, "a federated token keeps its groups")

		_, _, err = a.come("bob's")
		require.NoError(t, err)
		_, _, err = a.Login(t.Context(), byCredential)
		require.NoError(t, err, "a log-in confirms the membership")
	})
}

func TestProjectsAreProvisioned(t *testing.T) {
	a := newAbroad(t)
	rules := []identity.MappingRule{{
		Local: []identity.MappingLocal{{
			User: &identity.MappingUser{Name: "{0}"},
			Projects: []identity.MappingProject{
				{Name: "home of {0}", Roles: []identity.MappingRole{{Name: "member"}, {Name: "reader"}}},
				{Name: "common", Roles: []identity.MappingRole{{Name: "reader"}}},
			},
		}},
		Remote: []identity.MappingRemote{{Type: "name"}},
	}}
	_, err := a.UpdateMapping(t.Context(), identity.Mapping{ID: "basic", Rules: rules})
	require.NoError(t, err)
	_, got, err := a.come("bob's")
	require.NoError(t, err)
	projects, err := a.ProjectsOf(t.Context(), got.User.ID)
	require.NoError(t, err)
	require.Len(t, projects, 2)
	for _, p := range projects {
		require.Equal(t, got.User.Domain.ID, p.DomainID)
	}
	_, _, err = a.come("bob's")
	require.NoError(t, err, "all of it is there already")

	rules[0].Local[0].Projects[0].Roles[0].Name = "juggler"
	rules[0].Local[0].Projects[0].Name = "never made"
	_, err = a.UpdateMapping(t.Context(), identity.Mapping{ID: "basic", Rules: rules})
	require.NoError(t, err)
	_, _, err = a.come("bob's")
	require.ErrorIs(t, err, fault.Unauthenticated, "there is no such role")
	_, err = a.FindProject(t.Context(), got.User.Domain.ID, "never made")
	require.ErrorIs(t, err, fault.NotFound)
}

func TestProvidersGoWithTheirDomain(t *testing.T) {
	a := newAbroad(t)
	_, got, err := a.come("bob's")
	require.NoError(t, err)
	p, err := a.GetIdentityProvider(t.Context(), "acme")
	require.NoError(t, err)
	off := false
	_, err = a.UpdateDomain(t.Context(), p.DomainID, identity.UpdateDomainOptions{Enabled: &off})
	require.NoError(t, err)
	require.NoError(t, a.DeleteDomain(t.Context(), p.DomainID))
	_, err = a.GetIdentityProvider(t.Context(), "acme")
	require.ErrorIs(t, err, fault.NotFound)
	_, err = a.GetUser(t.Context(), got.User.ID)
	require.ErrorIs(t, err, fault.NotFound)
}

func TestUsersAreLinkedByHand(t *testing.T) {
	a := newAbroad(t)
	link := identity.FederatedIdentity{ProviderID: "acme", ProtocolID: "openid", UniqueID: "bob"}
	_, err := a.UpdateUser(t.Context(), a.ann.ID, identity.UpdateUserOptions{Federated: []identity.FederatedIdentity{link}})
	require.NoError(t, err)
	_, got, err := a.come("bob's")
	require.NoError(t, err)
	require.Equal(t, a.ann.ID, got.User.ID)
	require.Equal(t, "ann", got.User.Name, "a user of this cloud keeps its name")
	require.NotNil(t, got.Federation)

	_, err = a.CreateUser(t.Context(), identity.CreateUserOptions{Name: "eve", Federated: []identity.FederatedIdentity{link}})
	require.ErrorIs(t, err, fault.AlreadyExists)
	_, err = a.FindUser(t.Context(), "default", "eve")
	require.ErrorIs(t, err, fault.NotFound)
	link.ProtocolID = "saml2"
	_, err = a.CreateUser(t.Context(), identity.CreateUserOptions{Name: "eve", Federated: []identity.FederatedIdentity{link}})
	require.ErrorIs(t, err, fault.Invalid)

	require.NoError(t, a.DeleteIdentityProvider(t.Context(), "acme"))
	_, err = a.GetUser(t.Context(), a.ann.ID)
	require.NoError(t, err, "only shadows go with their provider")
}
