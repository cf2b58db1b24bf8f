package identityapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

// attacked is two controllers of a cloud with tokens of every kind, all for the
// project "lab" but the one called "base", which is for nothing.
type attacked struct {
	*controller // the first one
	all         []*controller
	clock       *movedClock
	admin       string

	domain                 identity.Domain
	top, lab               identity.Project
	ann, bob, carl, dora   identity.User
	role, inheritable      identity.Role
	group                  identity.Group
	trust                  identity.Trust
	credential             identity.ApplicationCredential
	annRole, doraInherited identity.Assignment
	groupRole              identity.Assignment
	tokens                 map[string]string
}

func newAttacked(t *testing.T) *attacked {
	t.Helper()
	w := &attacked{clock: &movedClock{}, tokens: map[string]string{}}
	w.all = controllers(t, 2, w.clock)
	w.controller = w.all[0]
	w.controller.TB = t
	w.build(t)
	w.logIn(t)
	return w
}

// build makes whom and what the tokens are of.
func (w *attacked) build(t *testing.T) {
	ctx, must := t.Context(), func(err error) { t.Helper(); require.NoError(t, err) }
	var err error
	w.domain, err = w.svc.CreateDomain(ctx, identity.CreateDomainOptions{Name: "far"})
	must(err)
	w.top, err = w.svc.CreateProject(ctx, identity.CreateProjectOptions{Name: "top", DomainID: w.domain.ID})
	must(err)
	w.lab, err = w.svc.CreateProject(ctx, identity.CreateProjectOptions{Name: "lab", DomainID: w.domain.ID, ParentID: w.top.ID})
	must(err)
	reader, err := w.svc.FindRole(ctx, "reader")
	must(err)
	for name, role := range map[string]*identity.Role{"worker": &w.role, "heir": &w.inheritable} {
		*role, err = w.svc.CreateRole(ctx, identity.CreateRoleOptions{Name: name})
		must(err)
		must(w.svc.CreateInference(ctx, role.ID, reader.ID))
	}
	for name, user := range map[string]*identity.User{"ann": &w.ann, "bob": &w.bob, "carl": &w.carl, "dora": &w.dora} {
		*user, err = w.svc.CreateUser(ctx, identity.CreateUserOptions{Name: name, DomainID: w.domain.ID, Password: "old password"})
		must(err)
	}
	w.group, err = w.svc.CreateGroup(ctx, identity.CreateGroupOptions{Name: "crew", DomainID: w.domain.ID})
	must(err)
	must(w.svc.AddUserToGroup(ctx, w.group.ID, w.carl.ID))
	w.annRole = identity.Assignment{RoleID: w.role.ID, UserID: w.ann.ID, ProjectID: w.lab.ID}
	w.groupRole = identity.Assignment{RoleID: reader.ID, GroupID: w.group.ID, ProjectID: w.lab.ID}
	w.doraInherited = identity.Assignment{RoleID: w.inheritable.ID, UserID: w.dora.ID, ProjectID: w.top.ID, Inherited: true}
	for _, a := range []identity.Assignment{w.annRole, w.groupRole, w.doraInherited} {
		must(w.svc.Assign(ctx, a))
	}
	w.trust, err = w.svc.CreateTrust(ctx, identity.CreateTrustOptions{
		TrustorID: w.ann.ID, TrusteeID: w.bob.ID, ProjectID: w.lab.ID, RoleIDs: []string{w.role.ID}, Impersonation: true,
	})
	must(err)
	_, err = w.svc.CreateIdentityProvider(ctx, identity.CreateIdentityProviderOptions{ID: "acme", Enabled: true})
	must(err)
	for _, id := range []string{"basic", "other"} {
		_, err = w.svc.CreateMapping(ctx, mappingTo(id, w.group.ID))
		must(err)
	}
	_, err = w.svc.CreateFederationProtocol(ctx, identity.FederationProtocol{ProviderID: "acme", ID: "openid", MappingID: "basic"})
	must(err)
}

// mappingTo puts all whom a provider knows into a group.
func mappingTo(id, groupID string) identity.Mapping {
	return identity.Mapping{ID: id, Rules: []identity.MappingRule{{
		Local:  []identity.MappingLocal{{User: &identity.MappingUser{Name: "{0}"}, Group: &identity.MappingGroup{ID: groupID}}},
		Remote: []identity.MappingRemote{{Type: "name"}},
	}}}
}

