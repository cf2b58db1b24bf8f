package identity

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Role is a name for what a user may do; policies say what.
type Role struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`             // unique among global roles, or in its domain
	DomainID    string     `json:"domain,omitempty"` // empty: a global role
	Description *string    `json:"description,omitempty"`
	Options     Attributes `json:"options,omitempty"`
	Extra       Attributes `json:"extra,omitempty"`
}

// CreateRoleOptions of Service.CreateRole.
type CreateRoleOptions struct {
	ID          string // empty for a new one
	Name        string
	DomainID    string // empty: a global role
	Description *string
	Options     Attributes
	Extra       Attributes
}

// UpdateRoleOptions of Service.UpdateRole; nil leaves as it is.
type UpdateRoleOptions struct {
	Name        *string
	Description *string
	Options     Attributes
	Extra       Attributes
}

// ListRolesOptions narrow Service.ListRoles; nil means all global roles.
type ListRolesOptions struct {
	DomainID string // roles of this domain instead of the global ones
	Name     string
	Keep     func(*Role) bool // a further condition; nil: none
	Page     Page
}

// Inference says which roles whoever has the prior role has as well.
type Inference struct {
	Prior   Role
	Implied []Role
}

// CreateRole makes a role: fault.AlreadyExists if the name is taken.
func (s *Service) CreateRole(ctx context.Context, opts CreateRoleOptions) (Role, error) {
	r := Role{
		ID: opts.ID, Name: opts.Name, DomainID: opts.DomainID,
		Description: opts.Description, Options: opts.Options, Extra: opts.Extra,
	}
	if r.ID == "" {
		r.ID = s.core.IDs.Hex()
	}
	err := s.update(ctx, "CreateRole", func(tx *state.Tx) error {
		if err := checkName("role", r.Name, maxName); err != nil {
			return err
		}
		if r.DomainID != "" {
			if _, err := s.domain(tx, r.DomainID); err != nil {
				return err
			}
		}
		if err := s.t.roles.Insert(tx, r); err != nil {
			return duplicate(err, "role", r.Name, r.DomainID)
		}
		s.emit(ctx, tx, created, "role", r.ID)
		return nil
	})
	return r, err
}

// GetRole returns a role by its id.
func (s *Service) GetRole(ctx context.Context, id string) (Role, error) {
	r, err := s.t.roles.Get(s.core.DB.Snapshot(), id)
	return r, fault.Wrap("identity.GetRole", err)
}

// FindRole returns the global role of a name.
func (s *Service) FindRole(ctx context.Context, name string) (Role, error) {
	r, ok := s.t.roles.Find(s.core.DB.Snapshot(), s.t.roleName, "", name)
	if !ok {
		return Role{}, fault.Wrap("identity.FindRole", fault.Missing("role", name))
	}
	return r, nil
}

// ListRoles returns roles in order of their ids.
func (s *Service) ListRoles(ctx context.Context, opts *ListRolesOptions) ([]Role, error) {
	if opts == nil {
		opts = &ListRolesOptions{}
	}
	r := s.core.DB.Snapshot()
	all := s.t.roles.WhereAfter(r, s.t.roleDomain, opts.Page.Marker, opts.DomainID)
	if opts.Name != "" {
		all = only(s.t.roles.Find(r, s.t.roleName, opts.DomainID, opts.Name))
	}
	list, err := paged(ctx, all, opts.Page, func(r *Role) string { return r.ID }, func(r *Role) bool {
		return is(opts.Name, r.Name) && holds(opts.Keep, r)
	})
	return list, fault.Wrap("identity.ListRoles", err)
}

// UpdateRole changes a role.
func (s *Service) UpdateRole(ctx context.Context, id string, opts UpdateRoleOptions) (Role, error) {
	var r Role
	err := s.update(ctx, "UpdateRole", func(tx *state.Tx) error {
		err := s.t.roles.Change(tx, id, func(old *Role) error {
			change := opts.Options
			if opts.Name != nil || opts.Description != nil || len(opts.Extra) > 0 {
				change = nil // what is immutable is changed no sooner than afterwards
			}
			if err := immutable("role", id, old.Options, change); err != nil {
				return err
			}
			set(&old.Name, opts.Name)
			if opts.Description != nil {
				old.Description = opts.Description
			}
			old.Options = old.Options.merged(opts.Options)
			old.Extra = old.Extra.merged(opts.Extra)
			r = *old
			return checkName("role", r.Name, maxName)
		})
		if err != nil {
			return duplicate(err, "role", r.Name, r.DomainID)
		}
		s.emit(ctx, tx, updated, "role", id)
		return nil
	})
	return r, err
}

// DeleteRole removes a role, its assignments and its inferences.
func (s *Service) DeleteRole(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteRole", func(tx *state.Tx) error {
		r, err := s.t.roles.Get(tx, id)
		if err != nil {
			return err
		}
		if err := immutable("role", id, r.Options, nil); err != nil {
			return err
		}
		return s.dropRole(ctx, tx, r)
	})
}

func (s *Service) dropRole(ctx context.Context, tx *state.Tx, r Role) error {
	err := firstError(
		s.dropAssignments(tx, s.t.assignRole, r.ID),
		deleteAll(tx, s.t.implications, s.t.impliesPrior, implicationKey, r.ID),
		deleteAll(tx, s.t.implications, s.t.impliesRole, implicationKey, r.ID),
		s.t.roles.Delete(tx, r.ID),
	)
	if err == nil {
		s.emit(ctx, tx, deleted, "role", r.ID)
	}
	return err
}

// CreateInference makes the prior role imply another: fault.Forbidden for a domain
// role implied by a global one, and for one that would close a circle;
// fault.AlreadyExists if it does so already.
func (s *Service) CreateInference(ctx context.Context, priorID, impliedID string) error {
	return s.update(ctx, "CreateInference", func(tx *state.Tx) error {
		prior, err := s.t.roles.Get(tx, priorID)
		if err != nil {
			return err
		}
		implied, err := s.t.roles.Get(tx, impliedID)
		if err != nil {
			return err
		}
		if prior.DomainID == "" && implied.DomainID != "" {
			return fault.New(fault.Forbidden, "Role %s is a domain specific role: a global role cannot imply it.", impliedID)
		}
		if implied.Name == s.cfg.AdminRole && implied.DomainID == "" {
			return fault.New(fault.Forbidden, "%s cannot be an implied role.", impliedID)
		}
		if _, circle := s.closure(tx, impliedID)[priorID]; circle {
			return fault.New(fault.Forbidden, "Role %s already implies role %s.", impliedID, priorID)
		}
		s.emit(ctx, tx, updated, "role", priorID)
		err = s.t.implications.Insert(tx, implication{PriorID: priorID, ImpliedID: impliedID})
		return conflict(err, "implied_role", "Duplicate entry")
	})
}

// GetInference returns one inference: fault.NotFound if the prior role does not
// imply the other directly.
func (s *Service) GetInference(ctx context.Context, priorID, impliedID string) (Inference, error) {
	r := s.core.DB.Snapshot()
	in, err := s.inferences(r, priorID)
	if err == nil && !s.t.implications.Has(r, state.Key(priorID, impliedID)) {
		err = notImplied(priorID, impliedID)
	}
	if err != nil {
		return Inference{}, fault.Wrap("identity.GetInference", err)
	}
	implied, err := s.t.roles.Get(r, impliedID)
	in.Implied = []Role{implied}
	return in, fault.Wrap("identity.GetInference", err)
}

// ListInferences returns what each prior role directly implies; with priorID, of
// that role only, even if it implies none.
func (s *Service) ListInferences(ctx context.Context, priorID string) ([]Inference, error) {
	r := s.core.DB.Snapshot()
	if priorID != "" {
		in, err := s.inferences(r, priorID)
		return []Inference{in}, fault.Wrap("identity.ListInferences", err)
	}
	list := []Inference{}
	for i := range s.t.implications.Where(r, s.t.impliesPrior) {
		if n := len(list); n > 0 && list[n-1].Prior.ID == i.PriorID {
			continue
		}
		if in, err := s.inferences(r, i.PriorID); err == nil {
			list = append(list, in)
		}
	}
	return list, nil
}

// DeleteInference ends an implication: fault.NotFound if there is none.
func (s *Service) DeleteInference(ctx context.Context, priorID, impliedID string) error {
	return s.update(ctx, "DeleteInference", func(tx *state.Tx) error {
		if err := s.t.implications.Delete(tx, state.Key(priorID, impliedID)); err != nil {
			return notImplied(priorID, impliedID)
		}
		s.emit(ctx, tx, updated, "role", priorID)
		return nil
	})
}

func (s *Service) inferences(r state.Reader, priorID string) (Inference, error) {
	prior, err := s.t.roles.Get(r, priorID)
	in := Inference{Prior: prior}
	for i := range s.t.implications.Where(r, s.t.impliesPrior, priorID) {
		if role, err := s.t.roles.Get(r, i.ImpliedID); err == nil {
			in.Implied = append(in.Implied, role)
		}
	}
	return in, err
}

// closure returns a role and all that it implies, directly or not: each role's id
// with the id of the role that implies it (empty for the first).
func (s *Service) closure(r state.Reader, roleID string) map[string]string {
	found := map[string]string{roleID: ""}
	queue := []string{roleID}
	for len(queue) > 0 {
		prior := queue[0]
		queue = queue[1:]
		for i := range s.t.implications.Where(r, s.t.impliesPrior, prior) {
			if _, seen := found[i.ImpliedID]; !seen {
				found[i.ImpliedID] = prior
				queue = append(queue, i.ImpliedID)
			}
		}
	}
	return found
}

func notImplied(priorID, impliedID string) error {
	return fault.New(fault.NotFound, "%s does not imply %s.", priorID, impliedID)
}
