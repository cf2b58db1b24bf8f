package matrix_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/cloudtest"
	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/memprotocol"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// federation is an identity provider that knows one guest.
func federation() identity.FederationConfig {
	north := &memprotocol.Provider{}
	north.Know("the guest's", driver.Assertion{"name": {secret + "-guest"}})
	return identity.FederationConfig{Methods: []identity.FederationMethod{
		{ProviderID: "north", ProtocolID: "openid", Driver: north}, {ProviderID: "closed", ProtocolID: "openid", Driver: north},
	}}
}

// federated are the guest of an identity provider, for nothing and on P, where the group
// that the provider puts it in is a member; and the guest of one that was closed.
func (l places) federated(t *testing.T, c *cloudtest.Cloud) []*persona {
	ctx, off := t.Context(), false
	group, err := c.Identity.CreateGroup(ctx, identity.CreateGroupOptions{Name: secret + "-guests", DomainID: l.domainHere.ID})
	require.NoError(t, err)
	member := l.assignment(t, c, "", "member")
	member.GroupID = group.ID
	require.NoError(t, c.Identity.Assign(ctx, member))
	_, err = c.Identity.CreateMapping(ctx, identity.Mapping{ID: "guests", Rules: []identity.MappingRule{{
		Local:  []identity.MappingLocal{{User: &identity.MappingUser{Name: "{0}"}, Group: &identity.MappingGroup{ID: group.ID}}},
		Remote: []identity.MappingRemote{{Type: "name"}},
	}}})
	require.NoError(t, err)
	free, on, who := l.guest(t, c, "north")
	_, gone, _ := l.guest(t, c, "closed")
	_, err = c.Identity.UpdateIdentityProvider(ctx, "closed", identity.UpdateIdentityProviderOptions{Enabled: &off})
	require.NoError(t, err)
	unscoped := policy.Principal{UserID: who.UserID, UserName: who.UserName, UserDomainID: who.UserDomainID, UserDomainName: who.UserDomainName}
	return []*persona{
		{name: "guest for nothing", token: free, who: &unscoped}, {name: "guest", token: on, who: who},
		{name: "guest of a disabled provider", token: gone},
	}
}

// guest logs the guest in by a new provider: for nothing and on P.
func (l places) guest(t *testing.T, c *cloudtest.Cloud, provider string) (free, on string, who *policy.Principal) {
	ctx := t.Context()
	_, err := c.Identity.CreateIdentityProvider(ctx, identity.CreateIdentityProviderOptions{ID: provider, Enabled: true, DomainID: l.domainHere.ID})
	require.NoError(t, err)
	_, err = c.Identity.CreateFederationProtocol(ctx, identity.FederationProtocol{ID: "openid", ProviderID: provider, MappingID: "guests"})
	require.NoError(t, err)
	free, _, err = c.Identity.LoginFederated(ctx, identity.FederatedLogin{ProviderID: provider, ProtocolID: "openid", Credential: "the guest's"})
	require.NoError(t, err)
	on, got, err := c.Identity.Login(ctx, identity.LoginRequest{
		Token: free, Scope: identity.LoginScope{Project: &identity.ProjectRef{ID: l.here.ID}},
	})
	require.NoError(t, err)
	return free, on, &policy.Principal{
		UserID: got.User.ID, UserName: got.User.Name, UserDomainID: l.domainHere.ID, UserDomainName: l.domainHere.Name,
		ProjectID: l.here.ID, ProjectName: l.here.Name, ProjectDomainID: l.here.DomainID, ProjectDomainName: l.domainHere.Name,
		Roles: implied["member"],
	}
}
