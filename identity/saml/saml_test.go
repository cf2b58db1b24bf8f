package saml_test

import (
	"compress/flate"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/saml"
)

func TestConfigIsChecked(t *testing.T) {
	good := []byte(described(idpKey()))
	for name, cfg := range map[string]saml.Config{
		"nothing": {}, "no entity id": {Metadata: good}, "no metadata": {EntityID: cloudID},
		"both":     {EntityID: cloudID, Metadata: good, MetadataURL: "https://idp.example/"},
		"http":     {EntityID: cloudID, MetadataURL: "http://idp.example/"},
		"another":  {EntityID: cloudID, Metadata: good, Provider: "x"},
		"no xml":   {EntityID: cloudID, Metadata: []byte("{}")},
		"no keys":  {EntityID: cloudID, Metadata: []byte(described())},
		"weak key": {EntityID: cloudID, Metadata: []byte(described(keypair(1024, time.Hour)))},
		"no login": {EntityID: cloudID, Metadata: []byte(strings.ReplaceAll(string(good), "HTTP-Redirect", "SOAP"))},
		"script":   {EntityID: cloudID, Metadata: []byte(strings.ReplaceAll(string(good), loginPage, "javascript:x"))},
		"no idp":   {EntityID: cloudID, Metadata: []byte(strings.ReplaceAll(string(good), "IDPSSO", "SPSSO"))},
		"saml 1":   {EntityID: cloudID, Metadata: []byte(strings.ReplaceAll(string(good), "SAML:2.0:protocol", "SAML:1.0:protocol"))},
		"doctype":  {EntityID: cloudID, Metadata: []byte(strings.Replace(string(good), "?>", "?><!DOCTYPE x>", 1))},
		"wants signed requests": {EntityID: cloudID,
			Metadata: []byte(strings.Replace(string(good), "<md:IDPSSODescriptor", `<md:IDPSSODescriptor WantAuthnRequestsSigned="true"`, 1))},
	} {
		_, err := saml.New(cfg)
		require.ErrorIs(t, err, driver.Invalid, name)
	}
}

// asked reads the request that a browser carries.
func asked(t *testing.T, address string) (query url.Values, request string) {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	small, err := base64.StdEncoding.DecodeString(u.Query().Get("SAMLRequest"))
	require.NoError(t, err)
	text, err := io.ReadAll(flate.NewReader(strings.NewReader(string(small))))
	require.NoError(t, err)
	return u.Query(), string(text)
}

func TestBegin(t *testing.T) {
	flow := newFlow()
	address, err := newDriver(t).Begin(t.Context(), flow)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(address, loginPage+"&"), address)
	query, request := asked(t, address)
	require.Equal(t, flow.State, query.Get("RelayState"))
	require.Empty(t, query.Get("Signature"))
	var r struct {
		XMLName     xml.Name `xml:"urn:oasis:names:tc:SAML:2.0:protocol AuthnRequest"`
		ID          string   `xml:",attr"`
		Version     string   `xml:",attr"`
		Destination string   `xml:",attr"`
		Consumer    string   `xml:"AssertionConsumerServiceURL,attr"`
		Binding     string   `xml:"ProtocolBinding,attr"`
		Issuer      string   `xml:"urn:oasis:names:tc:SAML:2.0:assertion Issuer"`
	}
	require.NoError(t, xml.Unmarshal([]byte(request), &r))
	require.Equal(t, "_"+flow.Nonce, r.ID)
	require.Equal(t, "2.0", r.Version)
	require.Equal(t, loginPage, r.Destination)
	require.Equal(t, consumer, r.Consumer)
	require.Equal(t, "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST", r.Binding)
	require.Equal(t, cloudID, r.Issuer)
	require.NotContains(t, request, flow.State)
	require.NotContains(t, request, flow.Verifier)
}

