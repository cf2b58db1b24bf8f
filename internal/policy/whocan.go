package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Answer is whether a kind of caller may do something.
type Answer string

// The answers.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Depends Answer = "depends" // on what is asked for, such as whether an image is public
)

// Access tells who may do what a rule guards.
type Access struct {
	Service    string   `json:"service"`
	Rule       string   `json:"rule"`
	Check      string   `json:"check"`    // as it is written
	Expanded   string   `json:"expanded"` // with the rules that it refers to put in
	Overridden bool     `json:"overridden"`
	Scopes     []string `json:"scopes,omitempty"` // of the tokens that it is for; none for any
	Operations []string `json:"operations,omitempty"`
	// Via are the rules that it refers to, also by way of others, and that are
	// overridden.
	Via   []string    `json:"via,omitempty"`
	Roles []RoleTable `json:"roles"`
}

// RoleTable is what a role may do, by where a user has it.
type RoleTable struct {
	// Role is one of the usual ones or one that the rule names. A user with it has
	// those that it implies too. "(none)" is a user without any role, "(owner)" one
	// without any who is the user that is asked for, or that what is asked for
	// belongs to.
	Role string `json:"role"`
	// Project is for a token of the project that what is asked for belongs to, or
	// that is asked for; OtherProject for one of another project.
	Project      Answer `json:"project"`
	OtherProject Answer `json:"other_project"`
	// Domain is for a token of the domain of that project or user.
	Domain      Answer `json:"domain"`
	OtherDomain Answer `json:"other_domain"`
	System      Answer `json:"system"`
}

// The callers that are no role.
const (
	noRole = "(none)"
	owner  = "(owner)"
)

// maxExpanded bounds how much of a rule is written out with those that it refers to.
const maxExpanded = 16 << 10

// WhoCan tells who may do what a rule guards: fault.NotFound if there is no such
// service or rule.
func (e *Enforcer) WhoCan(service, rule string) (Access, error) {
	set := e.service(service)
	if set == nil {
		return Access{}, fault.Missing("service", service)
	}
	source, ok := set.rules[rule]
	if !ok {
		return Access{}, fault.Missing("rule", rule)
	}
	r := source.rule(rule)
	x := &explainer{set: set, size: maxExpanded, seen: map[string]bool{}}
	root := &Expr{Op: Term, Kind: "rule", Match: rule}
	a := Access{
		Service: service, Rule: rule, Check: r.Check, Overridden: r.Overridden,
		Scopes: r.Scopes, Operations: r.Operations, Expanded: x.expand(root, 0).String(),
	}
	delete(x.seen, rule)
	for _, name := range slices.Sorted(maps.Keys(x.seen)) {
		if set.rules[name].overridden {
			a.Via = append(a.Via, name)
		}
	}
	for _, role := range x.roles() {
		a.Roles = append(a.Roles, e.tableOf(set, rule, root, role))
	}
	return a, nil
}

// The things of the questions that WhoCan answers: what is asked for belongs to the
// user, the project and the domain that are called "own".
const own, other = "own", "other"

// tableOf asks for one role with tokens of each kind.
func (e *Enforcer) tableOf(set *ruleset, rule string, root *Expr, role string) RoleTable {
	ask := func(scope func(*Principal)) Answer {
		p := &Principal{UserID: other, UserDomainID: own, Roles: implied(role)}
		if role == owner {
			p.UserID = own
		}
		scope(p)
		if set.bound[rule].scopes&scopeOf(p) == 0 && !e.anyScope.Load() {
			return No
		}
		q := &question{set: set, caller: p, known: map[string]Answer{}}
		return q.ask(root)
	}
	return RoleTable{
		Role:         role,
		Project:      ask(func(p *Principal) { p.ProjectID, p.ProjectDomainID = own, own }),
		OtherProject: ask(func(p *Principal) { p.ProjectID, p.ProjectDomainID = other, other }),
		Domain:       ask(func(p *Principal) { p.DomainID = own }),
		OtherDomain:  ask(func(p *Principal) { p.DomainID = other }),
		System:       ask(func(p *Principal) { p.System = true }),
	}
}

// implied are the roles of a user who has one, by how the usual ones imply others.
func implied(role string) []string {
	usual := []string{"reader", "member", "manager", "admin"}
	switch i := slices.Index(usual, role); {
	case i >= 0:
		return usual[:i+1]
	case role == noRole || role == owner:
		return nil
	}
	return []string{role}
}

// explainer writes a rule out.
type explainer struct {
	set   *ruleset
	size  int             // of what may still be written
	seen  map[string]bool // rules
	named []string        // roles
}

