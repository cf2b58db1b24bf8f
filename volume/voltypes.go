package volume

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// DefaultType is the name of the volume type that every cloud has.
const DefaultType = "__DEFAULT__"

// Type is a class of volumes, as administrators offer them.
type Type struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Public      bool              `json:"public"`
	ExtraSpecs  map[string]string `json:"extra_specs,omitempty"`
	Projects    []string          `json:"projects,omitempty"` // that may use it, if it is not public; sorted
	CreatedAt   time.Time         `json:"created"`
	UpdatedAt   time.Time         `json:"updated"`
}

// CreateTypeOptions of CreateType.
type CreateTypeOptions struct {
	Name        string
	Description string
	Private     bool
	ExtraSpecs  map[string]string
}

// CreateType adds a volume type.
//
// Errors: Invalid; AlreadyExists for a name that is taken.
func (s *Service) CreateType(ctx context.Context, opts CreateTypeOptions) (Type, error) {
	const op = "volume.CreateType"
	if err := checkTexts(opts.Name, opts.Description, opts.ExtraSpecs); err != nil {
		return Type{}, fault.Wrap(op, err)
	}
	if opts.Name == "" {
		return Type{}, fault.Wrap(op, fault.New(fault.Invalid, "Invalid input received: a volume type must have a name."))
	}
	t := Type{
		ID: s.core.IDs.UUID(), Name: opts.Name, Description: opts.Description, Public: !opts.Private,
		ExtraSpecs: maps.Clone(opts.ExtraSpecs), CreatedAt: s.now(), UpdatedAt: s.now(),
	}
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		if _, ok := s.types.Find(tx, s.typeByName, t.Name); ok {
			return fault.New(fault.AlreadyExists, "Volume Type %s already exists.", t.Name)
		}
		s.emitType(ctx, tx, "create", t)
		return s.types.Insert(tx, t)
	})
	return t, fault.Wrap(op, err)
}

// GetType returns a volume type by id or name: NotFound if there is none.
func (s *Service) GetType(_ context.Context, idOrName string) (Type, error) {
	t, err := s.findType(s.core.DB.Snapshot(), idOrName)
	return t, fault.Wrap("volume.GetType", err)
}

func (s *Service) findType(r state.Reader, idOrName string) (Type, error) {
	if t, ok := s.types.Find(r, s.typeByName, idOrName); ok {
		return t, nil
	}
	return s.types.Get(r, idOrName)
}

// typeFor resolves the type of a new volume of a project; empty is the default.
func (s *Service) typeFor(r state.Reader, projectID, idOrName string) (Type, error) {
	if p, err := s.projectTypes.Get(r, projectID); err == nil && idOrName == "" {
		return s.types.Get(r, p.TypeID)
	}
	if idOrName == "" {
		idOrName = DefaultType
	}
	t, err := s.findType(r, idOrName)
	if err == nil && !t.Visible(projectID) {
		err = fault.Missing("volume type", idOrName)
	}
	return t, err
}

// Visible reports whether a project may use the type.
func (t Type) Visible(projectID string) bool {
	return t.Public || slices.Contains(t.Projects, projectID)
}

// Extra specs that have a meaning here.
const (
	specMultiAttach = "multiattach"
	specZones       = "RESKEY:availability_zones"
)

// multiAttach reports whether several servers may have a volume of the type at once.
func (t Type) multiAttach() bool { return t.ExtraSpecs[specMultiAttach] == "<is> True" }

// allows reports whether volumes of the type may be in a zone.
func (t Type) allows(zone string) error {
	list := t.ExtraSpecs[specZones]
	if list == "" {
		return nil
	}
	for z := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(z) == zone {
			return nil
		}
	}
	return fault.New(fault.Invalid, "Availability zone '%s' is not one of those of volume type %s.", zone, t.Name)
}

// ListTypes returns the volume types by name: those that a project may use, or all
// with an empty project.
func (s *Service) ListTypes(_ context.Context, projectID string) []Type {
	var out []Type
	for t := range s.types.Where(s.core.DB.Snapshot(), s.typeByName) {
		if projectID == "" || t.Visible(projectID) {
			out = append(out, t)
		}
	}
	return out
}

// UpdateTypeOptions of UpdateType: nil fields stay.
type UpdateTypeOptions struct {
	Name        *string
	Description *string
	Public      *bool
	ExtraSpecs  map[string]string // replaces all, where not nil
	// EditSpecs, where not nil, gets a copy of the extra specs and returns what replaces
	// them, without a change of somebody else between.
	EditSpecs func(all map[string]string) (map[string]string, error)
	Projects  []string // replaces all, where not nil
}

// UpdateType changes a volume type.
func (s *Service) UpdateType(ctx context.Context, id string, opts UpdateTypeOptions) (Type, error) {
	var out Type
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		return s.types.Change(tx, id, func(t *Type) error {
			set(&t.Name, opts.Name)
			set(&t.Description, opts.Description)
			set(&t.Public, opts.Public)
			if opts.ExtraSpecs != nil {
				t.ExtraSpecs = maps.Clone(opts.ExtraSpecs)
			}
			if err := edit(&t.ExtraSpecs, opts.EditSpecs); err != nil {
				return err
			}
			if opts.Projects != nil {
				t.Projects = slices.Compact(slices.Sorted(slices.Values(opts.Projects)))
			}
			if other, ok := s.types.Find(tx, s.typeByName, t.Name); ok && other.ID != id {
				return fault.New(fault.AlreadyExists, "Volume Type %s already exists.", t.Name)
			}
			if t.Name == "" {
				return fault.New(fault.Invalid, "Invalid input received: a volume type must have a name.")
			}
			t.UpdatedAt = s.now()
			out = *t
			s.emitType(ctx, tx, "update", *t)
			return checkTexts(t.Name, t.Description, t.ExtraSpecs)
		})
	})
	return out, fault.Wrap("volume.UpdateType", err)
}

// DeleteType removes a volume type.
//
// Errors: NotFound; Invalid if volumes have it, or for the default type.
func (s *Service) DeleteType(ctx context.Context, id string) error {
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		t, err := s.types.Get(tx, id)
		if err != nil {
			return err
		}
		if t.Name == DefaultType {
			return fault.New(fault.Invalid, "The default volume type %s cannot be deleted.", t.Name)
		}
		for v := range s.volumes.All(tx) {
			if v.Type == id {
				return fault.New(fault.Invalid, "Target volume type is still in use.")
			}
		}
		for p := range s.projectTypes.All(tx) {
			if p.TypeID == id {
				return fault.New(fault.Invalid, "Target volume type is still in use: it is the default of project %s.", p.ProjectID)
			}
		}
		s.emitType(ctx, tx, "delete", t)
		return s.types.Delete(tx, id)
	})
	return fault.Wrap("volume.DeleteType", err)
}

func (s *Service) ensureDefaultType(ctx context.Context) error {
	if _, ok := s.types.Find(s.core.DB.Snapshot(), s.typeByName, DefaultType); ok {
		return nil
	}
	_, err := s.CreateType(ctx, CreateTypeOptions{Name: DefaultType, Description: "Default Volume Type"})
	if fault.Of(err) == fault.AlreadyExists { // another controller starts too
		return nil
	}
	return err
}

func (s *Service) emitType(ctx context.Context, tx *state.Tx, what string, t Type) {
	s.emit(caller.From(ctx), tx, "volume_type."+what, "volume type", t.ID, "", map[string]string{"name": t.Name})
}