// logIn gets the tokens over HTTP.
func (w *attacked) logIn(t *testing.T) {
	issue := func(body string) string {
		t.Helper()
		return w.want(http.StatusCreated, "POST", "/v3/auth/tokens", "", body).header.Get("X-Subject-Token")
	}
	byID := func(u identity.User, scope string) string {
		return `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": "` + u.ID +
			`", "password": "old password"}}}, "scope": ` + scope + `}}`
	}
	lab := `{"project": {"id": "` + w.lab.ID + `"}}`
	c, secret, err := w.svc.CreateApplicationCredential(t.Context(), identity.CreateApplicationCredentialOptions{
		Name: "robot", UserID: w.ann.ID, ProjectID: w.lab.ID,
	})
	require.NoError(t, err)
	w.credential = c
	w.admin = w.site.admin()
	w.tokens["base"] = issue(byID(w.ann, `"unscoped"`))
	w.tokens["password"] = issue(byID(w.ann, lab))
	w.tokens["token"] = issue(tokenBody(w.tokens["base"], lab))
	w.tokens["credential"] = issue(`{"auth": {"identity": {"methods": ["application_credential"], "application_credential": {"id": "` +
		c.ID + `", "secret": "` + secret + `"}}}}`)
	w.tokens["trust"] = issue(byID(w.bob, `{"OS-TRUST:trust": {"id": "`+w.trust.ID+`"}}`))
	w.tokens["group"] = issue(byID(w.carl, lab))
	w.tokens["inherited"] = issue(byID(w.dora, lab))
	frida := w.want(http.StatusCreated, "POST", acmeOpenID+"/auth", "", "", "Authorization", "Bearer frida's").header.Get("X-Subject-Token")
	w.tokens["federated"] = issue(tokenBody(frida, lab))
}

// check looks whether exactly these tokens are void, on all controllers, for identity
// and for the other service, as caller, as subject, and to get another token.
func (w *attacked) check(t *testing.T, void ...string) {
	t.Helper()
	for i, c := range w.all {
		require.NoError(t, c.db.Sync(t.Context()))
		for name, token := range w.tokens {
			about := fmt.Sprintf("%s on controller %d", name, i)
			dead := slices.Contains(void, name)
			want := map[bool]int{true: http.StatusUnauthorized, false: http.StatusNoContent}[dead]
			if name == "base" && !dead {
				want = http.StatusForbidden // it has no role
			}
			require.Equal(t, want, c.serves(token), about)
			want = map[bool]int{true: http.StatusUnauthorized, false: http.StatusOK}[dead]
			require.Equal(t, want, c.do("GET", "/v3/auth/projects", token, "").status, about)
			want = map[bool]int{true: http.StatusNotFound, false: http.StatusOK}[dead]
			require.Equal(t, want, c.do("GET", "/v3/auth/tokens", w.admin, "", "X-Subject-Token", token).status, about)
			if dead {
				a := c.do("POST", "/v3/auth/tokens", "", tokenBody(token, `"unscoped"`))
				require.Equal(t, http.StatusUnauthorized, a.status, about)
			}
		}
	}
}

