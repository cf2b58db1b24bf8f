package policy

import (
	"math"
	"regexp"
	"strconv"
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
	case "is_admin":
		return s.compileAdmin(match)
	case "field":
		return compileField(match)
	}
	want, err := parseTemplate(match)
	if err != nil {
		return nil, err
	}
	if list := listCredential(kind); list != nil {
		return oneOf(list, want, kind == "role"), nil
	}
	if literal, ok := parseLiteral(kind); ok {
		return literalEquals(literal, want), nil
	}
	if flag := flagCredential(kind); flag != nil {
		return flagEquals(func(p *Principal, _ Target) bool { return flag(p) }, want), nil
	}
	get := credential(kind)
	if get == nil {
		return nil, fault.New(fault.Invalid, "a token has no attribute %q", kind)
	}
	return credentialEquals(get, want), nil
}

// adminRule says who is an administrator of a service.
const adminRule = "context_is_admin"

// compileAdmin compiles is_admin: who is an administrator is what the rule
// context_is_admin says, in services that have it.
func (s *ruleset) compileAdmin(match string) (check, error) {
	want, err := parseTemplate(match)
	if err != nil {
		return nil, err
	}
	if _, ok := s.rules[adminRule]; !ok {
		return flagEquals(func(p *Principal, _ Target) bool { return p.IsAdmin() }, want), nil
	}
	admin, err := s.compileRule(adminRule)
	return flagEquals(admin, want), err
}

// oneOf compares with each element of a list of the caller's. As in oslo.policy, the
// case matters in all of them, but not with "role".
func oneOf(list func(*Principal) []string, want template, fold bool) check {
	return func(p *Principal, t Target) bool {
		value, ok := want.fill(t)
		if !ok {
			return false
		}
		for _, have := range list(p) {
			if have == value || fold && strings.EqualFold(have, value) {
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
func flagEquals(flag check, want template) check {
	return func(p *Principal, t Target) bool {
		value, ok := want.fill(t)
		if !ok {
			return false
		}
		if flag(p, t) {
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
	return parseNumber(text)
}

// parseNumber reads a number and writes it as Python does, who compares its text.
func parseNumber(text string) (string, bool) {
	if text == "" || strings.Trim(text, "+-.0123456789") != "" {
		return "", false
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return strconv.FormatInt(n, 10), true
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(n) >= 1e16 || n != 0 && math.Abs(n) < 1e-4 {
		return "", false // which Python writes with an exponent
	}
	number := strconv.FormatFloat(n, 'f', -1, 64)
	if !strings.Contains(number, ".") {
		number += ".0"
	}
	return number, true
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
