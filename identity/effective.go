package identity

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// RoleAssignment is an assignment as listed, with where an effective one comes
// from.
type RoleAssignment struct {
	Assignment
	// Effective lists: the group whose membership gives the role, the role that
	// implies it, and the domain or project that it is inherited from.
	ViaGroupID    string
	PriorRoleID   string
	FromDomainID  string
	FromProjectID string
}

// ListAssignmentsOptions narrow Service.ListAssignments; nil means all.
type ListAssignmentsOptions struct {
	RoleID    string
	UserID    string
	GroupID   string
	ProjectID string
	DomainID  string
	System    bool
	// Inherited keeps only what is inherited by projects (true), or only what is
	// not (false).
	Inherited *bool
	// Subtree adds what is assigned on projects below ProjectID.
	Subtree bool
	// Effective replaces groups by their users, inherited assignments by those on
	// the projects that inherit them, and adds implied roles: what tokens get.
	Effective bool
}

// ListAssignments returns role assignments. With opts.Effective a group filter is
// fault.Invalid.
func (s *Service) ListAssignments(ctx context.Context, opts *ListAssignmentsOptions) ([]RoleAssignment, error) {
	if opts == nil {
		opts = &ListAssignmentsOptions{}
	}
	if opts.Effective && opts.GroupID != "" {
		return nil, fault.Wrap("identity.ListAssignments",
			fault.New(fault.Invalid, "Combining effective and group filter will always result in an empty list."))
	}
	r := s.core.DB.Snapshot()
	keep, err := opts.filter(s, r)
	if err != nil {
		return nil, fault.Wrap("identity.ListAssignments", err)
	}
	list := []RoleAssignment{}
	for a := range s.candidates(r, opts) {
		whole := []RoleAssignment{{Assignment: a}}
		if opts.Effective {
			whole = s.expand(r, a)
		}
		for _, x := range whole {
			if keep(&x) {
				list = append(list, x)
			}
		}
	}
	return list, nil
}

// candidates walks the stored assignments that may pass the filter, by the index
// that narrows them most.
func (s *Service) candidates(r state.Reader, o *ListAssignmentsOptions) iter.Seq[Assignment] {
	switch {
	case o.UserID != "" && o.Effective:
		return func(yield func(Assignment) bool) {
			for _, actor := range s.actors(r, o.UserID) {
				for a := range s.t.assignments.Where(r, s.t.assignActor, actor) {
					if !yield(a) {
						return
					}
				}
			}
		}
	case o.UserID != "":
		return s.t.assignments.Where(r, s.t.assignActor, userActor(o.UserID))
	case o.GroupID != "":
		return s.t.assignments.Where(r, s.t.assignActor, groupActor(o.GroupID))
	case o.System:
		return s.t.assignments.Where(r, s.t.assignTarget, systemTarget)
	case o.ProjectID != "" && !o.Subtree:
		return s.onProject(r, o.ProjectID, o.Effective)
	case o.DomainID != "":
		return s.t.assignments.Where(r, s.t.assignTarget, domainTarget(o.DomainID))
	}
	return s.t.assignments.All(r)
}

// onProject walks the assignments on a project and, with above, those that it may
// inherit.
func (s *Service) onProject(r state.Reader, id string, above bool) iter.Seq[Assignment] {
	targets := []string{projectTarget(id)}
	if p, err := s.t.projects.Get(r, id); above && err == nil {
		for _, parent := range s.ancestors(r, p) {
			targets = append(targets, projectTarget(parent.ID), domainTarget(parent.ID))
		}
	}
	return func(yield func(Assignment) bool) {
		for _, target := range targets {
			for a := range s.t.assignments.Where(r, s.t.assignTarget, target) {
				if !yield(a) {
					return
				}
			}
		}
	}
}

