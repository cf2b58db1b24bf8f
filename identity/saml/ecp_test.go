package saml_test

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/saml"
)

// enveloped is an answer as clients bring it.
func enveloped(t *testing.T, relay string, response *etree.Element) string {
	t.Helper()
	doc := etree.NewDocument()
	require.NoError(t, doc.ReadFromString(`<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Header>`+
		`<ecp:RelayState xmlns:ecp="urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp" S:mustUnderstand="1"/></S:Header><S:Body/></S:Envelope>`))
	doc.FindElement("//RelayState").SetText(relay)
	doc.FindElement("//Body").AddChild(response)
	text, err := doc.WriteToString()
	require.NoError(t, err)
	return text
}

func TestAsk(t *testing.T) {
	p, flow := newDriver(t), newFlow()
	message, err := p.Ask(t.Context(), flow, "a & b")
	require.NoError(t, err)
	var asks struct {
		XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
		Header  struct {
			PAOS struct {
				Consumer string `xml:"responseConsumerURL,attr"`
				Service  string `xml:"service,attr"`
			} `xml:"urn:liberty:paos:2003-08 Request"`
			Relay string `xml:"urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp RelayState"`
		} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Header"`
		Body struct {
			Request struct {
				ID       string `xml:",attr"`
				Consumer string `xml:"AssertionConsumerServiceURL,attr"`
				Issuer   string `xml:"urn:oasis:names:tc:SAML:2.0:assertion Issuer"`
			} `xml:"urn:oasis:names:tc:SAML:2.0:protocol AuthnRequest"`
		} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
	}
	require.NoError(t, xml.Unmarshal(message, &asks))
	require.Equal(t, consumer, asks.Header.PAOS.Consumer)
	require.Equal(t, "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp", asks.Header.PAOS.Service)
	require.Equal(t, "a & b", asks.Header.Relay)
	require.Equal(t, "_"+flow.Nonce, asks.Body.Request.ID)
	require.Equal(t, consumer, asks.Body.Request.Consumer)
	require.Equal(t, cloudID, asks.Body.Request.Issuer)
	require.NotContains(t, string(message), flow.Verifier)

	wants := newDriver(t, func(c *saml.Config) {
		c.Keypair = otherKey()
		c.Metadata = []byte(strings.Replace(string(c.Metadata), "<md:IDPSSODescriptor", `<md:IDPSSODescriptor WantAuthnRequestsSigned="true"`, 1))
	})
	_, err = wants.Ask(t.Context(), flow, "x")
	require.ErrorIs(t, err, driver.Unauthenticated)
	_, err = wants.Begin(t.Context(), flow)
	require.NoError(t, err)
}

func TestAnswer(t *testing.T) {
	p, flow := newDriver(t), newFlow()
	good := enveloped(t, "a & b", goodAnswer(flow).signed(t))
	relay, err := p.Relayed([]byte(good))
	require.NoError(t, err)
	require.Equal(t, "a & b", relay)
	a, err := p.Answer(t.Context(), flow, []byte(good))
	require.NoError(t, err)
	require.Equal(t, []string{"bob"}, a[driver.RemoteUser])

	evil := goodAnswer(flow)
	evil.id, evil.nameID = "_evil", "admin"
	unsigned, err := etreeText(evil.tree(t))
	require.NoError(t, err)
	for name, text := range map[string]string{
		"nothing": "", "no envelope": "<x/>", "no body": strings.ReplaceAll(good, "S:Body", "S:Head"),
		"another login":     enveloped(t, "", goodAnswer(newFlow()).signed(t)),
		"unsigned":          enveloped(t, "", evil.tree(t)),
		"changed":           strings.Replace(good, ">bob<", ">admin<", 1),
		"a second response": strings.Replace(good, "<S:Body>", "<S:Body>"+unsigned, 1),
		"a second body":     strings.Replace(good, "<S:Body>", "<S:Body>"+unsigned+"</S:Body><S:Body>", 1),
		"the good one elsewhere": strings.Replace(strings.Replace(strings.Replace(good, "<S:Body>", "<S:Fault>", 1), "</S:Body>", "</S:Fault>", 1),
			"<S:Fault>", "<S:Body>"+unsigned+"</S:Body><S:Fault>", 1),
		"document type": "<!DOCTYPE x>" + good,
		"huge":          strings.Repeat(" ", 1<<20) + good,
	} {
		a, err := p.Answer(t.Context(), flow, []byte(text))
		require.ErrorIs(t, err, driver.Unauthenticated, name)
		require.Empty(t, a, name)
	}
	for name, text := range map[string]string{
		"nothing": "", "no header": strings.ReplaceAll(good, "S:Header", "S:Head"), "no state": strings.ReplaceAll(good, "ecp:RelayState", "ecp:Request"),
		"huge": strings.Repeat(" ", 1<<20) + good,
	} {
		_, err := p.Relayed([]byte(text))
		require.ErrorIs(t, err, driver.Unauthenticated, name)
	}
}

// etreeText writes an element.
func etreeText(el *etree.Element) (string, error) {
	doc := etree.NewDocument()
	doc.SetRoot(el)
	return doc.WriteToString()
}
