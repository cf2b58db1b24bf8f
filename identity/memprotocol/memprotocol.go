// Package memprotocol is an identity provider in memory, for tests of what builds on
// federation: it knows the credentials that it is told.
package memprotocol

import (
	"context"
	"net/url"
	"sync"

	"github.com/welkin-cloud/cloud/identity/driver"
)

// Provider is a driver.Browser. The zero value knows nobody.
type Provider struct {
	mu     sync.Mutex
	known  map[string]driver.Assertion
	down   bool
	closed bool
}

// Know makes a credential one of somebody whom the provider asserts this about; nil
// makes it void.
func (p *Provider) Know(credential string, a driver.Assertion) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[string]driver.Assertion{}
	}
	p.known[credential] = a
}

// Down makes the provider one that cannot be asked, or ends that.
func (p *Provider) Down(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// Closed reports whether the provider was closed.
func (p *Provider) Closed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// Assert tells what is known of a credential.
func (p *Provider) Assert(_ context.Context, credential string) (driver.Assertion, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch a := p.known[credential]; {
	case p.down || p.closed:
		return nil, driver.Errorf(driver.Unavailable, "The identity provider cannot be reached.")
	case a == nil:
		return nil, driver.Errorf(driver.Unauthenticated, "The identity provider does not know the credential.")
	default:
		return a, nil
	}
}

// Begin sends browsers to a page that there is not. They come back with a credential as
// their code.
func (p *Provider) Begin(_ context.Context, flow driver.Flow) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down || p.closed {
		return "", driver.Errorf(driver.Unavailable, "The identity provider cannot be reached.")
	}
	q := url.Values{"state": {flow.State}, "nonce": {flow.Nonce}, "redirect_uri": {flow.Redirect}}
	return "https://provider.invalid/authorize?" + q.Encode(), nil
}

// Finish tells what is known of the credential that is the code.
func (p *Provider) Finish(ctx context.Context, _ driver.Flow, query url.Values) (driver.Assertion, error) {
	return p.Assert(ctx, query.Get("code"))
}

// Close makes the provider one that cannot be asked.
func (p *Provider) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}