// actors are a user and its groups, as the keys of assignments name them: those of
// federation too, while they hold, and further ones, which may be among those.
func (s *Service) actors(r state.Reader, userID string, groups ...string) []string {
	list := []string{userActor(userID)}
	for m := range s.t.members.Where(r, s.t.memberUser, userID) {
		list = append(list, groupActor(m.GroupID))
	}
	for m := range s.heldMemberships(r, s.t.federatedUser, userID) {
		list = append(list, groupActor(m.GroupID))
	}
	for _, id := range groups {
		list = append(list, groupActor(id))
	}
	return list
}

// filter returns which assignments opts let pass.
func (o *ListAssignmentsOptions) filter(s *Service, r state.Reader) (func(*RoleAssignment) bool, error) {
	if o.Subtree && o.ProjectID == "" {
		return nil, fault.New(fault.Invalid, "scope.project.id must be specified if include_subtree is also specified.")
	}
	projects := map[string]bool{o.ProjectID: true}
	if o.Subtree {
		for _, p := range s.descendants(r, o.ProjectID) {
			projects[p.ID] = true
		}
	}
	return func(a *RoleAssignment) bool {
		return is(o.RoleID, a.RoleID) && is(o.UserID, a.UserID) && is(o.GroupID, a.GroupID) &&
			(o.ProjectID == "" || projects[a.ProjectID]) && is(o.DomainID, a.DomainID) &&
			(!o.System || a.System) &&
			(o.Inherited == nil || *o.Inherited == a.inherited())
	}, nil
}

func (a *RoleAssignment) inherited() bool {
	return a.Inherited || a.FromDomainID != "" || a.FromProjectID != ""
}

// expand turns an assignment into what it is worth: for each user, on each target,
// each role, in that order.
func (s *Service) expand(r state.Reader, a Assignment) []RoleAssignment {
	var list []RoleAssignment
	for _, target := range s.expandTarget(r, a) {
		for _, actor := range s.expandActor(r, target) {
			for _, role := range s.expandRole(r, a.RoleID) {
				x := actor
				x.RoleID, x.PriorRoleID = role.ID, role.prior
				list = append(list, x)
			}
		}
	}
	return list
}

func (s *Service) expandTarget(r state.Reader, a Assignment) []RoleAssignment {
	if !a.Inherited {
		return []RoleAssignment{{Assignment: a}}
	}
	from := a.ProjectID + a.DomainID // one of them is empty
	var list []RoleAssignment
	for _, p := range s.descendants(r, from) {
		x := RoleAssignment{Assignment: a, FromDomainID: a.DomainID, FromProjectID: a.ProjectID}
		x.Inherited, x.DomainID, x.ProjectID = false, "", p.ID
		list = append(list, x)
	}
	return list
}

func (s *Service) expandActor(r state.Reader, a RoleAssignment) []RoleAssignment {
	if a.GroupID == "" {
		return []RoleAssignment{a}
	}
	var list []RoleAssignment
	for m := range s.t.members.Where(r, s.t.memberOf, a.GroupID) {
		x := a
		x.ViaGroupID, x.GroupID, x.UserID = a.GroupID, "", m.UserID
		list = append(list, x)
	}
	for m := range s.heldMemberships(r, s.t.federatedGroup, a.GroupID) {
		x := a
		x.ViaGroupID, x.GroupID, x.UserID = a.GroupID, "", m.UserID
		list = append(list, x)
	}
	return list
}

// effectiveRole is a global role, and the one that implies it.
type effectiveRole struct {
	Role
	prior string
}

