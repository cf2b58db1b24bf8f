package identity_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

func TestCredentialKeysRotate(t *testing.T) {
	for name, shared := range map[string]bool{"in a store": false, "in the state": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *identity.Config) { c.SharedKeys = shared })
			ctx := t.Context()
			var ids []string
			for i := range 300 {
				c, err := w.CreateCredential(ctx, identity.CreateCredentialOptions{Type: "cert", Blob: fmt.Sprint("blob", i), UserID: w.ann.ID})
				require.NoError(t, err)
				ids = append(ids, c.ID)
			}
			_, _, err := w.CreateConsumer(ctx, identity.CreateConsumerOptions{})
			require.NoError(t, err)
			config := identity.DomainConfig{"ldap": {"url": "ldap://directory.example", "password": "of the directory"}}
			_, err = w.SetDomainConfig(ctx, identity.DefaultDomainID, config)
			require.NoError(t, err)
			for range 4 { // more often than keys are kept
				require.NoError(t, w.RotateCredentialKeys(ctx))
				require.ErrorIs(t, w.RotateCredentialKeys(ctx), fault.Conflict, "not before all is migrated")
				n, err := w.MigrateCredentials(ctx)
				require.NoError(t, err)
				require.Equal(t, 302, n)
				n, err = w.MigrateCredentials(ctx)
				require.NoError(t, err)
				require.Zero(t, n)
			}
			for i, id := range ids {
				c, err := w.GetCredential(ctx, id)
				require.NoError(t, err)
				require.Equal(t, fmt.Sprint("blob", i), c.Blob)
			}
			kept, err := w.DomainConfig(ctx, identity.DefaultDomainID)
			require.NoError(t, err)
			require.Equal(t, "of the directory", kept.Text("ldap", "password"))
		})
	}
}

func TestCredentialsMoveWhileTheyAreUsed(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			c, err := w.CreateCredential(ctx, identity.CreateCredentialOptions{Type: "cert", Blob: fmt.Sprint(i), UserID: w.ann.ID})
			if err == nil {
				_, err = w.GetCredential(ctx, c.ID)
			}
			if err != nil {
				done <- err
				return
			}
		}
	}()
	for range 5 {
		_, err := w.MigrateCredentials(ctx)
		require.NoError(t, err)
		if err := w.RotateCredentialKeys(ctx); err != nil {
			require.ErrorIs(t, err, fault.Conflict)
		}
	}
	close(stop)
	require.NoError(t, <-done)
	_, err := w.ListCredentials(ctx, nil)
	require.NoError(t, err, "all can be read")
}

func TestLimitsPerUser(t *testing.T) {
	w := newWorld(t, func(c *identity.Config) { c.MaxCredentials, c.MaxAppCredentials = 2, 1 })
	ctx := t.Context()
	for i := range 3 {
		_, err := w.CreateCredential(ctx, identity.CreateCredentialOptions{Type: "cert", Blob: "b", UserID: w.ann.ID})
		require.Equal(t, i == 2, fault.Of(err) == fault.Forbidden, "%v", err)
	}
	_, err := w.CreateCredential(ctx, identity.CreateCredentialOptions{Type: "cert", Blob: "b", UserID: "another"})
	require.NoError(t, err)
	for i := range 2 {
		_, _, err := w.CreateApplicationCredential(ctx, identity.CreateApplicationCredentialOptions{
			Name: fmt.Sprint("robot", i), UserID: w.ann.ID, ProjectID: w.lab.ID,
		})
		require.Equal(t, i == 1, fault.Of(err) == fault.Forbidden, "%v", err)
	}
}

func TestCredentialFilters(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for _, c := range []identity.CreateCredentialOptions{
		{Type: "cert", UserID: "a"}, {Type: "totp", UserID: "a"}, {Type: "cert", UserID: "b"},
	} {
		_, err := w.CreateCredential(ctx, c)
		require.NoError(t, err)
	}
	for opts, n := range map[identity.ListCredentialsOptions]int{
		{}: 3, {UserID: "a"}: 2, {Type: "cert"}: 2, {UserID: "a", Type: "cert"}: 1, {UserID: "c"}: 0,
	} {
		all, err := w.ListCredentials(ctx, &opts)
		require.NoError(t, err)
		require.Len(t, all, n, "%+v", opts)
	}
}

