package identity

import (
	"context"
	"reflect"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Mapping says who federated users are here: rules turn the attributes that an
// identity provider asserts into a user, groups and projects.
type Mapping struct {
	ID string `json:"id"`
	// SchemaVersion is "1.0", the default, or "2.0", with which projects may name a
	// domain, and a local domain is also that of user and projects without one.
	SchemaVersion string        `json:"schema_version"`
	Rules         []MappingRule `json:"rules"`
}

// MappingRule holds if each of its remote parts does. Then its local parts count. All
// rules of a mapping that hold count, in their order.
type MappingRule struct {
	Local  []MappingLocal  `json:"local"`
	Remote []MappingRemote `json:"remote"`
}

// MappingRemote holds if the assertion has the attribute and, with a condition, if
// that is met. There is one condition at most. A part without a condition, and one
// with Whitelist or Blacklist, gives its values to the local parts, which name them by
// number: "{0}" are the values of the first such part.
type MappingRemote struct {
	Type      string   `json:"type"` // the attribute
	AnyOneOf  []string `json:"any_one_of,omitzero"`
	NotAnyOf  []string `json:"not_any_of,omitzero"`
	Whitelist []string `json:"whitelist,omitzero"` // keeps only these of the values
	Blacklist []string `json:"blacklist,omitzero"` // drops these of the values
	// Regex makes the condition one of regular expressions, in the syntax of Go's
	// package regexp, which are looked for anywhere in a value.
	Regex *bool `json:"regex,omitempty"`
}

// MappingLocal is what a rule gives. Its texts may hold "{0}" and so on; "{{" and
// "}}" are braces.
type MappingLocal struct {
	// User is who it is. The first rule that gives one counts.
	User *MappingUser `json:"user,omitempty"`
	// Group is a group that the user is in for as long as the provider says so.
	Group *MappingGroup `json:"group,omitempty"`
	// Groups are names of groups in Domain. Without one, each value has to name its own:
	// JSON:{"name": "crew", "domain": {"name": "Default"}}.
	Groups string `json:"groups,omitempty"`
	// GroupIDs are the ids of groups.
	GroupIDs string `json:"group_ids,omitempty"`
	Domain   *Named `json:"domain,omitempty"`
	// Projects are made if they are not there, and the user gets roles on them. The last
	// rule that gives projects counts.
	Projects []MappingProject `json:"projects,omitzero"`
}

// Named is a domain in a mapping: by its id or by its name.
type Named struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// MappingUser is a user in a mapping. ID is what the provider calls it; without one
// the Name is taken.
type MappingUser struct {
	ID     string `json:"id,omitempty"`
	Name   string `json:"name,omitempty"`
	Email  string `json:"email,omitempty"`
	Type   string `json:"type,omitempty"` // UserEphemeral, the default, or UserLocal
	Domain *Named `json:"domain,omitempty"`
}

// The types of mapped users.
const (
	UserEphemeral = "ephemeral" // lives in the provider's domain, made at the first log-in
	UserLocal     = "local"     // must be there
)

// MappingGroup is a group in a mapping: by its id, or by its name and domain.
type MappingGroup struct {
	ID     string `json:"id,omitempty"`
	Name   string `json:"name,omitempty"`
	Domain *Named `json:"domain,omitempty"`
}

// MappingProject is a project in a mapping, with the roles that the user gets on it.
type MappingProject struct {
	Name   string        `json:"name"`
	Roles  []MappingRole `json:"roles"`
	Domain *Named        `json:"domain,omitempty"` // default: that of the identity provider
}

// MappingRole is a role in a mapping, by its name.
type MappingRole struct {
	Name string `json:"name"`
}

// The versions of mappings.
const (
	mappingVersion1 = "1.0"
	mappingVersion2 = "2.0"
)

// CreateMapping stores a mapping: fault.Invalid if a rule could never work.
func (s *Service) CreateMapping(ctx context.Context, m Mapping) (Mapping, error) {
	err := s.update(ctx, "CreateMapping", func(tx *state.Tx) error {
		if err := firstError(checkFederationID("mapping", m.ID), m.check()); err != nil {
			return err
		}
		if s.t.mappings.Has(tx, m.ID) {
			return conflict(fault.AlreadyExists, "mapping", "Duplicate entry found with ID "+m.ID)
		}
		s.emit(ctx, tx, created, "mapping", m.ID)
		return s.t.mappings.Insert(tx, m)
	})
	return m, err
}

// GetMapping returns a mapping by its id.
func (s *Service) GetMapping(ctx context.Context, id string) (Mapping, error) {
	m, err := s.t.mappings.Get(s.core.DB.Snapshot(), id)
	return m, fault.Wrap("identity.GetMapping", err)
}

// ListMappings returns mappings in order of their ids.
func (s *Service) ListMappings(ctx context.Context) ([]Mapping, error) {
	return collect(s.t.mappings.All(s.core.DB.Snapshot()), nil), nil
}

// UpdateMapping replaces the rules and the version of a mapping. If they are others,
// tokens that came by it end at once: they hold what the old rules gave.
func (s *Service) UpdateMapping(ctx context.Context, m Mapping) (Mapping, error) {
	err := s.update(ctx, "UpdateMapping", func(tx *state.Tx) error {
		old, err := s.t.mappings.Get(tx, m.ID)
		if err != nil {
			return err
		}
		if err := m.check(); err != nil {
			return err
		}
		if reflect.DeepEqual(old, m) {
			return nil
		}
		s.emit(ctx, tx, updated, "mapping", m.ID)
		return firstError(s.t.mappings.Put(tx, m), s.endMapped(tx, m.ID))
	})
	return m, err
}

// DeleteMapping removes a mapping. Tokens that came by it end at once, and nobody logs
// in by its protocols until they have another.
func (s *Service) DeleteMapping(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteMapping", func(tx *state.Tx) error {
		s.emit(ctx, tx, deleted, "mapping", id)
		return firstError(
			s.t.mappings.Delete(tx, id),
			s.endMapped(tx, id),
		)
	})
}

// endMapped ends the tokens that came by a mapping.
func (s *Service) endMapped(tx *state.Tx, id string) error {
	return s.endProtocols(tx, slices.Collect(s.t.protocols.Where(tx, s.t.protocolMapping, id)))
}
