package saml

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"

	"github.com/welkin-cloud/cloud/identity/driver"
)

// maxResponse bounds a response as it is sent, in base64.
const maxResponse = 512 << 10

const (
	statusSuccess = "urn:oasis:names:tc:SAML:2.0:status:Success"
	bearer        = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
)

// decode reads a response as a form has it.
func decode(encoded string) (*etree.Element, error) {
	if encoded == "" || len(encoded) > maxResponse {
		return nil, errors.New("there is no response, or it is too large")
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(encoded), ""))
	if err != nil {
		return nil, fmt.Errorf("the response is not base64: %w", err)
	}
	return parse(raw, false)
}

// open returns the signed assertion of a response. What is around the assertion need not
// be signed: it can only be a reason for a refusal.
func (p *Provider) open(m *metadata, flow driver.Flow, response *etree.Element) (*etree.Element, error) {
	if err := p.checkResponse(m, flow, response); err != nil {
		return nil, err
	}
	assertion := only(response, nsAssertion, "Assertion")
	switch {
	case count(response, "EncryptedAssertion") > 0:
		return nil, errors.New("the assertion is encrypted: turn that off at the provider")
	case assertion == nil || count(response, "Assertion") != 1:
		return nil, errors.New("the response must hold one assertion, and no other anywhere in it")
	}
	return verify(assertion, m.certificates, p.cfg.Clock.Now())
}

func (p *Provider) checkResponse(m *metadata, flow driver.Flow, response *etree.Element) error {
	if !is(response, nsProtocol, "Response") || attr(response, "Version") != "2.0" {
		return errors.New("this is no response of SAML 2.0")
	}
	status := only(response, nsProtocol, "Status")
	if status == nil || only(status, nsProtocol, "StatusCode") == nil {
		return errors.New("the response has no status")
	}
	if code := attr(only(status, nsProtocol, "StatusCode"), "Value"); code != statusSuccess {
		return fmt.Errorf("the provider did not let the user in: %s", clip(code))
	}
	for name, want := range map[string]string{"Destination": flow.Redirect, "InResponseTo": requestID(flow)} {
		if v := attr(response, name); v != "" && v != want {
			return fmt.Errorf("the response is for another log-in: %s %q", name, clip(v))
		}
	}
	if issuer := only(response, nsAssertion, "Issuer"); issuer != nil && text(issuer) != m.entityID {
		return fmt.Errorf("the response is of another provider: %q", clip(text(issuer)))
	}
	return nil
}

// check holds a signed assertion against the log-in that it is to end.
func (p *Provider) check(m *metadata, flow driver.Flow, a *etree.Element) error {
	issuer := only(a, nsAssertion, "Issuer")
	switch {
	case attr(a, "Version") != "2.0":
		return errors.New("the assertion is not of SAML 2.0")
	case issuer == nil || text(issuer) != m.entityID:
		return errors.New("the assertion is of another provider")
	case only(a, nsAssertion, "Subject") == nil:
		return errors.New("the assertion is about nobody")
	case len(children(a, nsAssertion, "AuthnStatement")) == 0:
		return errors.New("the assertion does not say that somebody logged in")
	}
	now := p.cfg.Clock.Now()
	for _, statement := range children(a, nsAssertion, "AuthnStatement") {
		if err := p.within(now, "", attr(statement, "SessionNotOnOrAfter")); err != nil {
			return fmt.Errorf("the session at the provider: %w", err)
		}
	}
	if err := p.checkConditions(now, only(a, nsAssertion, "Conditions")); err != nil {
		return err
	}
	return p.checkConfirmation(now, flow, only(a, nsAssertion, "Subject"))
}