func TestEveryControllerRefusesVoidTokensAtOnce(t *testing.T) {
	off, other := false, "new password"
	everything := []string{"base", "password", "token", "credential", "trust", "group", "inherited", "federated"}
	onLab, ofAnn := everything[1:], []string{"base", "password", "token", "credential", "trust"}
	for name, c := range map[string]struct {
		end  func(w *attacked) error
		void []string
	}{
		"nothing": {func(*attacked) error { return nil }, nil},
		"a token is revoked": {func(w *attacked) error {
			w.want(http.StatusNoContent, "DELETE", "/v3/auth/tokens", w.tokens["password"], "", "X-Subject-Token", w.tokens["password"])
			return nil
		}, []string{"password"}},
		"the project is disabled": {func(w *attacked) error {
			_, err := w.svc.UpdateProject(w.Context(), w.lab.ID, identity.UpdateProjectOptions{Enabled: &off})
			return err
		}, onLab},
		"the project is deleted": {func(w *attacked) error { return w.svc.DeleteProject(w.Context(), w.lab.ID) }, onLab},
		"the domain is disabled": {func(w *attacked) error {
			_, err := w.svc.UpdateDomain(w.Context(), w.domain.ID, identity.UpdateDomainOptions{Enabled: &off})
			return err
		}, everything},
		"the user is disabled": {func(w *attacked) error {
			_, err := w.svc.UpdateUser(w.Context(), w.ann.ID, identity.UpdateUserOptions{Enabled: &off})
			return err
		}, ofAnn},
		"the user is deleted": {func(w *attacked) error { return w.svc.DeleteUser(w.Context(), w.ann.ID) }, ofAnn},
		"the password is set": {func(w *attacked) error {
			_, err := w.svc.UpdateUser(w.Context(), w.ann.ID, identity.UpdateUserOptions{Password: &other})
			return err
		}, ofAnn},
		"the password is changed": {func(w *attacked) error {
			return w.svc.ChangePassword(w.Context(), w.ann.ID, "old password", other)
		}, ofAnn},
		"the role is taken back":        {func(w *attacked) error { return w.svc.Unassign(w.Context(), w.annRole) }, ofAnn[1:]},
		"the role is deleted":           {func(w *attacked) error { return w.svc.DeleteRole(w.Context(), w.role.ID) }, ofAnn[1:]},
		"the group loses the role":      {func(w *attacked) error { return w.svc.Unassign(w.Context(), w.groupRole) }, []string{"group", "federated"}},
		"the group is deleted":          {func(w *attacked) error { return w.svc.DeleteGroup(w.Context(), w.group.ID) }, []string{"group", "federated"}},
		"the inherited role is deleted": {func(w *attacked) error { return w.svc.DeleteRole(w.Context(), w.inheritable.ID) }, []string{"inherited"}},
		"the inherited role is taken":   {func(w *attacked) error { return w.svc.Unassign(w.Context(), w.doraInherited) }, []string{"inherited"}},
		"the trust is deleted":          {func(w *attacked) error { return w.svc.DeleteTrust(w.Context(), w.trust.ID) }, []string{"trust"}},
		"the trustee is deleted":        {func(w *attacked) error { return w.svc.DeleteUser(w.Context(), w.bob.ID) }, []string{"trust"}},
		"the app credential is deleted": {func(w *attacked) error {
			return w.svc.DeleteApplicationCredential(w.Context(), w.credential.ID)
		}, []string{"credential"}},
		"the user leaves the group": {func(w *attacked) error {
			return w.svc.RemoveUserFromGroup(w.Context(), w.group.ID, w.carl.ID)
		}, []string{"group"}},
		"the provider is disabled": {func(w *attacked) error {
			_, err := w.svc.UpdateIdentityProvider(w.Context(), "acme", identity.UpdateIdentityProviderOptions{Enabled: &off})
			return err
		}, []string{"federated"}},
		"the provider is deleted": {func(w *attacked) error { return w.svc.DeleteIdentityProvider(w.Context(), "acme") }, []string{"federated"}},
		"the protocol is deleted": {func(w *attacked) error {
			return w.svc.DeleteFederationProtocol(w.Context(), "acme", "openid")
		}, []string{"federated"}},
		"the protocol has another mapping": {func(w *attacked) error {
			mapping := "other"
			_, err := w.svc.UpdateFederationProtocol(w.Context(), "acme", "openid", identity.UpdateFederationProtocolOptions{MappingID: &mapping})
			return err
		}, []string{"federated"}},
		"the mapping is deleted": {func(w *attacked) error { return w.svc.DeleteMapping(w.Context(), "basic") }, []string{"federated"}},
		"the mapping stays as it is": {func(w *attacked) error {
			_, err := w.svc.UpdateMapping(w.Context(), mappingTo("basic", w.group.ID))
			return err
		}, nil},
		"the mapping has other rules": {func(w *attacked) error {
			m := mappingTo("basic", w.group.ID)
			m.Rules[0].Remote = append(m.Rules[0].Remote, identity.MappingRemote{Type: "name", AnyOneOf: []string{"frida"}})
			_, err := w.svc.UpdateMapping(w.Context(), m)
			return err
		}, []string{"federated"}},
		"the keys are gone": {func(w *attacked) error {
			for range 3 {
				require.NoError(w, w.svc.RotateKeys(w.Context()))
			}
			w.admin = w.site.admin()
			return nil
		}, everything},
		"time has passed": {func(w *attacked) error {
			w.clock.by.Store(int64(2 * time.Hour))
			w.admin = w.site.admin()
			return nil
		}, everything},
	} {
		t.Run(name, func(t *testing.T) {
			w := newAttacked(t)
			w.check(t) // and so every controller remembers them
			require.NoError(t, c.end(w))
			w.check(t, c.void...)
		})
	}
}

// TestForgedTokensOverHTTP changes a token in every place, and cuts and lengthens it.
func TestForgedTokensOverHTTP(t *testing.T) {
	w := newAttacked(t)
	token := w.tokens["password"]
	foreign := newAttacked(t).tokens["password"]
	bad := []string{"x", "gAAAAA", foreign, token + "A", "A" + token, token + token, strings.ToUpper(token), strings.Repeat("A", 5000)}
	for i := range len(token) {
		b := []byte(token)
		if b[i]++; b[i] == 'Z'+1 {
			b[i] = 'A'
		}
		bad = append(bad, string(b))
	}
	for i := range len(token) - 1 {
		bad = append(bad, token[:i+1])
	}
	for _, text := range bad {
		require.Equal(t, http.StatusUnauthorized, w.serves(text), text)
		a := w.do("GET", "/v3/auth/tokens", w.admin, "", "X-Subject-Token", text)
		require.Equal(t, http.StatusNotFound, a.status, text)
		require.NotContains(t, a.body, text+`"`)
		require.Equal(t, http.StatusUnauthorized, w.do("GET", "/v3/auth/projects", text, "").status, text)
	}
	require.Equal(t, http.StatusNoContent, w.serves(token))
}
