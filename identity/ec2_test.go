package identity_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// keys are the two halves of an EC2 credential.
type keys struct{ Access, Secret string }

func keysOf(t testing.TB, c identity.Credential) keys {
	t.Helper()
	var k keys
	require.NoError(t, json.Unmarshal([]byte(c.Blob), &k))
	return k
}

// v2 is an EC2 request that is signed in version 2.
func (k keys) v2(at time.Time) identity.EC2Request {
	params := map[string]string{"SignatureVersion": "2", "AWSAccessKeyId": k.Access}
	query := "AWSAccessKeyId=" + k.Access + "&SignatureMethod=HmacSHA256&SignatureVersion=2"
	if !at.IsZero() {
		stamp := at.UTC().Format("2006-01-02T15:04:05Z")
		params["Timestamp"], query = stamp, query+"&Timestamp="+strings.ReplaceAll(stamp, ":", "%3A")
	}
	m := hmac.New(sha256.New, []byte(k.Secret))
	m.Write([]byte("GET\nec2.example\n/services\n" + query))
	return identity.EC2Request{
		Access: k.Access, Verb: "GET", Host: "ec2.example:8773", Path: "/services", Params: params,
		Signature: base64.StdEncoding.EncodeToString(m.Sum(nil)),
	}
}

// s3 is an S3 request that is signed in the old way.
func (k keys) s3() identity.S3Request {
	text := []byte("GET\n\n\nSat, 31 Jan 2026 00:00:00 +0000\n/bucket/key")
	m := hmac.New(sha1.New, []byte(k.Secret))
	m.Write(text)
	return identity.S3Request{Access: k.Access, StringToSign: text, Signature: base64.StdEncoding.EncodeToString(m.Sum(nil))}
}

func TestEC2Signatures(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c, err := w.CreateEC2Credential(ctx, w.ann.ID, w.lab.ID, nil)
	require.NoError(t, err)
	k := keysOf(t, c)
	require.Equal(t, identity.EC2CredentialID(k.Access), c.ID)
	token, got, err := w.LoginEC2(ctx, k.v2(time.Now())) // signed without the host's port
	require.NoError(t, err)
	require.Equal(t, "ann", got.User.Name)
	require.Equal(t, "lab", got.Project.Name)
	require.Equal(t, []string{"ec2credential"}, got.Methods)
	require.Equal(t, []string{"member", "reader"}, roleNames(got))
	_, err = w.Validate(ctx, token)
	require.NoError(t, err)

	_, got, err = w.LoginS3(ctx, k.s3())
	require.NoError(t, err)
	require.Equal(t, "ann", got.User.Name)

	none := k.v2(time.Now())
	none.Signature = ""
	wrong := keys{k.Access, k.Secret + "x"}
	for name, req := range map[string]identity.EC2Request{
		"no signature": none, "another secret": wrong.v2(time.Now()),
		"long ago": k.v2(time.Now().Add(-16 * time.Minute)), "from the future": k.v2(time.Now().Add(16 * time.Minute)),
	} {
		_, _, err = w.LoginEC2(ctx, req)
		require.ErrorIs(t, err, fault.Unauthenticated, name)
	}
	_, _, err = w.LoginEC2(ctx, keys{"nobody", "x"}.v2(time.Now()))
	require.ErrorIs(t, err, fault.NotFound)
	_, _, err = w.LoginS3(ctx, wrong.s3())
	require.ErrorIs(t, err, fault.Unauthenticated)
	odd := k.s3()
	odd.StringToSign = []byte("AWS4-HMAC-SHA256\nodd")
	_, _, err = w.LoginS3(ctx, odd)
	require.ErrorIs(t, err, fault.Unauthenticated)

	require.NoError(t, w.DeleteCredential(ctx, c.ID))
	_, _, err = w.LoginS3(ctx, k.s3())
	require.ErrorIs(t, err, fault.NotFound)
}

func TestSigningKeyChecksChunks(t *testing.T) {
	w := newWorld(t)
	c, err := w.CreateEC2Credential(t.Context(), w.ann.ID, w.lab.ID, nil)
	require.NoError(t, err)
	k := keysOf(t, c)
	key, err := w.SigningKey(t.Context(), k.Access, identity.SigningScope{Day: "20260131", Region: "r", Service: "s3"})
	require.NoError(t, err)
	text := []byte("AWS4-HMAC-SHA256\n20260131T000000Z\n20260131/r/s3/aws4_request\nhash")
	m := hmac.New(sha256.New, key)
	m.Write(text)
	_, got, err := w.LoginS3(t.Context(), identity.S3Request{Access: k.Access, StringToSign: text, Signature: hex.EncodeToString(m.Sum(nil))})
	require.NoError(t, err)
	require.Equal(t, "ann", got.User.Name)
	for _, sc := range []identity.SigningScope{{}, {Day: "today", Region: "r", Service: "s3"}, {Day: "20260131", Region: "r"}} {
		_, err = w.SigningKey(t.Context(), k.Access, sc)
		require.ErrorIs(t, err, fault.Invalid)
	}
}

