package identity

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// EndpointGroup is a set of endpoints that is described instead of listed: those
// that its filter lets pass.
type EndpointGroup struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Description *string        `json:"description,omitempty"`
	Filter      EndpointFilter `json:"filter"`
}

// EndpointFilter lets endpoints pass that have each value which is not nil. An
// empty RegionID stands for endpoints without a region.
type EndpointFilter struct {
	ServiceID *string `json:"service_id,omitempty"`
	RegionID  *string `json:"region_id,omitempty"`
	Interface *string `json:"interface,omitempty"`
}

// CreateEndpointGroupOptions of Service.CreateEndpointGroup.
type CreateEndpointGroupOptions struct {
	ID          string // empty for a new one
	Name        string
	Description *string
	Filter      EndpointFilter
}

// UpdateEndpointGroupOptions of Service.UpdateEndpointGroup; nil leaves as it is.
type UpdateEndpointGroupOptions struct {
	Name        *string
	Description *string
	Filter      *EndpointFilter
}

// matches reports whether an endpoint passes.
func (f EndpointFilter) matches(e *Endpoint) bool {
	same := func(want *string, have string) bool { return want == nil || *want == have }
	return same(f.ServiceID, e.ServiceID) && same(f.RegionID, e.RegionID) && same(f.Interface, e.Interface)
}

// check refuses a filter that lets everything pass.
func (g *EndpointGroup) check() error {
	if g.Filter == (EndpointFilter{}) {
		return fault.New(fault.Invalid, "filters field is required and cannot be empty")
	}
	return checkName("endpoint group", g.Name, maxName)
}

// CreateEndpointGroup makes a group of endpoints: fault.Invalid if its filter is
// empty.
func (s *Service) CreateEndpointGroup(ctx context.Context, opts CreateEndpointGroupOptions) (EndpointGroup, error) {
	g := EndpointGroup{ID: opts.ID, Name: opts.Name, Description: opts.Description, Filter: opts.Filter}
	if g.ID == "" {
		g.ID = s.core.IDs.Hex()
	}
	err := s.update(ctx, "CreateEndpointGroup", func(tx *state.Tx) error {
		if err := g.check(); err != nil {
			return err
		}
		s.emit(ctx, tx, created, "endpoint_group", g.ID)
		return s.t.endpointGroups.Insert(tx, g)
	})
	return g, err
}

// GetEndpointGroup returns a group of endpoints by its id.
func (s *Service) GetEndpointGroup(ctx context.Context, id string) (EndpointGroup, error) {
	g, err := s.t.endpointGroups.Get(s.core.DB.Snapshot(), id)
	return g, fault.Wrap("identity.GetEndpointGroup", err)
}

// ListEndpointGroups returns groups of endpoints in order of their ids; with name,
// those of that name.
func (s *Service) ListEndpointGroups(ctx context.Context, name string) ([]EndpointGroup, error) {
	return collect(s.t.endpointGroups.All(s.core.DB.Snapshot()), func(g *EndpointGroup) bool {
		return is(name, g.Name)
	}), nil
}

// UpdateEndpointGroup changes a group of endpoints, and with it the catalogs of its
// projects.
func (s *Service) UpdateEndpointGroup(ctx context.Context, id string, opts UpdateEndpointGroupOptions) (EndpointGroup, error) {
	var g EndpointGroup
	err := s.update(ctx, "UpdateEndpointGroup", func(tx *state.Tx) error {
		s.emit(ctx, tx, updated, "endpoint_group", id)
		return s.t.endpointGroups.Change(tx, id, func(old *EndpointGroup) error {
			set(&old.Name, opts.Name)
			set(&old.Filter, opts.Filter)
			if opts.Description != nil {
				old.Description = opts.Description
			}
			g = *old
			return g.check()
		})
	})
	return g, err
}

// DeleteEndpointGroup removes a group of endpoints from all projects.
func (s *Service) DeleteEndpointGroup(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteEndpointGroup", func(tx *state.Tx) error {
		s.emit(ctx, tx, deleted, "endpoint_group", id)
		return firstError(
			s.t.endpointGroups.Delete(tx, id),
			deleteAll(tx, s.t.projectGroups, s.t.projectGroupOf, projectGroupKey, id),
		)
	})
}

// EndpointsOfGroup returns the endpoints that pass the filter of a group.
func (s *Service) EndpointsOfGroup(ctx context.Context, id string) ([]Endpoint, error) {
	r := s.core.DB.Snapshot()
	g, err := s.t.endpointGroups.Get(r, id)
	if err != nil {
		return nil, fault.Wrap("identity.EndpointsOfGroup", err)
	}
	return collect(s.t.endpoints.All(r), g.Filter.matches), nil
}
