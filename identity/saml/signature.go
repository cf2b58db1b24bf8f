package saml

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"
)

// What a signature may be made with. SHA-1 is not among it, nor a canonical form that
// depends on what is around the assertion.
var (
	signatureMethods = []string{dsig.RSASHA256SignatureMethod, dsig.RSASHA384SignatureMethod, dsig.RSASHA512SignatureMethod}
	digestMethods    = []string{
		"http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#sha384", "http://www.w3.org/2001/04/xmlenc#sha512",
	}
	canonical  = []string{string(dsig.CanonicalXML10ExclusiveAlgorithmId)}
	transforms = []string{string(dsig.EnvelopedSignatureAltorithmId), string(dsig.CanonicalXML10ExclusiveAlgorithmId)}
)

// verify checks the signature of an assertion, and returns what was signed, parsed anew
// from the octets that the signature covers. Nothing else may be read of the assertion.
func verify(assertion *etree.Element, certificates []*x509.Certificate, now time.Time) (*etree.Element, error) {
	id := attr(assertion, "ID")
	signature := only(assertion, nsSignature, "Signature")
	switch {
	case id == "":
		return nil, errors.New("the assertion has no id")
	case signature == nil || count(assertion, "Signature") != 1:
		return nil, errors.New("the assertion must have one signature, of itself")
	}
	if err := checkForm(signature, id); err != nil {
		return nil, err
	}
	// Which key it claims to be signed with does not matter: all that are good are tried.
	for _, info := range children(signature, nsSignature, "KeyInfo") {
		signature.RemoveChild(info)
	}
	scope, err := etreeutils.NSBuildParentContext(assertion)
	if err != nil {
		return nil, err
	}
	detached, err := etreeutils.NSDetatch(scope, assertion)
	if err != nil {
		return nil, err
	}
	signed, err := verifyAny(detached, certificates, now)
	if err != nil {
		return nil, err
	}
	if !is(signed, nsAssertion, "Assertion") || attr(signed, "ID") != id || count(signed, "Assertion") != 1 {
		return nil, errors.New("what is signed is another thing")
	}
	return signed, nil
}

// verifyAny tries certificates, of which a provider has two while it changes them.
func verifyAny(el *etree.Element, certificates []*x509.Certificate, now time.Time) (*etree.Element, error) {
	err := errors.New("the provider has no certificate to sign with")
	for _, c := range certificates {
		v := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{c}})
		v.Clock = dsig.NewFakeClockAt(now)
		var signed *etree.Element
		if signed, err = v.Validate(el); err == nil {
			return signed, nil
		}
	}
	return nil, fmt.Errorf("the signature is not good: %w", err)
}

// checkForm holds a signature against the one form that SAML gives it: one reference, to
// the assertion by its id, and no transforms but the two that are needed.
func checkForm(signature *etree.Element, id string) error {
	if !has(signature, []string{"SignedInfo", "SignatureValue"}, "KeyInfo") {
		return errForm
	}
	info := only(signature, nsSignature, "SignedInfo")
	if !has(info, []string{"CanonicalizationMethod", "SignatureMethod", "Reference"}) {
		return errForm
	}
	reference := only(info, nsSignature, "Reference")
	if attr(reference, "URI") != "#"+id || !has(reference, []string{"Transforms", "DigestMethod", "DigestValue"}) {
		return errForm
	}
	steps := only(reference, nsSignature, "Transforms").ChildElements()
	if len(steps) != len(transforms) {
		return errForm
	}
	for i, step := range steps {
		if !is(step, nsSignature, "Transform") || attr(step, "Algorithm") != transforms[i] || !plain(step) {
			return errForm
		}
	}
	for tag, allowed := range map[string][]string{"CanonicalizationMethod": canonical, "SignatureMethod": signatureMethods} {
		if method := only(info, nsSignature, tag); !slices.Contains(allowed, attr(method, "Algorithm")) || !plain(method) {
			return errMethod
		}
	}
	if !slices.Contains(digestMethods, attr(only(reference, nsSignature, "DigestMethod"), "Algorithm")) {
		return errMethod
	}
	return nil
}

var (
	errForm   = errors.New("the signature is not of the form that SAML gives it")
	errMethod = errors.New("the signature is made with what is not allowed")
)

// has reports whether an element has the children of these names, each once and in this
// order, and after them at most one of each that may be there.
func has(el *etree.Element, required []string, optional ...string) bool {
	found := el.ChildElements()
	names := append(slices.Clone(required), optional...)
	if len(found) < len(required) || len(found) > len(names) {
		return false
	}
	for i, c := range found {
		if !is(c, nsSignature, names[i]) {
			return false
		}
	}
	return true
}

// plain reports whether a method has no parameters but the prefixes of exclusive
// canonical form.
func plain(el *etree.Element) bool {
	for _, c := range el.ChildElements() {
		if !is(c, nsExclusive, "InclusiveNamespaces") {
			return false
		}
	}
	return len(el.ChildElements()) <= 1
}