func TestApplicationCredentialsEndWithTheUser(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	create := func(name string, rules []identity.AccessRule) identity.ApplicationCredential {
		c, _, err := w.CreateApplicationCredential(ctx, identity.CreateApplicationCredentialOptions{
			Name: name, UserID: w.ann.ID, ProjectID: w.lab.ID, RoleIDs: []string{w.member.ID}, AccessRules: rules,
		})
		require.NoError(t, err)
		return c
	}
	rule := identity.AccessRule{Service: "compute", Method: "GET", Path: "/v2.1/servers"}
	one := create("one", []identity.AccessRule{rule})
	require.Len(t, one.RoleIDs, 2, "the implied role is noted too")
	two := create("two", []identity.AccessRule{rule})
	require.Equal(t, one.AccessRules, two.AccessRules, "the same rule is used again")
	id := one.AccessRules[0].ID
	require.ErrorIs(t, w.DeleteAccessRule(ctx, w.ann.ID, id), fault.Forbidden, "it is in use")
	require.ErrorIs(t, w.DeleteAccessRule(ctx, "another", id), fault.NotFound)
	for opts, n := range map[identity.ListAccessRulesOptions]int{
		{}: 1, {Service: "compute"}: 1, {Service: "image"}: 0, {Method: "GET", Path: "/v2.1/servers"}: 1, {Path: "/"}: 0,
	} {
		rules, err := w.ListAccessRules(ctx, w.ann.ID, &opts)
		require.NoError(t, err)
		require.Len(t, rules, n, "%+v", opts)
	}
	require.NoError(t, w.DeleteApplicationCredential(ctx, one.ID))
	require.NoError(t, w.DeleteApplicationCredential(ctx, two.ID))
	require.NoError(t, w.DeleteAccessRule(ctx, w.ann.ID, id))

	create("three", []identity.AccessRule{rule})
	off := false
	_, err := w.UpdateUser(ctx, w.ann.ID, identity.UpdateUserOptions{Enabled: &off})
	require.NoError(t, err)
	left, err := w.ListApplicationCredentials(ctx, w.ann.ID, "")
	require.NoError(t, err)
	require.Empty(t, left, "who is disabled has none")
	rules, err := w.ListAccessRules(ctx, w.ann.ID, nil)
	require.NoError(t, err)
	require.Empty(t, rules)
}

