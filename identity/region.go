package identity

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Region is a part of a deployment that has endpoints of its own.
type Region struct {
	ID          string     `json:"id"`
	ParentID    string     `json:"parent,omitempty"`
	Description string     `json:"description"`
	Extra       Attributes `json:"extra,omitempty"`
}

// CreateRegionOptions of Service.CreateRegion.
type CreateRegionOptions struct {
	ID          string // empty for a new one
	ParentID    string
	Description string
	Extra       Attributes
}

// UpdateRegionOptions of Service.UpdateRegion; nil leaves as it is.
type UpdateRegionOptions struct {
	ParentID    *string
	Description *string
	Extra       Attributes
}

// CreateRegion makes a region: fault.AlreadyExists if the id is taken,
// fault.NotFound if the parent does not exist.
func (s *Service) CreateRegion(ctx context.Context, opts CreateRegionOptions) (Region, error) {
	g := Region{ID: opts.ID, ParentID: opts.ParentID, Description: opts.Description, Extra: opts.Extra}
	if g.ID == "" {
		g.ID = s.core.IDs.Hex()
	}
	err := s.update(ctx, "CreateRegion", func(tx *state.Tx) error {
		if err := checkName("region", g.ID, maxName); err != nil {
			return err
		}
		if g.ParentID != "" && !s.t.regions.Has(tx, g.ParentID) {
			return fault.Missing("region", g.ParentID)
		}
		if s.t.regions.Has(tx, g.ID) {
			return &fault.Error{
				Kind: fault.AlreadyExists, Resource: "region", ID: g.ID,
				Message: "Conflict occurred attempting to store region - Duplicate ID, " + g.ID + ".",
			}
		}
		s.emit(ctx, tx, created, "region", g.ID)
		return s.t.regions.Insert(tx, g)
	})
	return g, err
}

// GetRegion returns a region by its id.
func (s *Service) GetRegion(ctx context.Context, id string) (Region, error) {
	g, err := s.t.regions.Get(s.core.DB.Snapshot(), id)
	return g, fault.Wrap("identity.GetRegion", err)
}

// ListRegions returns regions in order of their ids; with parentID, those directly
// below it.
func (s *Service) ListRegions(ctx context.Context, parentID string) ([]Region, error) {
	return collect(s.t.regions.All(s.core.DB.Snapshot()), func(g *Region) bool {
		return is(parentID, g.ParentID)
	}), nil
}

// UpdateRegion changes a region: fault.Invalid if it would end below itself.
func (s *Service) UpdateRegion(ctx context.Context, id string, opts UpdateRegionOptions) (Region, error) {
	var g Region
	err := s.update(ctx, "UpdateRegion", func(tx *state.Tx) error {
		if opts.ParentID != nil {
			if err := s.checkParent(tx, id, *opts.ParentID); err != nil {
				return err
			}
		}
		s.emit(ctx, tx, updated, "region", id)
		return s.t.regions.Change(tx, id, func(old *Region) error {
			set(&old.ParentID, opts.ParentID)
			set(&old.Description, opts.Description)
			old.Extra = old.Extra.merged(opts.Extra)
			g = *old
			return nil
		})
	})
	return g, err
}

// checkParent refuses a parent that does not exist or is below the region.
func (s *Service) checkParent(r state.Reader, id, parentID string) error {
	for parentID != "" {
		parent, err := s.t.regions.Get(r, parentID)
		if err != nil {
			return err
		}
		if parent.ID == id {
			return fault.New(fault.Invalid, "Region %s cannot be below itself.", id)
		}
		parentID = parent.ParentID
	}
	return nil
}

// DeleteRegion removes a region and those below it with their limits and the policies
// that they were given: fault.Forbidden if one of them has endpoints.
func (s *Service) DeleteRegion(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteRegion", func(tx *state.Tx) error {
		if _, err := s.t.regions.Get(tx, id); err != nil {
			return err
		}
		return s.dropRegion(ctx, tx, id)
	})
}

func (s *Service) dropRegion(ctx context.Context, tx *state.Tx, id string) error {
	if s.t.endpoints.Count(tx, s.t.endpointRegion, id) > 0 {
		return fault.New(fault.Forbidden, "Unable to delete region %s because it or its child regions have associated endpoints.", id)
	}
	for _, below := range collect(s.t.regions.Where(tx, s.t.regionParent, id), nil) {
		if err := s.dropRegion(ctx, tx, below.ID); err != nil {
			return err
		}
	}
	s.emit(ctx, tx, deleted, "region", id)
	return firstError(
		s.dropRegisteredLimits(ctx, tx, s.t.registeredRegion, id),
		deleteAll(tx, s.t.policyPlaces, s.t.placeRegion, placeKey, id),
		s.t.regions.Delete(tx, id),
	)
}
