package identityapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

func TestGophercloudUsers(t *testing.T) {
	s := serveWith(t, identity.PasswordRules{ExpireAfter: 90 * 24 * time.Hour, History: 2})
	ctx, c := t.Context(), s.client("admin", adminPassword, "admin")
	on := true
	made, err := users.Create(ctx, c, users.CreateOpts{
		Name: "ann", DomainID: "default", Password: "pw", Enabled: &on, Description: "a user",
		Options: map[users.Option]any{"lock_password": true, users.MultiFactorAuthRules: [][]string{{"password"}}},
		Extra:   map[string]any{"email": "ann@example.org", "shoe": "42"},
	}).Extract()
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(90*24*time.Hour), made.PasswordExpiresAt, time.Minute)
	require.Equal(t, "42", made.Extra["shoe"])
	require.Equal(t, true, made.Options["lock_password"])
	got, err := users.Get(ctx, c, made.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, made, got)
	name := "anna"
	got, err = users.Update(ctx, c, made.ID, users.UpdateOpts{
		Name: name, Description: &name, Options: map[users.Option]any{"lock_password": nil}, Password: "pw2",
	}).Extract()
	require.NoError(t, err)
	require.Equal(t, name, got.Name)
	require.NotContains(t, got.Options, "lock_password")

	list := func(opts users.ListOpts) []string {
		pages, err := users.List(c, opts).AllPages(ctx)
		require.NoError(t, err)
		all, err := users.ExtractUsers(pages)
		require.NoError(t, err)
		var names []string
		for _, u := range all {
			names = append(names, u.Name)
		}
		return names
	}
	soon, late := time.Now().UTC().Format(time.RFC3339), time.Now().Add(100*24*time.Hour).UTC().Format(time.RFC3339)
	require.Equal(t, []string{"anna"}, list(users.ListOpts{Name: "anna", DomainID: "default", Enabled: &on}))
	require.Equal(t, []string{"anna"}, list(users.ListOpts{PasswordExpiresAt: "gt:" + soon}), "the administrator's never expires")
	require.Equal(t, []string{"anna"}, list(users.ListOpts{PasswordExpiresAt: "lte:" + late}))
	require.Empty(t, list(users.ListOpts{PasswordExpiresAt: "gte:" + late}))
	require.Empty(t, list(users.ListOpts{PasswordExpiresAt: "eq:" + soon}))
	for _, bad := range []string{"gt", "gt:", "gt:noon", "over:" + soon, soon} {
		_, err := users.List(c, users.ListOpts{PasswordExpiresAt: bad}).AllPages(ctx)
		require.True(t, gophercloud.ResponseCodeIs(err, http.StatusBadRequest), "%s: %v", bad, err)
	}

	s.membership(c, made.ID)
	change := func(from, to string) error {
		return users.ChangePassword(ctx, c, made.ID, users.ChangePasswordOpts{OriginalPassword: from, Password: to}).ExtractErr()
	}
	require.True(t, gophercloud.ResponseCodeIs(change("pw2", "pw"), http.StatusBadRequest), "it was used before")
	require.True(t, gophercloud.ResponseCodeIs(change("wrong", "pw3"), http.StatusUnauthorized))
	require.NoError(t, change("pw2", "pw3"))
	require.NoError(t, users.Delete(ctx, c, made.ID).ExtractErr())
	_, err = users.Get(ctx, c, made.ID).Extract()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusNotFound))
}

