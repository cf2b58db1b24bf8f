package identity

import (
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Limits of mappings. They bound the work of a log-in.
const (
	maxRules       = 500  // of a mapping
	maxRuleParts   = 100  // remote or local, of a rule
	maxConditions  = 1000 // values of a condition
	maxPattern     = 1024 // bytes of a regular expression
	maxPatternSize = 4000 // instructions of a compiled one
)

// check fills in what was left out, and refuses rules that could never work.
func (m *Mapping) check() error {
	if m.SchemaVersion == "" {
		m.SchemaVersion = mappingVersion1
	}
	if m.SchemaVersion != mappingVersion1 && m.SchemaVersion != mappingVersion2 {
		return fault.New(fault.Invalid, "The schema_version of a mapping is %s or %s.", mappingVersion1, mappingVersion2)
	}
	if len(m.Rules) == 0 || len(m.Rules) > maxRules {
		return fault.New(fault.Invalid, "A mapping has from 1 to %d rules.", maxRules)
	}
	for i, rule := range m.Rules {
		if err := rule.check(m.SchemaVersion); err != nil {
			return fault.New(fault.Invalid, "Rule %d: %s", i, fault.Public(err))
		}
	}
	return nil
}

func (r *MappingRule) check(version string) error {
	if len(r.Remote) == 0 {
		return fault.New(fault.Invalid, "the list remote must not be empty.")
	}
	if len(r.Remote) > maxRuleParts || len(r.Local) > maxRuleParts {
		return fault.New(fault.Invalid, "the lists local and remote have %d elements at most.", maxRuleParts)
	}
	given := 0
	for _, part := range r.Remote {
		if err := part.check(); err != nil {
			return err
		}
		if part.gives() {
			given++
		}
	}
	for _, part := range r.Local {
		if err := part.check(version, given); err != nil {
			return err
		}
	}
	return nil
}

// gives reports whether a part gives its values to the local parts.
func (p *MappingRemote) gives() bool { return p.AnyOneOf == nil && p.NotAnyOf == nil }

// isRegex reports whether the condition is one of regular expressions.
func (p *MappingRemote) isRegex() bool { return p.Regex != nil && *p.Regex }

// conditions are the values of the part's conditions, those that there are.
func (p *MappingRemote) conditions() [][]string {
	var all [][]string
	for _, values := range [][]string{p.AnyOneOf, p.NotAnyOf, p.Whitelist, p.Blacklist} {
		if values != nil {
			all = append(all, values)
		}
	}
	return all
}

func (p *MappingRemote) check() error {
	all := p.conditions()
	switch {
	case p.Type == "":
		return fault.New(fault.Invalid, "a remote part needs a type.")
	case len(all) > 1:
		return fault.New(fault.Invalid, "a remote part has one of any_one_of, not_any_of, whitelist and blacklist at most.")
	case len(all) == 0 && p.Regex != nil:
		return fault.New(fault.Invalid, "regex needs a condition.")
	case len(all) == 0:
		return nil
	case len(all[0]) > maxConditions:
		return fault.New(fault.Invalid, "a condition has %d values at most.", maxConditions)
	}
	for _, value := range all[0] {
		if !p.isRegex() {
			continue
		}
		if _, _, err := compilePattern(value); err != nil {
			return err
		}
	}
	return nil
}

// compilePattern compiles a regular expression and tells how large it is.
func compilePattern(text string) (*regexp.Regexp, int, error) {
	if len(text) > maxPattern {
		return nil, 0, fault.New(fault.Invalid, "a regular expression is longer than %d bytes.", maxPattern)
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, 0, fault.New(fault.Invalid, "%q is not a regular expression that is supported: %s.", text, err)
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil || len(prog.Inst) > maxPatternSize {
		return nil, 0, fault.New(fault.Invalid, "the regular expression %q is too large.", text)
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return nil, 0, fault.New(fault.Invalid, "%q is not a regular expression.", text)
	}
	return compiled, len(prog.Inst), nil
}

// check refuses a local part of a rule whose remote parts give so many values.
func (p *MappingLocal) check(version string, given int) error {
	for _, text := range p.texts() {
		if err := checkTemplate(text, given); err != nil {
			return err
		}
	}
	if u := p.User; u != nil && u.Type != "" && u.Type != UserEphemeral && u.Type != UserLocal {
		return fault.New(fault.Invalid, "the type of a user is %s or %s.", UserEphemeral, UserLocal)
	}
	if g := p.Group; g != nil && (g.ID == "") == (g.Name == "" || g.Domain.empty()) {
		return fault.New(fault.Invalid, "a group has either an id, or a name and a domain.")
	}
	if len(p.Projects) > maxRuleParts {
		return fault.New(fault.Invalid, "the list projects has %d elements at most.", maxRuleParts)
	}
	for _, project := range p.Projects {
		switch {
		case project.Name == "":
			return fault.New(fault.Invalid, "a project needs a name.")
		case project.Domain != nil && version == mappingVersion1:
			return fault.New(fault.Invalid, "a project has a domain from version %s on.", mappingVersion2)
		case len(project.Roles) > maxRuleParts:
			return fault.New(fault.Invalid, "the list roles has %d elements at most.", maxRuleParts)
		}
	}
	return nil
}

func (n *Named) empty() bool { return n == nil || n.ID == "" && n.Name == "" }

// texts are all texts of a local part that may name values.
func (p *MappingLocal) texts() []string {
	all := []string{p.Groups, p.GroupIDs}
	domain := func(n *Named) {
		if n != nil {
			all = append(all, n.ID, n.Name)
		}
	}
	domain(p.Domain)
	if u := p.User; u != nil {
		all = append(all, u.ID, u.Name, u.Email)
		domain(u.Domain)
	}
	if g := p.Group; g != nil {
		all = append(all, g.ID, g.Name)
		domain(g.Domain)
	}
	for _, project := range p.Projects {
		all = append(all, project.Name)
		domain(project.Domain)
		for _, role := range project.Roles {
			all = append(all, role.Name)
		}
	}
	return all
}

// piece is a part of a text: text itself, or the number of the values to put there.
type piece struct {
	text  string
	index int // -1: text
}

// parseTemplate takes a text with {0}, {1}, … apart.
func parseTemplate(text string) ([]piece, error) {
	var pieces []piece
	var plain strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case (c == '{' || c == '}') && i+1 < len(text) && text[i+1] == c:
			plain.WriteByte(c)
			i++
		case c == '{':
			name, _, closed := strings.Cut(text[i+1:], "}")
			n, err := strconv.ParseUint(name, 10, 16)
			if !closed || err != nil {
				return nil, fault.New(fault.Invalid, "%q: braces hold a number, or are doubled.", text)
			}
			if plain.Len() > 0 {
				pieces = append(pieces, piece{plain.String(), -1})
				plain.Reset()
			}
			pieces = append(pieces, piece{"", int(n)})
			i += len(name) + 1
		case c == '}':
			return nil, fault.New(fault.Invalid, "%q: a brace is closed that is not open.", text)
		default:
			plain.WriteByte(c)
		}
	}
	if plain.Len() > 0 || len(pieces) == 0 {
		pieces = append(pieces, piece{plain.String(), -1})
	}
	return pieces, nil
}

// checkTemplate refuses a text that names values that no remote part gives.
func checkTemplate(text string, given int) error {
	pieces, err := parseTemplate(text)
	if err != nil {
		return err
	}
	for _, p := range pieces {
		if p.index >= given {
			return fault.New(fault.Invalid,
				"%q names the values {%d}, but %d of the remote parts give values.", text, p.index, given)
		}
	}
	return nil
}
