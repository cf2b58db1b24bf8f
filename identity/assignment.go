package identity

import (
	"context"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Assignment gives a role to a user or to a group, on a project, on a domain or on
// the whole system.
type Assignment struct {
	RoleID    string `json:"role"`
	UserID    string `json:"user,omitempty"` // or GroupID
	GroupID   string `json:"group,omitempty"`
	ProjectID string `json:"project,omitempty"` // or DomainID, or System
	DomainID  string `json:"domain,omitempty"`
	System    bool   `json:"system,omitempty"`
	// Inherited: the role holds not on the project or domain itself, but on all
	// projects below it.
	Inherited bool `json:"inherited,omitempty"`
}

// The parts of keys: whom a role is given, and on what.
func userActor(id string) string     { return "user:" + id }
func groupActor(id string) string    { return "group:" + id }
func projectTarget(id string) string { return "project:" + id }
func domainTarget(id string) string  { return "domain:" + id }

const systemTarget = "system:all"

// inheritedMark is in the keys of assignments that are inherited.
const inheritedMark = "inherited"

func (a *Assignment) actor() string {
	if a.GroupID != "" {
		return groupActor(a.GroupID)
	}
	return userActor(a.UserID)
}

func (a *Assignment) target() string {
	switch {
	case a.System:
		return systemTarget
	case a.DomainID != "":
		return domainTarget(a.DomainID)
	}
	return projectTarget(a.ProjectID)
}

func (a *Assignment) key() string {
	inherited := ""
	if a.Inherited {
		inherited = inheritedMark
	}
	return state.Key(a.actor(), a.target(), a.RoleID, inherited)
}

// Assign gives a role; one that is given already stays. fault.NotFound if any part
// of it does not exist.
func (s *Service) Assign(ctx context.Context, a Assignment) error {
	return s.update(ctx, "Assign", func(tx *state.Tx) error {
		if err := s.checkParts(tx, a); err != nil {
			return err
		}
		role, err := s.t.roles.Get(tx, a.RoleID)
		if err != nil {
			return err
		}
		if err := s.checkRoleDomain(tx, role, a); err != nil {
			return err
		}
		if s.t.assignments.Has(tx, a.key()) {
			return nil
		}
		s.emitAssignment(ctx, tx, created, a)
		return s.t.assignments.Insert(tx, a)
	})
}

// checkRoleDomain keeps a domain's own roles to its projects and itself.
func (s *Service) checkRoleDomain(r state.Reader, role Role, a Assignment) error {
	if role.DomainID == "" {
		return nil
	}
	domain := a.DomainID
	if a.ProjectID != "" {
		if p, err := s.t.projects.Get(r, a.ProjectID); err == nil {
			domain = domainOf(p)
		}
	}
	if domain != role.DomainID {
		return fault.New(fault.Forbidden, "Domain specific roles can only be assigned within their own domain.")
	}
	return nil
}

// Unassign takes a role back: fault.NotFound if it was not given. Tokens lose the
// role at once. Application credentials of the user on the project go with it.
func (s *Service) Unassign(ctx context.Context, a Assignment) error {
	return s.update(ctx, "Unassign", func(tx *state.Tx) error {
		if err := s.checkParts(tx, a); err != nil {
			return err
		}
		if !s.t.assignments.Has(tx, a.key()) {
			return notAssigned(a)
		}
		s.emitAssignment(ctx, tx, deleted, a)
		return s.dropAssignment(tx, a)
	})
}

// CheckAssignment returns nil if exactly this assignment exists, fault.NotFound if
// not.
func (s *Service) CheckAssignment(ctx context.Context, a Assignment) error {
	r := s.core.DB.Snapshot()
	err := s.checkParts(r, a)
	if err == nil && !s.t.assignments.Has(r, a.key()) {
		err = notAssigned(a)
	}
	return fault.Wrap("identity.CheckAssignment", err)
}

// RolesOf returns the roles given to exactly the actor on exactly the target of a,
// whose RoleID is not looked at: fault.NotFound if either does not exist.
func (s *Service) RolesOf(ctx context.Context, a Assignment) ([]Role, error) {
	r := s.core.DB.Snapshot()
	if err := s.checkParts(r, a); err != nil {
		return nil, fault.Wrap("identity.RolesOf", err)
	}
	list := []Role{}
	for got := range s.t.assignments.Where(r, s.t.assignActor, a.actor(), a.target()) {
		role, err := s.t.roles.Get(r, got.RoleID)
		if err == nil && got.Inherited == a.Inherited {
			list = append(list, role)
		}
	}
	return list, nil
}

// checkParts tells whether actor and target of an assignment exist.
func (s *Service) checkParts(r state.Reader, a Assignment) error {
	var err error
	switch {
	case a.GroupID != "":
		_, err = s.t.groups.Get(r, a.GroupID)
	default:
		_, err = s.t.users.Get(r, a.UserID)
	}
	if err != nil || a.System {
		return err
	}
	if a.DomainID != "" {
		_, err = s.domain(r, a.DomainID)
		return err
	}
	_, err = s.t.projects.Get(r, a.ProjectID)
	return err
}

// dropAssignment removes an assignment, and the application credentials that rest
// on it.
func (s *Service) dropAssignment(tx *state.Tx, a Assignment) error {
	if a.UserID != "" && a.ProjectID != "" && !a.Inherited {
		for _, c := range collect(s.t.appCreds.Where(tx, s.t.appCredUser, a.UserID), nil) {
			if c.ProjectID != a.ProjectID {
				continue
			}
			if err := s.t.appCreds.Delete(tx, c.ID); err != nil {
				return err
			}
		}
	}
	return s.t.assignments.Delete(tx, a.key())
}

// dropAssignments removes all that an index holds under a key.
func (s *Service) dropAssignments(tx *state.Tx, ix *state.Index[Assignment], key string) error {
	for _, a := range collect(s.t.assignments.Where(tx, ix, key), nil) {
		if err := s.dropAssignment(tx, a); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) emitAssignment(ctx context.Context, tx *state.Tx, verb string, a Assignment) {
	id := strings.Join([]string{a.actor(), a.target(), a.RoleID}, ",")
	s.emit(ctx, tx, verb, "role_assignment", id)
}

func notAssigned(a Assignment) error {
	return fault.New(fault.NotFound, "Could not find role assignment with role: %s, %s, %s.",
		a.RoleID, strings.Replace(a.actor(), ":", ": ", 1), strings.Replace(a.target(), ":", ": ", 1))
}
