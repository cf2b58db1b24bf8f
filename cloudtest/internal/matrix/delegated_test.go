package matrix_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/cloudtest"
	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// means is what a token was got by, if not by its user itself.
type means string

const (
	byTrust         means = "trust"
	byKey           means = "application credential"
	byRestrictedKey means = "restricted application credential"
	byAccessToken   means = "OAuth1 access token"
	bySignature     means = "EC2 signature"
)

// everyDelegation are the means that stand for another on one project.
var everyDelegation = []means{byTrust, byKey, byRestrictedKey, byAccessToken}

// barred are the routes of the identity API that delegated tokens must not be used for,
// whatever the rules say, as in Keystone: what they make could outlive them.
var barred = map[string][]means{
	"POST /v3/OS-TRUST/trusts":                       everyDelegation, // the trusts here may not be passed on
	"GET /v3/OS-TRUST/trusts":                        {byKey, byRestrictedKey},
	"GET /v3/OS-TRUST/trusts/{}":                     {byKey, byRestrictedKey},
	"DELETE /v3/OS-TRUST/trusts/{}":                  {byKey, byRestrictedKey},
	"GET /v3/OS-TRUST/trusts/{}/roles":               {byKey, byRestrictedKey},
	"GET /v3/OS-TRUST/trusts/{}/roles/{}":            {byKey, byRestrictedKey},
	"GET /v3/users/{}/application_credentials":       {byTrust, byAccessToken},
	"POST /v3/users/{}/application_credentials":      {byTrust, byAccessToken, byRestrictedKey},
	"GET /v3/users/{}/application_credentials/{}":    {byTrust, byAccessToken},
	"DELETE /v3/users/{}/application_credentials/{}": {byTrust, byAccessToken, byRestrictedKey},
	"GET /v3/users/{}/access_rules":                  {byTrust, byAccessToken},
	"GET /v3/users/{}/access_rules/{}":               {byTrust, byAccessToken},
	"DELETE /v3/users/{}/access_rules/{}":            {byTrust, byAccessToken},
	"PUT /v3/OS-OAUTH1/authorize/{}":                 everyDelegation,
	"GET /v3/users/{}/OS-OAUTH1/access_tokens":       everyDelegation,
	"GET /v3/users/{}/OS-OAUTH1/access_tokens/{}":    everyDelegation,
	"DELETE /v3/users/{}/OS-OAUTH1/access_tokens/{}": everyDelegation,
	"POST /v3/users/{}/credentials/OS-EC2":           {byRestrictedKey},
	"GET /v3/users/{}/credentials/OS-EC2/{}":         everyDelegation, // the keys here the user has made itself
	"DELETE /v3/users/{}/credentials/OS-EC2/{}":      everyDelegation,
	"POST /v3/credentials":                           everyDelegation,
	"GET /v3/credentials/{}":                         everyDelegation,
	"PATCH /v3/credentials/{}":                       everyDelegation,
	"DELETE /v3/credentials/{}":                      everyDelegation,
}

// bars reports whether a persona's token must not be used for a route whatever the rules
// say.
func (d *drill) bars(p *persona) bool {
	if d.prefix != "/identity" || p.by == "" {
		return false
	}
	return p.by == bySignature || slices.Contains(barred[key(d.route)], p.by)
}

// outside reports whether the access rules of a persona's token are not for a route. A
// token may always be looked at.
func (d *drill) outside(p *persona) bool {
	asked := d.prefix + " " + key(d.route)
	return p.only != "" && asked != p.only && asked != "/identity GET /v3/auth/tokens"
}

// delegates are personas whose tokens the owner or the administrator of P have let them
// have.
func (l places) delegates(t *testing.T, c *cloudtest.Cloud, clk *cloudtest.Clock, all []*persona) []*persona {
	owner, admin := find(all, "owner"), find(all, "admin")
	_, trustee := l.login(t, c, "trustee", "", "")
	ruled := identity.AccessRule{Service: "compute", Method: http.MethodGet, Path: "/v2.1/servers"}
	a := agent{c, clk, l.here}
	return []*persona{
		a.trustee(t, "trustee", owner, trustee, "member", false),
		a.trustee(t, "trustee as owner", owner, trustee, "member", true),
		a.trustee(t, "trustee as admin", admin, trustee, "admin", true),
		a.keyOf(t, "restricted key of owner", byRestrictedKey, owner, nil),
		a.keyOf(t, "key of owner", byKey, owner, nil),
		a.keyOf(t, "key of admin", byKey, admin, nil),
		a.keyOf(t, "ruled key of owner", byKey, owner, []identity.AccessRule{ruled}),
		a.portalOf(t, "portal of owner", owner, "member"),
		a.portalOf(t, "portal of admin", admin, "admin"),
		a.signed(t, "signature of owner", owner),
	}
}

// agent lets personas have what belongs to others.
type agent struct {
	*cloudtest.Cloud
	clock *cloudtest.Clock
	here  identity.Project
}

