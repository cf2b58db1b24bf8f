// Package saml lets users of a SAML 2.0 identity provider log in with a browser: it is
// sent there with a request (HTTP-Redirect binding), and comes back with a form that
// holds an assertion (HTTP-POST binding). Clients that carry the messages themselves
// (ECP: the unmodified client's v3samlpassword) log in as well.
//
// # What is read
//
// Nothing is read of an assertion but what its signature covers: the assertion is found,
// its signature is checked, and the octets that were signed are parsed anew. They alone
// say who somebody is. The assertion itself must be signed, with RSA and SHA-2, by a
// certificate of the provider's metadata, and in the one form that SAML allows. It must
// answer the request of the very log-in that it ends, at this address, for this cloud,
// now. Encrypted assertions, log-ins that the provider begins, and log-outs are not
// there.
//
// # Attributes
//
// An attribute has the name that the provider gives it and its friendly name, and both
// with Config.Prefix, as mappings written for Keystone behind mod_auth_mellon have them. Several values are several. The subject's name is "MELLON_NAME_ID" and
// driver.RemoteUser, the provider's entity id "MELLON_IDP" and "Shib-Identity-Provider".
package saml

import (
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/beevik/etree"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/clock"
)

// Config of New. EntityID is required, and one of Metadata and MetadataURL.
type Config struct {
	// EntityID is this cloud's name among providers: assertions must be meant for it. By
	// custom it is an address, such as "https://cloud.example/identity/saml".
	EntityID string
	// Metadata is the document by which the provider describes itself. Whoever writes it
	// decides who logs in.
	Metadata []byte
	// MetadataURL is where it is fetched, instead, with https, when it is first needed
	// and then every hour.
	MetadataURL string
	// Provider is the entity id of the provider, if the metadata are of several.
	Provider string
	// Keypair signs requests, for providers that want it: RSA. The zero value signs none.
	Keypair tls.Certificate
	// NameIDFormat is asked for, such as
	// "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"; default: as the provider
	// likes.
	NameIDFormat string
	// Prefix of attributes; default "MELLON_".
	Prefix string
	// Skew is how far the provider's clock may be off; default one minute.
	Skew time.Duration
	// Timeout of a request for metadata; default 10 s.
	Timeout time.Duration
	// Transport of these requests; default http.DefaultTransport's settings.
	Transport http.RoundTripper
	Clock     clock.Clock // default: the machine's
}

// Provider is a driver.Publisher and a driver.Messenger. The provider itself is never spoken with, but for its
// metadata: browsers carry everything else.
type Provider struct {
	cfg      Config
	signer   *rsa.PrivateKey // nil: requests are not signed
	client   *http.Client
	metadata source
}

// New returns a driver for a provider. It reads Config.Metadata, but fetches nothing yet.
func New(cfg Config) (*Provider, error) {
	if cfg.EntityID == "" || (len(cfg.Metadata) == 0) == (cfg.MetadataURL == "") {
		return nil, driver.Errorf(driver.Invalid, "saml: EntityID is required, and either Metadata or MetadataURL.")
	}
	cfg.Prefix = cmp.Or(cfg.Prefix, "MELLON_")
	cfg.Skew = cmp.Or(cfg.Skew, time.Minute)
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	if cfg.Clock == nil {
		cfg.Clock = clock.System{}
	}
	p := &Provider{cfg: cfg}
	if len(cfg.Keypair.Certificate) > 0 {
		key, ok := cfg.Keypair.PrivateKey.(*rsa.PrivateKey)
		if !ok {
			return nil, driver.Errorf(driver.Invalid, "saml: Keypair must be of RSA.")
		}
		p.signer = key
	}
	transport := cfg.Transport
	if transport == nil {
		transport = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute}
	}
	p.client = &http.Client{
		Timeout: cfg.Timeout, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return p, p.metadata.init(p)
}

// Close closes idle connections.
func (p *Provider) Close() error {
	p.client.CloseIdleConnections()
	return nil
}

// Assert refuses every credential: an assertion is good only for the log-in that asked
// for it.
func (p *Provider) Assert(context.Context, string) (driver.Assertion, error) {
	return nil, denied(errors.New("a SAML assertion must answer a request"))
}

// Begin returns the address of the provider's log-in page, with a request to it.
func (p *Provider) Begin(ctx context.Context, flow driver.Flow) (string, error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return "", err
	}
	return p.redirect(m, flow)
}

// Finish reads the assertion that a browser has brought back in a form.
func (p *Provider) Finish(ctx context.Context, flow driver.Flow, form url.Values) (driver.Assertion, error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return nil, err
	}
	response, err := decode(form.Get("SAMLResponse"))
	if err != nil {
		return nil, denied(err)
	}
	return p.read(m, flow, response)
}

// read checks a response, and tells what its assertion says.
func (p *Provider) read(m *metadata, flow driver.Flow, response *etree.Element) (driver.Assertion, error) {
	signed, err := p.open(m, flow, response)
	if err != nil {
		return nil, denied(err)
	}
	if err := p.check(m, flow, signed); err != nil {
		return nil, denied(err)
	}
	return p.assertion(m, signed), nil
}

// requestID names the request of a flow. What answers it must repeat it under the
// provider's signature, and only the browser that began has the flow.
func requestID(flow driver.Flow) string { return "_" + flow.Nonce }

// denied is the error of an assertion that is not good.
func denied(cause error) error {
	return driver.Because(driver.Errorf(driver.Unauthenticated, "The identity provider's assertion is not valid."), cause)
}

// unreachable is the error of metadata that cannot be had.
func unreachable(cause error) error {
	return driver.Because(driver.Errorf(driver.Unavailable, "The identity provider's metadata cannot be had."), cause)
}
