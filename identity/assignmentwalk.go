package identity

import (
	"iter"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/state"
)

// walk is a range of the stored assignments. The walks of a list come in the order of
// their names, and give assignments in the order of their keys.
type walk struct {
	name  string
	after func(key string) iter.Seq[Assignment]
}

// met is a stored assignment on its way into a list.
type met struct {
	Assignment
	walk string
	from *position // if the page before ended with a row of this assignment
}

// stored walks the assignments behind a position that may give rows of the list, that of
// the position included.
func (l *assignmentList) stored(from *position) iter.Seq[met] {
	p := position{}
	if from != nil {
		p = *from
	}
	return func(yield func(met) bool) {
		for w := range l.walks(p.walk) {
			if w.name < p.walk {
				continue
			}
			key := ""
			if w.name == p.walk && from != nil {
				key = p.source
				a, err := l.s.t.assignments.Get(l.r, key)
				if err == nil && !yield(met{a, w.name, from}) {
					return
				}
			}
			for a := range w.after(key) {
				if !yield(met{a, w.name, nil}) {
					return
				}
			}
		}
	}
}

// walks gives the walks that meet all that the filters let pass, by the index that
// narrows most. Those before the one of the name from may be left out.
func (l *assignmentList) walks(from string) iter.Seq[walk] {
	o, targets := l.o, l.targets()
	switch actors := l.actors(); {
	case actors != nil && targets != nil:
		return l.atActors(actors, targets)
	case actors != nil:
		return each(slices.Values(actors), l.ofActor)
	case o.Subtree:
		return each(slices.Values(l.subtree(targets)), l.onTarget)
	case targets != nil:
		return each(slices.Values(targets), l.onTarget)
	case o.WithinDomain != "":
		return each(l.inDomain(o.WithinDomain, from), l.onTarget)
	case o.RoleID != "":
		return each(slices.Values(l.rolesFor(o.RoleID)), l.ofRole)
	case o.Inherited != nil && *o.Inherited:
		return each(slices.Values([]string{inheritedMark}), l.inherited)
	}
	return each(slices.Values([]string{""}), l.any)
}

// each makes walks of keys.
func each(keys iter.Seq[string], walkOf func(string) walk) iter.Seq[walk] {
	return func(yield func(walk) bool) {
		for key := range keys {
			if !yield(walkOf(key)) {
				return
			}
		}
	}
}

// actors are those to whom the assignments are given, in order; nil for any.
func (l *assignmentList) actors() []string {
	switch o := l.o; {
	case o.UserID != "" && o.Effective:
		all := l.s.actors(l.r, o.UserID)
		slices.Sort(all)
		return slices.Compact(all)
	case o.UserID != "":
		return []string{userActor(o.UserID)}
	case o.GroupID != "":
		return []string{groupActor(o.GroupID)}
	}
	return nil
}

// targets are what the assignments are on, in order; nil for anything. Effective ones
// may be on what is above a project. Of a tree it is the root's.
func (l *assignmentList) targets() []string {
	switch o := l.o; {
	case o.System:
		return []string{systemTarget}
	case o.DomainID != "":
		return []string{domainTarget(o.DomainID)}
	case o.ProjectID == "":
		return nil
	}
	targets := []string{projectTarget(l.o.ProjectID)}
	if p, err := l.s.t.projects.Get(l.r, l.o.ProjectID); l.o.Effective && err == nil {
		for _, above := range l.s.ancestors(l.r, p) {
			targets = append(targets, projectTarget(above.ID), domainTarget(above.ID))
		}
	}
	slices.Sort(targets)
	return targets
}

// subtree adds the projects below the one of the filter.
func (l *assignmentList) subtree(targets []string) []string {
	for _, p := range l.s.descendants(l.r, l.o.ProjectID) {
		targets = append(targets, projectTarget(p.ID))
	}
	slices.Sort(targets)
	return targets
}

// inDomain walks the targets that are a domain or in it, from one on.
func (l *assignmentList) inDomain(id, from string) iter.Seq[string] {
	project, resumed := strings.CutPrefix(from, projectTarget(""))
	if !resumed {
		project = ""
	}
	rest := func(yield func(string) bool) {
		if !yield(domainTarget(id)) || resumed && !yield(from) {
			return
		}
		for p := range l.s.t.projects.WhereAfter(l.r, l.s.t.projectDomain, project, id) {
			if !yield(projectTarget(p.ID)) {
				return
			}
		}
	}
	return inOrder(rest, only(projectTarget(id), true)) // a domain is a project too
}

// rolesFor are the roles that are worth one, in order: itself, and in effective lists
// those that imply it.
func (l *assignmentList) rolesFor(id string) []string {
	list := []string{id}
	for i := 0; l.o.Effective && i < len(list); i++ {
		for in := range l.s.t.implications.Where(l.r, l.s.t.impliesRole, list[i]) {
			if !slices.Contains(list, in.PriorID) {
				list = append(list, in.PriorID)
			}
		}
	}
	slices.Sort(list)
	return list
}

// atActors walks what each actor has on each target. With a tree of targets it walks all
// that the actors have.
func (l *assignmentList) atActors(actors, targets []string) iter.Seq[walk] {
	if l.o.Subtree {
		return each(slices.Values(actors), l.ofActor)
	}
	return func(yield func(walk) bool) {
		for _, actor := range actors {
			for _, target := range targets {
				if !yield(l.index(state.Key(actor, target), l.s.t.assignActor, actor, target)) {
					return
				}
			}
		}
	}
}

// ofActor walks along the keys, which begin with the actor.
func (l *assignmentList) ofActor(actor string) walk {
	return walk{actor, func(key string) iter.Seq[Assignment] {
		if key == "" {
			key = state.Key(actor)
		}
		return func(yield func(Assignment) bool) {
			for a := range l.s.t.assignments.After(l.r, key) {
				if a.actor() != actor || !yield(a) {
					return
				}
			}
		}
	}}
}

func (l *assignmentList) onTarget(target string) walk {
	return l.index(target, l.s.t.assignTarget, target)
}

func (l *assignmentList) ofRole(id string) walk { return l.index(id, l.s.t.assignRole, id) }

func (l *assignmentList) inherited(mark string) walk {
	return l.index(mark, l.s.t.assignInherited, mark)
}

func (l *assignmentList) any(string) walk {
	return walk{"", func(key string) iter.Seq[Assignment] { return l.s.t.assignments.After(l.r, key) }}
}

func (l *assignmentList) index(name string, ix *state.Index[Assignment], parts ...string) walk {
	return walk{name, func(key string) iter.Seq[Assignment] {
		return l.s.t.assignments.WhereAfter(l.r, ix, key, parts...)
	}}
}
