package policy

import "strings"

// scope is a set of kinds of tokens.
type scope uint8

const (
	forProject scope = 1 << iota
	forDomain
	forSystem
)

// forAny is that of a rule that names none.
const forAny = forProject | forDomain | forSystem

// parseScopes reads the column of the embedded data. A rule without scopes is for
// every token.
func parseScopes(column string) scope {
	var set scope
	for _, name := range strings.Split(column, "/") {
		switch name {
		case "project":
			set |= forProject
		case "domain":
			set |= forDomain
		case "system":
			set |= forSystem
		}
	}
	if set == 0 {
		return forAny
	}
	return set
}

// scopeOf tells what a token is for. As in oslo.policy, one that is for nothing in
// particular counts as a project's: it has no role, so what it may do there is what
// anybody may.
func scopeOf(p *Principal) scope {
	switch {
	case p.System:
		return forSystem
	case p.DomainID != "":
		return forDomain
	}
	return forProject
}

// Scope names what the principal's token is for: "project", "domain", "system", or
// "" if it is for nothing in particular.
func (p *Principal) Scope() string {
	switch {
	case p.System:
		return "system"
	case p.DomainID != "":
		return "domain"
	case p.ProjectID != "":
		return "project"
	}
	return ""
}
