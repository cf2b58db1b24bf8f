package saml

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/welkin-cloud/cloud/identity/driver"
)

// The bindings of SAML that are spoken.
const (
	bindingRedirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
	bindingPost     = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
)

// request is what asks the provider to log somebody in, at an address if that is known.
func (p *Provider) request(destination, binding string, flow driver.Flow) *etree.Element {
	r := etree.NewElement("samlp:AuthnRequest")
	r.CreateAttr("xmlns:samlp", nsProtocol)
	r.CreateAttr("xmlns:saml", nsAssertion)
	r.CreateAttr("ID", requestID(flow))
	r.CreateAttr("Version", "2.0")
	r.CreateAttr("IssueInstant", p.cfg.Clock.Now().UTC().Format(time.RFC3339))
	if destination != "" {
		r.CreateAttr("Destination", destination)
	}
	r.CreateAttr("AssertionConsumerServiceURL", flow.Redirect)
	r.CreateAttr("ProtocolBinding", binding)
	r.CreateElement("saml:Issuer").SetText(p.cfg.EntityID)
	policy := r.CreateElement("samlp:NameIDPolicy")
	policy.CreateAttr("AllowCreate", "true")
	if p.cfg.NameIDFormat != "" {
		policy.CreateAttr("Format", p.cfg.NameIDFormat)
	}
	return r
}

// redirect is the address that carries a request to the provider.
func (p *Provider) redirect(m *metadata, flow driver.Flow) (string, error) {
	doc := etree.NewDocument()
	doc.SetRoot(p.request(m.login, bindingPost, flow))
	request, err := doc.WriteToBytes()
	if err != nil {
		return "", err
	}
	var small bytes.Buffer
	w, err := flate.NewWriter(&small, flate.BestCompression)
	if err != nil {
		return "", err
	}
	w.Write(request) // to memory
	w.Close()
	query := "SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString(small.Bytes())) +
		"&RelayState=" + url.QueryEscape(flow.State)
	if p.signer != nil {
		if query, err = p.sign(query); err != nil {
			return "", err
		}
	}
	join := "?"
	if strings.Contains(m.login, "?") {
		join = "&"
	}
	return m.login + join + query, nil
}

// sign adds a signature to a query, whose parameters must stay in their order.
func (p *Provider) sign(query string) (string, error) {
	query += "&SigAlg=" + url.QueryEscape(dsig.RSASHA256SignatureMethod)
	sum := sha256.Sum256([]byte(query))
	signature, err := rsa.SignPKCS1v15(rand.Reader, p.signer, crypto.SHA256, sum[:])
	return query + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(signature)), err
}

// Publish returns the metadata of this cloud, which the provider wants before it lets
// anybody log in here.
func (p *Provider) Publish(redirect, messages string) (document []byte, mediaType string) {
	doc := etree.NewDocument()
	entity := doc.CreateElement("md:EntityDescriptor")
	entity.CreateAttr("xmlns:md", nsMetadata)
	entity.CreateAttr("entityID", p.cfg.EntityID)
	service := entity.CreateElement("md:SPSSODescriptor")
	service.CreateAttr("protocolSupportEnumeration", nsProtocol)
	service.CreateAttr("AuthnRequestsSigned", strconv.FormatBool(p.signer != nil))
	service.CreateAttr("WantAssertionsSigned", "true")
	if p.signer != nil {
		key := service.CreateElement("md:KeyDescriptor")
		key.CreateAttr("use", "signing")
		info := key.CreateElement("ds:KeyInfo")
		info.CreateAttr("xmlns:ds", nsSignature)
		info.CreateElement("ds:X509Data").CreateElement("ds:X509Certificate").
			SetText(base64.StdEncoding.EncodeToString(p.cfg.Keypair.Certificate[0]))
	}
	if p.cfg.NameIDFormat != "" {
		service.CreateElement("md:NameIDFormat").SetText(p.cfg.NameIDFormat)
	}
	for i, way := range [][2]string{{bindingPost, redirect}, {bindingPAOS, messages}} {
		consumer := service.CreateElement("md:AssertionConsumerService")
		consumer.CreateAttr("Binding", way[0])
		consumer.CreateAttr("Location", way[1])
		consumer.CreateAttr("index", strconv.Itoa(i))
		consumer.CreateAttr("isDefault", strconv.FormatBool(i == 0))
	}
	text, _ := doc.WriteToBytes() // to memory
	return text, "application/samlmetadata+xml"
}
