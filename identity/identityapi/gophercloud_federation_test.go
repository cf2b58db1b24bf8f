package identityapi_test

import (
	"net/http"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/federation"
	"github.com/stretchr/testify/require"
)

func TestGophercloudFederation(t *testing.T) {
	s := serve(t)
	ctx, c := t.Context(), s.client("admin", adminPassword, "admin")
	regex, local := true, federation.UserTypeLocal
	rules := []federation.MappingRule{
		{
			Local: []federation.RuleLocal{
				{User: &federation.RuleUser{Name: "{0}", Email: "{1}"}},
				{Group: &federation.Group{Name: "crew", Domain: &federation.Domain{Name: "Default"}}},
				{Projects: []federation.RuleProject{{Name: "home of {0}", Roles: []federation.RuleProjectRole{{Name: "member"}}}}},
			},
			Remote: []federation.RuleRemote{
				{Type: "name"}, {Type: "email"},
				{Type: "kind", NotAnyOf: []string{"guest", "robot"}},
				{Type: "groups", Regex: &regex, AnyOneOf: []string{"^crew-"}},
			},
		},
		{
			Local: []federation.RuleLocal{
				{User: &federation.RuleUser{ID: "{0}", Type: &local, Domain: &federation.Domain{ID: "default"}}},
				{GroupIDs: "{1}"}, {Groups: "{2}", Domain: &federation.Domain{ID: "default"}},
			},
			Remote: []federation.RuleRemote{
				{Type: "id"}, {Type: "ids", Whitelist: []string{"a", "b"}}, {Type: "groups", Blacklist: []string{"wheel"}},
			},
		},
	}
	created, err := federation.CreateMapping(ctx, c, "acme", federation.CreateMappingOpts{Rules: rules}).Extract()
	require.NoError(t, err)
	require.Equal(t, rules, created.Rules)
	got, err := federation.GetMapping(ctx, c, "acme").Extract()
	require.NoError(t, err)
	require.Equal(t, created, got)
	updated, err := federation.UpdateMapping(ctx, c, "acme", federation.UpdateMappingOpts{Rules: rules[1:]}).Extract()
	require.NoError(t, err)
	require.Equal(t, rules[1:], updated.Rules)
	pages, err := federation.ListMappings(c).AllPages(ctx)
	require.NoError(t, err)
	all, err := federation.ExtractMappings(pages)
	require.NoError(t, err)
	require.Equal(t, []federation.Mapping{*updated}, all)
	require.NoError(t, federation.DeleteMapping(ctx, c, "acme").ExtractErr())
	_, err = federation.GetMapping(ctx, c, "acme").Extract()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusNotFound), "%v", err)
}
