package policy

import (
	"regexp"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// check is a compiled expression.
type check func(p *Principal, t Target) bool

// compile turns an expression into a closure; rules that it refers to are bound
// to it, so that no name is looked up when it runs.
func (s *ruleset) compile(e *Expr) (check, error) {
	switch e.Op {
	case Always:
		return func(*Principal, Target) bool { return true }, nil
	case Never:
		return func(*Principal, Target) bool { return false }, nil
	case Term:
		return s.compileTerm(e.Kind, e.Match)
	}
	args := make([]check, len(e.Args))
	for i, a := range e.Args {
		c, err := s.compile(a)
		if err != nil {
			return nil, err
		}
		args[i] = c
	}
	switch e.Op {
	case Not:
		return func(p *Principal, t Target) bool { return !args[0](p, t) }, nil
	case And:
		return allOf(args), nil
	default:
		return anyOf(args), nil
	}
}

// allOf is true if each of checks is.
func allOf(checks []check) check {
	return func(p *Principal, t Target) bool {
		for _, c := range checks {
			if !c(p, t) {
				return false
			}
		}
		return true
	}
}

// anyOf is true if one of checks is.
func anyOf(checks []check) check {
	return func(p *Principal, t Target) bool {
		for _, c := range checks {
			if c(p, t) {
				return true
			}
		}
		return false
	}
}

// compileTerm compiles kind:match.
func (s *ruleset) compileTerm(kind, match string) (check, error) {
	switch kind {
	case "rule":
		return s.compileRule(match)
	case "field":
		return compileField(match)
	}
	want, err := parseTemplate(match)
	if err != nil {
		return nil, err
	}
	if list := listCredential(kind); list != nil {
		return oneOf(list, want), nil
	}
	if literal, ok := parseLiteral(kind); ok {
		return literalEquals(literal, want), nil
	}
	if flag := flagCredential(kind); flag != nil {
		return flagEquals(flag, want), nil
	}
	get := credential(kind)
	if get == nil {
		return nil, fault.New(fault.Invalid, "a token has no attribute %q", kind)
	}
	return credentialEquals(get, want), nil
}

// oneOf compares with each element of a list of the caller's, such as the roles;
// as in oslo.policy, the case of a role does not matter.
func oneOf(list func(*Principal) []string, want template) check {
	return func(p *Principal, t Target) bool {
		value, ok := want.fill(t)
		if !ok {
			return false
		}
		for _, have := range list(p) {
			if strings.EqualFold(have, value) {
				return true
			}
		}
		return false
	}
}

// credentialEquals compares an attribute of the caller. What the caller has not
// equals the literal None and no attribute of a target.
func credentialEquals(get func(*Principal) string, want template) check {
	if want.isLiteral("None") {
		return func(p *Principal, _ Target) bool { return get(p) == "" }
	}
	return func(p *Principal, t Target) bool {
		have := get(p)
		if have == "" {
			return false
		}
		value, ok := want.fill(t)
		return ok && have == value
	}
}

// flagEquals compares a boolean of the caller, written True or 1, False or 0.
func flagEquals(flag func(*Principal) bool, want template) check {
	return func(p *Principal, t Target) bool {
		value, ok := want.fill(t)
		if !ok {
			return false
		}
		if flag(p) {
			return value == "1" || strings.EqualFold(value, "true")
		}
		return value == "0" || strings.EqualFold(value, "false")
	}
}

// literalEquals compares a constant with an attribute of the target.
func literalEquals(literal string, want template) check {
	if literal == "True" || literal == "False" {
		return func(_ *Principal, t Target) bool {
			value, ok := want.fill(t)
			return ok && strings.EqualFold(literal, value)
		}
	}
	return func(_ *Principal, t Target) bool {
		value, ok := want.fill(t)
		return ok && literal == value
	}
}

// parseLiteral reads a constant: a quoted string, None, True, False or a number.
// None is the empty string, which is how a Target writes null.
func parseLiteral(text string) (value string, ok bool) {
	if len(text) >= 2 && (text[0] == '\'' || text[0] == '"') && text[len(text)-1] == text[0] {
		return text[1 : len(text)-1], true
	}
	switch text {
	case "None":
		return "", true
	case "True", "False":
		return text, true
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return "", false
		}
	}
	return text, true
}

// compileField compiles Neutron's field:RESOURCE:FIELD=VALUE, where VALUE may be
// ~REGEXP. The resource only names what the target is; the field may hold colons.
func compileField(match string) (check, error) {
	_, rest, ok := strings.Cut(match, ":")
	name, value, ok2 := strings.Cut(rest, "=")
	if !ok || !ok2 || name == "" {
		return nil, fault.New(fault.Invalid, "%q is not of the form field:resource:name=value", "field:"+match)
	}
	get := attribute(name)
	if pattern, ok := strings.CutPrefix(value, "~"); ok {
		re, err := regexp.Compile("^(?:" + pattern + ")")
		if err != nil {
			return nil, fault.New(fault.Invalid, "%q is not a regular expression", pattern)
		}
		return func(_ *Principal, t Target) bool {
			have, ok := get(t)
			return ok && re.MatchString(have)
		}, nil
	}
	fold := strings.EqualFold(value, "true") || strings.EqualFold(value, "false")
	return func(_ *Principal, t Target) bool {
		have, ok := get(t)
		return ok && (have == value || fold && strings.EqualFold(have, value))
	}, nil
}