func TestRequestsAreSigned(t *testing.T) {
	p := newDriver(t, func(c *saml.Config) { c.Keypair = otherKey() })
	address, err := p.Begin(t.Context(), newFlow())
	require.NoError(t, err)
	u, err := url.Parse(address)
	require.NoError(t, err)
	_, raw, _ := strings.Cut(u.RawQuery, "&")
	text, signature, ok := strings.Cut(raw, "&Signature=")
	require.True(t, ok)
	require.True(t, strings.HasPrefix(text, "SAMLRequest="), text)
	signature, err = url.QueryUnescape(signature)
	require.NoError(t, err)
	der, err := base64.StdEncoding.DecodeString(signature)
	require.NoError(t, err)
	sum := sha256.Sum256([]byte(text))
	key := otherKey().PrivateKey.(*rsa.PrivateKey)
	require.NoError(t, rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], der))

	document, kind := p.Publish(consumer, "https://cloud.example/auth")
	require.Equal(t, "application/samlmetadata+xml", kind)
	require.Contains(t, string(document), `AuthnRequestsSigned="true"`)
	require.Contains(t, string(document), base64.StdEncoding.EncodeToString(otherKey().Certificate[0]))
	document, _ = newDriver(t).Publish(consumer, "https://cloud.example/auth")
	require.Contains(t, string(document), `AuthnRequestsSigned="false"`)
	require.Contains(t, string(document), `WantAssertionsSigned="true"`)
	require.Contains(t, string(document), `Location="`+consumer+`"`)
	require.Contains(t, string(document), `Location="https://cloud.example/auth"`)
}

func TestAssertionsBecomeAttributes(t *testing.T) {
	flow := newFlow()
	answer := goodAnswer(flow)
	answer.attributes += `<saml:Attribute Name="REMOTE_USER"><saml:AttributeValue>admin</saml:AttributeValue></saml:Attribute>
<saml:Attribute Name="IDP"><saml:AttributeValue>another</saml:AttributeValue></saml:Attribute>
<saml:Attribute Name="target"><saml:AttributeValue><saml:NameID>opaque</saml:NameID></saml:AttributeValue></saml:Attribute>
<saml:Attribute Name="nested"><saml:AttributeValue><x>y</x></saml:AttributeValue></saml:Attribute>
<saml:Attribute Name="empty"/>`
	a, err := newDriver(t).Finish(t.Context(), flow, posted(t, answer.signed(t)))
	require.NoError(t, err)
	for name, want := range map[string][]string{
		driver.RemoteUser: {"bob"}, "MELLON_NAME_ID": {"bob"}, "MELLON_IDP": {providerID}, "Shib-Identity-Provider": {providerID},
		"groups": {"crew", "guests"}, "MELLON_groups": {"crew", "guests"}, "urn:oid:1.3.6.1.4.1.5923.1.5.1.1": {"crew", "guests"},
		"MELLON_urn:oid:1.3.6.1.4.1.5923.1.5.1.1": {"crew", "guests"}, "mail": {"bob@acme.example"}, "MELLON_mail": {"bob@acme.example"},
		"IDP": {"another"}, "target": {"opaque"}, "nested": nil, "empty": nil,
	} {
		require.Equal(t, want, a[name], name)
	}
}

func TestSecondCertificate(t *testing.T) {
	p := newDriver(t, func(c *saml.Config) { c.Metadata = []byte(described(otherKey(), idpKey())) })
	flow := newFlow()
	_, err := p.Finish(t.Context(), flow, posted(t, goodAnswer(flow).signed(t)))
	require.NoError(t, err)

	// The signature names no key, and the response is signed as well.
	flow = newFlow()
	response := goodAnswer(flow).signed(t)
	signature := response.FindElement("//Assertion/Signature")
	signature.RemoveChild(signature.SelectElement("KeyInfo"))
	doc := etree.NewDocument()
	doc.SetRoot(response)
	ctx, err := dsig.NewSigningContext(idpKey().PrivateKey.(*rsa.PrivateKey), idpKey().Certificate)
	require.NoError(t, err)
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	both, err := ctx.SignEnveloped(response)
	require.NoError(t, err)
	_, err = p.Finish(t.Context(), flow, posted(t, both))
	require.NoError(t, err)
}

