package identity

import (
	"context"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// actors are a user and its groups, as the keys of assignments name them: those of
// federation too, while they hold, and further ones, which may be among those.
func (s *Service) actors(r state.Reader, userID string, groups ...string) []string {
	list := []string{userActor(userID)}
	for m := range s.t.members.Where(r, s.t.memberUser, userID) {
		list = append(list, groupActor(m.GroupID))
	}
	for m := range s.heldMemberships(r, s.t.federatedUser, "", userID) {
		list = append(list, groupActor(m.GroupID))
	}
	for _, id := range groups {
		list = append(list, groupActor(id))
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
		return strings.Compare(rank(a.ID, a.prior), rank(b.ID, b.prior))
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
