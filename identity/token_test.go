package identity_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

func TestTokenEndsWithWhatItRestsOn(t *testing.T) {
	off, other := false, "other secret"
	for name, end := range map[string]func(ctx context.Context, w *world) error{
		"user disabled": func(ctx context.Context, w *world) error {
			_, err := w.UpdateUser(ctx, w.ann.ID, identity.UpdateUserOptions{Enabled: &off})
			return err
		},
		"password reset": func(ctx context.Context, w *world) error {
			_, err := w.UpdateUser(ctx, w.ann.ID, identity.UpdateUserOptions{Password: &other})
			return err
		},
		"password changed": func(ctx context.Context, w *world) error {
			return w.ChangePassword(ctx, w.ann.ID, "secret", other)
		},
		"user deleted": func(ctx context.Context, w *world) error { return w.DeleteUser(ctx, w.ann.ID) },
		"project disabled": func(ctx context.Context, w *world) error {
			_, err := w.UpdateProject(ctx, w.lab.ID, identity.UpdateProjectOptions{Enabled: &off})
			return err
		},
		"project deleted": func(ctx context.Context, w *world) error { return w.DeleteProject(ctx, w.lab.ID) },
		"role taken back": func(ctx context.Context, w *world) error { return w.Unassign(ctx, w.assignment()) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			token := w.login(t)
			_, err := w.Validate(t.Context(), token)
			require.NoError(t, err)
			require.NoError(t, end(t.Context(), w))
			_, err = w.Validate(t.Context(), token)
			require.ErrorIs(t, err, fault.Unauthenticated)
			_, err = w.Authenticate(t.Context(), token)
			require.ErrorIs(t, err, fault.Unauthenticated)
		})
	}
}

func TestEnablingAUserDoesNotReviveItsTokens(t *testing.T) {
	w := newWorld(t)
	token := w.login(t)
	for _, enabled := range []bool{false, true} {
		_, err := w.UpdateUser(t.Context(), w.ann.ID, identity.UpdateUserOptions{Enabled: &enabled})
		require.NoError(t, err)
	}
	_, err := w.Validate(t.Context(), token)
	require.ErrorIs(t, err, fault.Unauthenticated)
	w.login(t)
}

func TestDisabledDomainVoidsTokens(t *testing.T) {
	s := open(t)
	d, err := s.CreateDomain(t.Context(), identity.CreateDomainOptions{Name: "far"})
	require.NoError(t, err)
	_, err = s.CreateUser(t.Context(), identity.CreateUserOptions{Name: "bob", DomainID: d.ID, Password: "x"})
	require.NoError(t, err)
	req := identity.LoginRequest{Password: &identity.PasswordLogin{
		User: identity.UserRef{Name: "bob", Domain: identity.DomainRef{Name: "far"}}, Password: "x",
	}}
	token, _, err := s.Login(t.Context(), req)
	require.NoError(t, err)
	off := false
	_, err = s.UpdateDomain(t.Context(), d.ID, identity.UpdateDomainOptions{Enabled: &off})
	require.NoError(t, err)
	_, err = s.Validate(t.Context(), token)
	require.ErrorIs(t, err, fault.Unauthenticated)
	_, _, err = s.Login(t.Context(), req)
	require.ErrorIs(t, err, fault.Unauthenticated)
}

func TestRolesFollowTheState(t *testing.T) {
	w := newWorld(t)
	token := w.login(t)
	p, err := w.Authenticate(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, []string{"member", "reader"}, p.Roles)
	admin, err := w.FindRole(t.Context(), "admin")
	require.NoError(t, err)
	more := w.assignment()
	more.RoleID = admin.ID
	require.NoError(t, w.Assign(t.Context(), more))
	p, err = w.Authenticate(t.Context(), token)
	require.NoError(t, err)
	require.True(t, p.IsAdmin())
	require.NoError(t, w.Unassign(t.Context(), more))
	p, err = w.Authenticate(t.Context(), token)
	require.NoError(t, err)
	require.False(t, p.IsAdmin())
}

func TestValidateGivesTheSameTokenWhileNothingChanges(t *testing.T) {
	w := newWorld(t)
	token := w.login(t)
	first, err := w.Validate(t.Context(), token)
	require.NoError(t, err)
	_, err = w.CreateUser(t.Context(), identity.CreateUserOptions{Name: "somebody else"})
	require.NoError(t, err)
	second, err := w.Validate(t.Context(), token)
	require.NoError(t, err)
	require.Same(t, first, second)
	name := "renamed"
	_, err = w.UpdateProject(t.Context(), w.lab.ID, identity.UpdateProjectOptions{Name: &name})
	require.NoError(t, err)
	third, err := w.Validate(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, "renamed", third.Project.Name)
	require.Equal(t, "renamed", third.Principal().ProjectName)
}

