package volume

import (
	"context"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// AddTypeAccess lets a project use a volume type that is not public.
//
// Errors: NotFound; AlreadyExists if it may; Invalid for a public type.
func (s *Service) AddTypeAccess(ctx context.Context, typeID, projectID string) error {
	err := s.changeAccess(ctx, typeID, func(t *Type) error {
		at, found := slices.BinarySearch(t.Projects, projectID)
		if found {
			return fault.New(fault.AlreadyExists, "Volume type access for %s / %s combination already exists.", typeID, projectID)
		}
		t.Projects = slices.Insert(slices.Clone(t.Projects), at, projectID)
		return nil
	})
	return fault.Wrap("volume.AddTypeAccess", err)
}

// RemoveTypeAccess takes AddTypeAccess back.
//
// Errors: NotFound, also if the project may not use the type; Invalid for a public type.
func (s *Service) RemoveTypeAccess(ctx context.Context, typeID, projectID string) error {
	err := s.changeAccess(ctx, typeID, func(t *Type) error {
		at, found := slices.BinarySearch(t.Projects, projectID)
		if !found {
			return fault.New(fault.NotFound, "Volume type access not found for %s / %s combination.", typeID, projectID)
		}
		t.Projects = slices.Delete(slices.Clone(t.Projects), at, at+1)
		return nil
	})
	return fault.Wrap("volume.RemoveTypeAccess", err)
}

func (s *Service) changeAccess(ctx context.Context, typeID string, f func(*Type) error) error {
	return s.core.DB.Update(ctx, func(tx *state.Tx) error {
		return s.types.Change(tx, typeID, func(t *Type) error {
			if t.Public {
				return fault.New(fault.Invalid, "Type access modification is not applicable to public volume type.")
			}
			if err := f(t); err != nil {
				return err
			}
			t.UpdatedAt = s.now()
			s.emitType(ctx, tx, "access", *t)
			return nil
		})
	})
}