// checkConditions checks when and for whom an assertion holds. It must name this cloud,
// and say nothing that is not understood.
func (p *Provider) checkConditions(now time.Time, conditions *etree.Element) error {
	if conditions == nil {
		return errors.New("the assertion does not say for whom it is")
	}
	if err := p.within(now, attr(conditions, "NotBefore"), attr(conditions, "NotOnOrAfter")); err != nil {
		return fmt.Errorf("the assertion: %w", err)
	}
	for _, c := range conditions.ChildElements() {
		known := []string{"AudienceRestriction", "OneTimeUse", "ProxyRestriction"}
		if c.NamespaceURI() != nsAssertion || !slices.Contains(known, c.Tag) {
			return fmt.Errorf("a condition that is not understood: %q", clip(c.Tag))
		}
	}
	restrictions := children(conditions, nsAssertion, "AudienceRestriction")
	for _, r := range restrictions {
		forUs := func(audience *etree.Element) bool { return text(audience) == p.cfg.EntityID }
		if !slices.ContainsFunc(children(r, nsAssertion, "Audience"), forUs) {
			return errors.New("the assertion is for another service")
		}
	}
	if len(restrictions) == 0 {
		return errors.New("the assertion does not say for whom it is")
	}
	return nil
}

// checkConfirmation looks for a confirmation that the bearer of the assertion is its
// subject: one that answers this flow, at its address, and in time.
func (p *Provider) checkConfirmation(now time.Time, flow driver.Flow, subject *etree.Element) error {
	err := errors.New("the assertion is not for whoever bears it")
	for _, c := range children(subject, nsAssertion, "SubjectConfirmation") {
		data := only(c, nsAssertion, "SubjectConfirmationData")
		if attr(c, "Method") != bearer || data == nil {
			continue
		}
		switch {
		case attr(data, "Recipient") != flow.Redirect:
			err = fmt.Errorf("the assertion is for another address: %q", clip(attr(data, "Recipient")))
		case attr(data, "InResponseTo") != requestID(flow):
			err = errors.New("the assertion does not answer the request of this log-in")
		case attr(data, "NotOnOrAfter") == "":
			err = errors.New("the assertion never expires")
		default:
			if err = p.within(now, attr(data, "NotBefore"), attr(data, "NotOnOrAfter")); err == nil {
				return nil
			}
		}
	}
	return err
}

// within checks that it is time. Each bound may be missing.
func (p *Provider) within(now time.Time, from, until string) error {
	if from != "" {
		t, err := time.Parse(time.RFC3339Nano, from)
		if err != nil || now.Add(p.cfg.Skew).Before(t) {
			return fmt.Errorf("does not hold before %q", clip(from))
		}
	}
	if until != "" {
		t, err := time.Parse(time.RFC3339Nano, until)
		if err != nil || !now.Add(-p.cfg.Skew).Before(t) {
			return fmt.Errorf("has expired at %q", clip(until))
		}
	}
	return nil
}

// assertion names what a signed assertion says. What the driver knows itself comes last:
// an attribute of the same name does not replace it.
func (p *Provider) assertion(m *metadata, signed *etree.Element) driver.Assertion {
	a := driver.Assertion{}
	for _, statement := range children(signed, nsAssertion, "AttributeStatement") {
		for _, attribute := range children(statement, nsAssertion, "Attribute") {
			values := valuesOf(attribute)
			names := []string{attr(attribute, "Name"), attr(attribute, "FriendlyName")}
			for _, name := range slices.Compact(names) {
				if name != "" && len(values) > 0 {
					a[name] = append(a[name], values...)
					a[p.cfg.Prefix+name] = append(a[p.cfg.Prefix+name], values...)
				}
			}
		}
	}
	own := map[string]string{p.cfg.Prefix + "IDP": m.entityID, "Shib-Identity-Provider": m.entityID}
	id := only(only(signed, nsAssertion, "Subject"), nsAssertion, "NameID")
	if id == nil {
		id = etree.NewElement("NameID") // encrypted, or not told
	}
	own[p.cfg.Prefix+"NAME_ID"], own[driver.RemoteUser] = text(id), text(id)
	for name, value := range own {
		if delete(a, name); value != "" {
			a[name] = []string{value}
		}
	}
	return a
}

// valuesOf are the values of an attribute that are texts or name somebody.
func valuesOf(attribute *etree.Element) []string {
	var values []string
	for _, v := range children(attribute, nsAssertion, "AttributeValue") {
		if id := only(v, nsAssertion, "NameID"); id != nil {
			v = id
		}
		if t := text(v); t != "" && len(v.ChildElements()) == 0 {
			values = append(values, t)
		}
	}
	return values
}