// TestSecretsStaySecret drives all that keeps a secret, and looks for the secrets in
// logs, errors, events and the file of the state.
func TestSecretsStaySecret(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	ctx := context.Background()
	s, err := identity.Open(ctx, identity.Config{Settings: identity.Settings{BcryptCost: bcrypt.MinCost}},
		&identity.OpenOptions{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	require.NoError(t, err)
	w := &world{Service: s}
	w.ann, err = s.CreateUser(ctx, identity.CreateUserOptions{Name: "ann", Password: "correct-horse-battery"})
	require.NoError(t, err)
	w.lab, err = s.CreateProject(ctx, identity.CreateProjectOptions{Name: "lab"})
	require.NoError(t, err)
	w.member, err = s.FindRole(ctx, "member")
	require.NoError(t, err)
	require.NoError(t, s.Assign(ctx, w.assignment()))

	secrets, errs := driveSecrets(t, w)
	list, err := s.EventsSoFar(ctx)
	require.NoError(t, err)
	events, err := json.Marshal(list)
	require.NoError(t, err)
	require.Contains(t, string(events), "identity.credential.created")
	require.NoError(t, s.Close())
	file, err := os.ReadFile(filepath.Join(dir, "identity.db"))
	require.NoError(t, err)
	if wal, err := os.ReadFile(filepath.Join(dir, "identity.db-wal")); err == nil {
		file = append(file, wal...)
	}
	require.Contains(t, string(file), w.ann.ID, "the file is what it should be")
	for name, secret := range secrets {
		require.GreaterOrEqual(t, len(secret), 8, name)
		require.NotContains(t, log.String(), secret, name)
		require.NotContains(t, string(events), secret, name)
		require.False(t, bytes.Contains(file, []byte(secret)), "%s is in the file", name)
		for _, err := range errs {
			require.NotContains(t, err.Error(), secret, name)
		}
	}
}

// driveSecrets uses every kind of secret, rightly and wrongly. It returns the secrets,
// and the errors.
func driveSecrets(t *testing.T, w *world) (map[string]string, []error) {
	t.Helper()
	ctx := context.Background()
	secrets := map[string]string{"password": "correct-horse-battery"}
	var errs []error
	fails := func(err error) {
		t.Helper()
		require.Error(t, err)
		errs = append(errs, err)
	}
	app, secret, err := w.CreateApplicationCredential(ctx, identity.CreateApplicationCredentialOptions{
		Name: "robot", UserID: w.ann.ID, ProjectID: w.lab.ID, Secret: "recognisable-app-secret",
	})
	require.NoError(t, err)
	secrets["application credential"] = secret
	_, _, err = w.Login(ctx, identity.LoginRequest{AppCredential: &identity.AppCredentialLogin{ID: "x", Secret: secret}})
	fails(err)
	token, _, err := w.Login(ctx, identity.LoginRequest{AppCredential: &identity.AppCredentialLogin{ID: app.ID, Secret: secret}})
	require.NoError(t, err)
	secrets["token"] = token

	ec2, err := w.CreateEC2Credential(ctx, w.ann.ID, w.lab.ID, nil)
	require.NoError(t, err)
	k := keysOf(t, ec2)
	secrets["EC2"] = k.Secret
	_, _, err = w.LoginEC2(ctx, keys{"nobody", k.Secret}.v2(time.Now()))
	fails(err)
	_, _, err = w.LoginEC2(ctx, k.v2(time.Now().Add(-time.Hour)))
	fails(err)
	blob := `{"access": "recognisable-access", "secret": "recognisable-ec2-secret"}`
	_, err = w.CreateCredential(ctx, identity.CreateCredentialOptions{Type: "ec2", UserID: w.ann.ID, Blob: blob})
	fails(err)
	secrets["a bad credential"] = "recognisable-ec2-secret"
	_, err = w.CreateCredential(ctx, identity.CreateCredentialOptions{Type: "cert", UserID: w.ann.ID, Blob: "recognisable-blob"})
	require.NoError(t, err)
	secrets["blob"] = "recognisable-blob"

	c, consumer, err := w.CreateConsumer(ctx, identity.CreateConsumerOptions{})
	require.NoError(t, err)
	secrets["consumer"] = consumer
	sign := signer{consumer: c.ID, consumerSecret: consumer}
	request, err := w.CreateRequestToken(ctx, sign.sign(), w.lab.ID)
	require.NoError(t, err)
	secrets["request token"] = request.Secret
	_, err = w.CreateRequestToken(ctx, signer{consumer: c.ID, consumerSecret: "x", nonce: consumer}.sign(), w.lab.ID)
	fails(err)
	sign.token, sign.tokenSecret = request.ID, request.Secret
	sign.verifier, err = w.AuthorizeRequestToken(ctx, request.ID, w.ann.ID, []string{w.member.ID})
	require.NoError(t, err)
	secrets["verifier"] = sign.verifier
	access, err := w.CreateAccessToken(ctx, sign.sign())
	require.NoError(t, err)
	secrets["access token"] = access.Secret
	_, err = w.CreateAccessToken(ctx, sign.sign())
	fails(err)

	require.NoError(t, w.RotateCredentialKeys(ctx))
	fails(w.RotateCredentialKeys(ctx))
	_, err = w.MigrateCredentials(ctx)
	require.NoError(t, err)
	return secrets, errs
}
