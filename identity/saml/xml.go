package saml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/beevik/etree"
)

// The namespaces of SAML and of what it rests on.
const (
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsMetadata  = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsSignature = "http://www.w3.org/2000/09/xmldsig#"
	nsExclusive = "http://www.w3.org/2001/10/xml-exc-c14n#"
)

// Bounds of a document. Assertions have some tens of elements, and some hundreds if
// somebody is in very many groups.
const (
	maxDepth      = 32
	maxElements   = 10_000
	maxAttributes = 64
)

// parse reads a document that somebody else wrote. It refuses whatever one parser might
// see otherwise than another: document types and with them entities, processing
// instructions, attributes given twice, ids given twice or hidden in a namespace, names
// with several colons, and, unless comments says otherwise, comments, which part texts.
func parse(text []byte, comments bool) (*etree.Element, error) {
	doc := etree.NewDocument()
	doc.ReadSettings = etree.ReadSettings{
		ValidateInput: true, PreserveDuplicateAttrs: true, MaxDepth: maxDepth, CharsetReader: utf8Only,
	}
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	if err := doc.ReadFromBytes(text); err != nil {
		return nil, fmt.Errorf("the document is not well-formed: %w", err)
	}
	root := doc.Root()
	if root == nil {
		return nil, errors.New("the document is empty")
	}
	for i, t := range doc.Child {
		// The declaration comes first. Everything else is looked at by walk.
		if declaration, ok := t.(*etree.ProcInst); ok && i == 0 && declaration.Target == "xml" {
			continue
		}
		w := walker{comments: comments, ids: map[string]bool{}}
		if err := w.token(t, 0); err != nil {
			return nil, err
		}
	}
	return root, nil
}

// utf8Only is asked for the encodings of documents that are not in UTF-8.
func utf8Only(charset string, _ io.Reader) (io.Reader, error) {
	return nil, fmt.Errorf("the encoding %q is none that is read", clip(charset))
}

// walker looks at every part of a document.
type walker struct {
	comments bool
	elements int
	ids      map[string]bool
}

func (w *walker) token(t etree.Token, depth int) error {
	switch t := t.(type) {
	case *etree.CharData:
		return nil
	case *etree.Comment:
		if w.comments {
			return nil
		}
	case *etree.Element:
		return w.element(t, depth)
	}
	return fmt.Errorf("the document holds what it must not hold: a %T", t)
}

func (w *walker) element(el *etree.Element, depth int) error {
	if w.elements++; w.elements > maxElements || depth > maxDepth || len(el.Attr) > maxAttributes {
		return errors.New("the document is too large")
	}
	if strings.Contains(el.Tag, ":") {
		return fmt.Errorf("a bad name: %q", clip(el.Tag))
	}
	if err := w.attributes(el); err != nil {
		return err
	}
	for _, t := range el.Child {
		if err := w.token(t, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) attributes(el *etree.Element) error {
	seen := map[string]bool{}
	for _, a := range el.Attr {
		if strings.Contains(a.Key, ":") || seen[a.FullKey()] {
			return fmt.Errorf("a bad attribute: %q", clip(a.FullKey()))
		}
		seen[a.FullKey()] = true
		if !strings.EqualFold(a.Key, "ID") || a.Space == "xmlns" {
			continue
		}
		if a.Space != "" || w.ids[a.Value] {
			return fmt.Errorf("an id is not the only one: %q", clip(a.Value))
		}
		w.ids[a.Value] = true
	}
	return nil
}

// is reports whether an element has a name.
func is(el *etree.Element, space, tag string) bool {
	return el != nil && el.Tag == tag && el.NamespaceURI() == space
}

// children are the children of an element that have a name.
func children(el *etree.Element, space, tag string) []*etree.Element {
	var found []*etree.Element
	for _, c := range el.ChildElements() {
		if is(c, space, tag) {
			found = append(found, c)
		}
	}
	return found
}

// only is the child that has a name, if there is one and no other.
func only(el *etree.Element, space, tag string) *etree.Element {
	if found := children(el, space, tag); len(found) == 1 {
		return found[0]
	}
	return nil
}

// count tells how many elements of a name, in whatever namespace, there are from an
// element downwards.
func count(el *etree.Element, tag string) int {
	n := 0
	if el.Tag == tag {
		n++
	}
	for _, c := range el.ChildElements() {
		n += count(c, tag)
	}
	return n
}

// attr is the value of an attribute without a namespace; empty if there is none.
func attr(el *etree.Element, key string) string {
	for _, a := range el.Attr {
		if a.Space == "" && a.Key == key {
			return a.Value
		}
	}
	return ""
}

// text is all the text of an element, not only that before its first child.
func text(el *etree.Element) string {
	var b strings.Builder
	for _, t := range el.Child {
		if c, ok := t.(*etree.CharData); ok {
			b.WriteString(c.Data)
		}
	}
	return strings.TrimSpace(b.String())
}

// clip bounds what the log repeats of what somebody sent.
func clip(s string) string { return s[:min(len(s), 200)] }