func TestSkew(t *testing.T) {
	flow := newFlow()
	answer := goodAnswer(flow)
	answer.notBefore, answer.until, answer.bearerUntil = stamp(2*time.Minute), stamp(3*time.Minute), stamp(3*time.Minute)
	_, err := newDriver(t).Finish(t.Context(), flow, posted(t, answer.signed(t)))
	require.ErrorIs(t, err, driver.Unauthenticated)
	_, err = newDriver(t, func(c *saml.Config) { c.Skew = 3 * time.Minute }).Finish(t.Context(), flow, posted(t, answer.signed(t)))
	require.NoError(t, err)
}

func TestCredentialsAreRefused(t *testing.T) {
	p := newDriver(t)
	flow := newFlow()
	for _, credential := range []string{"x", posted(t, goodAnswer(flow).signed(t)).Get("SAMLResponse")} {
		_, err := p.Assert(t.Context(), credential)
		require.ErrorIs(t, err, driver.Unauthenticated)
	}
}

func TestMetadataOfAnAddress(t *testing.T) {
	document, asked := "", 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if document == "" {
			http.Error(w, "broken", http.StatusInternalServerError)
			return
		}
		io.WriteString(w, document)
	}))
	defer server.Close()
	clock := &hands{now: time.Now()}
	p, err := saml.New(saml.Config{EntityID: cloudID, MetadataURL: server.URL, Transport: server.Client().Transport, Clock: clock})
	require.NoError(t, err)
	begin := func() error { _, err := p.Begin(t.Context(), newFlow()); return err }

	require.ErrorIs(t, begin(), driver.Unavailable)
	document = described(idpKey())
	require.ErrorIs(t, begin(), driver.Unavailable, "it is not asked again at once")
	require.Equal(t, 1, asked)
	clock.now = clock.now.Add(time.Minute)
	require.NoError(t, begin())
	require.NoError(t, begin())
	require.Equal(t, 2, asked)
	document = ""
	clock.now = clock.now.Add(2 * time.Hour)
	require.NoError(t, begin(), "what is known serves on")
	require.Equal(t, 3, asked)
	document = strings.Replace(described(idpKey()), "<md:IDPSSO", `<md:IDPSSODescriptor protocolSupportEnumeration=""/><md:IDPSSO`, 1)
	document = strings.Replace(document, "entityID", `validUntil="`+clock.now.Add(time.Hour).UTC().Format(time.RFC3339)+`" entityID`, 1)
	clock.now = clock.now.Add(time.Minute)
	require.NoError(t, begin())
	document = ""
	clock.now = clock.now.Add(2 * time.Hour)
	require.ErrorIs(t, begin(), driver.Unavailable, "they have expired")
	document = strings.Repeat("<x>", 2<<20)
	clock.now = clock.now.Add(time.Minute)
	require.ErrorIs(t, begin(), driver.Unavailable)
	require.NoError(t, p.Close())
}

// hands is a clock that a test sets.
type hands struct{ now time.Time }

func (h *hands) Now() time.Time                              { return h.now }
func (h *hands) AfterFunc(time.Duration, func()) func() bool { return func() bool { return true } }

func TestProviderAmongSeveral(t *testing.T) {
	one := described(idpKey())
	_, one, _ = strings.Cut(one, "-->")
	several := "\ufeff" + `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">` + one +
		strings.ReplaceAll(one, providerID, "https://other.example") + "</md:EntitiesDescriptor>\r\n"
	_, err := saml.New(saml.Config{EntityID: cloudID, Metadata: []byte(several)})
	require.ErrorIs(t, err, driver.Invalid)
	p := newDriver(t, func(c *saml.Config) { c.Metadata, c.Provider = []byte(several), providerID })
	flow := newFlow()
	_, err = p.Finish(t.Context(), flow, posted(t, goodAnswer(flow).signed(t)))
	require.NoError(t, err)
}
