package policy

import (
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// template is the right side of a term: text with %(name)s where attributes of the
// target are put in.
type template struct {
	parts []part
}

// part is a piece of text or the attribute that takes its place.
type part struct {
	text string
	get  func(Target) (string, bool) // nil for text
}

// parseTemplate reads text, %(name)s and %% as Python's formatting does; no other
// use of the percent sign is allowed.
func parseTemplate(text string) (template, error) {
	var parts []part
	for text != "" {
		before, after, found := strings.Cut(text, "%")
		if before != "" {
			parts = append(parts, part{text: before})
		}
		if !found {
			break
		}
		if rest, ok := strings.CutPrefix(after, "%"); ok {
			parts, text = append(parts, part{text: "%"}), rest
			continue
		}
		name, rest, ok := strings.Cut(after, ")s")
		if !ok || !strings.HasPrefix(name, "(") || len(name) < 2 {
			return template{}, fault.New(fault.Invalid, "%q is not of the form %%(name)s", "%"+after)
		}
		parts, text = append(parts, part{get: attribute(name[1:])}), rest
	}
	return template{parts: parts}, nil
}

// fill puts the target's attributes in; false if one is missing.
func (m template) fill(t Target) (string, bool) {
	if len(m.parts) == 1 { // nearly always, and without an allocation
		return m.parts[0].fill(t)
	}
	var b strings.Builder
	for _, p := range m.parts {
		text, ok := p.fill(t)
		if !ok {
			return "", false
		}
		b.WriteString(text)
	}
	return b.String(), true
}

// fill gives the part's text for a target.
func (p part) fill(t Target) (string, bool) {
	if p.get == nil {
		return p.text, true
	}
	return p.get(t)
}

// isLiteral reports whether the template is just this text.
func (m template) isLiteral(text string) bool {
	return len(m.parts) == 1 && m.parts[0].get == nil && m.parts[0].text == text
}

// attribute looks up an attribute of a target. Rules written when projects were
// called tenants find the project's attribute.
func attribute(name string) func(Target) (string, bool) {
	modern := strings.Replace(name, "tenant", "project", 1)
	if modern == name {
		return func(t Target) (string, bool) {
			v, ok := t[name]
			return v, ok
		}
	}
	return func(t Target) (string, bool) {
		v, ok := t[name]
		if !ok {
			v, ok = t[modern]
		}
		return v, ok
	}
}
