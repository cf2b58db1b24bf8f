package cloud

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/state"
)

// Moment is the state of a cloud at one moment. It never changes, and costs nothing but
// the memory of what has changed since. The zero Moment is of a cloud without anything.
type Moment struct{ at state.Moment }

// Moment returns the state of now.
func (c *Cloud) Moment() Moment {
	return Moment{state.Moment{DB: c.core.DB, Snapshot: c.core.DB.Snapshot()}}
}

// Revision counts the commits up to the moment: two moments of one cloud are alike if it
// is the same.
func (m Moment) Revision() uint64 { return m.orEmpty().Snapshot.Revision() }

// Origin returns the moment at which a fork was made; the zero Moment if the cloud is no
// fork.
func (c *Cloud) Origin() Moment {
	if c.core.DB.Origin() == nil {
		return Moment{}
	}
	return Moment{state.Moment{DB: c.core.DB, Snapshot: c.core.DB.Origin()}}
}

// Changes returns what has changed in a fork since it was made.
func (c *Cloud) Changes() Changes { return Diff(c.Origin(), c.Moment()) }

// Diff returns what differs between two moments, of one cloud or of several. For a fork
// and its origin it costs time for each change, not for each thing that there is, up to
// some thousand changes.
//
// What is left out: times and counters of changes, journals of work, tokens and keys, and
// sums that follow from the rest. The values of secrets are never told.
func Diff(before, after Moment) Changes {
	found := state.Diff(before.orEmpty(), after.orEmpty())
	changes := make(Changes, 0, len(found))
	for _, c := range found {
		if change, worth := changeOf(c); worth {
			changes = append(changes, change)
		}
	}
	slices.SortStableFunc(changes, func(a, b Change) int {
		return cmp.Or(slices.Index(order, a.Kind)-slices.Index(order, b.Kind), strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	return changes
}

// orEmpty makes a state without documents of the zero Moment.
func (m Moment) orEmpty() state.Moment {
	if m.at.DB == nil {
		return state.Moment{DB: state.New(nil, nil), Snapshot: &state.Snapshot{}}
	}
	return m.at
}

// Changes are differences between two moments: by kind, users and projects first and
// hosts last, then by name and id.
type Changes []Change

// Action is what became of a thing.
type Action string

// The actions.
const (
	Added   Action = "added"
	Removed Action = "removed"
	Changed Action = "changed"
)

// Change is what became of one thing.
type Change struct {
	Action Action        `json:"action"`
	Kind   string        `json:"kind"` // "server", "port", "security group rule"
	ID     string        `json:"id"`
	Name   string        `json:"name,omitempty"`   // for people; not all things have one
	Fields []FieldChange `json:"fields,omitempty"` // of what was changed, by field
}

// FieldChange is one field before and after: values of JSON, nil for none.
type FieldChange struct {
	Field  string `json:"field"` // as stored; of a part "flavor.name"
	Old    any    `json:"old"`
	New    any    `json:"new"`
	Secret bool   `json:"secret,omitempty"` // the values are not told
}

// String is a line for each thing, as "+ server web (ID)", and below what was changed one
// for each field.
func (c Changes) String() string {
	var b strings.Builder
	for _, change := range c {
		b.WriteString(change.String())
	}
	return b.String()
}

// String is the change alone, as in Changes.
func (c Change) String() string {
	var b strings.Builder
	sign := map[Action]string{Added: "+", Removed: "-", Changed: "~"}[c.Action]
	if c.Name != "" && c.Name != c.ID {
		fmt.Fprintf(&b, "%s %s %s (%s)\n", sign, c.Kind, c.Name, c.ID)
	} else {
		fmt.Fprintf(&b, "%s %s %s\n", sign, c.Kind, c.ID)
	}
	for _, f := range c.Fields {
		fmt.Fprintf(&b, "    %s\n", f)
	}
	return b.String()
}

// String is "status: DOWN → ACTIVE".
func (f FieldChange) String() string {
	if f.Secret {
		return f.Field + ": (secret)"
	}
	return f.Field + ": " + show(f.Old) + " → " + show(f.New)
}

// maxShown is how much of a value String shows, in bytes.
const maxShown = 200

func show(v any) string {
	text, isText := v.(string)
	switch {
	case v == nil, isText && text == "":
		return "none"
	case !isText:
		encoded, err := json.Marshal(v)
		if err != nil {
			return "?"
		}
		text = string(encoded)
	}
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "…"
	}
	return text
}

// changeOf describes a changed document, and reports whether there is anything to tell.
func changeOf(c state.Change) (Change, bool) {
	k, shown := kinds[c.Collection]
	if !shown {
		return Change{}, false
	}
	was, is := fieldsOf(c.Old), fieldsOf(c.New)
	out := Change{Action: Changed, Kind: k.noun, ID: strings.ReplaceAll(c.Key, "\x00", "/")}
	out.Name, _ = is["name"].(string)
	switch {
	case c.Old == nil:
		out.Action = Added
		return out, true
	case c.New == nil:
		out.Action = Removed
		out.Name, _ = was["name"].(string)
		return out, true
	}
	out.Fields = k.differences(was, is)
	return out, len(out.Fields) > 0
}

// differences compares fields of two versions of a thing.
func (k kind) differences(was, is map[string]any) []FieldChange {
	var all []FieldChange
	names := make(map[string]bool, len(is))
	for name := range was {
		names[name] = true
	}
	for name := range is {
		names[name] = true
	}
	for name := range names {
		top, _, _ := strings.Cut(name, ".")
		if slices.Contains(noise, top) || slices.Contains(k.noise, top) || reflect.DeepEqual(was[name], is[name]) {
			continue
		}
		f := FieldChange{Field: name, Old: was[name], New: is[name]}
		if slices.Contains(k.secrets, top) {
			f = FieldChange{Field: top, Secret: true}
		}
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b FieldChange) int { return strings.Compare(a.Field, b.Field) })
	return slices.CompactFunc(all, func(a, b FieldChange) bool { return a.Secret && b.Secret && a.Field == b.Field })
}

// fieldsOf returns the fields of a document by name; those of parts have the names of
// all that they are in.
func fieldsOf(doc any) map[string]any {
	fields := map[string]any{}
	if doc == nil {
		return fields
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return fields
	}
	var tree map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if d.Decode(&tree) == nil {
		flatten(fields, "", tree)
	}
	return fields
}

func flatten(into map[string]any, prefix string, tree map[string]any) {
	for name, v := range tree {
		if part, ok := v.(map[string]any); ok {
			flatten(into, prefix+name+".", part)
			continue
		}
		into[prefix+name] = v
	}
}
