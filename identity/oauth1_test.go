package identity_test

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

const signedURL = "https://cloud.example/identity/v3/auth/tokens"

// signer signs requests as OAuth 1.0a says.
type signer struct {
	consumer, consumerSecret, token, tokenSecret, verifier string
	at                                                     time.Time // default now
	nonce                                                  string    // default a new one
}

func (s signer) sign() identity.OAuth1Request {
	if s.at.IsZero() {
		s.at = time.Now()
	}
	if s.nonce == "" {
		s.nonce = rand.Text()
	}
	params := map[string]string{
		"oauth_consumer_key": s.consumer, "oauth_signature_method": "HMAC-SHA1", "oauth_version": "1.0",
		"oauth_timestamp": fmt.Sprint(s.at.Unix()), "oauth_nonce": s.nonce,
	}
	if s.token != "" {
		params["oauth_token"] = s.token
	}
	if s.verifier != "" {
		params["oauth_verifier"] = s.verifier
	}
	var pairs, header []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		pairs = append(pairs, name+"="+url.QueryEscape(params[name]))
		header = append(header, name+`="`+url.QueryEscape(params[name])+`"`)
	}
	base := "POST&" + url.QueryEscape(signedURL) + "&" + url.QueryEscape(strings.Join(pairs, "&"))
	m := hmac.New(sha1.New, []byte(s.consumerSecret+"&"+s.tokenSecret))
	m.Write([]byte(base))
	signature := base64.StdEncoding.EncodeToString(m.Sum(nil))
	return identity.OAuth1Request{
		Verb: "POST", URL: signedURL,
		Authorization: "OAuth " + strings.Join(header, ", ") + `, oauth_signature="` + url.QueryEscape(signature) + `"`,
	}
}

// delegated is a world in which ann has authorised a consumer.
type delegated struct {
	*world
	signer
}

func newDelegated(t testing.TB) *delegated {
	t.Helper()
	ctx := context.Background()
	d := &delegated{world: newWorld(t)}
	c, secret, err := d.CreateConsumer(ctx, identity.CreateConsumerOptions{Description: "a portal"})
	require.NoError(t, err)
	d.consumer, d.consumerSecret = c.ID, secret
	request, err := d.CreateRequestToken(ctx, d.sign(), d.lab.ID)
	require.NoError(t, err)
	d.token, d.tokenSecret = request.ID, request.Secret
	d.verifier, err = d.AuthorizeRequestToken(ctx, request.ID, d.ann.ID, []string{d.member.ID})
	require.NoError(t, err)
	access, err := d.CreateAccessToken(ctx, d.sign())
	require.NoError(t, err)
	d.token, d.tokenSecret, d.verifier = access.ID, access.Secret, ""
	return d
}

// use logs in with the access token.
func (d *delegated) use() (string, *identity.Token, error) {
	signed := d.sign()
	return d.Login(context.Background(), identity.LoginRequest{OAuth1: &signed})
}

func TestOAuth1(t *testing.T) {
	d := newDelegated(t)
	ctx := t.Context()
	token, got, err := d.use()
	require.NoError(t, err)
	require.LessOrEqual(t, len(token), 255)
	require.Equal(t, "ann", got.User.Name)
	require.Equal(t, "lab", got.Project.Name)
	require.Equal(t, []string{"oauth1"}, got.Methods)
	require.Equal(t, []string{"member", "reader"}, roleNames(got))
	require.Equal(t, &identity.TokenOAuth1{AccessTokenID: d.token, ConsumerID: d.consumer}, got.OAuth1)
	_, _, err = d.Login(ctx, identity.LoginRequest{Token: token})
	require.ErrorIs(t, err, fault.Forbidden, "its token gets no other")
	elsewhere := d.sign()
	_, _, err = d.Login(ctx, identity.LoginRequest{OAuth1: &elsewhere, Scope: identity.LoginScope{System: true}})
	require.ErrorIs(t, err, fault.Unauthenticated, "it is for its project")

	all, err := d.ListAccessTokens(ctx, d.ann.ID)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, []string{d.member.ID}, all[0].RoleIDs)
	_, err = d.GetAccessToken(ctx, "somebody", d.token)
	require.ErrorIs(t, err, fault.NotFound)
	require.ErrorIs(t, d.DeleteAccessToken(ctx, "somebody", d.token), fault.NotFound)
	require.NoError(t, d.DeleteAccessToken(ctx, d.ann.ID, d.token))
	_, err = d.Validate(ctx, token)
	require.ErrorIs(t, err, fault.Unauthenticated)
	_, _, err = d.use()
	require.ErrorIs(t, err, fault.Unauthenticated)
}

