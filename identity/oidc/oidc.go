// Package oidc lets users of an OpenID Connect provider log in: with a token that a
// client has got from the provider, or with a browser, which is sent there (the
// authorization code flow, with state, nonce and PKCE).
//
// A token is an ID token or an access token. One that is a JWT must be signed with a key
// of the provider; another one is shown to the provider (RFC 7662). Either must be meant
// for, or issued to, one of Config.Audiences, and be of the issuer, and not expired, and
// not be worth something only with a key (DPoP) or for getting new tokens.
//
// Each claim "x" becomes the attribute "OIDC-x", and "HTTP_OIDC_X" as well, as mappings
// written for Keystone behind Apache have it. Values of a list are values of the
// attribute; what is an object is left out. The claim "sub" is also the
// driver.RemoteUser.
package oidc

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/clock"
)

// Config of New. Issuer and ClientID are required.
type Config struct {
	// Issuer is the provider's address, exactly as it calls itself: with https, unless it
	// is on this machine.
	Issuer       string
	ClientID     string
	ClientSecret string // empty for a public client
	// Scopes are those that are asked for with a browser; default "openid", "profile"
	// and "email".
	Scopes []string
	// Audiences are those that tokens may be meant for or issued to; default ClientID.
	Audiences []string
	// UserInfo asks the provider for claims that a token lacks. Only access tokens and
	// log-ins with a browser are taken then: ID tokens give no access to them.
	UserInfo bool
	// Prefix of attributes; default "OIDC-".
	Prefix string
	// Timeout of each request to the provider; default 10 s.
	Timeout time.Duration
	// Transport of the requests; default http.DefaultTransport's settings.
	Transport http.RoundTripper
	// MaxCalls is how many requests to the provider may be under way; default 64. Log-ins
	// that need no answer of the provider are in nobody's way.
	MaxCalls int
	Clock    clock.Clock // default: the machine's
}

// Provider is a driver.Browser. It asks the provider for its addresses and keys when it
// first needs them, so that it may be down when a cloud starts, and again every ten
// minutes. It asks no address that a token names.
type Provider struct {
	cfg      Config
	client   *http.Client
	metadata *metadata
}

// New returns a driver for a provider, which it does not ask anything yet.
func New(cfg Config) (*Provider, error) {
	issuer, err := url.Parse(cfg.Issuer)
	if err != nil || issuer.Host == "" || issuer.Scheme != "https" && !isLocal(issuer) {
		return nil, driver.Errorf(driver.Invalid, "oidc: Issuer must be an address of the form https://…, or http://… on this machine.")
	}
	if cfg.ClientID == "" {
		return nil, driver.Errorf(driver.Invalid, "oidc: ClientID is missing.")
	}
	if len(cfg.Scopes) == 0 {
		cfg.Scopes = []string{oidc.ScopeOpenID, "profile", "email"}
	}
	if len(cfg.Audiences) == 0 {
		cfg.Audiences = []string{cfg.ClientID}
	}
	cfg.Prefix = cmp.Or(cfg.Prefix, "OIDC-")
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	cfg.MaxCalls = cmp.Or(max(cfg.MaxCalls, 0), 64)
	if cfg.Clock == nil {
		cfg.Clock = clock.System{}
	}
	transport := cfg.Transport
	if transport == nil {
		transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
			MaxConnsPerHost: cfg.MaxCalls, IdleConnTimeout: time.Minute,
		}
	}
	p := &Provider{cfg: cfg}
	p.client = &http.Client{
		Timeout: cfg.Timeout, Transport: &bounded{transport, make(chan struct{}, cfg.MaxCalls)},
		// A provider's endpoints answer themselves. Secrets are sent nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	p.metadata = newMetadata(p)
	return p, nil
}

// isLocal reports whether an address without TLS is one that nobody else can answer at.
func isLocal(u *url.URL) bool {
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.IsLoopback())
}

