package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/welkin-cloud/cloud/identity/driver"
)

// retryAfter is for how long a provider that could not be asked is not asked again, so
// that log-ins meanwhile fail at once.
const retryAfter = 2 * time.Second

// algorithms are those that a provider may sign with. None of them has a secret that
// clients know too.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
}

// discovered is what a provider says of itself.
type discovered struct {
	provider   *oidc.Provider
	verifier   *oidc.IDTokenVerifier
	introspect string // where tokens are looked at; empty: nowhere
}

// failure is an attempt to ask the provider that failed.
type failure struct {
	at  time.Time
	err error
}

// metadata asks the provider once for what it says of itself, and again after a failure.
type metadata struct {
	p     *Provider
	known atomic.Pointer[discovered]
	turn  chan struct{} // held by who asks
	last  failure       // guarded by turn
}

func newMetadata(p *Provider) *metadata {
	return &metadata{p: p, turn: make(chan struct{}, 1)}
}

func (m *metadata) get(ctx context.Context) (*discovered, error) {
	if d := m.known.Load(); d != nil {
		return d, nil
	}
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return nil, unreachable(ctx.Err())
	}
	if d := m.known.Load(); d != nil {
		return d, nil
	}
	now := m.p.cfg.Clock.Now()
	if m.last.err != nil && now.Sub(m.last.at) < retryAfter {
		return nil, m.last.err
	}
	d, err := m.p.discover(ctx)
	if err != nil {
		m.last = failure{now, unreachable(err)}
		return nil, m.last.err
	}
	m.known.Store(d)
	return d, nil
}

// discover asks the provider.
func (p *Provider) discover(ctx context.Context) (*discovered, error) {
	provider, err := oidc.NewProvider(ctx, p.cfg.Issuer)
	if err != nil {
		return nil, err
	}
	var said struct {
		Keys       string   `json:"jwks_uri"`
		Introspect string   `json:"introspection_endpoint"`
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := provider.Claims(&said); err != nil {
		return nil, err
	}
	if said.Keys == "" {
		return nil, errors.New("the provider names no keys")
	}
	algs := slices.DeleteFunc(said.Algorithms, func(a string) bool { return !slices.Contains(algorithms, a) })
	if len(algs) == 0 {
		algs = []string{oidc.RS256}
	}
	verifier := oidc.NewVerifier(p.cfg.Issuer, newKeySet(p, said.Keys), &oidc.Config{
		SkipClientIDCheck:    true, // meant checks it
		SupportedSigningAlgs: algs, Now: p.cfg.Clock.Now,
	})
	return &discovered{provider: provider, verifier: verifier, introspect: said.Introspect}, nil
}

// unreachable is the error of a provider that cannot be asked.
func unreachable(cause error) error {
	return driver.Because(driver.Errorf(driver.Unavailable, "The identity provider cannot be reached."), cause)
}

// denied is the error of a credential that is not good.
func denied(cause error) error {
	return driver.Because(driver.Errorf(driver.Unauthenticated, "The identity provider's token is not valid."), cause)
}

// maxAnswer bounds what is read of an answer of a provider.
const maxAnswer = 1 << 20

// bounded is a transport whose answers are bounded.
type bounded struct{ http.RoundTripper }

// RoundTrip sends a request; what is too much of its answer is an error.
func (b *bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxAnswer}
	return resp, nil
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

// Read reads what is left.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("an answer of the identity provider is larger than %d bytes", maxAnswer)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
