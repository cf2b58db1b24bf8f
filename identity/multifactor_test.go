package identity_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// totpSecret is that of RFC 6238, appendix B, in base 32.
const totpSecret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

func TestPasscodesOfTheRFC(t *testing.T) {
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		code, ok := identity.Passcode(totpSecret, time.Unix(at, 0))
		require.True(t, ok)
		require.Equal(t, want, code)
	}
	for _, odd := range []string{"", "1", "not base 32!"} {
		_, ok := identity.Passcode(odd, time.Unix(0, 0))
		require.False(t, ok)
	}
	padded, ok := identity.Passcode("ge======", time.Unix(0, 0))
	require.True(t, ok)
	require.Len(t, padded, 6)
}

// withTOTP gives ann the secret of passcodes.
func (w *world) withTOTP(t testing.TB) identity.Credential {
	c, err := w.CreateCredential(t.Context(), identity.CreateCredentialOptions{Type: "totp", Blob: totpSecret, UserID: w.ann.ID})
	require.NoError(t, err)
	return c
}

// code is a log-in with ann's passcode at a time.
func (w *world) code(at time.Time) identity.LoginRequest {
	code, _ := identity.Passcode(totpSecret, at)
	return identity.LoginRequest{TOTP: &identity.TOTPLogin{User: identity.UserRef{ID: w.ann.ID}, Passcode: code}}
}

func TestPasscodeLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		login := func(req identity.LoginRequest) error {
			_, _, err := w.Login(t.Context(), req)
			return err
		}
		requireDenied(t, login(w.code(time.Now())), "no credential")
		w.withTOTP(t)
		_, err := w.CreateCredential(t.Context(), identity.CreateCredentialOptions{Type: "totp", Blob: "{broken}", UserID: w.ann.ID})
		require.NoError(t, err)

		_, token, err := w.Login(t.Context(), on(w.code(time.Now()), "lab"))
		require.NoError(t, err)
		require.Equal(t, []string{"totp"}, token.Methods)
		requireDenied(t, login(w.code(time.Now())), "used already")
		requireDenied(t, login(w.code(time.Now().Add(-30*time.Second))), "older than the last one")
		require.NoError(t, login(w.code(time.Now().Add(30*time.Second))), "a fast clock")
		requireDenied(t, login(w.code(time.Now().Add(60*time.Second))), "too fast")

		time.Sleep(5 * time.Minute)
		requireDenied(t, login(w.code(time.Now().Add(-60*time.Second))), "too slow")
		require.NoError(t, login(w.code(time.Now().Add(-30*time.Second))), "a slow clock")
		for _, bad := range []string{"", "000", "abcdef", "0000000"} {
			req := w.code(time.Now())
			req.TOTP.Passcode = bad
			requireDenied(t, login(req))
		}
		req := w.code(time.Now())
		req.TOTP.User = identity.UserRef{Name: "nobody", Domain: identity.DomainRef{ID: "default"}}
		requireDenied(t, login(req))
	})
}

func TestPasscodeIsGoodOnce(t *testing.T) {
	w := newWorld(t)
	w.withTOTP(t)
	req, results := w.code(time.Now()), make(chan error, 8)
	for range cap(results) {
		go func() {
			_, _, err := w.Login(t.Context(), req)
			results <- err
		}()
	}
	passed := 0
	for range cap(results) {
		if err := <-results; err == nil {
			passed++
		} else {
			requireDenied(t, err)
		}
	}
	require.Equal(t, 1, passed)
}

func TestPasscodesCountForLockout(t *testing.T) {
	w := newWorld(t, ruled(identity.PasswordRules{LockoutAttempts: 3}))
	w.withTOTP(t)
	both := byName("ann", "secret")
	both.TOTP = &identity.TOTPLogin{User: identity.UserRef{ID: w.ann.ID}, Passcode: "x"}
	for range 3 {
		_, _, err := w.Login(t.Context(), both)
		requireDenied(t, err)
	}
	_, _, err := w.Login(t.Context(), w.code(time.Now()))
	requireDenied(t, err)
	requireDenied(t, w.try(t, "secret"), "a right password before a wrong code forgives nothing")
}

// receipt demands that a log-in needs more methods, and returns the receipt.
func (w *world) receipt(t testing.TB, req identity.LoginRequest) identity.AuthReceipt {
	t.Helper()
	_, _, err := w.Login(t.Context(), req)
	var more *identity.MoreMethodsError
	require.True(t, errors.As(err, &more), "%v", err)
	require.ErrorIs(t, err, fault.Unauthenticated)
	return more.Receipt
}