func TestRescopeKeepsExpiryAndChain(t *testing.T) {
	w := newWorld(t)
	req := byName("ann", "secret")
	unscoped, first, err := w.Login(t.Context(), req)
	require.NoError(t, err)
	rescope := on(identity.LoginRequest{Token: unscoped}, "lab")
	scoped, second, err := w.Login(t.Context(), rescope)
	require.NoError(t, err)
	require.LessOrEqual(t, len(scoped), 255)
	require.Equal(t, first.ExpiresAt, second.ExpiresAt)
	require.Equal(t, []string{"password", "token"}, second.Methods)
	require.Len(t, second.AuditIDs, 2)
	require.Equal(t, first.AuditIDs[0], second.AuditIDs[1])

	require.NoError(t, w.Revoke(t.Context(), scoped))
	_, err = w.Validate(t.Context(), scoped)
	require.ErrorIs(t, err, fault.Unauthenticated)
	_, _, err = w.Login(t.Context(), rescope)
	require.NoError(t, err, "the older token stays valid")
	require.NoError(t, w.Revoke(t.Context(), unscoped))
	_, _, err = w.Login(t.Context(), rescope)
	require.ErrorIs(t, err, fault.Unauthenticated)
}

func TestExpiryAndSweptRevocations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *identity.Config) { c.TokenTTL = time.Minute })
		revoked := w.login(t)
		require.NoError(t, w.Revoke(t.Context(), revoked))
		token := w.login(t)
		time.Sleep(59 * time.Second)
		_, err := w.Validate(t.Context(), token)
		require.NoError(t, err)
		_, err = w.Validate(t.Context(), revoked)
		require.ErrorIs(t, err, fault.Unauthenticated)
		time.Sleep(2 * time.Second)
		_, err = w.Validate(t.Context(), token)
		require.ErrorIs(t, err, fault.Unauthenticated)
		// The next revocation sweeps the outdated one; its token stays void.
		require.NoError(t, w.Revoke(t.Context(), w.login(t)))
		_, err = w.Validate(t.Context(), revoked)
		require.ErrorIs(t, err, fault.Unauthenticated)
	})
}

func TestForgedTokens(t *testing.T) {
	w := newWorld(t)
	token := w.login(t)
	foreign := newWorld(t).login(t)
	flip := func(i int) string {
		b := []byte(token)
		if b[i]++; b[i] == 'Z'+1 {
			b[i] = 'A'
		}
		return string(b)
	}
	bad := []string{
		"", "x", "gAAAAA", foreign, token + "A", token + "\n", token + "=x", "A" + token,
		token[:len(token)-1], token[:len(token)/2], strings.ToUpper(token),
		strings.Repeat("A", 255), strings.Repeat("A", 9000), token + token,
	}
	for i := range len(token) {
		bad = append(bad, flip(i))
	}
	for _, text := range bad {
		_, err := w.Validate(t.Context(), text)
		require.ErrorIs(t, err, fault.Unauthenticated, "%q", text)
		require.NotContains(t, err.Error(), text+"!", "a token must not be in an error")
	}
	_, err := w.Validate(t.Context(), token)
	require.NoError(t, err)
}

func TestTamperedPayloads(t *testing.T) {
	w := newWorld(t)
	token := w.login(t)
	payload := w.OpenPayload(token)
	for cut := range payload {
		text, err := w.SealPayload(payload[:cut])
		require.NoError(t, err)
		_, err = w.Validate(t.Context(), text)
		require.ErrorIs(t, err, fault.Unauthenticated, "cut at %d", cut)
	}
	text, err := w.SealPayload(append(bytes.Clone(payload), 0))
	require.NoError(t, err)
	_, err = w.Validate(t.Context(), text)
	require.ErrorIs(t, err, fault.Unauthenticated)
}

func FuzzPayload(f *testing.F) {
	f.Add([]byte{})
	f.Add(append([]byte{0x11, 1, 0, 0}, make([]byte, 70)...))
	f.Add(append([]byte{0x19, 5, 7, 0, 0}, make([]byte, 100)...))
	w := newWorld(f)
	token, _, err := w.Login(context.Background(), on(byName("ann", "secret"), "lab"))
	require.NoError(f, err)
	f.Add(w.OpenPayload(token))
	f.Fuzz(func(t *testing.T, b []byte) {
		again, ok := identity.ReencodePayload(b)
		if ok && !bytes.Equal(again, b) {
			t.Fatalf("%x was taken for a payload, which is %x", b, again)
		}
	})
}

func FuzzValidate(f *testing.F) {
	w := newWorld(f)
	token, _, err := w.Login(context.Background(), on(byName("ann", "secret"), "lab"))
	require.NoError(f, err)
	f.Add(token)
	f.Add(token[:30])
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := w.Validate(t.Context(), text); err == nil && strings.TrimRight(text, "=") != token {
			t.Fatalf("%q is taken for a token", text)
		}
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	w := newWorld(b)
	token := w.login(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Authenticate(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAuthenticateAfterChange measures the look-up in the state.
func BenchmarkAuthenticateAfterChange(b *testing.B) {
	w := newWorld(b)
	tokens := make([]string, 2000)
	for i := range tokens {
		tokens[i] = w.login(b)
	}
	on := true
	for i := 0; b.Loop(); i++ {
		if i%len(tokens) == 0 {
			b.StopTimer()
			_, err := w.UpdateUser(b.Context(), w.ann.ID, identity.UpdateUserOptions{Enabled: &on})
			require.NoError(b, err)
			b.StartTimer()
		}
		if _, err := w.Authenticate(b.Context(), tokens[i%len(tokens)]); err != nil {
			b.Fatal(err)
		}
	}
}
