// Package memprotocol is an identity provider in memory, for tests of what builds on
// federation: it knows the credentials that it is told.
package memprotocol

import (
	"context"
	"fmt"
	"net/url"
	"sync"

	"github.com/welkin-cloud/cloud/identity/driver"
)

// Provider is a driver.Browser. The zero value knows nobody.
type Provider struct {
	mu     sync.Mutex
	known  map[string]driver.Assertion
	codes  map[string]code // of LogIn; those that were used are empty
	down   bool
	closed bool
}

// code is what LogIn has given.
type code struct{ credential, nonce string }

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

// LogIn is what a browser does with the address of Begin: it logs in the holder of a
// credential, and returns what the browser brings back. Its code is good for the log-in
// that was begun there, once.
func (p *Provider) LogIn(address, credential string) (url.Values, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.codes == nil {
		p.codes = map[string]code{}
	}
	q, name := u.Query(), fmt.Sprintf("code-%d-", len(p.codes)+1)
	p.codes[name] = code{credential, q.Get("nonce")}
	return url.Values{"state": {q.Get("state")}, "code": {name}}, nil
}

// Finish tells what is known of the credential that is the code, or that LogIn has given
// the code for.
func (p *Provider) Finish(ctx context.Context, flow driver.Flow, query url.Values) (driver.Assertion, error) {
	credential := query.Get("code")
	p.mu.Lock()
	c, issued := p.codes[credential]
	if issued {
		credential, p.codes[credential] = c.credential, code{}
	}
	p.mu.Unlock()
	if issued && c.nonce != flow.Nonce {
		return nil, driver.Errorf(driver.Unauthenticated, "The identity provider has ended another log-in.")
	}
	return p.Assert(ctx, credential)
}

// Close makes the provider one that cannot be asked.
func (p *Provider) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}
