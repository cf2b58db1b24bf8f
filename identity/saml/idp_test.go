package saml_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/saml"
)

const (
	cloudID    = "https://cloud.example/saml"
	providerID = "https://idp.example/metadata"
	loginPage  = "https://idp.example/sso?tenant=1"
	consumer   = "https://cloud.example/identity/v3/auth/OS-FEDERATION/identity_providers/acme/protocols/saml2/callback"
	dsigNS     = "http://www.w3.org/2000/09/xmldsig#"
)

// keypair makes a key and a certificate that signs itself. It needs no test to fail, as
// it is called once for all.
func keypair(bits int, lasts time.Duration) tls.Certificate {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp"},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(lasts),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// The keys are made once: that takes a while.
var (
	idpKey   = sync.OnceValue(func() tls.Certificate { return keypair(2048, time.Hour) })
	otherKey = sync.OnceValue(func() tls.Certificate { return keypair(2048, time.Hour) })
)

// described is the metadata document of the provider.
func described(certificates ...tls.Certificate) string {
	keys := ""
	for _, c := range certificates {
		keys += `<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="` + dsigNS + `"><ds:X509Data><ds:X509Certificate>
` + base64.StdEncoding.EncodeToString(c.Certificate[0]) + `
</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`
	}
	return `<?xml version="1.0"?><!-- of a test -->
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="` + providerID + `">
<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:1.1:protocol urn:oasis:names:tc:SAML:2.0:protocol">` + keys + `
<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example/post"/>
<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="` + loginPage + `"/>
</md:IDPSSODescriptor></md:EntityDescriptor>`
}

// newDriver makes a driver for the provider.
func newDriver(t testing.TB, change ...func(*saml.Config)) *saml.Provider {
	t.Helper()
	cfg := saml.Config{EntityID: cloudID, Metadata: []byte(described(idpKey()))}
	for _, c := range change {
		c(&cfg)
	}
	p, err := saml.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func newFlow() driver.Flow {
	return driver.Flow{Redirect: consumer, State: "state-" + rand.Text(), Nonce: rand.Text(), Verifier: "unused"}
}

// answer is what a provider sends. Its parts are texts, so that tests can spoil each.
type answer struct {
	id, issuer, audience, recipient, destination, inResponseTo, status string
	notBefore, until, bearerUntil                                      string
	nameID, attributes, conditions                                     string
	method                                                             string
}

func stamp(d time.Duration) string { return time.Now().UTC().Add(d).Format(time.RFC3339) }

func goodAnswer(f driver.Flow) answer {
	return answer{
		id: "_a" + rand.Text(), issuer: providerID, audience: cloudID, recipient: f.Redirect, destination: f.Redirect,
		inResponseTo: "_" + f.Nonce, status: "urn:oasis:names:tc:SAML:2.0:status:Success",
		notBefore: stamp(-time.Minute), until: stamp(5 * time.Minute), bearerUntil: stamp(5 * time.Minute),
		nameID: "bob", method: "urn:oasis:names:tc:SAML:2.0:cm:bearer",
		attributes: `<saml:Attribute Name="urn:oid:1.3.6.1.4.1.5923.1.5.1.1" FriendlyName="groups">
<saml:AttributeValue>crew</saml:AttributeValue><saml:AttributeValue> guests</saml:AttributeValue></saml:Attribute>
<saml:Attribute Name="mail"><saml:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xs="http://www.w3.org/2001/XMLSchema" xsi:type="xs:string">bob@acme.example</saml:AttributeValue></saml:Attribute>`,
	}
}

// tree is the response, unsigned.
func (a answer) tree(t testing.TB) *etree.Element {
	t.Helper()
	doc := etree.NewDocument()
	require.NoError(t, doc.ReadFromString(`<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_r`+
		a.id+`" Version="2.0" IssueInstant="`+stamp(0)+`" Destination="`+a.destination+`" InResponseTo="`+a.inResponseTo+`">
<saml:Issuer>`+a.issuer+`</saml:Issuer>
<samlp:Status><samlp:StatusCode Value="`+a.status+`"/></samlp:Status>
<saml:Assertion ID="`+a.id+`" Version="2.0" IssueInstant="`+stamp(0)+`"><saml:Issuer>`+a.issuer+`</saml:Issuer>
<saml:Subject><saml:NameID>`+a.nameID+`</saml:NameID><saml:SubjectConfirmation Method="`+a.method+`">
<saml:SubjectConfirmationData InResponseTo="`+a.inResponseTo+`" Recipient="`+a.recipient+`" NotOnOrAfter="`+a.bearerUntil+`"/>
</saml:SubjectConfirmation></saml:Subject>
<saml:Conditions NotBefore="`+a.notBefore+`" NotOnOrAfter="`+a.until+`"><saml:AudienceRestriction><saml:Audience>`+a.audience+`</saml:Audience></saml:AudienceRestriction>`+a.conditions+`</saml:Conditions>
<saml:AuthnStatement AuthnInstant="`+stamp(0)+`"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>
<saml:AttributeStatement>`+a.attributes+`</saml:AttributeStatement></saml:Assertion></samlp:Response>`))
	return doc.Root()
}

// sign signs an element where the schema has the signature: after the issuer.
func sign(t testing.TB, el *etree.Element, key tls.Certificate, change ...func(*dsig.SigningContext)) {
	t.Helper()
	ctx, err := dsig.NewSigningContext(key.PrivateKey.(*rsa.PrivateKey), key.Certificate)
	require.NoError(t, err)
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	for _, c := range change {
		c(ctx)
	}
	// Detached, as it is canonical: with the namespaces that it uses.
	alone := el.Copy()
	for _, a := range el.Parent().Attr {
		if a.Space == "xmlns" {
			alone.CreateAttr(a.FullKey(), a.Value)
		}
	}
	signature, err := ctx.ConstructSignature(alone, true)
	require.NoError(t, err)
	el.InsertChildAt(el.SelectElement("Issuer").Index()+1, signature)
}

// signed is the response with a signed assertion.
func (a answer) signed(t testing.TB) *etree.Element {
	t.Helper()
	response := a.tree(t)
	sign(t, response.SelectElement("Assertion"), idpKey())
	return response
}

// posted is a response in the form that a browser posts.
func posted(t testing.TB, response *etree.Element, state ...string) url.Values {
	t.Helper()
	doc := etree.NewDocument()
	doc.SetRoot(response)
	text, err := doc.WriteToBytes()
	require.NoError(t, err)
	form := url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString(text)}}
	if len(state) > 0 {
		form["RelayState"] = state
	}
	return form
}
