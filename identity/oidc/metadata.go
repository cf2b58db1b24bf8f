package oidc

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/welkin-cloud/cloud/identity/driver"
)

const (
	// refreshAfter is how old what a provider says of itself, and its keys, may become: it
	// may withdraw a key, or sign in another way, at any time.
	refreshAfter = 10 * time.Minute
	// retryAfter is for how long a provider that could not be asked is not asked again, so
	// that log-ins meanwhile fail at once.
	retryAfter = 2 * time.Second
	// retryOldAfter is the same if log-ins can go on with what is known.
	retryOldAfter = time.Minute
)

// algorithms are those that a provider may sign with. None of them has a secret that
// clients know too.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
}

// discovered is what a provider says of itself.
type discovered struct {
	provider   *oidc.Provider
	keys       *keySet
	verifier   *oidc.IDTokenVerifier
	introspect string // where tokens are looked at; empty: nowhere
	style      oauth2.AuthStyle
	at         time.Time
}

// failure is an attempt to ask the provider that failed.
type failure struct {
	at  time.Time
	err error
}

// metadata asks the provider for what it says of itself: when that is first needed, and
// again when it has become old or could not be had.
type metadata struct {
	p     *Provider
	known atomic.Pointer[discovered]
	turn  chan struct{} // held by who asks
	last  failure       // guarded by turn
}

func newMetadata(p *Provider) *metadata {
	return &metadata{p: p, turn: make(chan struct{}, 1)}
}

// get returns what is known of the provider. What is old still serves while the
// provider cannot be asked, and while somebody asks it.
func (m *metadata) get(ctx context.Context) (*discovered, error) {
	d := m.known.Load()
	if d == nil {
		return m.first(ctx)
	}
	if m.p.cfg.Clock.Now().Sub(d.at) < refreshAfter {
		return d, nil
	}
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	default:
		return d, nil
	}
	if fresh, err := m.ask(ctx); err == nil {
		return fresh, nil
	}
	return d, nil
}

// first waits for the provider if nothing is known of it.
func (m *metadata) first(ctx context.Context) (*discovered, error) {
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return nil, unreachable(ctx.Err())
	}
	return m.ask(ctx)
}

// ask asks the provider, if nobody has just done so.
func (m *metadata) ask(ctx context.Context) (*discovered, error) {
	now, wait := m.p.cfg.Clock.Now(), retryAfter
	if d := m.known.Load(); d != nil {
		if now.Sub(d.at) < refreshAfter {
			return d, nil
		}
		wait = retryOldAfter
	}
	if m.last.err != nil && now.Sub(m.last.at) < wait {
		return nil, m.last.err
	}
	d, err := m.p.discover(ctx)
	if err != nil {
		m.last = failure{m.p.cfg.Clock.Now(), unreachable(err)}
		return nil, m.last.err
	}
	m.known.Store(d)
	return d, nil
}

// discover asks the provider what it is, and for its keys.
func (p *Provider) discover(ctx context.Context) (*discovered, error) {
	at := p.cfg.Clock.Now()
	provider, err := oidc.NewProvider(ctx, p.cfg.Issuer)
	if err != nil {
		return nil, err
	}
	var said struct {
		Keys       string   `json:"jwks_uri"`
		Introspect string   `json:"introspection_endpoint"`
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
		Methods    []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := provider.Claims(&said); err != nil {
		return nil, err
	}
	if said.Keys == "" {
		return nil, errors.New("the provider names no keys")
	}
	ends := provider.Endpoint()
	if err := p.checkEndpoints(said.Keys, said.Introspect, ends.AuthURL, ends.TokenURL, provider.UserInfoEndpoint()); err != nil {
		return nil, err
	}
	algs := slices.DeleteFunc(said.Algorithms, func(a string) bool { return !slices.Contains(algorithms, a) })
	if len(algs) == 0 {
		algs = []string{oidc.RS256}
	}
	keys, err := p.fetchKeys(ctx, said.Keys)
	if err != nil {
		return nil, err
	}
	set := newKeySet(p, said.Keys, keys, at)
	verifier := oidc.NewVerifier(p.cfg.Issuer, set, &oidc.Config{
		SkipClientIDCheck:    true, // meant checks it
		SupportedSigningAlgs: algs, Now: p.cfg.Clock.Now,
	})
	return &discovered{
		provider: provider, keys: set, verifier: verifier, introspect: said.Introspect, style: p.style(said.Methods), at: at,
	}, nil
}

// checkEndpoints refuses addresses that would have secrets and tokens go unencrypted, if
// the provider itself is not spoken with so.
func (p *Provider) checkEndpoints(addresses ...string) error {
	for _, address := range addresses {
		if address != "" && strings.HasPrefix(p.cfg.Issuer, "https:") && !strings.HasPrefix(address, "https:") {
			return errors.New("the provider names an endpoint without TLS: " + clip(address))
		}
	}
	return nil
}

// style is how the provider takes the client's secret. It is not tried out: a code that
// was sent once may be void.
func (p *Provider) style(methods []string) oauth2.AuthStyle {
	basic := len(methods) == 0 || slices.Contains(methods, "client_secret_basic") || !slices.Contains(methods, "client_secret_post")
	if basic && p.cfg.ClientSecret != "" {
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams
}

// unreachable is the error of a provider that cannot be asked.
func unreachable(cause error) error {
	return driver.Because(driver.Errorf(driver.Unavailable, "The identity provider cannot be reached."), cause)
}

// denied is the error of a credential that is not good.
func denied(cause error) error {
	return driver.Because(driver.Errorf(driver.Unauthenticated, "The identity provider's token is not valid."), cause)
}