// expand puts into an expression the rules that it refers to.
func (x *explainer) expand(e *Expr, depth int) *Expr {
	if e.Op == Term {
		x.size -= len(e.Match)
		if e.Kind == "role" && !strings.Contains(e.Match, "%") {
			x.named = append(x.named, e.Match)
		}
		rule := e.Match
		if e.Kind == "is_admin" && (e.Match == "1" || strings.EqualFold(e.Match, "true")) {
			rule = adminRule
		} else if e.Kind != "rule" {
			return e
		}
		source, ok := x.set.rules[rule]
		if !ok || x.size < 0 || depth > maxDepth {
			return e
		}
		x.seen[rule] = true
		return x.expand(source.parsed(), depth+1)
	}
	args := make([]*Expr, len(e.Args))
	for i, a := range e.Args {
		args[i] = x.expand(a, depth+1)
	}
	if e.Op == And || e.Op == Or {
		var flat []*Expr
		for _, a := range args {
			flat = appendFlat(flat, e.Op, a)
		}
		args = flat
	}
	return &Expr{Op: e.Op, Args: args}
}

// roles are those to tell of: the usual ones and what else the rule names.
func (x *explainer) roles() []string {
	all := []string{noRole, owner, "reader", "member", "manager", "admin", "service"}
	slices.Sort(x.named)
	for _, role := range x.named {
		if !slices.ContainsFunc(all, func(have string) bool { return strings.EqualFold(have, role) }) {
			all = append(all, role)
		}
	}
	return all
}

// parsed is the expression of a rule that was compiled before.
func (s source) parsed() *Expr {
	e, err := Parse(s.check)
	if err != nil {
		return &Expr{Op: Never} // not reached: a wrong rule is not loaded
	}
	return e
}

// question is what one caller may do, with what is not known of the things asked for
// left open.
type question struct {
	set    *ruleset
	caller *Principal
	known  map[string]Answer // by rule
}

// ask gives the answer of an expression.
func (q *question) ask(e *Expr) Answer {
	switch e.Op {
	case Always:
		return Yes
	case Never:
		return No
	case Not:
		return opposite(q.ask(e.Args[0]))
	case And:
		return opposite(q.any(e.Args, func(a *Expr) Answer { return opposite(q.ask(a)) }))
	case Or:
		return q.any(e.Args, q.ask)
	}
	return q.term(e)
}

// any is yes if one answer is, and no if all are.
func (q *question) any(args []*Expr, ask func(*Expr) Answer) Answer {
	result := No
	for _, a := range args {
		switch ask(a) {
		case Yes:
			return Yes
		case Depends:
			result = Depends
		}
	}
	return result
}

func opposite(a Answer) Answer {
	switch a {
	case Yes:
		return No
	case No:
		return Yes
	}
	return a
}

// term answers for a single check.
func (q *question) term(e *Expr) Answer {
	if e.Kind == "rule" {
		if a, ok := q.known[e.Match]; ok {
			return a
		}
		a := q.ask(q.set.rules[e.Match].parsed())
		q.known[e.Match] = a
		return a
	}
	if e.Kind == "field" {
		return Depends
	}
	if get := credential(e.Kind); get != nil && get(q.caller) == "" && e.Match != "None" {
		return No // whatever is asked for
	}
	if list := listCredential(e.Kind); list != nil && len(list(q.caller)) == 0 {
		return No
	}
	target, whole := standIns(e.Match)
	if !whole {
		return Depends
	}
	check, err := (&ruleset{rules: q.set.rules, checks: map[string]check{}, byText: map[string]check{}}).compile(e)
	if err == nil && check(q.caller, target) {
		return Yes
	}
	return No
}

// standIns gives the attributes that a check asks of the target; whole says whether
// all of them are among those that every question has.
func standIns(match string) (t Target, whole bool) {
	t = Target{}
	for rest := match; ; {
		_, after, ok := strings.Cut(rest, "%(")
		if !ok {
			return t, true
		}
		name, next, _ := strings.Cut(after, ")s")
		if !belongs(name) {
			return nil, false
		}
		t[name], rest = own, next
	}
}

// belongs reports whether an attribute of a target says to which user, project or
// domain it belongs. A role's domain does not.
func belongs(name string) bool {
	if strings.HasPrefix(name, "target.role.") {
		return false
	}
	name = strings.NewReplacer("tenant", "project", "domain.id", "domain_id", "project.id", "project_id", "user.id", "user_id").Replace(name)
	last := name[strings.LastIndexAny(name, ".:")+1:]
	for _, end := range []string{"user_id", "project_id", "domain_id", "owner"} {
		if last == end || strings.HasSuffix(last, "_"+end) {
			return true
		}
	}
	return false
}
