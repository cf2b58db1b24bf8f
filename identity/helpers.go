package identity

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// The longest names, in characters, as in Keystone.
const (
	maxName        = 255
	maxProjectName = 64
)

// The verbs of events.
const (
	created = "created"
	updated = "updated"
	deleted = "deleted"
)

// update runs f in a transaction.
func (s *Service) update(ctx context.Context, op string, f func(tx *state.Tx) error) error {
	return fault.Wrap("identity."+op, s.core.DB.Update(ctx, f))
}

// emit records the event of a change, "identity.user.created".
func (s *Service) emit(ctx context.Context, tx *state.Tx, verb, resource, id string) {
	by := caller.From(ctx)
	e := state.Event{
		Type: "identity." + resource + "." + verb, Resource: resource, ID: id,
		UserID: by.UserID, ProjectID: by.ProjectID, RequestID: by.RequestID,
		Time: s.core.Clock.Now(),
	}
	if resource == "project" {
		e.ProjectID = id
	}
	tx.Emit(e)
}

// deleteAll removes the documents that an index holds under parts.
func deleteAll[T any](tx *state.Tx, c *state.Collection[T], ix *state.Index[T], key func(*T) string, parts ...string) error {
	for _, doc := range slices.Collect(c.Where(tx, ix, parts...)) {
		if err := c.Delete(tx, key(&doc)); err != nil {
			return err
		}
	}
	return nil
}

func appCredKey(a *appCredentialRow) string { return a.ID }
func credentialKey(c *credentialRow) string { return c.ID }
func memberKey(m *membership) string        { return state.Key(m.GroupID, m.UserID) }
func implicationKey(i *implication) string  { return state.Key(i.PriorID, i.ImpliedID) }

// collect gathers those documents of a walk that keep holds for.
func collect[T any](all iter.Seq[T], keep func(*T) bool) []T {
	list := []T{}
	for doc := range all {
		if keep == nil || keep(&doc) {
			list = append(list, doc)
		}
	}
	return list
}

// set gives dst the value of an option that was given.
func set[T any](dst *T, option *T) {
	if option != nil {
		*dst = *option
	}
}

// is reports whether a filter that may be empty lets a value pass.
func is(filter, value string) bool { return filter == "" || filter == value }

// merged returns a with more laid over it. It alters neither.
func (a Attributes) merged(more Attributes) Attributes {
	if len(more) == 0 {
		return a
	}
	all := maps.Clone(a)
	if all == nil {
		all = Attributes{}
	}
	for k, v := range more {
		all[k] = v
		if v == nil {
			delete(all, k)
		}
	}
	return all
}

// immutable refuses to change or delete what is marked so, unless the change takes
// the mark away.
func immutable(noun, id string, now, change Attributes) error {
	if now["immutable"] != true {
		return nil
	}
	if v, ok := change["immutable"]; ok && v != true {
		return nil
	}
	return fault.New(fault.Forbidden, "Unable to change or delete the immutable %s %s. Set the resource option \"immutable\" to false first.", noun, id)
}

// checkName refuses names that are blank or too long.
func checkName(noun, name string, most int) error {
	switch n := utf8.RuneCountInString(name); {
	case strings.TrimSpace(name) == "":
		return fault.New(fault.Invalid, "The name of the %s must not be empty.", noun)
	case n > most:
		return fault.New(fault.Invalid, "The name of the %s is %d characters long, %d are allowed.", noun, n, most)
	case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return fault.New(fault.Invalid, "The name of the %s must be text.", noun)
	}
	return nil
}

// checkID refuses an id, given by a caller of the Go API, that tokens cannot carry.
func checkID(noun, id string) error {
	if len(id) > maxID {
		return fault.New(fault.Invalid, "The id of the %s is longer than %d bytes.", noun, maxID)
	}
	return nil
}

// duplicate words the error of a name that is taken, and passes others on.
func duplicate(err error, noun, name, domainID string) error {
	if fault.Of(err) != fault.AlreadyExists {
		return err
	}
	detail := fmt.Sprintf("Duplicate entry found with name %s", name)
	if domainID != "" {
		detail += " at domain ID " + domainID
	}
	return &fault.Error{
		Kind: fault.AlreadyExists, Resource: noun, ID: name,
		Message: fmt.Sprintf("Conflict occurred attempting to store %s - %s.", noun, detail),
	}
}

// conflict words the error of something that is there already, and passes others on.
func conflict(err error, noun, detail string) error {
	if fault.Of(err) != fault.AlreadyExists {
		return err
	}
	return fault.New(fault.AlreadyExists, "Conflict occurred attempting to store %s - %s.", noun, detail)
}

// firstError returns the first of errs that is not nil. All have been run; in a
// transaction that ends with the error nothing of them stays.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