func TestMultiFactor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.withTOTP(t)
		w.set(t, option("multi_factor_auth_rules", [][]string{{"password", "totp"}, {"external"}, {"carrier pigeon"}}))
		password := on(byName("ann", "secret"), "lab")

		got := w.receipt(t, password)
		require.Equal(t, []string{"password"}, got.Methods)
		require.Equal(t, [][]string{{"password", "totp"}}, got.Required)
		require.Equal(t, "ann", got.User.Name)
		require.Equal(t, 5*time.Minute, got.ExpiresAt.Sub(got.IssuedAt))
		require.LessOrEqual(t, len(got.ID), 255)
		_, err := w.Validate(t.Context(), got.ID)
		require.ErrorIs(t, err, fault.Unauthenticated, "a receipt is no token")

		next := on(w.code(time.Now()), "lab")
		next.Receipt = got.ID
		token, granted, err := w.Login(t.Context(), next)
		require.NoError(t, err)
		require.Equal(t, []string{"password", "totp"}, granted.Methods)
		_, _, err = w.Login(t.Context(), identity.LoginRequest{Token: token})
		require.NoError(t, err, "a token remembers its methods")

		time.Sleep(time.Minute)
		both := password
		both.TOTP = w.code(time.Now()).TOTP
		_, _, err = w.Login(t.Context(), both)
		require.NoError(t, err)
		_, _, err = w.Login(t.Context(), identity.LoginRequest{External: &identity.UserRef{ID: w.ann.ID}})
		require.NoError(t, err)

		time.Sleep(4*time.Minute + 1)
		next = w.code(time.Now())
		next.Receipt = got.ID
		_, _, err = w.Login(t.Context(), next)
		requireDenied(t, err, "the receipt has expired")

		w.set(t, option("multi_factor_auth_enabled", false))
		_, _, err = w.Login(t.Context(), password)
		require.NoError(t, err)
		w.set(t, identity.UpdateUserOptions{Options: identity.Attributes{
			"multi_factor_auth_enabled": nil, "multi_factor_auth_rules": [][]string{{"carrier pigeon"}},
		}})
		_, _, err = w.Login(t.Context(), password)
		require.NoError(t, err, "rules of unknown methods lock nobody out")
	})
}

func TestReceiptsOfOthersAndOfBefore(t *testing.T) {
	w := newWorld(t)
	w.withTOTP(t)
	rules := option("multi_factor_auth_rules", [][]string{{"password", "totp"}})
	w.set(t, rules)
	got := w.receipt(t, byName("ann", "secret"))
	token, _, err := w.Login(t.Context(), byName("admin", adminPassword))
	require.NoError(t, err)

	admin := byName("admin", adminPassword)
	admin.Receipt = got.ID
	_, _, err = w.Login(t.Context(), admin)
	requireDenied(t, err, "another's receipt")
	for name, bad := range map[string]string{
		"garbage": "gAAAA", "a token": token, "tampered": got.ID[:40] + "A" + got.ID[41:], "long": string(bytes.Repeat([]byte("A"), 9000)),
	} {
		req := w.code(time.Now())
		req.Receipt = bad
		_, _, err = w.Login(t.Context(), req)
		requireDenied(t, err, name)
	}
	_, _, err = w.Login(t.Context(), identity.LoginRequest{Receipt: got.ID})
	require.Error(t, err, "a receipt alone proves nothing")
	require.NoError(t, w.ChangePassword(t.Context(), w.ann.ID, "secret", "other"))
	req := w.code(time.Now().Add(30 * time.Second))
	req.Receipt = got.ID
	_, _, err = w.Login(t.Context(), req)
	requireDenied(t, err, "the password has changed since")

	off := false
	w.set(t, identity.UpdateUserOptions{Enabled: &off})
	for _, req := range []identity.LoginRequest{byName("ann", "other"), {External: &identity.UserRef{ID: w.ann.ID}}} {
		_, _, err = w.Login(t.Context(), req)
		requireDenied(t, err, "a disabled user has no receipts")
	}
}

func FuzzReceipt(f *testing.F) {
	f.Add([]byte{})
	f.Add(append([]byte{0x20, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0}, make([]byte, 16)...))
	f.Add([]byte{0x20, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 'a', 'b'})
	f.Fuzz(func(t *testing.T, b []byte) {
		again, ok := identity.ReencodeReceipt(b)
		if ok && !bytes.Equal(again, b) {
			t.Fatalf("%x was taken for a receipt, which is %x", b, again)
		}
	})
}

func FuzzPasscode(f *testing.F) {
	f.Add(totpSecret, int64(59))
	f.Add("ge======", int64(-1))
	f.Add("g e", int64(1)<<62)
	f.Fuzz(func(t *testing.T, secret string, at int64) {
		code, ok := identity.Passcode(secret, time.Unix(at, 0))
		again, _ := identity.Passcode(secret, time.Unix(at, 0))
		require.Equal(t, code, again)
		require.Equal(t, ok, len(code) == 6, "%q at %d is %q", secret, at, code)
	})
}
