// Package policy decides who may do what: oslo.policy's rule language over the
// secure-RBAC defaults of the imitated services, with a user's overrides.
//
// A rule is a named check string, such as "role:admin or project_id:%(project_id)s".
// [New] compiles the rules of all services once, and refuses what it cannot be sure
// of: a rule that refers to one that does not exist, to itself, or to a credential
// that no token has. [Enforcer.Check] then only runs closures. [Watch] keeps the rules as
// the files of a directory say.
//
// A rule is for tokens of some scopes only, and that is enforced, as OpenStack's services
// of 2026 do with nothing configured: oslo.policy has no switch for it any more. The rules of
// Nova, Neutron, Glance and Placement are for tokens of projects; those of Keystone for
// tokens of the system or of a project, some also for tokens of domains; those of Cinder
// for any, since it gives none a scope. A token without a scope counts as one of a project, which has
// no role there. [Enforcer.IgnoreScopes] is the switch for those who need it.
package policy

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Enforcer evaluates rules. It is safe for concurrent use, also while [Enforcer.Load]
// replaces the rules.
type Enforcer struct {
	rules     atomic.Pointer[rulebook]
	anyScope  atomic.Bool // scopes are not looked at
	anonymous *Principal  // stands for a caller without a token
}

// rulebook is the rules of all services at one time. It never changes.
type rulebook map[string]*ruleset

// New returns an enforcer with the built-in defaults of all services, overridden
// by overrides: service ("compute", "network", …) to rule name to check string.
// An override may also add rules, for others to refer to.
func New(overrides map[string]map[string]string) (*Enforcer, error) {
	e := &Enforcer{anonymous: &Principal{}}
	if err := e.Load(overrides); err != nil {
		return nil, err
	}
	return e, nil
}

// Load replaces the overrides by others, all at once: a request is judged by the
// rules of before or by those of after. If anything is wrong with them, all rules stay
// as they were.
func (e *Enforcer) Load(overrides map[string]map[string]string) error {
	book := rulebook{}
	for _, service := range Services() {
		set, err := newRuleset(service, defaultRules(service), overrides[service])
		if err != nil {
			return fmt.Errorf("policy of %s: %w", service, err)
		}
		book[service] = set
	}
	for _, service := range slices.Sorted(maps.Keys(overrides)) {
		if book[service] == nil {
			return fault.New(fault.Invalid, "policy: there is no service %q", service)
		}
	}
	e.rules.Store(&book)
	return nil
}

// IgnoreScopes makes rules hold for tokens of any scope, as they did before OpenStack
// enforced scopes. To be called before the enforcer is used.
func (e *Enforcer) IgnoreScopes() { e.anyScope.Store(true) }

// service gives the rules of a service, or nil.
func (e *Enforcer) service(name string) *ruleset { return (*e.rules.Load())[name] }

// Check reports whether p may do what the service's rule guards, on target:
// nil, or a fault.Forbidden that names the rule. An unknown rule is refused. A nil
// p is a caller without a token.
func (e *Enforcer) Check(service, rule string, p *Principal, target Target) error {
	if e.Allowed(service, rule, p, target) {
		return nil
	}
	return (&fault.Error{
		Kind:    fault.Forbidden,
		Code:    "PolicyNotAuthorized",
		Message: "The policy rule " + rule + " does not allow this.",
	}).Because(&Denied{Service: service, Rule: rule})
}

// Allowed is Check as a boolean, for rules that only widen an answer (such as
// "may list all projects" or "may see host names").
func (e *Enforcer) Allowed(service, rule string, p *Principal, target Target) bool {
	set := e.service(service)
	if set == nil {
		return false
	}
	b, ok := set.bound[rule]
	if !ok {
		return false
	}
	if p == nil {
		p = e.anonymous
	}
	if b.scopes&scopeOf(p) == 0 && !e.anyScope.Load() {
		return false
	}
	return b.check(p, target)
}

// Has reports whether the service has a rule of that name.
func (e *Enforcer) Has(service, rule string) bool {
	set := e.service(service)
	return set != nil && set.bound[rule].check != nil
}

// Rules lists the rules of a service as they are in force, sorted by name; nil if
// there is no such service.
func (e *Enforcer) Rules(service string) []Rule {
	set := e.service(service)
	if set == nil {
		return nil
	}
	rules := make([]Rule, 0, len(set.rules))
	for _, name := range slices.Sorted(maps.Keys(set.rules)) {
		rules = append(rules, set.rules[name].rule(name))
	}
	return rules
}

// Denied is the cause of the error that Check returns: which rule said no. Dialects
// take from it the words of their service.
type Denied struct {
	Service string
	Rule    string
}

// Error names the rule.
func (d *Denied) Error() string { return "rule " + d.Service + " " + d.Rule + " is not met" }