func TestEC2CredentialsAreWorthWhatTheyWereMadeWith(t *testing.T) {
	ctx := context.Background()
	a := newAgents(t)
	reader, err := a.FindRole(ctx, "reader")
	require.NoError(t, err)

	trust, err := a.CreateTrust(ctx, a.trust())
	require.NoError(t, err)
	_, got, err := a.use("bob", trust.ID)
	require.NoError(t, err)
	c, err := a.CreateEC2Credential(ctx, got.User.ID, a.lab.ID, &identity.CreateEC2CredentialOptions{Delegation: got.Delegation()})
	require.NoError(t, err)
	k := keysOf(t, c)
	_, signed, err := a.LoginEC2(ctx, k.v2(time.Now()))
	require.NoError(t, err)
	require.Equal(t, trust.ID, signed.Trust.ID)
	require.Equal(t, "ann", signed.User.Name)
	blob := `{"access": "` + k.Access + `", "secret": "` + k.Secret + `"}`
	_, err = a.UpdateCredential(ctx, c.ID, identity.UpdateCredentialOptions{Blob: &blob})
	require.ErrorIs(t, err, fault.Invalid, "the trust stays in it")
	require.NoError(t, a.DeleteTrust(ctx, trust.ID))
	_, _, err = a.LoginEC2(ctx, k.v2(time.Now()))
	require.ErrorIs(t, err, fault.NotFound)

	app, _, err := a.CreateApplicationCredential(ctx, identity.CreateApplicationCredentialOptions{
		Name: "robot", UserID: a.ann.ID, ProjectID: a.lab.ID, RoleIDs: []string{reader.ID},
	})
	require.NoError(t, err)
	c, err = a.CreateEC2Credential(ctx, a.ann.ID, a.lab.ID, &identity.CreateEC2CredentialOptions{
		Delegation: identity.Delegation{AppCredentialID: app.ID},
	})
	require.NoError(t, err)
	_, signed, err = a.LoginS3(ctx, keysOf(t, c).s3())
	require.NoError(t, err)
	require.Equal(t, []string{"reader"}, roleNames(signed))
	require.NoError(t, a.DeleteApplicationCredential(ctx, app.ID))
	_, _, err = a.LoginS3(ctx, keysOf(t, c).s3())
	require.ErrorIs(t, err, fault.NotFound)

	d := newDelegated(t)
	c, err = d.CreateEC2Credential(ctx, d.ann.ID, d.lab.ID, &identity.CreateEC2CredentialOptions{
		Delegation: identity.Delegation{AccessTokenID: d.token},
	})
	require.NoError(t, err)
	_, signed, err = d.LoginS3(ctx, keysOf(t, c).s3())
	require.NoError(t, err)
	require.Equal(t, d.token, signed.OAuth1.AccessTokenID)
	require.NoError(t, d.DeleteConsumer(ctx, d.consumer))
	_, _, err = d.LoginS3(ctx, keysOf(t, c).s3())
	require.ErrorIs(t, err, fault.NotFound)
}

func TestACredentialThatBecomesEC2IsMarked(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c, err := w.CreateCredential(ctx, identity.CreateCredentialOptions{Type: "ec2", UserID: w.ann.ID, ProjectID: w.lab.ID, Blob: `{"access": "a", "secret": "s"}`})
	require.NoError(t, err)
	other, ec2 := "cert", "ec2"
	_, err = w.UpdateCredential(ctx, c.ID, identity.UpdateCredentialOptions{Type: &other})
	require.NoError(t, err)
	c, err = w.UpdateCredential(ctx, c.ID, identity.UpdateCredentialOptions{Type: &ec2, Delegation: identity.Delegation{TrustID: "t"}})
	require.NoError(t, err)
	require.JSONEq(t, `{"access": "a", "secret": "s", "trust_id": "t"}`, c.Blob)
}

func TestOldSignaturesWithoutATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c, err := w.CreateEC2Credential(t.Context(), w.ann.ID, w.lab.ID, nil)
		require.NoError(t, err)
		req := keysOf(t, c).v2(time.Time{})
		time.Sleep(time.Hour)
		_, _, err = w.LoginEC2(t.Context(), req)
		require.NoError(t, err, "who signs no time wants it so")
	})
}
