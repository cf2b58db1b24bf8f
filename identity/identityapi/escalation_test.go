package identityapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

// A passcode is enough for a log-in as the user, with all that it may do.
func TestDelegatedTokensDoNotMakePasscodes(t *testing.T) {
	l := newLab(t)
	c, err := l.svc.CreateCredential(t.Context(), identity.CreateCredentialOptions{
		Type: "totp", Blob: "GEZDGNBV", UserID: l.annID, ProjectID: l.projectID,
	})
	require.NoError(t, err)
	other, err := l.svc.CreateCredential(t.Context(), identity.CreateCredentialOptions{
		Type: "cert", Blob: "GEZDGNBV", UserID: l.annID, ProjectID: l.projectID,
	})
	require.NoError(t, err)
	for _, token := range []string{l.trust, l.free, l.restricted} {
		for _, kind := range []string{"totp", "TOTP"} {
			l.want(http.StatusForbidden, "POST", "/v3/credentials", token, `{"credential": {"type": "`+kind+`", "blob": "GEZDGNBV",
				"user_id": "`+l.annID+`", "project_id": "`+l.projectID+`"}}`)
			l.want(http.StatusForbidden, "PATCH", "/v3/credentials/"+other.ID, token, `{"credential": {"type": "`+kind+`"}}`)
		}
		l.want(http.StatusForbidden, "GET", "/v3/credentials/"+c.ID, token, "")
		l.want(http.StatusForbidden, "PATCH", "/v3/credentials/"+c.ID, token, `{"credential": {"blob": "GEZDGNBW"}}`)
		l.want(http.StatusForbidden, "DELETE", "/v3/credentials/"+c.ID, token, "")
		require.NotContains(t, l.want(http.StatusOK, "GET", "/v3/credentials", token, "").body, "totp")
	}
	l.want(http.StatusOK, "GET", "/v3/credentials/"+c.ID, l.password, "")
}

// A pair of keys that the user has made itself stands for all of its roles.
func TestDelegatedTokensSeeTheirOwnKeysOnly(t *testing.T) {
	l := newLab(t)
	path := "/v3/users/" + l.annID + "/credentials/OS-EC2"
	body := `{"tenant_id": "` + l.projectID + `"}`
	access := map[string]string{}
	for name, token := range map[string]string{"user": l.password, "trust": l.trust, "app": l.free} {
		access[name] = l.want(http.StatusCreated, "POST", path, token, body).at(t, "credential", "access").(string)
	}
	for _, c := range []struct{ token, own string }{{l.trust, "trust"}, {l.free, "app"}, {l.restricted, ""}} {
		for name, key := range access {
			id, want := identity.EC2CredentialID(key), http.StatusForbidden
			if name == c.own {
				want = http.StatusOK
			}
			l.want(want, "GET", path+"/"+key, c.token, "")
			l.want(want, "GET", "/v3/credentials/"+id, c.token, "")
			for _, list := range []string{path, "/v3/credentials"} {
				require.Equal(t, name == c.own, strings.Contains(l.want(http.StatusOK, "GET", list, c.token, "").body, key), "%s of %s", name, c.own)
			}
			if name != c.own {
				l.want(want, "DELETE", path+"/"+key, c.token, "")
				l.want(want, "DELETE", "/v3/credentials/"+id, c.token, "")
				l.want(want, "PATCH", "/v3/credentials/"+id, c.token, `{"credential": {"type": "cert"}}`)
			}
		}
	}
	for _, key := range access {
		l.want(http.StatusOK, "GET", path+"/"+key, l.password, "")
	}
}

func TestAccessRulesHaveABound(t *testing.T) {
	s := serve(t)
	userID, _, token := s.member("ann", "lab")
	body := func(n int) string {
		rules := make([]string, n)
		for i := range rules {
			rules[i] = fmt.Sprintf(`{"service": "compute", "method": "GET", "path": "/%d"}`, i)
		}
		return fmt.Sprintf(`{"application_credential": {"name": "c%d", "access_rules": [%s]}}`, n, strings.Join(rules, ","))
	}
	path := "/v3/users/" + userID + "/application_credentials"
	s.want(http.StatusBadRequest, "POST", path, token, body(201))
	s.want(http.StatusCreated, "POST", path, token, body(200))
	s.want(http.StatusCreated, "POST", path, token, body(199))
	all, err := s.svc.ListAccessRules(t.Context(), userID, nil)
	require.NoError(t, err)
	require.Len(t, all, 200, "rules of the same content are one")
}

// Who is linked with somebody gets that person's groups.
func TestManagersLinkUsersWithProvidersOfTheirDomainOnly(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	own, bossID, token := s.manager("own")
	_, err := s.svc.CreateMapping(ctx, identity.Mapping{ID: "m", Rules: []identity.MappingRule{{
		Local:  []identity.MappingLocal{{User: &identity.MappingUser{Name: "{0}"}}},
		Remote: []identity.MappingRemote{{Type: "name"}},
	}}})
	require.NoError(t, err)
	for id, domain := range map[string]string{"ours": own, "theirs": identity.DefaultDomainID} {
		_, err := s.svc.CreateIdentityProvider(ctx, identity.CreateIdentityProviderOptions{ID: id, DomainID: domain, Enabled: true})
		require.NoError(t, err)
		_, err = s.svc.CreateFederationProtocol(ctx, identity.FederationProtocol{ID: "openid", ProviderID: id, MappingID: "m"})
		require.NoError(t, err)
	}
	body := func(name, provider string) string {
		return `{"user": {"name": "` + name + `", "federated": [{"idp_id": "` + provider +
			`", "protocols": [{"protocol_id": "openid", "unique_id": "` + name + `"}]}]}}`
	}
	for _, provider := range []string{"theirs", "nothing"} {
		s.want(http.StatusForbidden, "POST", "/v3/users", token, body("x", provider))
		s.want(http.StatusForbidden, "PATCH", "/v3/users/"+bossID, token, body("boss", provider))
	}
	s.want(http.StatusCreated, "POST", "/v3/users", token, body("x", "ours"))
	s.want(http.StatusOK, "PATCH", "/v3/users/"+bossID, token, body("boss", "ours"))
	s.want(http.StatusOK, "PATCH", "/v3/users/"+bossID, s.admin(), body("boss", "theirs"))
}
