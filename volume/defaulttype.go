package volume

import (
	"context"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// ProjectType is the type of a project's volumes for which none is named.
type ProjectType struct {
	ProjectID string `json:"project"`
	TypeID    string `json:"type"`
}

// SetProjectType gives a project a default volume type, by id or name.
//
// Errors: NotFound.
func (s *Service) SetProjectType(ctx context.Context, projectID, idOrName string) (ProjectType, error) {
	p := ProjectType{ProjectID: projectID}
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		t, err := s.findType(tx, idOrName)
		if err != nil {
			return err
		}
		p.TypeID = t.ID
		s.emitType(ctx, tx, "default_set", t)
		return s.projectTypes.Put(tx, p)
	})
	return p, fault.Wrap("volume.SetProjectType", err)
}

// GetProjectType returns what SetProjectType has set: NotFound if nothing.
func (s *Service) GetProjectType(_ context.Context, projectID string) (ProjectType, error) {
	p, err := s.projectTypes.Get(s.core.DB.Snapshot(), projectID)
	return p, fault.Wrap("volume.GetProjectType", err)
}

// ListProjectTypes returns what has been set, in order of the projects.
func (s *Service) ListProjectTypes(context.Context) []ProjectType {
	return slices.Collect(s.projectTypes.All(s.core.DB.Snapshot()))
}

// UnsetProjectType gives a project the cloud's default volume type again.
func (s *Service) UnsetProjectType(ctx context.Context, projectID string) error {
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		err := s.projectTypes.Delete(tx, projectID)
		if fault.Of(err) == fault.NotFound {
			return nil
		}
		return err
	})
	return fault.Wrap("volume.UnsetProjectType", err)
}

// DefaultTypeFor returns the type of a project's volumes for which none is named.
func (s *Service) DefaultTypeFor(_ context.Context, projectID string) (Type, error) {
	t, err := s.typeFor(s.core.DB.Snapshot(), projectID, "")
	return t, fault.Wrap("volume.DefaultTypeFor", err)
}
