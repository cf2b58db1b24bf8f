package identity_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// The blob is the client's: what it says of delegations is not believed.
func TestABlobCannotNameAnotherDelegation(t *testing.T) {
	a := newAgents(t)
	trust, err := a.CreateTrust(t.Context(), a.trust())
	require.NoError(t, err)
	reader, err := a.FindRole(t.Context(), "reader")
	require.NoError(t, err)
	app, _, err := a.CreateApplicationCredential(t.Context(), identity.CreateApplicationCredentialOptions{
		Name: "robot", UserID: a.ann.ID, ProjectID: a.lab.ID, RoleIDs: []string{reader.ID}, Unrestricted: true,
	})
	require.NoError(t, err)
	k := keys{Access: "a", Secret: "s"}
	_, err = a.CreateCredential(t.Context(), identity.CreateCredentialOptions{
		Type: "ec2", UserID: a.ann.ID, ProjectID: a.lab.ID,
		Blob:       `{"access": "a", "secret": "s", "trust_id": "` + trust.ID + `", "access_token_id": "x", "app_cred_id": "y"}`,
		Delegation: identity.Delegation{AppCredentialID: app.ID},
	})
	require.NoError(t, err)
	_, got, err := a.LoginS3(t.Context(), k.s3())
	require.NoError(t, err)
	require.Equal(t, identity.Delegation{AppCredentialID: app.ID}, got.Delegation())
	require.Equal(t, []string{"reader"}, roleNames(got))
}

// A trust shortens the token that it gives, but not the one that this was made from.
func TestARevokedChainStaysRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgents(t, func(c *identity.Config) { c.ExpiredWindow = -1 })
		opts := a.trust()
		soon := time.Now().Add(5 * time.Minute)
		opts.ExpiresAt = &soon
		trust, err := a.CreateTrust(t.Context(), opts)
		require.NoError(t, err)
		first, _, err := a.Login(t.Context(), byName("bob", "pw"))
		require.NoError(t, err)
		short, _, err := a.Login(t.Context(), identity.LoginRequest{Token: first, Scope: identity.LoginScope{TrustID: trust.ID}})
		require.NoError(t, err)
		require.NoError(t, a.RevokeChain(t.Context(), short))
		time.Sleep(10 * time.Minute)
		other, _, err := a.Login(t.Context(), byName("ann", "secret"))
		require.NoError(t, err)
		require.NoError(t, a.Revoke(t.Context(), other), "which sweeps what is outdated")
		_, err = a.Validate(t.Context(), first)
		require.ErrorIs(t, err, fault.Unauthenticated)
	})
}

// Strangers must not learn which projects there are.
func TestRequestTokensTellNothingBeforeTheSignature(t *testing.T) {
	w := newWorld(t)
	c, secret, err := w.CreateConsumer(t.Context(), identity.CreateConsumerOptions{})
	require.NoError(t, err)
	wrong := signer{consumer: c.ID, consumerSecret: secret + "x"}
	_, there := w.CreateRequestToken(t.Context(), wrong.sign(), w.lab.ID)
	_, not := w.CreateRequestToken(t.Context(), wrong.sign(), "nothing")
	require.ErrorIs(t, there, fault.Unauthenticated)
	require.Equal(t, there.Error(), not.Error())
	right := signer{consumer: c.ID, consumerSecret: secret}
	_, err = w.CreateRequestToken(t.Context(), right.sign(), "nothing")
	require.ErrorIs(t, err, fault.NotFound)
}