func TestOAuth1RequestsAreRefused(t *testing.T) {
	d := newDelegated(t)
	old := d.sign()
	_, _, err := d.Login(t.Context(), identity.LoginRequest{OAuth1: &old})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(s *signer)
		kind   fault.Kind
	}{
		"another consumer's secret": {func(s *signer) { s.consumerSecret = "x" }, fault.Unauthenticated},
		"another token's secret":    {func(s *signer) { s.tokenSecret = "x" }, fault.Unauthenticated},
		"a token of nobody":         {func(s *signer) { s.token = "x" }, fault.Unauthenticated},
		"no token":                  {func(s *signer) { s.token = "" }, fault.Invalid},
		"no consumer":               {func(s *signer) { s.consumer = "" }, fault.Invalid},
		"long ago":                  {func(s *signer) { s.at = time.Now().Add(-11 * time.Minute) }, fault.Invalid},
		"from the future":           {func(s *signer) { s.at = time.Now().Add(11 * time.Minute) }, fault.Invalid},
		"an endless nonce":          {func(s *signer) { s.nonce = strings.Repeat("n", 200) }, fault.Invalid},
	} {
		s := d.signer
		c.change(&s)
		signed := s.sign()
		_, _, err := d.Login(t.Context(), identity.LoginRequest{OAuth1: &signed})
		require.ErrorIs(t, err, c.kind, name)
	}
	_, _, err = d.Login(t.Context(), identity.LoginRequest{OAuth1: &old})
	require.ErrorIs(t, err, fault.Unauthenticated, "it was made before")
	moved := d.sign()
	moved.URL += "?x=y"
	_, _, err = d.Login(t.Context(), identity.LoginRequest{OAuth1: &moved})
	require.ErrorIs(t, err, fault.Unauthenticated)
}

func TestRequestTokens(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c, secret, err := w.CreateConsumer(ctx, identity.CreateConsumerOptions{})
	require.NoError(t, err)
	s := signer{consumer: c.ID, consumerSecret: secret}
	_, err = w.CreateRequestToken(ctx, s.sign(), "nowhere")
	require.ErrorIs(t, err, fault.NotFound)
	_, err = w.CreateRequestToken(ctx, signer{consumer: "x", consumerSecret: secret}.sign(), w.lab.ID)
	require.ErrorIs(t, err, fault.NotFound)
	_, err = w.CreateRequestToken(ctx, signer{consumer: c.ID, consumerSecret: "x"}.sign(), w.lab.ID)
	require.ErrorIs(t, err, fault.Unauthenticated)
	request, err := w.CreateRequestToken(ctx, s.sign(), w.lab.ID)
	require.NoError(t, err)
	s.token, s.tokenSecret = request.ID, request.Secret

	_, err = w.CreateAccessToken(ctx, s.sign())
	require.ErrorIs(t, err, fault.Unauthenticated, "nobody has authorised it")
	admin, err := w.FindRole(ctx, "admin")
	require.NoError(t, err)
	_, err = w.AuthorizeRequestToken(ctx, request.ID, w.ann.ID, []string{admin.ID})
	require.ErrorIs(t, err, fault.Unauthenticated, "ann is no admin")
	_, err = w.AuthorizeRequestToken(ctx, "x", w.ann.ID, []string{w.member.ID})
	require.ErrorIs(t, err, fault.NotFound)
	verifier, err := w.AuthorizeRequestToken(ctx, request.ID, w.ann.ID, []string{w.member.ID})
	require.NoError(t, err)
	require.Regexp(t, `^[a-zA-Z2-9]{8}$`, verifier)
	s.verifier = "wrong"
	_, err = w.CreateAccessToken(ctx, s.sign())
	require.ErrorIs(t, err, fault.Unauthenticated)
	other, otherSecret, err := w.CreateConsumer(ctx, identity.CreateConsumerOptions{})
	require.NoError(t, err)
	stolen := s
	stolen.verifier, stolen.consumer, stolen.consumerSecret = verifier, other.ID, otherSecret
	_, err = w.CreateAccessToken(ctx, stolen.sign())
	require.ErrorIs(t, err, fault.Unauthenticated, "it is another consumer's")
	s.verifier = verifier
	_, err = w.CreateAccessToken(ctx, s.sign())
	require.NoError(t, err)
	_, err = w.CreateAccessToken(ctx, s.sign())
	require.ErrorIs(t, err, fault.NotFound, "it is used up")
}

