package saml

import (
	"context"
	"errors"

	"github.com/beevik/etree"

	"github.com/welkin-cloud/cloud/identity/driver"
)

// What messages of enhanced clients are made of.
const (
	nsEnvelope  = "http://schemas.xmlsoap.org/soap/envelope/"
	nsPAOS      = "urn:liberty:paos:2003-08"
	nsECP       = "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp"
	bindingPAOS = "urn:oasis:names:tc:SAML:2.0:bindings:PAOS"
	next        = "http://schemas.xmlsoap.org/soap/actor/next"
)

// Ask returns a request in an envelope, which clients take to a provider that they know.
func (p *Provider) Ask(ctx context.Context, flow driver.Flow, relay string) ([]byte, error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return nil, err
	}
	if m.wantsSigned {
		return nil, denied(errors.New("the provider wants signed requests, which are those of browsers only"))
	}
	doc := etree.NewDocument()
	envelope := doc.CreateElement("S:Envelope")
	envelope.CreateAttr("xmlns:S", nsEnvelope)
	header := envelope.CreateElement("S:Header")
	request := block(header, "paos:Request", "xmlns:paos", nsPAOS)
	request.CreateAttr("responseConsumerURL", flow.Redirect)
	request.CreateAttr("service", nsECP)
	issuer := block(header, "ecp:Request", "xmlns:ecp", nsECP).CreateElement("saml:Issuer")
	issuer.CreateAttr("xmlns:saml", nsAssertion)
	issuer.SetText(p.cfg.EntityID)
	block(header, "ecp:RelayState", "xmlns:ecp", nsECP).SetText(relay)
	envelope.CreateElement("S:Body").AddChild(p.request("", bindingPAOS, flow))
	return doc.WriteToBytes()
}

// block adds a part of the header that the client must understand.
func block(header *etree.Element, name, prefix, space string) *etree.Element {
	el := header.CreateElement(name)
	el.CreateAttr(prefix, space)
	el.CreateAttr("S:mustUnderstand", "1")
	el.CreateAttr("S:actor", next)
	return el
}

// Relayed returns the relay state of an answer.
func (p *Provider) Relayed(answer []byte) (string, error) {
	envelope, err := parseEnvelope(answer)
	if err != nil {
		return "", denied(err)
	}
	if header := only(envelope, nsEnvelope, "Header"); header != nil {
		if state := only(header, nsECP, "RelayState"); state != nil {
			return text(state), nil
		}
	}
	return "", denied(errors.New("the answer has no relay state"))
}

// Answer reads the assertion in an envelope.
func (p *Provider) Answer(ctx context.Context, flow driver.Flow, answer []byte) (driver.Assertion, error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return nil, err
	}
	envelope, err := parseEnvelope(answer)
	if err != nil {
		return nil, denied(err)
	}
	response := only(only(envelope, nsEnvelope, "Body"), nsProtocol, "Response")
	if response == nil {
		return nil, denied(errors.New("the answer holds no response"))
	}
	return p.read(m, flow, response)
}

// parseEnvelope reads an envelope with one body.
func parseEnvelope(text []byte) (*etree.Element, error) {
	if len(text) > maxResponse {
		return nil, errors.New("the answer is too large")
	}
	envelope, err := parse(text, false)
	if err != nil {
		return nil, err
	}
	if !is(envelope, nsEnvelope, "Envelope") || only(envelope, nsEnvelope, "Body") == nil {
		return nil, errors.New("the answer is no envelope")
	}
	return envelope, nil
}