// membership puts a user into a group and out again.
func (s *site) membership(c *gophercloud.ServiceClient, userID string) {
	ctx := s.Context()
	group, err := groups.Create(ctx, c, groups.CreateOpts{Name: "crew"}).Extract()
	require.NoError(s, err)
	require.NoError(s, users.AddToGroup(ctx, c, group.ID, userID).ExtractErr())
	in, err := users.IsMemberOfGroup(ctx, c, group.ID, userID).Extract()
	require.NoError(s, err)
	require.True(s, in)
	pages, err := users.ListGroups(c, userID).AllPages(ctx)
	require.NoError(s, err)
	mine, err := groups.ExtractGroups(pages)
	require.NoError(s, err)
	require.Len(s, mine, 1)
	pages, err = users.ListInGroup(c, group.ID, nil).AllPages(ctx)
	require.NoError(s, err)
	members, err := users.ExtractUsers(pages)
	require.NoError(s, err)
	require.Len(s, members, 1)
	require.NoError(s, users.RemoveFromGroup(ctx, c, group.ID, userID).ExtractErr())
	in, err = users.IsMemberOfGroup(ctx, c, group.ID, userID).Extract()
	require.NoError(s, err)
	require.False(s, in)
	pages, err = users.ListProjects(c, userID).AllPages(ctx)
	require.NoError(s, err)
	all, err := projects.ExtractProjects(pages)
	require.NoError(s, err)
	require.Empty(s, all)
}

func TestGophercloudTokens(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	userID, projectID, _ := s.member("ann", "lab")
	_, err := s.svc.CreateCredential(ctx, identity.CreateCredentialOptions{Type: "totp", Blob: totpSecret, UserID: userID})
	require.NoError(t, err)
	provider, err := openstack.NewClient(s.url + "/identity")
	require.NoError(t, err)
	c, err := openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{})
	require.NoError(t, err)

	code, _ := identity.Passcode(totpSecret, time.Now())
	made := tokens.Create(ctx, c, &tokens.AuthOptions{
		UserID: userID, Password: "pw", Passcode: code, Scope: tokens.Scope{ProjectID: projectID},
	})
	token, err := made.ExtractToken()
	require.NoError(t, err)
	catalog, err := made.ExtractServiceCatalog()
	require.NoError(t, err)
	require.NotEmpty(t, catalog.Entries)
	project, err := made.ExtractProject()
	require.NoError(t, err)
	require.Equal(t, projectID, project.ID)
	roles, err := made.ExtractRoles()
	require.NoError(t, err)
	require.NotEmpty(t, roles)
	var methods struct {
		Methods []string `json:"methods"`
	}
	require.NoError(t, made.ExtractInto(&methods))
	require.Equal(t, []string{"password", "totp"}, methods.Methods)

	provider.TokenID = token.ID
	valid, err := tokens.Validate(ctx, c, token.ID)
	require.NoError(t, err)
	require.True(t, valid)
	user, err := tokens.Get(ctx, c, token.ID).ExtractUser()
	require.NoError(t, err)
	require.Equal(t, userID, user.ID)
	again, err := tokens.Create(ctx, c, &tokens.AuthOptions{TokenID: token.ID, Scope: tokens.Scope{ProjectName: "lab", DomainName: "Default"}}).ExtractToken()
	require.NoError(t, err)
	require.Equal(t, token.ExpiresAt, again.ExpiresAt)
	for name, scope := range map[string]tokens.Scope{"system": {System: true}, "domain": {DomainID: "default"}, "trust": {TrustID: "none"}} {
		_, err = tokens.Create(ctx, c, &tokens.AuthOptions{UserID: userID, Password: "pw", Scope: scope}).ExtractToken()
		require.True(t, gophercloud.ResponseCodeIs(err, http.StatusUnauthorized), "%s: %v", name, err)
	}
	admin, err := tokens.Create(ctx, c, &tokens.AuthOptions{Username: "admin", DomainName: "Default", Password: adminPassword, Scope: tokens.Scope{System: true}}).ExtractToken()
	require.NoError(t, err)

	require.NoError(t, tokens.Revoke(ctx, c, again.ID).Err)
	provider.TokenID = admin.ID
	valid, err = tokens.Validate(ctx, c, again.ID)
	require.NoError(t, err)
	require.False(t, valid)
	valid, err = tokens.Validate(ctx, c, token.ID)
	require.NoError(t, err)
	require.True(t, valid, "it was made from the other")
}