// Close closes idle connections.
func (p *Provider) Close() error {
	p.client.CloseIdleConnections()
	return nil
}

// Assert tells what the provider says of the holder of an ID token or an access token.
func (p *Provider) Assert(ctx context.Context, token string) (driver.Assertion, error) {
	ctx, done := p.begin(ctx)
	defer done()
	m, err := p.metadata.get(ctx)
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	if isJWT(token) {
		claims, err = p.verify(ctx, m, token)
	} else {
		claims, err = p.introspect(ctx, m, token)
	}
	if err != nil {
		return nil, err
	}
	if !p.meant(claims) {
		return nil, denied(errors.New("the token is neither meant for this cloud nor issued to it"))
	}
	if p.cfg.UserInfo {
		if err := p.addUserInfo(ctx, m, claims, token); err != nil {
			return nil, err
		}
	}
	return p.assertion(claims), nil
}

// begin bounds how long a log-in waits for the provider.
func (p *Provider) begin(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(oidc.ClientContext(ctx, p.client), 2*p.cfg.Timeout)
}

// meant reports whether a token is meant for, or was issued to, who is trusted: one that
// another service has got from the same provider must not open this cloud.
func (p *Provider) meant(claims map[string]any) bool {
	for _, name := range []string{"aud", "azp", "client_id"} {
		if slices.ContainsFunc(texts(claims[name]), func(v string) bool { return slices.Contains(p.cfg.Audiences, v) }) {
			return true
		}
	}
	return false
}

// oauth is the client of the authorization code flow.
func (p *Provider) oauth(m *discovered, redirect string) *oauth2.Config {
	endpoint := m.provider.Endpoint()
	endpoint.AuthStyle = m.style
	return &oauth2.Config{
		ClientID: p.cfg.ClientID, ClientSecret: p.cfg.ClientSecret,
		Endpoint: endpoint, RedirectURL: redirect, Scopes: p.cfg.Scopes,
	}
}

// Begin returns the address of the provider's log-in page.
func (p *Provider) Begin(ctx context.Context, flow driver.Flow) (string, error) {
	ctx, done := p.begin(ctx)
	defer done()
	m, err := p.metadata.get(ctx)
	if err != nil {
		return "", err
	}
	return p.oauth(m, flow.Redirect).AuthCodeURL(flow.State, oidc.Nonce(flow.Nonce), oauth2.S256ChallengeOption(flow.Verifier)), nil
}

// Finish exchanges the code that a browser has brought back for tokens.
func (p *Provider) Finish(ctx context.Context, flow driver.Flow, query url.Values) (driver.Assertion, error) {
	if query.Get("error") != "" || query.Get("code") == "" {
		return nil, denied(errors.New("the provider did not let the user in: " + clip(query.Get("error"))))
	}
	if iss := query.Get("iss"); iss != "" && iss != p.cfg.Issuer { // RFC 9207
		return nil, denied(errors.New("the answer is of another provider"))
	}
	ctx, done := p.begin(ctx)
	defer done()
	m, err := p.metadata.get(ctx)
	if err != nil {
		return nil, err
	}
	tokens, err := p.oauth(m, flow.Redirect).Exchange(ctx, query.Get("code"), oauth2.VerifierOption(flow.Verifier))
	if err != nil {
		return nil, refusedOr(err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	claims, err := p.verify(ctx, m, raw)
	switch {
	case err != nil:
		return nil, err
	case !slices.Contains(texts(claims["aud"]), p.cfg.ClientID):
		return nil, denied(errors.New("the ID token is meant for another client"))
	case !same(texts(claims["nonce"]), flow.Nonce):
		return nil, denied(errors.New("the ID token is of another log-in"))
	}
	if p.cfg.UserInfo {
		if err := p.addUserInfo(ctx, m, claims, tokens.AccessToken); err != nil {
			return nil, err
		}
	}
	return p.assertion(claims), nil
}
