package glewlwydtest_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/oidc/glewlwydtest"
)

// names are those of a list of projects.
func names(t testing.TB, a answer) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, item := range a.at(t, "projects").([]any) {
		p := item.(map[string]any)
		found[p["name"].(string)] = p["id"].(string)
	}
	return found
}

func roleNames(t testing.TB, a answer) []string {
	t.Helper()
	var found []string
	for _, item := range a.at(t, "token", "roles").([]any) {
		found = append(found, item.(map[string]any)["name"].(string))
	}
	return found
}

func TestGrants(t *testing.T) {
	w := newWorld(t)
	code := w.provider.Ask(w.client, "authorization_code", url.Values{
		"code": {w.provider.Code(w.client, ada)}, "redirect_uri": {w.client.Redirects[0]},
	})
	password := w.provider.Password(w.client, ada)
	refreshed := w.provider.Ask(w.client, "refresh_token", url.Values{"refresh_token": {password.Refresh}})
	device := w.provider.Device(w.client, ada)
	ids := map[string]bool{}
	for name, c := range map[string]struct{ protocol, credential string }{
		"password, access token":           {"openid", password.Access},
		"password, ID token":               {"tokens", password.ID},
		"authorization code, access token": {"openid", code.Access},
		"authorization code, ID token":     {"tokens", code.ID},
		"refreshed access token":           {"openid", refreshed.Access},
		"device, access token":             {"openid", device.Access},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.login(http.StatusCreated, c.protocol, c.credential)
			user := a.at(t, "token", "user").(map[string]any)
			require.Equal(t, "ada", user["name"])
			require.Len(t, user["OS-FEDERATION"].(map[string]any)["groups"], 1)
			require.Nil(t, a.at(t, "token", "project"))
			ids[c.protocol+user["id"].(string)] = true

			projects := names(t, w.want(http.StatusOK, "GET", "/v3/auth/projects", a.token, ""))
			require.Contains(t, projects, "sandbox of ada")
			require.Equal(t, w.lab, projects["lab"])
			require.Len(t, projects, 2)
			for _, id := range projects {
				scoped := w.scoped(http.StatusCreated, a.token, id)
				require.ElementsMatch(t, []string{"member", "reader"}, roleNames(t, scoped))
				w.check(http.StatusOK, scoped.token)
			}
			w.scoped(http.StatusUnauthorized, a.token, "nowhere")
		})
	}
	require.Len(t, ids, 2, "a user is the same one each time")
}

func TestClientCredentials(t *testing.T) {
	w := newWorld(t)
	token := w.provider.Ask(w.client, "client_credentials", url.Values{"scope": {"openid"}}).Access
	a := w.login(http.StatusCreated, "tokens", token)
	require.Equal(t, "robot cloud", a.at(t, "token", "user", "name"))
	require.Equal(t, []string{"reader"}, roleNames(t, w.scoped(http.StatusCreated, a.token, w.lab)))
	w.login(http.StatusUnauthorized, "openid", token)

	// A person's token was issued to the same client, and is not the client's.
	a = w.login(http.StatusUnauthorized, "tokens", w.provider.Password(w.client, ada).Access)
	require.Empty(t, a.token)
}

func TestLocalUser(t *testing.T) {
	w := newWorld(t)
	root, err := w.svc.FindUser(t.Context(), "default", "root")
	require.NoError(t, err)
	token := w.provider.Password(w.client, glewlwydtest.User{Name: "root", Password: "root-secret"}).Access
	a := w.login(http.StatusCreated, "openid", token)
	require.Equal(t, root.ID, a.at(t, "token", "user", "id"))
	w.scoped(http.StatusUnauthorized, a.token, w.lab)
	role, err := w.svc.FindRole(t.Context(), "manager")
	require.NoError(t, err)
	require.NoError(t, w.svc.Assign(t.Context(), identity.Assignment{RoleID: role.ID, UserID: root.ID, ProjectID: w.lab}))
	w.scoped(http.StatusCreated, a.token, w.lab)
	require.NoError(t, w.svc.DeleteUser(t.Context(), root.ID))
	w.check(http.StatusNotFound, a.token)
	w.login(http.StatusUnauthorized, "openid", token)
}

// TestWhatTheProviderSaysCounts: who leaves a group there loses its roles here at the
// next log-in, in older tokens too.
func TestWhatTheProviderSaysCounts(t *testing.T) {
	w := newWorld(t)
	tokens := w.provider.Password(w.client, ada)
	first := w.login(http.StatusCreated, "openid", tokens.Access)
	scoped := w.scoped(http.StatusCreated, first.token, w.lab)
	left := ada
	left.Groups, left.Email = []string{"guests"}, "countess@acme.example"
	w.provider.ChangeUser(left)
	second := w.login(http.StatusCreated, "openid", tokens.Access)
	require.Equal(t, first.at(t, "token", "user", "id"), second.at(t, "token", "user", "id"))
	w.scoped(http.StatusUnauthorized, second.token, w.lab)
	w.check(http.StatusNotFound, scoped.token)
	user, err := w.svc.GetUser(t.Context(), first.at(t, "token", "user", "id").(string))
	require.NoError(t, err)
	require.Equal(t, "countess@acme.example", user.Email)

	// Who is disabled here stays out, whatever the provider says.
	_, err = w.svc.UpdateUser(t.Context(), user.ID, identity.UpdateUserOptions{Enabled: new(bool)})
	require.NoError(t, err)
	w.check(http.StatusNotFound, second.token)
	w.login(http.StatusUnauthorized, "openid", tokens.Access)
}