// TestWhatEndsAnAccessToken goes through what its tokens rest on.
func TestWhatEndsAnAccessToken(t *testing.T) {
	ctx := context.Background()
	for name, end := range map[string]func(d *delegated) error{
		"the consumer is deleted": func(d *delegated) error { return d.DeleteConsumer(ctx, d.consumer) },
		"the user is deleted":     func(d *delegated) error { return d.DeleteUser(ctx, d.ann.ID) },
		"the project is deleted":  func(d *delegated) error { return d.DeleteProject(ctx, d.lab.ID) },
		"the role is taken away":  func(d *delegated) error { return d.Unassign(ctx, d.assignment()) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDelegated(t)
			token, _, err := d.use()
			require.NoError(t, err)
			require.NoError(t, end(d))
			_, err = d.Validate(ctx, token)
			require.ErrorIs(t, err, fault.Unauthenticated)
			_, _, err = d.use()
			require.Error(t, err)
		})
	}
}

func TestOAuth1TokensExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDelegated(t)
		time.Sleep(24*time.Hour - 10*time.Minute)
		token, got, err := d.use()
		require.NoError(t, err)
		require.Less(t, time.Until(got.ExpiresAt), 11*time.Minute, "it ends with the access token")
		time.Sleep(11 * time.Minute)
		_, err = d.Validate(t.Context(), token)
		require.ErrorIs(t, err, fault.Unauthenticated)
		_, _, err = d.use()
		require.ErrorIs(t, err, fault.Unauthenticated)
	})
}

func TestConsumers(t *testing.T) {
	s := open(t)
	ctx := t.Context()
	c, secret, err := s.CreateConsumer(ctx, identity.CreateConsumerOptions{Description: "a", Extra: identity.Attributes{"desk": "3"}})
	require.NoError(t, err)
	require.Len(t, secret, 32)
	text := "b"
	_, err = s.UpdateConsumer(ctx, c.ID, identity.UpdateConsumerOptions{Description: &text})
	require.NoError(t, err)
	got, err := s.GetConsumer(ctx, c.ID)
	require.NoError(t, err)
	require.Equal(t, identity.Consumer{ID: c.ID, Description: "b", Extra: identity.Attributes{"desk": "3"}}, got)
	all, err := s.ListConsumers(ctx)
	require.NoError(t, err)
	require.Equal(t, []identity.Consumer{got}, all)
	require.NoError(t, s.DeleteConsumer(ctx, c.ID))
	_, err = s.GetConsumer(ctx, c.ID)
	require.ErrorIs(t, err, fault.NotFound)
	require.ErrorIs(t, s.DeleteConsumer(ctx, c.ID), fault.NotFound)
}
