package identity

import (
	"context"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// A project that has endpoints or groups of endpoints of its own sees those in its
// catalog and no others; every other project sees all endpoints.

// projectEndpoint says that an endpoint is in the catalog of a project.
type projectEndpoint struct {
	ProjectID  string `json:"project"`
	EndpointID string `json:"endpoint"`
}

// projectGroup says that a group's endpoints are in the catalog of a project.
type projectGroup struct {
	ProjectID string `json:"project"`
	GroupID   string `json:"group"`
}

func projectEndpointKey(p *projectEndpoint) string { return state.Key(p.ProjectID, p.EndpointID) }
func projectGroupKey(p *projectGroup) string       { return state.Key(p.ProjectID, p.GroupID) }

// filterTables are the collections that narrow catalogs, and their indexes.
type filterTables struct {
	endpointGroups *state.Collection[EndpointGroup]

	projectEndpoints  *state.Collection[projectEndpoint]
	endpointInProject *state.Index[projectEndpoint]
	endpointOf        *state.Index[projectEndpoint]

	projectGroups  *state.Collection[projectGroup]
	groupInProject *state.Index[projectGroup]
	projectGroupOf *state.Index[projectGroup]
}

func (t *filterTables) defineFilters(db *state.DB) {
	t.endpointGroups = state.Define(db, state.Spec[EndpointGroup]{
		Name: "identity.endpoint_groups", Noun: "endpoint group",
		Key: func(g *EndpointGroup) string { return g.ID },
	})
	t.endpointInProject = state.NewIndex("project", func(p *projectEndpoint) []string { return []string{p.ProjectID} })
	t.endpointOf = state.NewIndex("endpoint", func(p *projectEndpoint) []string { return []string{p.EndpointID} })
	t.projectEndpoints = state.Define(db, state.Spec[projectEndpoint]{
		Name: "identity.project_endpoints", Noun: "endpoint of the project", Key: projectEndpointKey,
		Indexes: []*state.Index[projectEndpoint]{t.endpointInProject, t.endpointOf},
	})
	t.groupInProject = state.NewIndex("project", func(p *projectGroup) []string { return []string{p.ProjectID} })
	t.projectGroupOf = state.NewIndex("group", func(p *projectGroup) []string { return []string{p.GroupID} })
	t.projectGroups = state.Define(db, state.Spec[projectGroup]{
		Name: "identity.project_endpoint_groups", Noun: "endpoint group of the project", Key: projectGroupKey,
		Indexes: []*state.Index[projectGroup]{t.groupInProject, t.projectGroupOf},
	})
}

// filterRevision is that of the newest change to what narrows catalogs.
func (t *filterTables) filterRevision(s *state.Snapshot) uint64 {
	return max(t.endpointGroups.Revision(s), t.projectEndpoints.Revision(s), t.projectGroups.Revision(s))
}

// AddEndpointToProject puts an endpoint into the catalog of a project, which from
// then on has only what was put there: fault.AlreadyExists if it is there.
func (s *Service) AddEndpointToProject(ctx context.Context, endpointID, projectID string) error {
	return s.update(ctx, "AddEndpointToProject", func(tx *state.Tx) error {
		if err := s.endpointAndProject(tx, endpointID, projectID); err != nil {
			return err
		}
		s.emit(ctx, tx, updated, "project", projectID)
		err := s.t.projectEndpoints.Insert(tx, projectEndpoint{ProjectID: projectID, EndpointID: endpointID})
		return conflict(err, "project_endpoint", "Duplicate entry")
	})
}

// RemoveEndpointFromProject takes an endpoint out of the catalog of a project:
// fault.NotFound if it was not put there.
func (s *Service) RemoveEndpointFromProject(ctx context.Context, endpointID, projectID string) error {
	return s.update(ctx, "RemoveEndpointFromProject", func(tx *state.Tx) error {
		if s.t.projectEndpoints.Delete(tx, state.Key(projectID, endpointID)) != nil {
			return notInProject(endpointID, projectID)
		}
		s.emit(ctx, tx, updated, "project", projectID)
		return nil
	})
}

// CheckEndpointInProject returns nil if an endpoint was put into the catalog of a
// project by itself, fault.NotFound if not.
func (s *Service) CheckEndpointInProject(ctx context.Context, endpointID, projectID string) error {
	r := s.core.DB.Snapshot()
	err := s.endpointAndProject(r, endpointID, projectID)
	if err == nil && !s.t.projectEndpoints.Has(r, state.Key(projectID, endpointID)) {
		err = notInProject(endpointID, projectID)
	}
	return fault.Wrap("identity.CheckEndpointInProject", err)
}

// ProjectsOfEndpoint returns the projects into whose catalogs an endpoint was put.
func (s *Service) ProjectsOfEndpoint(ctx context.Context, endpointID string) ([]Project, error) {
	r := s.core.DB.Snapshot()
	if _, err := s.t.endpoints.Get(r, endpointID); err != nil {
		return nil, fault.Wrap("identity.ProjectsOfEndpoint", err)
	}
	list := []Project{}
	for link := range s.t.projectEndpoints.Where(r, s.t.endpointOf, endpointID) {
		if p, err := s.t.projects.Get(r, link.ProjectID); err == nil {
			list = append(list, p)
		}
	}
	return list, nil
}

// EndpointsOfProject returns the endpoints that were put into the catalog of a
// project, by themselves or with a group, in order of their ids: none if nothing was.
func (s *Service) EndpointsOfProject(ctx context.Context, projectID string) ([]Endpoint, error) {
	r := s.core.DB.Snapshot()
	if _, err := s.t.projects.Get(r, projectID); err != nil {
		return nil, fault.Wrap("identity.EndpointsOfProject", err)
	}
	return s.endpointsOf(r, projectID), nil
}

func (s *Service) endpointsOf(r state.Reader, projectID string) []Endpoint {
	list := []Endpoint{}
	for link := range s.t.projectEndpoints.Where(r, s.t.endpointInProject, projectID) {
		if e, err := s.t.endpoints.Get(r, link.EndpointID); err == nil {
			list = append(list, e)
		}
	}
	for link := range s.t.projectGroups.Where(r, s.t.groupInProject, projectID) {
		if g, err := s.t.endpointGroups.Get(r, link.GroupID); err == nil {
			list = append(list, collect(s.t.endpoints.All(r), g.Filter.matches)...)
		}
	}
	slices.SortFunc(list, func(a, b Endpoint) int { return strings.Compare(a.ID, b.ID) })
	return slices.CompactFunc(list, func(a, b Endpoint) bool { return a.ID == b.ID })
}

// AddEndpointGroupToProject puts the endpoints of a group, whichever they are at any
// time, into the catalog of a project: fault.AlreadyExists if they are there.
func (s *Service) AddEndpointGroupToProject(ctx context.Context, groupID, projectID string) error {
	return s.update(ctx, "AddEndpointGroupToProject", func(tx *state.Tx) error {
		if err := s.projectAndGroup(tx, projectID, groupID); err != nil {
			return err
		}
		s.emit(ctx, tx, updated, "project", projectID)
		err := s.t.projectGroups.Insert(tx, projectGroup{ProjectID: projectID, GroupID: groupID})
		return conflict(err, "project_endpoint_group", "Duplicate entry")
	})
}

// RemoveEndpointGroupFromProject takes a group out of the catalog of a project:
// fault.NotFound if it was not put there.
func (s *Service) RemoveEndpointGroupFromProject(ctx context.Context, groupID, projectID string) error {
	return s.update(ctx, "RemoveEndpointGroupFromProject", func(tx *state.Tx) error {
		if err := s.projectAndGroup(tx, projectID, groupID); err != nil {
			return err
		}
		if s.t.projectGroups.Delete(tx, state.Key(projectID, groupID)) != nil {
			return groupNotInProject()
		}
		s.emit(ctx, tx, updated, "project", projectID)
		return nil
	})
}

// CheckEndpointGroupInProject returns nil if a group was put into the catalog of a
// project, fault.NotFound if not.
func (s *Service) CheckEndpointGroupInProject(ctx context.Context, groupID, projectID string) error {
	r := s.core.DB.Snapshot()
	err := s.projectAndGroup(r, projectID, groupID)
	if err == nil && !s.t.projectGroups.Has(r, state.Key(projectID, groupID)) {
		err = groupNotInProject()
	}
	return fault.Wrap("identity.CheckEndpointGroupInProject", err)
}

// EndpointGroupsOfProject returns the groups that were put into the catalog of a
// project.
func (s *Service) EndpointGroupsOfProject(ctx context.Context, projectID string) ([]EndpointGroup, error) {
	r := s.core.DB.Snapshot()
	if _, err := s.t.projects.Get(r, projectID); err != nil {
		return nil, fault.Wrap("identity.EndpointGroupsOfProject", err)
	}
	list := []EndpointGroup{}
	for link := range s.t.projectGroups.Where(r, s.t.groupInProject, projectID) {
		if g, err := s.t.endpointGroups.Get(r, link.GroupID); err == nil {
			list = append(list, g)
		}
	}
	return list, nil
}

// ProjectsOfEndpointGroup returns the projects into whose catalogs a group was put.
func (s *Service) ProjectsOfEndpointGroup(ctx context.Context, groupID string) ([]Project, error) {
	r := s.core.DB.Snapshot()
	if _, err := s.t.endpointGroups.Get(r, groupID); err != nil {
		return nil, fault.Wrap("identity.ProjectsOfEndpointGroup", err)
	}
	list := []Project{}
	for link := range s.t.projectGroups.Where(r, s.t.projectGroupOf, groupID) {
		if p, err := s.t.projects.Get(r, link.ProjectID); err == nil {
			list = append(list, p)
		}
	}
	return list, nil
}

// dropFilters removes what narrows the catalog of a project.
func (s *Service) dropFilters(tx *state.Tx, projectID string) error {
	return firstError(
		deleteAll(tx, s.t.projectEndpoints, s.t.endpointInProject, projectEndpointKey, projectID),
		deleteAll(tx, s.t.projectGroups, s.t.groupInProject, projectGroupKey, projectID),
	)
}

func (s *Service) endpointAndProject(r state.Reader, endpointID, projectID string) error {
	if _, err := s.t.endpoints.Get(r, endpointID); err != nil {
		return err
	}
	_, err := s.t.projects.Get(r, projectID)
	return err
}

func (s *Service) projectAndGroup(r state.Reader, projectID, groupID string) error {
	if _, err := s.t.projects.Get(r, projectID); err != nil {
		return err
	}
	_, err := s.t.endpointGroups.Get(r, groupID)
	return err
}

func notInProject(endpointID, projectID string) error {
	return fault.New(fault.NotFound, "Endpoint %s not found in project %s", endpointID, projectID)
}

func groupNotInProject() error {
	return fault.New(fault.NotFound, "Endpoint Group Project Association not found")
}