// trustee is who has a role of another by a trust, and the name too if it impersonates.
func (a agent) trustee(t *testing.T, name string, trustor *persona, as *policy.Principal, role string, impersonates bool) *persona {
	who := *trustor.who
	if !impersonates {
		who.UserID, who.UserName = as.UserID, as.UserName
	}
	who.Roles = implied[role]
	trust, err := a.Identity.CreateTrust(t.Context(), identity.CreateTrustOptions{
		TrustorID: trustor.who.UserID, TrusteeID: as.UserID, ProjectID: a.here.ID, RoleIDs: []string{a.role(t, role)},
		Impersonation: impersonates,
	})
	require.NoError(t, err)
	token := a.login(t, identity.LoginRequest{
		External: &identity.UserRef{ID: as.UserID}, Scope: identity.LoginScope{TrustID: trust.ID},
	})
	return &persona{name: name, token: token, who: &who, by: byTrust, from: trust.ID}
}

// keyOf is a program with an application credential.
func (a agent) keyOf(t *testing.T, name string, by means, of *persona, rules []identity.AccessRule) *persona {
	key, hidden, err := a.Identity.CreateApplicationCredential(t.Context(), identity.CreateApplicationCredentialOptions{
		Name: secret + "-" + name, UserID: of.who.UserID, ProjectID: a.here.ID, Unrestricted: by == byKey, AccessRules: rules,
	})
	require.NoError(t, err)
	p := &persona{name: name, who: of.who, by: by, from: key.ID}
	p.token = a.login(t, identity.LoginRequest{AppCredential: &identity.AppCredentialLogin{ID: key.ID, Secret: hidden}})
	for _, r := range rules {
		p.only = "/" + r.Service + " " + r.Method + " " + r.Path
	}
	return p
}

// portalOf is a portal with an access token of OAuth1.
func (a agent) portalOf(t *testing.T, name string, of *persona, role string) *persona {
	ctx := t.Context()
	consumer, hidden, err := a.Identity.CreateConsumer(ctx, identity.CreateConsumerOptions{})
	require.NoError(t, err)
	s := signer{consumer: consumer.ID, key: hidden + "&", at: a.clock.Now().Unix()}
	request, err := a.Identity.CreateRequestToken(ctx, s.sign("1"), a.here.ID)
	require.NoError(t, err)
	s.verifier, err = a.Identity.AuthorizeRequestToken(ctx, request.ID, of.who.UserID, []string{a.role(t, role)})
	require.NoError(t, err)
	s.token, s.key = request.ID, hidden+"&"+request.Secret
	access, err := a.Identity.CreateAccessToken(ctx, s.sign("2"))
	require.NoError(t, err)
	s.token, s.key, s.verifier = access.ID, hidden+"&"+access.Secret, ""
	signed := s.sign("3")
	s.token, s.key = "", hidden+"&"
	waiting, err := a.Identity.CreateRequestToken(ctx, s.sign("4"), a.here.ID)
	require.NoError(t, err)
	who := *of.who
	who.Roles = implied[role]
	token := a.login(t, identity.LoginRequest{OAuth1: &signed})
	return &persona{name: name, token: token, who: &who, by: byAccessToken, from: access.ID, asked: waiting.ID}
}

// signed is a program that signs what it asks with an EC2 credential.
func (a agent) signed(t *testing.T, name string, of *persona) *persona {
	made, err := a.Identity.CreateEC2Credential(t.Context(), of.who.UserID, a.here.ID, nil)
	require.NoError(t, err)
	var pair struct{ Access, Secret string }
	require.NoError(t, json.Unmarshal([]byte(made.Blob), &pair))
	text := []byte("GET\n\n\n\n/bucket/key")
	token, _, err := a.Identity.LoginS3(t.Context(), identity.S3Request{
		Access: pair.Access, StringToSign: text, Signature: hmacOf(pair.Secret, text),
	})
	require.NoError(t, err)
	return &persona{name: name, token: token, who: of.who, by: bySignature, from: made.ID}
}

func (a agent) role(t *testing.T, name string) string {
	found, err := a.Identity.FindRole(t.Context(), name)
	require.NoError(t, err)
	return found.ID
}

func (a agent) login(t *testing.T, req identity.LoginRequest) string {
	token, _, err := a.Identity.Login(t.Context(), req)
	require.NoError(t, err)
	return token
}

// signer signs requests as OAuth 1.0a says.
type signer struct {
	consumer, token, verifier string
	key                       string // the secrets of consumer and token
	at                        int64
}

// sign returns a signed request; nonce is another each time.
func (s signer) sign(nonce string) identity.OAuth1Request {
	const address = "https://cloud.test/identity/v3/auth/tokens"
	pairs := []string{"oauth_consumer_key=" + s.consumer, "oauth_nonce=" + nonce, "oauth_signature_method=HMAC-SHA1", "oauth_timestamp=" + strconv.FormatInt(s.at, 10)}
	if s.token != "" {
		pairs = append(pairs, "oauth_token="+s.token)
	}
	if s.verifier != "" {
		pairs = append(pairs, "oauth_verifier="+s.verifier)
	}
	base := "POST&" + url.QueryEscape(address) + "&" + url.QueryEscape(strings.Join(pairs, "&"))
	header := strings.ReplaceAll(strings.Join(pairs, `",`), "=", `="`)
	return identity.OAuth1Request{
		Verb: http.MethodPost, URL: address,
		Authorization: "OAuth " + header + `",oauth_signature="` + url.QueryEscape(hmacOf(s.key, []byte(base))) + `"`,
	}
}

// hmacOf is a signature with SHA-1, in base 64.
func hmacOf(key string, text []byte) string {
	m := hmac.New(sha1.New, []byte(key))
	m.Write(text)
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}