// The query of a POST is not signed in version 4, so a time there proves nothing.
func TestASignedRequestCannotBeMadeYoung(t *testing.T) {
	w := newWorld(t)
	c, err := w.CreateEC2Credential(t.Context(), w.ann.ID, w.lab.ID, nil)
	require.NoError(t, err)
	k := keysOf(t, c)
	sign := func(at time.Time) identity.EC2Request {
		stamp := at.UTC().Format("20060102T150405Z")
		scope := stamp[:8] + "/r/ec2/aws4_request"
		sum := sha256.Sum256([]byte("POST\n/\n\nhost:h\nx-amz-date:" + stamp + "\n\nhost;x-amz-date\nhash"))
		key := []byte("AWS4" + k.Secret)
		for _, part := range []string{stamp[:8], "r", "ec2", "aws4_request"} {
			key = sign256(key, part)
		}
		return identity.EC2Request{
			Access: k.Access, Verb: "POST", Host: "h", Path: "/", BodyHash: "hash", Params: map[string]string{},
			Headers: map[string]string{
				"Host": "h", "X-Amz-Date": stamp,
				"Authorization": "AWS4-HMAC-SHA256 Credential=" + k.Access + "/" + scope + ", SignedHeaders=host;x-amz-date, Signature=x",
			},
			Signature: hex.EncodeToString(sign256(key, "AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+hex.EncodeToString(sum[:]))),
		}
	}
	_, _, err = w.LoginEC2(t.Context(), sign(time.Now()))
	require.NoError(t, err)
	old := sign(time.Now().Add(-time.Hour))
	for _, name := range []string{"Timestamp", "X-Amz-Date"} {
		old.Params[name] = time.Now().UTC().Format("20060102T150405Z")
		_, _, err = w.LoginEC2(t.Context(), old)
		require.ErrorIs(t, err, fault.Unauthenticated, name)
	}
}

func sign256(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// What stands for less than its user is not exchanged for more.
func TestTokensAreNotWidened(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	den, err := w.CreateProject(ctx, identity.CreateProjectOptions{Name: "den"})
	require.NoError(t, err)
	for _, on := range []identity.Assignment{{ProjectID: den.ID}, {DomainID: identity.DefaultDomainID}, {System: true}} {
		on.UserID, on.RoleID = w.ann.ID, w.member.ID
		require.NoError(t, w.Assign(ctx, on))
	}
	pair, err := w.CreateEC2Credential(ctx, w.ann.ID, w.lab.ID, nil)
	require.NoError(t, err)
	signed, _, err := w.LoginEC2(ctx, keysOf(t, pair).v2(time.Now()))
	require.NoError(t, err)
	app, secret, err := w.CreateApplicationCredential(ctx, identity.CreateApplicationCredentialOptions{Name: "a", UserID: w.ann.ID, ProjectID: w.lab.ID})
	require.NoError(t, err)
	robot, _, err := w.Login(ctx, identity.LoginRequest{AppCredential: &identity.AppCredentialLogin{ID: app.ID, Secret: secret}})
	require.NoError(t, err)
	system := byName("ann", "secret")
	system.Scope.System = true
	whole, _, err := w.Login(ctx, system)
	require.NoError(t, err)

	scopes := map[string]identity.LoginScope{
		"none": {}, "unscoped": {Unscoped: true}, "system": {System: true},
		"lab": {Project: &identity.ProjectRef{ID: w.lab.ID}}, "den": {Project: &identity.ProjectRef{ID: den.ID}},
		"domain": {Domain: &identity.DomainRef{ID: identity.DefaultDomainID}},
	}
	for name, c := range map[string]struct {
		token string
		good  []string
	}{
		"EC2": {signed, []string{"none", "lab"}}, "application credential": {robot, []string{"none"}},
		"system": {whole, []string{"none", "unscoped", "system"}},
	} {
		for to, scope := range scopes {
			token, got, err := w.Login(ctx, identity.LoginRequest{Token: c.token, Scope: scope})
			if !slices.Contains(c.good, to) {
				require.Error(t, err, "%s to %s", name, to)
				continue
			}
			require.NoError(t, err, "%s to %s", name, to)
			if name != "system" {
				require.Equal(t, "lab", got.Project.Name)
				_, _, err = w.Login(ctx, identity.LoginRequest{Token: token, Scope: scopes["den"]})
				require.Error(t, err, "nor in two steps")
			}
		}
	}
}

func TestNamesHaveNoSpaceAroundThem(t *testing.T) {
	w := newWorld(t)
	_, err := w.CreateUser(t.Context(), identity.CreateUserOptions{Name: " ann\u00a0"})
	require.ErrorIs(t, err, fault.AlreadyExists, "it would look like the other")
	bob, err := w.CreateUser(t.Context(), identity.CreateUserOptions{Name: "bob "})
	require.NoError(t, err)
	require.Equal(t, "bob", bob.Name)
	like := "ann "
	_, err = w.UpdateUser(t.Context(), bob.ID, identity.UpdateUserOptions{Name: &like})
	require.ErrorIs(t, err, fault.AlreadyExists)
	crew, err := w.CreateGroup(t.Context(), identity.CreateGroupOptions{Name: " crew"})
	require.NoError(t, err)
	require.Equal(t, "crew", crew.Name)
	_, err = w.CreateGroup(t.Context(), identity.CreateGroupOptions{Name: "crew\t"})
	require.ErrorIs(t, err, fault.AlreadyExists)
}
