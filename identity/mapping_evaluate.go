package identity

import (
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// Limits of the evaluation of a mapping.
const (
	maxAssertion   = 256 << 10  // bytes of an assertion
	maxMapped      = 1 << 20    // bytes of what the rules give
	maxPatternWork = 50_000_000 // instructions of regular expressions, times bytes they are run on
)

// MappedIdentity is who someone is by a mapping.
type MappedIdentity struct {
	User     MappingUser      `json:"user"`
	GroupIDs []string         `json:"group_ids"`
	Groups   []MappingGroup   `json:"group_names"` // by name and domain
	Projects []MappingProject `json:"projects"`
}

// EvaluateMapping tells who someone is of whom an identity provider asserts something,
// and changes nothing: fault.Invalid if the mapping is faulty, or no rule holds. It
// looks nothing up, so groups and domains need not be there.
func EvaluateMapping(m Mapping, a driver.Assertion) (MappedIdentity, error) {
	if err := m.check(); err != nil {
		return MappedIdentity{}, fault.Wrap("identity.EvaluateMapping", err)
	}
	e := evaluation{version: m.SchemaVersion, assertion: a, out: MappedIdentity{
		GroupIDs: []string{}, Groups: []MappingGroup{}, Projects: []MappingProject{},
	}}
	err := e.run(m.Rules)
	if err != nil {
		return MappedIdentity{}, fault.Wrap("identity.EvaluateMapping", err)
	}
	return e.out, nil
}

// evaluation is a mapping at work.
type evaluation struct {
	version   string
	assertion driver.Assertion
	out       MappedIdentity

	applied bool   // a rule held that gives something
	user    bool   // a user was given
	domain  *Named // the last one that was given
	work    int    // of regular expressions so far
	size    int    // of what was given so far
}

// run applies the rules in their order.
func (e *evaluation) run(rules []MappingRule) error {
	size := 0
	for name, values := range e.assertion {
		size += len(name)
		for _, v := range values {
			size += len(v) + 1
		}
	}
	if size > maxAssertion {
		return fault.New(fault.Invalid, "The assertion is larger than %d bytes.", maxAssertion)
	}
	for i := range rules {
		maps, holds, err := e.match(rules[i].Remote)
		if err != nil {
			return err
		}
		if !holds {
			continue
		}
		for _, local := range rules[i].Local {
			if err := e.apply(local, maps); err != nil {
				return err
			}
		}
	}
	if !e.applied {
		return fault.New(fault.Invalid, "Could not map any federated user properties to identity values.")
	}
	e.finish()
	return nil
}

// match holds an assertion against the remote parts of a rule and returns the values
// that they give.
func (e *evaluation) match(remote []MappingRemote) (maps [][]string, holds bool, err error) {
	for i := range remote {
		part := &remote[i]
		values := e.assertion[part.Type]
		if len(values) == 0 {
			return nil, false, nil
		}
		all := part.conditions()
		if len(all) == 0 {
			maps = append(maps, values)
			continue
		}
		matched, err := e.matching(values, all[0], part.isRegex())
		if err != nil {
			return nil, false, err
		}
		switch {
		case part.AnyOneOf != nil && len(matched) == 0, part.NotAnyOf != nil && len(matched) > 0:
			return nil, false, nil
		case part.Whitelist != nil:
			maps = append(maps, matched)
		case part.Blacklist != nil:
			maps = append(maps, slices.DeleteFunc(slices.Clone(values), func(v string) bool {
				return slices.Contains(matched, v)
			}))
		}
	}
	return maps, true, nil
}

// matching returns those values that a condition names.
func (e *evaluation) matching(values, condition []string, regex bool) ([]string, error) {
	if !regex {
		return slices.DeleteFunc(slices.Clone(values), func(v string) bool {
			return !slices.Contains(condition, v)
		}), nil
	}
	hit := make([]bool, len(values))
	for _, text := range condition {
		pattern, size, err := compilePattern(text)
		if err != nil {
			return nil, err
		}
		for i, v := range values {
			if hit[i] {
				continue
			}
			if e.work += size * (len(v) + 1); e.work > maxPatternWork {
				return nil, fault.New(fault.Invalid, "The regular expressions of the mapping are too much work for this assertion.")
			}
			hit[i] = pattern.MatchString(v)
		}
	}
	matched := []string{}
	for i, v := range values {
		if hit[i] {
			matched = append(matched, v)
		}
	}
	return matched, nil
}

// apply adds what a local part gives.
func (e *evaluation) apply(l MappingLocal, maps [][]string) error {
	w := writer{maps: maps, size: &e.size}
	e.applied = true
	domain := w.named(l.Domain)
	if !domain.empty() {
		e.domain = domain
	}
	if u := l.User; u != nil && !e.user {
		e.out.User = MappingUser{
			ID: w.one(u.ID), Name: w.one(u.Name), Email: w.maybe(u.Email), Type: u.Type, Domain: w.named(u.Domain),
		}
		if e.out.User.Domain == nil && e.version == mappingVersion2 {
			e.out.User.Domain = domain
		}
		e.user = e.out.User != (MappingUser{})
	}
	if g := l.Group; g != nil {
		if g.ID != "" {
			e.out.GroupIDs = append(e.out.GroupIDs, w.all(g.ID)...)
		}
		e.addGroups(w.all(g.Name), w.named(g.Domain))
	}
	if l.Groups != "" && domain.empty() {
		e.out.Groups = append(e.out.Groups, w.groups(l.Groups)...)
	} else {
		e.addGroups(w.all(l.Groups), domain)
	}
	e.out.GroupIDs = append(e.out.GroupIDs, w.all(l.GroupIDs)...)
	if l.Projects != nil {
		e.out.Projects = w.projects(l.Projects)
	}
	return w.err
}

func (e *evaluation) addGroups(names []string, domain *Named) {
	for _, name := range names {
		e.out.Groups = append(e.out.Groups, MappingGroup{Name: name, Domain: domain})
	}
}

// finish fills in defaults and takes out what is there twice.
func (e *evaluation) finish() {
	out := &e.out
	if out.User.Type == "" {
		out.User.Type = UserEphemeral
	}
	if e.version == mappingVersion2 {
		if out.User.Domain == nil {
			out.User.Domain = e.domain
		}
		for i := range out.Projects {
			if out.Projects[i].Domain == nil {
				out.Projects[i].Domain = e.domain
			}
		}
	}
	out.GroupIDs = distinct(out.GroupIDs, func(id string) string { return id })
	out.Groups = distinct(out.Groups, func(g MappingGroup) MappingGroup {
		return MappingGroup{Name: g.Name + "\x00" + g.Domain.ID + "\x00" + g.Domain.Name}
	})
}

// distinct keeps the first of those elements that have the same key.
func distinct[T any, K comparable](list []T, key func(T) K) []T {
	seen := make(map[K]bool, len(list))
	return slices.DeleteFunc(list, func(v T) bool {
		k := key(v)
		there := seen[k]
		seen[k] = true
		return there
	})
}

// writer puts values into texts. It remembers the first error.
type writer struct {
	maps [][]string
	size *int
	err  error
}

// all returns what a text stands for: one text for each value of those that it names.
// No text stands for nothing.
func (w *writer) all(text string) []string {
	if text == "" || w.err != nil {
		return nil
	}
	if list, ok := literalList(text); ok {
		return list
	}
	pieces, err := parseTemplate(text)
	if err != nil {
		w.err = err
		return nil
	}
	many := -1 // the number of the values that are several
	for _, p := range pieces {
		switch {
		case p.index < 0:
		case len(w.maps[p.index]) == 0:
			return nil
		case len(w.maps[p.index]) > 1 && many >= 0 && many != p.index:
			w.err = fault.New(fault.Invalid, "%q names two attributes that have several values each.", text)
			return nil
		case len(w.maps[p.index]) > 1:
			many = p.index
		}
	}
	times := 1
	if many >= 0 {
		times = len(w.maps[many])
	}
	list := make([]string, 0, times)
	for i := range times {
		list = append(list, w.render(pieces, many, i))
	}
	return list
}

// render writes a text with value number i of those that are several.
func (w *writer) render(pieces []piece, many, i int) string {
	var b strings.Builder
	for _, p := range pieces {
		text := p.text
		switch {
		case p.index >= 0 && p.index == many:
			text = w.maps[p.index][i]
		case p.index >= 0:
			text = w.maps[p.index][0]
		}
		if *w.size += len(text); *w.size > maxMapped {
			w.err = fault.New(fault.Invalid, "The mapping gives more than %d bytes.", maxMapped)
			return ""
		}
		b.WriteString(text)
	}
	return b.String()
}

// maybe is all for a text that may stand for one text only, or for nothing.
func (w *writer) maybe(text string) string {
	switch list := w.all(text); {
	case len(list) == 1:
		return list[0]
	case len(list) > 1 && w.err == nil:
		w.err = fault.New(fault.Invalid, "%q names an attribute that has several values, where one is needed.", text)
	}
	return ""
}

// one is maybe for a text that must not come to nothing: then something else would
// take its place.
func (w *writer) one(text string) string {
	result := w.maybe(text)
	if text != "" && result == "" && w.err == nil {
		w.err = fault.New(fault.Invalid, "%q names an attribute of which no value is left.", text)
	}
	return result
}

func (w *writer) named(n *Named) *Named {
	if n == nil {
		return nil
	}
	return &Named{ID: w.one(n.ID), Name: w.one(n.Name)}
}

func (w *writer) projects(list []MappingProject) []MappingProject {
	out := make([]MappingProject, 0, len(list))
	for _, p := range list {
		project := MappingProject{Name: w.one(p.Name), Roles: []MappingRole{}, Domain: w.named(p.Domain)}
		for _, role := range p.Roles {
			project.Roles = append(project.Roles, MappingRole{Name: w.one(role.Name)})
		}
		out = append(out, project)
	}
	return out
}

// literalList reads a list of quoted texts such as ['a', 'b'], which is how mappings
// name several groups at once. What attributes hold is never read so.
func literalList(text string) ([]string, bool) {
	inner, open := strings.CutPrefix(strings.TrimSpace(text), "[")
	inner, closed := strings.CutSuffix(inner, "]")
	if !open || !closed || strings.ContainsAny(inner, "{}\\") {
		return nil, false
	}
	list := []string{}
	for part := range strings.SplitSeq(inner, ",") {
		part = strings.TrimSpace(part)
		n := len(part)
		if n < 2 || part[0] != part[n-1] || part[0] != '\'' && part[0] != '"' {
			return nil, false
		}
		list = append(list, part[1:n-1])
	}
	return list, true
}
