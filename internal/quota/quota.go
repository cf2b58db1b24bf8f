// Package quota keeps how much of each resource a project may have. Usage is never
// stored: a service counts it from the state in the transaction that adds to it,
// so it cannot drift.
package quota

import (
	"maps"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Unlimited is the limit that everything fits in.
const Unlimited = -1

// Limits are the quotas of one service, by resource ("instances", "ports").
type Limits struct {
	service  string
	defaults map[string]int
	sets     *state.Collection[set]
}

// set is what a project (or, with the empty project, the service's default class)
// has that differs from the defaults.
type set struct {
	Service string         `json:"service"`
	Project string         `json:"project"`
	Limits  map[string]int `json:"limits"`
}

// Table defines the collection of quotas in db. All services of a cloud share it.
type Table struct{ sets *state.Collection[set] }

// Define adds the collection of quotas to db.
func Define(db *state.DB) *Table {
	return &Table{state.Define(db, state.Spec[set]{
		Name: "quota.sets",
		Noun: "quota set",
		Key:  func(s *set) string { return state.Key(s.Service, s.Project) },
	})}
}

// Service returns the quotas of one service; defaults names every resource that
// it limits.
func (t *Table) Service(name string, defaults map[string]int) *Limits {
	return &Limits{service: name, defaults: maps.Clone(defaults), sets: t.sets}
}

// Defaults returns the limits of a project that has none of its own.
func (l *Limits) Defaults(r state.Reader) map[string]int { return l.merged(r, "") }

// Project returns all limits of a project.
func (l *Limits) Project(r state.Reader, project string) map[string]int {
	m := l.merged(r, "")
	l.overlay(r, project, m)
	return m
}

// Limit returns one limit of a project.
func (l *Limits) Limit(r state.Reader, project, resource string) int {
	return l.Project(r, project)[resource]
}

// Check reports whether a project that uses used may add n more of the resource:
// fault.QuotaExceeded if not. Adding nothing is always allowed.
func (l *Limits) Check(r state.Reader, project, resource string, used, n int) error {
	limit := l.Limit(r, project, resource)
	if n <= 0 || limit == Unlimited || used+n <= limit {
		return nil
	}
	return &fault.Error{
		Kind: fault.QuotaExceeded, Resource: resource, Code: "OverQuota",
		Message: overText(resource, n, used, limit),
	}
}

// Set changes limits of a project, or of the defaults where project is empty.
// An unknown resource, or a limit below -1, is fault.Invalid.
func (l *Limits) Set(tx *state.Tx, project string, limits map[string]int) error {
	for name, n := range limits {
		if _, ok := l.defaults[name]; !ok {
			return fault.New(fault.Invalid, "there is no quota for %q", name)
		}
		if n < Unlimited {
			return fault.New(fault.Invalid, "quota limit %d for %s must be -1 or greater", n, name)
		}
	}
	s := set{Service: l.service, Project: project, Limits: map[string]int{}}
	if old, err := l.sets.Get(tx, state.Key(l.service, project)); err == nil {
		maps.Copy(s.Limits, old.Limits)
	}
	maps.Copy(s.Limits, limits)
	return l.sets.Put(tx, s)
}

// Projects returns the projects that have limits of their own, in order.
func (l *Limits) Projects(r state.Reader) []string {
	var projects []string
	for s := range l.sets.All(r) {
		if s.Service == l.service && s.Project != "" {
			projects = append(projects, s.Project)
		}
	}
	return projects
}

// Reset gives a project the defaults again.
func (l *Limits) Reset(tx *state.Tx, project string) error {
	err := l.sets.Delete(tx, state.Key(l.service, project))
	if fault.Of(err) == fault.NotFound {
		return nil
	}
	return err
}

func (l *Limits) merged(r state.Reader, project string) map[string]int {
	m := maps.Clone(l.defaults)
	l.overlay(r, project, m)
	return m
}

func (l *Limits) overlay(r state.Reader, project string, m map[string]int) {
	if s, err := l.sets.Get(r, state.Key(l.service, project)); err == nil {
		maps.Copy(m, s.Limits)
	}
}
