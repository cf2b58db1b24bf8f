package saml_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
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

// refused says that a form lets nobody in.
func refused(t *testing.T, p *saml.Provider, flow driver.Flow, form url.Values, name string) {
	t.Helper()
	a, err := p.Finish(t.Context(), flow, form)
	require.ErrorIs(t, err, driver.Unauthenticated, name)
	require.Empty(t, a, name)
}

// TestWhatAProviderSaysIsChecked spoils one part after the other of an answer that is
// signed as it is.
func TestWhatAProviderSaysIsChecked(t *testing.T) {
	p := newDriver(t)
	for name, spoil := range map[string]func(*answer){
		"expired":           func(a *answer) { a.until = stamp(-2 * time.Minute) },
		"bearer expired":    func(a *answer) { a.bearerUntil = stamp(-2 * time.Minute) },
		"never expires":     func(a *answer) { a.bearerUntil = "" },
		"no time":           func(a *answer) { a.until = "tomorrow" },
		"too early":         func(a *answer) { a.notBefore = stamp(2 * time.Minute) },
		"another audience":  func(a *answer) { a.audience = "https://shop.example" },
		"audience and more": func(a *answer) { a.audience += "/x" },
		"another restriction": func(a *answer) {
			a.conditions = `<saml:AudienceRestriction><saml:Audience>x</saml:Audience></saml:AudienceRestriction>`
		},
		"unknown condition":    func(a *answer) { a.conditions = `<saml:Condition/>` },
		"another recipient":    func(a *answer) { a.recipient = "https://shop.example/callback" },
		"no recipient":         func(a *answer) { a.recipient = "" },
		"another destination":  func(a *answer) { a.destination = "https://shop.example/callback" },
		"another log-in":       func(a *answer) { a.inResponseTo = "_x" },
		"no log-in":            func(a *answer) { a.inResponseTo = "" },
		"another provider":     func(a *answer) { a.issuer = "https://other.example" },
		"holder of key":        func(a *answer) { a.method = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key" },
		"failure":              func(a *answer) { a.status = "urn:oasis:names:tc:SAML:2.0:status:Responder" },
		"comment in the name":  func(a *answer) { a.nameID = "admin<!-- x -->.evil" },
		"element in the group": func(a *answer) { a.attributes = strings.Replace(a.attributes, "crew", "ad<?x y?>min", 1) },
		"two ids":              func(a *answer) { a.attributes = `<x ID="` + a.id + `"/>` },
		"an id in a namespace": func(a *answer) { a.attributes = `<x xml:id="other"/>` },
	} {
		flow := newFlow()
		a := goodAnswer(flow)
		spoil(&a)
		refused(t, p, flow, posted(t, a.signed(t)), name)
	}
}

func TestParts(t *testing.T) {
	p := newDriver(t)
	for _, path := range []string{
		"Status", "Assertion/Conditions", "//AudienceRestriction", "Assertion/Subject", "//SubjectConfirmation", "//SubjectConfirmationData",
		"Assertion/AuthnStatement", "Assertion", "Assertion/@ID", "Assertion/@Version", "@Version",
	} {
		flow := newFlow()
		response := goodAnswer(flow).tree(t)
		where, attribute, _ := strings.Cut(path, "@")
		if attribute != "" {
			el := response
			if where != "" {
				el = response.FindElement(strings.TrimSuffix(where, "/"))
			}
			el.RemoveAttr(attribute)
		} else {
			el := response.FindElement(path)
			el.Parent().RemoveChild(el)
		}
		if a := response.SelectElement("Assertion"); a != nil {
			sign(t, a, idpKey())
		}
		refused(t, p, flow, posted(t, response), "without "+path)
	}
}

func TestAnotherLogin(t *testing.T) {
	p := newDriver(t)
	flow := newFlow()
	form := posted(t, goodAnswer(flow).signed(t))
	_, err := p.Finish(t.Context(), flow, form)
	require.NoError(t, err)
	other := newFlow()
	refused(t, p, other, form, "an assertion of somebody else's log-in")
	elsewhere := flow
	elsewhere.Redirect = strings.Replace(consumer, "acme", "other", 1)
	refused(t, p, elsewhere, form, "an assertion for another provider's callback")
	_, err = newDriver(t, func(c *saml.Config) { c.EntityID = "https://other.example" }).Finish(t.Context(), flow, form)
	require.ErrorIs(t, err, driver.Unauthenticated)
}

func TestSignatures(t *testing.T) {
	weak := func(method string) func(*dsig.SigningContext) {
		return func(c *dsig.SigningContext) { require.NoError(t, c.SetSignatureMethod(method)) }
	}
	for name, spoil := range map[string]func(response *etree.Element){
		"unsigned":    func(r *etree.Element) {},
		"another key": func(r *etree.Element) { sign(t, r.SelectElement("Assertion"), otherKey()) },
		"another key with the certificate of the provider": func(r *etree.Element) {
			mixed := tls.Certificate{Certificate: idpKey().Certificate, PrivateKey: otherKey().PrivateKey}
			sign(t, r.SelectElement("Assertion"), mixed)
		},
		"SHA-1": func(r *etree.Element) {
			sign(t, r.SelectElement("Assertion"), idpKey(), weak(dsig.RSASHA1SignatureMethod))
		},
		"SHA-1 of the digest": func(r *etree.Element) {
			sign(t, r.SelectElement("Assertion"), idpKey(), func(c *dsig.SigningContext) { c.Hash = crypto.SHA1 })
		},
		"inclusive form": func(r *etree.Element) {
			sign(t, r.SelectElement("Assertion"), idpKey(), func(c *dsig.SigningContext) { c.Canonicalizer = dsig.MakeC14N11Canonicalizer() })
		},
		"no form": func(r *etree.Element) {
			sign(t, r.SelectElement("Assertion"), idpKey(), func(c *dsig.SigningContext) { c.Canonicalizer = dsig.MakeNullCanonicalizer() })
		},
		"changed after it was signed": func(r *etree.Element) {
			sign(t, r.SelectElement("Assertion"), idpKey())
			r.FindElement("//NameID").SetText("admin")
		},
		"stripped": func(r *etree.Element) {
			sign(t, r.SelectElement("Assertion"), idpKey())
			s := r.FindElement("//Signature")
			s.Parent().RemoveChild(s)
			r.FindElement("//NameID").SetText("admin")
		},
		"empty": func(r *etree.Element) {
			sign(t, r.SelectElement("Assertion"), idpKey())
			s := r.FindElement("//Signature")
			s.Child = nil
		},
		"twice": func(r *etree.Element) {
			a := r.SelectElement("Assertion")
			sign(t, a, idpKey())
			a.AddChild(a.SelectElement("Signature").Copy())
		},
		"of another kind of thing": func(r *etree.Element) {
			r.SelectElement("Assertion").CreateAttr("x", "y")
			a := r.SelectElement("Assertion")
			a.Tag = "Advice"
			sign(t, a, idpKey())
			a.Tag = "Assertion"
		},
	} {
		flow := newFlow()
		response := goodAnswer(flow).tree(t)
		spoil(response)
		refused(t, newDriver(t), flow, posted(t, response), name)
	}
}

// TestSignedParts changes each part of a signature that says what is signed and how.
func TestSignedParts(t *testing.T) {
	p := newDriver(t)
	for name, spoil := range map[string]func(s *etree.Element){
		"a reference to everything": func(s *etree.Element) { s.FindElement("//Reference").CreateAttr("URI", "") },
		"a reference elsewhere":     func(s *etree.Element) { s.FindElement("//Reference").CreateAttr("URI", "https://x.example/") },
		"a second reference":        func(s *etree.Element) { s.SelectElement("SignedInfo").AddChild(s.FindElement("//Reference").Copy()) },
		"a second SignedInfo":       func(s *etree.Element) { s.AddChild(s.SelectElement("SignedInfo").Copy()) },
		"a first SignedInfo":        func(s *etree.Element) { s.InsertChildAt(0, s.SelectElement("SignedInfo").Copy()) },
		"a second value":            func(s *etree.Element) { s.AddChild(s.SelectElement("SignatureValue").Copy()) },
		"a second digest":           func(s *etree.Element) { s.FindElement("//Reference").AddChild(s.FindElement("//DigestValue").Copy()) },
		"an object":                 func(s *etree.Element) { s.CreateElement("ds:Object") },
		"a third transform":         func(s *etree.Element) { s.FindElement("//Transforms").AddChild(s.FindElement("//Transform").Copy()) },
		"XSLT": func(s *etree.Element) {
			s.FindElement("//Transform").CreateAttr("Algorithm", "http://www.w3.org/TR/1999/REC-xslt-19991116")
		},
		"XPath in a transform": func(s *etree.Element) { s.FindElement("//Transform").CreateElement("ds:XPath").SetText("1") },
		"a shared secret": func(s *etree.Element) {
			s.FindElement("//SignatureMethod").CreateAttr("Algorithm", "http://www.w3.org/2000/09/xmldsig#hmac-sha1")
		},
		"truncation": func(s *etree.Element) {
			s.FindElement("//SignatureMethod").CreateElement("ds:HMACOutputLength").SetText("1")
		},
		"no value":                   func(s *etree.Element) { s.SelectElement("SignatureValue").SetText("") },
		"no digest":                  func(s *etree.Element) { s.FindElement("//DigestValue").SetText("") },
		"a value that is not base64": func(s *etree.Element) { s.SelectElement("SignatureValue").SetText("*") },
		"a signature in a signature": func(s *etree.Element) { s.SelectElement("KeyInfo").AddChild(s.Copy()) },
	} {
		flow := newFlow()
		response := goodAnswer(flow).signed(t)
		spoil(response.FindElement("//Assertion/Signature"))
		refused(t, p, flow, posted(t, response), name)
	}
}

func TestCertificatesThatAreNoneOfThese(t *testing.T) {
	expired := keypair(2048, -time.Hour)
	p := newDriver(t, func(c *saml.Config) { c.Metadata = []byte(described(expired)) })
	flow := newFlow()
	response := goodAnswer(flow).tree(t)
	sign(t, response.SelectElement("Assertion"), expired)
	refused(t, p, flow, posted(t, response), "an expired certificate")

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, err = saml.New(saml.Config{EntityID: cloudID, Metadata: []byte(described(idpKey())), Keypair: tls.Certificate{
		Certificate: idpKey().Certificate, PrivateKey: key,
	}})
	require.ErrorIs(t, err, driver.Invalid)
}

// TestWrapping hides the signed assertion and shows another one, in each of the ways
// that are known for signature wrapping (XSW 1 to 8) and some more.
func TestWrapping(t *testing.T) {
	p := newDriver(t)
	for _, sameID := range []bool{true, false} {
		for name, wrap := range wraps {
			flow := newFlow()
			response := goodAnswer(flow).signed(t)
			good := response.SelectElement("Assertion")
			evil := good.Copy()
			evil.RemoveChild(evil.SelectElement("Signature"))
			evil.FindElement("//NameID").SetText("admin")
			if !sameID {
				evil.CreateAttr("ID", "_evil")
			}
			wrapped := wrap(response, good, evil)
			if !sameID && name == "nothing is wrapped" {
				_, err := p.Finish(t.Context(), flow, posted(t, wrapped))
				require.NoError(t, err, "the test's own document must be good")
				continue
			}
			if name != "nothing is wrapped" {
				refused(t, p, flow, posted(t, wrapped), name)
			}
		}
	}
}

// wraps build a response of a good assertion and another one.
var wraps = map[string]func(response, good, evil *etree.Element) *etree.Element{
	"nothing is wrapped": func(r, good, evil *etree.Element) *etree.Element { return r },
	"1: the response in the signature of another": func(r, good, evil *etree.Element) *etree.Element {
		outer := r.Copy()
		outer.CreateAttr("ID", "_outer")
		a := outer.SelectElement("Assertion")
		outer.RemoveChild(a)
		s := a.SelectElement("Signature")
		s.AddChild(r)
		outer.AddChild(s)
		outer.AddChild(evil)
		return outer
	},
	"2: the response before that signature": func(r, good, evil *etree.Element) *etree.Element {
		outer := r.Copy()
		outer.CreateAttr("ID", "_outer")
		a := outer.SelectElement("Assertion")
		outer.RemoveChild(a)
		outer.AddChild(r)
		outer.AddChild(a.SelectElement("Signature"))
		outer.AddChild(evil)
		return outer
	},
	"3: before": func(r, good, evil *etree.Element) *etree.Element {
		r.InsertChildAt(good.Index(), evil)
		return r
	},
	"3: after": func(r, good, evil *etree.Element) *etree.Element {
		r.AddChild(evil)
		return r
	},
	"4: around": func(r, good, evil *etree.Element) *etree.Element {
		r.RemoveChild(good)
		evil.AddChild(good)
		r.AddChild(evil)
		return r
	},
	"5: the signature moves": func(r, good, evil *etree.Element) *etree.Element {
		s := good.SelectElement("Signature")
		good.RemoveChild(s)
		evil.InsertChildAt(1, s)
		r.InsertChildAt(good.Index(), evil)
		return r
	},
	"6: the signature holds the assertion": func(r, good, evil *etree.Element) *etree.Element {
		r.RemoveChild(good)
		s := good.SelectElement("Signature")
		good.RemoveChild(s)
		s.AddChild(good)
		evil.InsertChildAt(1, s)
		r.AddChild(evil)
		return r
	},
	"7: in an extension": func(r, good, evil *etree.Element) *etree.Element {
		r.InsertChildAt(0, etree.NewElement("samlp:Extensions"))
		r.SelectElement("Extensions").AddChild(evil)
		return r
	},
	"7: the good one in an extension": func(r, good, evil *etree.Element) *etree.Element {
		r.RemoveChild(good)
		r.AddChild(evil)
		r.InsertChildAt(0, etree.NewElement("samlp:Extensions"))
		r.SelectElement("Extensions").AddChild(good)
		return r
	},
	"8: in an object of the signature": func(r, good, evil *etree.Element) *etree.Element {
		r.RemoveChild(good)
		s := good.SelectElement("Signature")
		good.RemoveChild(s)
		s.CreateElement("ds:Object").AddChild(good)
		evil.InsertChildAt(1, s)
		r.AddChild(evil)
		return r
	},
	"in the advice": func(r, good, evil *etree.Element) *etree.Element {
		r.RemoveChild(good)
		evil.CreateElement("saml:Advice").AddChild(good)
		evil.InsertChildAt(1, good.SelectElement("Signature").Copy())
		r.AddChild(evil)
		return r
	},
	"in the status": func(r, good, evil *etree.Element) *etree.Element {
		r.RemoveChild(good)
		r.SelectElement("Status").CreateElement("samlp:StatusDetail").AddChild(good)
		evil.InsertChildAt(1, good.SelectElement("Signature").Copy())
		r.AddChild(evil)
		return r
	},
	"under another prefix": func(r, good, evil *etree.Element) *etree.Element {
		evil.Space = "x"
		evil.CreateAttr("xmlns:x", "urn:oasis:names:tc:SAML:2.0:assertion")
		r.AddChild(evil)
		return r
	},
	"in another namespace": func(r, good, evil *etree.Element) *etree.Element {
		good.Space = "x"
		good.CreateAttr("xmlns:x", "urn:x")
		r.AddChild(evil)
		return r
	},
	"a second subject": func(r, good, evil *etree.Element) *etree.Element {
		good.InsertChildAt(0, evil.SelectElement("Subject"))
		return r
	},
}

func TestDocuments(t *testing.T) {
	p := newDriver(t)
	flow := newFlow()
	raw, err := base64.StdEncoding.DecodeString(posted(t, goodAnswer(flow).signed(t)).Get("SAMLResponse"))
	require.NoError(t, err)
	good := string(raw)
	bomb := `<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;">]>`
	for name, text := range map[string]string{
		"nothing": "", "no XML": "{}", "cut off": good[:len(good)-20], "two documents": good + good, "text behind": good + "x",
		"document type":            "<!DOCTYPE r>" + good,
		"entities":                 bomb + strings.Replace(good, "bob", "&c;", 1),
		"an external entity":       `<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]>` + strings.Replace(good, "bob", "&a;", 1),
		"an entity without a type": strings.Replace(good, "bob", "&a;", 1),
		"a comment":                strings.Replace(good, "bob", "bo<!-- -->b", 1),
		"a comment in front":       "<!-- -->" + good,
		"an instruction":           good + "<?x y?>",
		"an attribute twice":       strings.Replace(good, `Version="2.0"`, `Version="2.0" Version="2.0"`, 1),
		"colons":                   strings.Replace(good, "<samlp:Status>", "<samlp:Status><a:b:c/>", 1),
		"another root":             strings.ReplaceAll(good, "samlp:Response", "samlp:LogoutResponse"),
		"no namespace":             strings.Replace(good, `xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"`, "", 1),
		"deep":                     strings.Repeat("<x>", 50_000) + strings.Repeat("</x>", 50_000),
		"wide":                     "<x>" + strings.Repeat("<y/>", 50_000) + "</x>",
		"attributes":               "<x " + strings.Repeat(`a="" `, 1_000) + "/>",
		"UTF-16":                   `<?xml version="1.0" encoding="UTF-16"?>` + good,
		"encrypted":                strings.ReplaceAll(good, "saml:Assertion", "saml:EncryptedAssertion"),
	} {
		refused(t, p, flow, url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString([]byte(text))}}, name)
	}
	refused(t, p, flow, url.Values{}, "no response")
	refused(t, p, flow, url.Values{"SAMLResponse": {"*"}}, "no base64")
	huge := base64.StdEncoding.EncodeToString(append(bytes.Repeat([]byte(" "), 1<<20), raw...))
	refused(t, p, flow, url.Values{"SAMLResponse": {huge}}, "huge")
	// Lines are no reason to refuse it.
	lines := base64.StdEncoding.EncodeToString(raw)
	_, err = p.Finish(t.Context(), flow, url.Values{"SAMLResponse": {lines[:76] + "\r\n" + lines[76:]}})
	require.NoError(t, err)
}

// FuzzFinish finds no response that is taken but the one that is signed.
func FuzzFinish(f *testing.F) {
	flow := driver.Flow{Redirect: consumer, State: "s", Nonce: "n"}
	good, err := base64.StdEncoding.DecodeString(posted(f, goodAnswer(flow).signed(f)).Get("SAMLResponse"))
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte("<x/>"))
	p := newDriver(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := p.Finish(t.Context(), flow, url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString(text)}})
		if err == nil {
			require.Equal(t, []string{"bob"}, a[driver.RemoteUser])
			require.Equal(t, []string{"crew", "guests"}, a["groups"])
		}
	})
}

func BenchmarkFinish(b *testing.B) {
	p, flow := newDriver(b), newFlow()
	form := posted(b, goodAnswer(flow).signed(b))
	for b.Loop() {
		if _, err := p.Finish(b.Context(), flow, form); err != nil {
			b.Fatal(err)
		}
	}
}
