package saml

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"

	"github.com/welkin-cloud/cloud/identity/driver"
)

const (
	maxMetadata     = 4 << 20
	maxCertificates = 8
	// refreshAfter is how long metadata that were fetched count as new.
	refreshAfter = time.Hour
	// retryAfter is for how long metadata that could not be fetched are not tried again.
	retryAfter = 2 * time.Second
)

// metadata is what a provider says of itself.
type metadata struct {
	entityID     string
	login        string // where browsers are sent
	wantsSigned  bool   // requests
	certificates []*x509.Certificate
	validUntil   time.Time // zero: for ever
}

// source keeps the metadata, and fetches them when they are old.
type source struct {
	p     *Provider
	turn  chan struct{} // held by who looks or fetches
	known *metadata     // guarded by turn, as is the rest
	read  time.Time     // when known was
	tried time.Time     // when it was last tried
	err   error         // of the last try
}

// init reads the metadata that need not be fetched.
func (s *source) init(p *Provider) error {
	s.p, s.turn = p, make(chan struct{}, 1)
	if p.cfg.MetadataURL != "" {
		if u, err := url.Parse(p.cfg.MetadataURL); err != nil || u.Scheme != "https" || u.Host == "" {
			return driver.Errorf(driver.Invalid, "saml: MetadataURL must be of the form https://…")
		}
		return nil
	}
	var err error
	if s.known, err = p.readMetadata(p.cfg.Metadata); err != nil {
		return driver.Because(driver.Errorf(driver.Invalid, "saml: the provider's metadata: %s", err), err)
	}
	return nil
}

// get returns the metadata. Ones that were fetched serve on while they cannot be fetched
// again, unless they have expired.
func (s *source) get(ctx context.Context) (*metadata, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, unreachable(ctx.Err())
	}
	now := s.p.cfg.Clock.Now()
	old := s.known == nil || now.Sub(s.read) >= refreshAfter || s.known.expired(now)
	if s.p.cfg.MetadataURL != "" && old && (s.tried.IsZero() || now.Sub(s.tried) >= retryAfter) {
		var m *metadata
		s.tried = now
		if m, s.err = s.p.fetchMetadata(ctx); s.err == nil {
			s.known, s.read = m, now
		}
	}
	switch {
	case s.known == nil:
		return nil, unreachable(s.err)
	case s.known.expired(now):
		return nil, unreachable(errors.New("the provider's metadata have expired"))
	}
	return s.known, nil
}

func (m *metadata) expired(now time.Time) bool {
	return !m.validUntil.IsZero() && !now.Before(m.validUntil)
}

// fetchMetadata asks for the metadata, with a deadline of its own: others wait for it.
func (p *Provider) fetchMetadata(ctx context.Context) (*metadata, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.cfg.MetadataURL, nil)
	if err != nil {
		return nil, err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the metadata were answered with %s", resp.Status)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxMetadata+1))
	if err != nil {
		return nil, err
	}
	return p.readMetadata(text)
}

// readMetadata finds the provider in a metadata document.
func (p *Provider) readMetadata(document []byte) (*metadata, error) {
	if len(document) > maxMetadata {
		return nil, errors.New("the document is too large")
	}
	root, err := parse(document, true)
	if err != nil {
		return nil, err
	}
	entity, err := p.entity(root)
	if err != nil {
		return nil, err
	}
	supports := func(d *etree.Element) bool {
		return slices.Contains(strings.Fields(attr(d, "protocolSupportEnumeration")), nsProtocol)
	}
	roles := children(entity, nsMetadata, "IDPSSODescriptor")
	i := slices.IndexFunc(roles, supports)
	if i < 0 {
		return nil, errors.New("they are not those of an identity provider of SAML 2.0")
	}
	m := &metadata{entityID: attr(entity, "entityID"), wantsSigned: isTrue(attr(roles[i], "WantAuthnRequestsSigned"))}
	for _, el := range []*etree.Element{root, entity, roles[i]} {
		if err := m.until(attr(el, "validUntil")); err != nil {
			return nil, err
		}
	}
	if m.wantsSigned && p.signer == nil {
		return nil, errors.New("the provider wants signed requests: a Keypair is needed")
	}
	return m, errors.Join(m.setLogin(roles[i]), m.setCertificates(roles[i]))
}

// entity is the provider's part of a document.
func (p *Provider) entity(root *etree.Element) (*etree.Element, error) {
	entities := []*etree.Element{root}
	if is(root, nsMetadata, "EntitiesDescriptor") {
		entities = children(root, nsMetadata, "EntityDescriptor")
	}
	if p.cfg.Provider != "" {
		entities = slices.DeleteFunc(entities, func(e *etree.Element) bool { return attr(e, "entityID") != p.cfg.Provider })
	}
	if len(entities) != 1 || !is(entities[0], nsMetadata, "EntityDescriptor") || attr(entities[0], "entityID") == "" {
		return nil, fmt.Errorf("of %d entities one must be the provider: name it with Provider", len(entities))
	}
	return entities[0], nil
}

// until makes the metadata hold no longer than a time.
func (m *metadata) until(limit string) error {
	if limit == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, limit)
	if err == nil && (m.validUntil.IsZero() || t.Before(m.validUntil)) {
		m.validUntil = t
	}
	return err
}

// setLogin finds where browsers are sent.
func (m *metadata) setLogin(role *etree.Element) error {
	for _, service := range children(role, nsMetadata, "SingleSignOnService") {
		if attr(service, "Binding") != bindingRedirect {
			continue
		}
		u, err := url.Parse(attr(service, "Location"))
		if err != nil || u.Host == "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
			return errors.New("the provider's address for log-ins is none")
		}
		m.login = u.String()
		return nil
	}
	return errors.New("the provider has no address for log-ins with the binding HTTP-Redirect")
}

// setCertificates finds what the provider signs with.
func (m *metadata) setCertificates(role *etree.Element) error {
	for _, key := range children(role, nsMetadata, "KeyDescriptor") {
		if use := attr(key, "use"); use != "" && use != "signing" {
			continue
		}
		for _, info := range children(key, nsSignature, "KeyInfo") {
			for _, data := range children(info, nsSignature, "X509Data") {
				for _, c := range children(data, nsSignature, "X509Certificate") {
					if err := m.addCertificate(text(c)); err != nil {
						return err
					}
				}
			}
		}
	}
	if len(m.certificates) == 0 || len(m.certificates) > maxCertificates {
		return fmt.Errorf("the provider must have 1 to %d certificates of RSA with at least 2048 bits", maxCertificates)
	}
	return nil
}

func (m *metadata) addCertificate(encoded string) error {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(encoded), ""))
	if err != nil {
		return err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() >= 2048 {
		m.certificates = append(m.certificates, c)
	}
	return nil
}

func isTrue(v string) bool { return v == "true" || v == "1" }