// expandRole returns the global roles that a role is worth, itself first. Roles of
// a domain only stand for those that they imply.
func (s *Service) expandRole(r state.Reader, roleID string) []effectiveRole {
	var list []effectiveRole
	for id, prior := range s.closure(r, roleID) {
		if role, err := s.t.roles.Get(r, id); err == nil && role.DomainID == "" {
			list = append(list, effectiveRole{Role: role, prior: prior})
		}
	}
	slices.SortFunc(list, func(a, b effectiveRole) int {
		if (a.prior == "") != (b.prior == "") {
			return len(a.prior) - len(b.prior)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list
}

// rolesOn returns the roles that a user has on a target, which is a project, a
// domain or the system: directly, through groups, inherited and implied.
// Those of further groups count as well.
func (s *Service) rolesOn(r state.Reader, userID string, sc scope, groups ...string) []Role {
	given := map[string]bool{}
	for _, actor := range s.actors(r, userID, groups...) {
		s.given(r, actor, sc, given)
	}
	return s.globalRoles(r, given)
}

// given adds the ids of the roles that an actor has on a target.
func (s *Service) given(r state.Reader, actor string, sc scope, roles map[string]bool) {
	add := func(target string, inherited bool) {
		for a := range s.t.assignments.Where(r, s.t.assignActor, actor, target) {
			if a.Inherited == inherited {
				roles[a.RoleID] = true
			}
		}
	}
	switch {
	case sc.System:
		add(systemTarget, false)
	case sc.DomainID != "":
		add(domainTarget(sc.DomainID), false)
	case sc.ProjectID != "":
		add(projectTarget(sc.ProjectID), false)
		p, err := s.t.projects.Get(r, sc.ProjectID)
		if err != nil {
			return
		}
		for _, above := range s.ancestors(r, p) {
			add(projectTarget(above.ID), true)
			if above.IsDomain {
				add(domainTarget(above.ID), true)
			}
		}
	}
}

// globalRoles expands roles by what they imply, sorted by name.
func (s *Service) globalRoles(r state.Reader, ids map[string]bool) []Role {
	found := map[string]Role{}
	for id := range ids {
		for _, role := range s.expandRole(r, id) {
			found[role.ID] = role.Role
		}
	}
	list := make([]Role, 0, len(found))
	for _, role := range found {
		list = append(list, role)
	}
	slices.SortFunc(list, func(a, b Role) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// ProjectsOf returns the enabled projects on which a user has a role, in order of
// their ids.
func (s *Service) ProjectsOf(ctx context.Context, userID string) ([]Project, error) {
	r := s.core.DB.Snapshot()
	if !s.t.users.Has(r, userID) {
		return nil, fault.Wrap("identity.ProjectsOf", fault.Missing("user", userID))
	}
	return s.projectsOf(r, userID), nil
}

func (s *Service) projectsOf(r state.Reader, userID string, groups ...string) []Project {
	list := []Project{}
	for id := range s.reach(r, userID, groups...) {
		p, err := s.t.projects.Get(r, id)
		if err == nil && !p.IsDomain && p.Enabled && len(s.rolesOn(r, userID, scope{ProjectID: id}, groups...)) > 0 {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b Project) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// DomainsOf returns the enabled domains on which a user has a role.
func (s *Service) DomainsOf(ctx context.Context, userID string) ([]Domain, error) {
	return s.domainsOf(s.core.DB.Snapshot(), userID), nil
}

func (s *Service) domainsOf(r state.Reader, userID string, groups ...string) []Domain {
	list := []Domain{}
	for id := range s.reach(r, userID, groups...) {
		p, err := s.domain(r, id)
		if err == nil && p.Enabled && len(s.rolesOn(r, userID, scope{DomainID: id}, groups...)) > 0 {
			list = append(list, asDomain(p))
		}
	}
	slices.SortFunc(list, func(a, b Domain) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// HasSystemRole reports whether a user has a role on the system.
func (s *Service) HasSystemRole(ctx context.Context, userID string) bool {
	return len(s.rolesOn(s.core.DB.Snapshot(), userID, scope{System: true})) > 0
}

// reach returns the ids of projects and domains on which a user may have a role.
func (s *Service) reach(r state.Reader, userID string, groups ...string) map[string]bool {
	ids := map[string]bool{}
	for _, actor := range s.actors(r, userID, groups...) {
		for a := range s.t.assignments.Where(r, s.t.assignActor, actor) {
			id := a.ProjectID + a.DomainID
			ids[id] = true
			if a.Inherited {
				for _, p := range s.descendants(r, id) {
					ids[p.ID] = true
				}
			}
		}
	}
	return ids
}
