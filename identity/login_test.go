package identity_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// TestEnablingRevivesNoToken: whatever a token rests on, disabling it is for good.
func TestEnablingRevivesNoToken(t *testing.T) {
	off, on := false, true
	for name, flip := range map[string]func(w *world, enabled *bool) error{
		"project": func(w *world, enabled *bool) error {
			_, err := w.UpdateProject(t.Context(), w.lab.ID, identity.UpdateProjectOptions{Enabled: enabled})
			return err
		},
		"domain": func(w *world, enabled *bool) error {
			_, err := w.UpdateDomain(t.Context(), w.lab.DomainID, identity.UpdateDomainOptions{Enabled: enabled})
			return err
		},
		"user": func(w *world, enabled *bool) error {
			_, err := w.UpdateUser(t.Context(), w.ann.ID, identity.UpdateUserOptions{Enabled: enabled})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := farWorld(t)
			token, _, err := w.Login(t.Context(), w.request())
			require.NoError(t, err)
			require.NoError(t, flip(w.world, &off))
			_, _, err = w.Login(t.Context(), w.request())
			require.ErrorIs(t, err, fault.Unauthenticated)
			require.NoError(t, flip(w.world, &on))
			_, err = w.Validate(t.Context(), token)
			require.ErrorIs(t, err, fault.Unauthenticated)
			fresh, _, err := w.Login(t.Context(), w.request())
			require.NoError(t, err)
			_, err = w.Validate(t.Context(), fresh)
			require.NoError(t, err)
			_, _, err = w.Login(t.Context(), identity.LoginRequest{Token: token})
			require.ErrorIs(t, err, fault.Unauthenticated, "it makes no other token either")
		})
	}
}

// far is a world whose user and project are in a domain that can be disabled.
type far struct{ *world }

func farWorld(t *testing.T) far {
	s := open(t)
	d, err := s.CreateDomain(t.Context(), identity.CreateDomainOptions{Name: "far"})
	require.NoError(t, err)
	w := &world{Service: s}
	w.ann, err = s.CreateUser(t.Context(), identity.CreateUserOptions{Name: "ann", DomainID: d.ID, Password: "secret"})
	require.NoError(t, err)
	w.lab, err = s.CreateProject(t.Context(), identity.CreateProjectOptions{Name: "lab", DomainID: d.ID})
	require.NoError(t, err)
	w.member, err = s.FindRole(t.Context(), "member")
	require.NoError(t, err)
	require.NoError(t, s.Assign(t.Context(), w.assignment()))
	return far{w}
}

func (w far) request() identity.LoginRequest {
	return identity.LoginRequest{
		Password: &identity.PasswordLogin{User: identity.UserRef{ID: w.ann.ID}, Password: "secret"},
		Scope:    identity.LoginScope{Project: &identity.ProjectRef{ID: w.lab.ID}},
	}
}

func TestRevokeChainEndsAllThatCameFromOneLogin(t *testing.T) {
	w := newWorld(t)
	issue := func(req identity.LoginRequest) string {
		token, _, err := w.Login(t.Context(), req)
		require.NoError(t, err)
		return token
	}
	first, other := issue(byName("ann", "secret")), issue(byName("ann", "secret"))
	second := issue(on(identity.LoginRequest{Token: first}, "lab"))
	third := issue(identity.LoginRequest{Token: second, Scope: identity.LoginScope{Unscoped: true}})
	require.NoError(t, w.RevokeChain(t.Context(), second))
	for _, token := range []string{first, second, third} {
		_, err := w.Validate(t.Context(), token)
		require.ErrorIs(t, err, fault.Unauthenticated)
	}
	_, err := w.Validate(t.Context(), other)
	require.NoError(t, err)
	require.ErrorIs(t, w.RevokeChain(t.Context(), third), fault.Unauthenticated)
}

func TestExternalLogin(t *testing.T) {
	w := newWorld(t)
	_, token, err := w.Login(t.Context(), on(identity.LoginRequest{External: &identity.UserRef{Name: "ann"}}, "lab"))
	require.NoError(t, err)
	require.Equal(t, []string{"external"}, token.Methods)
	require.Equal(t, w.ann.ID, token.User.ID)

	both := byName("ann", "secret")
	both.External = &identity.UserRef{ID: w.ann.ID}
	_, token, err = w.Login(t.Context(), both)
	require.NoError(t, err)
	require.Equal(t, []string{"password", "external"}, token.Methods)

	for name, req := range map[string]identity.LoginRequest{
		"nobody":     {External: &identity.UserRef{Name: "nobody"}},
		"no name":    {External: &identity.UserRef{}},
		"two users":  {External: &identity.UserRef{Name: "admin"}, Password: byName("ann", "secret").Password},
		"one wrong":  {External: &identity.UserRef{Name: "ann"}, Password: byName("ann", "wrong").Password},
		"other user": {External: &identity.UserRef{Name: "ann"}, Token: loginAdmin(t, w)},
	} {
		_, _, err := w.Login(t.Context(), req)
		require.ErrorIs(t, err, fault.Unauthenticated, name)
	}
}

func loginAdmin(t *testing.T, w *world) string {
	token, _, err := w.Login(t.Context(), byName("admin", adminPassword))
	require.NoError(t, err)
	return token
}
