package policy

import (
	"embed"
	"maps"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Rule is one named rule of a service.
type Rule struct {
	Name  string
	Check string // its check string, overridden or not
	// Scopes are the token scopes that the rule is meant for: "system", "domain",
	// "project". A token of another scope is refused whatever the check says. Empty
	// for any, as with building blocks; where a rule is referred to by another, only
	// the scopes of that one count.
	Scopes []string
	// Operations are the requests that the rule guards, as the source writes them:
	// "GET /servers". Empty for building blocks.
	Operations []string
	Overridden bool
}

//go:embed defaults/*.tsv
var defaults embed.FS

// Services lists the services that have a policy.
func Services() []string {
	return []string{"compute", "identity", "image", "network", "placement", "volume"}
}

// defaultRules reads the embedded rules of a service: a line each of name, check
// string, scopes and operations, parted by tabs, with "-" for nothing.
func defaultRules(service string) map[string]source {
	data, err := defaults.ReadFile("defaults/" + service + ".tsv")
	if err != nil {
		panic("policy: no defaults of " + service) // a bug: they are embedded
	}
	rules := make(map[string]source, 256)
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		check, rest, _ := strings.Cut(rest, "\t")
		scopes, operations, _ := strings.Cut(rest, "\t")
		rules[name] = source{check: check, scopes: scopes, operations: operations}
	}
	return rules
}

// source is a rule as it is written, to be split up when it is asked for.
type source struct {
	check, scopes, operations string
	overridden                bool
}

// rule gives it its exported form.
func (s source) rule(name string) Rule {
	return Rule{
		Name: name, Check: s.check, Overridden: s.overridden,
		Scopes: fields(s.scopes, "/"), Operations: fields(s.operations, "; "),
	}
}

// fields splits a column of the embedded data.
func fields(column, separator string) []string {
	if column == "-" || column == "" {
		return nil
	}
	return strings.Split(column, separator)
}

// ruleset is the compiled policy of one service.
type ruleset struct {
	rules  map[string]source
	bound  map[string]boundRule
	checks map[string]check // of compileRule
	// byText shares the closures of rules that say the same, which most do.
	byText map[string]check
	// open are the rules being compiled, outermost first, to find cycles.
	open []string
}

// newRuleset compiles the rules of a service after laying the overrides over them.
func newRuleset(service string, rules map[string]source, overrides map[string]string) (*ruleset, error) {
	for name, text := range overrides {
		r := rules[name]
		r.check, r.overridden = text, true
		rules[name] = r
	}
	s := &ruleset{
		rules:  rules,
		checks: make(map[string]check, len(rules)),
		byText: map[string]check{},
	}
	// The overrides come first, since only they can be wrong, and in order, so that
	// the same mistakes always give the same error.
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		if _, err := s.compileRule(name); err != nil {
			return nil, err
		}
	}
	for name := range rules {
		if _, err := s.compileRule(name); err != nil {
			return nil, err
		}
	}
	s.bound = make(map[string]boundRule, len(rules))
	for name, r := range rules {
		s.bound[name] = boundRule{s.checks[name], parseScopes(r.scopes)}
	}
	s.byText, s.checks, s.open = nil, nil, nil
	return s, nil
}

// boundRule is a rule as it is run.
type boundRule struct {
	check  check
	scopes scope
}

// compileRule compiles the named rule, and first those that it refers to.
func (s *ruleset) compileRule(name string) (check, error) {
	if c := s.checks[name]; c != nil {
		return c, nil
	}
	r, ok := s.rules[name]
	if !ok {
		return nil, fault.New(fault.Invalid, "there is no rule %q", name)
	}
	if c := s.byText[r.check]; c != nil {
		s.checks[name] = c
		return c, nil
	}
	if slices.Contains(s.open, name) {
		cycle := strings.Join(append(s.open, name), " → ")
		return nil, fault.New(fault.Invalid, "rules refer to each other in a circle: %s", cycle)
	}
	s.open = append(s.open, name)
	defer func() { s.open = s.open[:len(s.open)-1] }()
	expr, err := Parse(r.check)
	if err != nil {
		return nil, fault.New(fault.Invalid, "rule %q: %s", name, fault.Public(err))
	}
	c, err := s.compile(expr)
	if err != nil {
		return nil, fault.New(fault.Invalid, "rule %q: %s", name, fault.Public(err))
	}
	s.checks[name], s.byText[r.check] = c, c
	return c, nil
}
