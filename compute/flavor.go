package compute

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Flavor is a size of servers.
type Flavor struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"` // unique
	Description  string            `json:"description,omitempty"`
	VCPUs        int               `json:"vcpus"`
	MemoryMiB    int               `json:"ram"`
	DiskGiB      int               `json:"disk"`
	EphemeralGiB int               `json:"ephemeral,omitempty"`
	SwapMiB      int               `json:"swap,omitempty"`
	RXTXFactor   float64           `json:"rxtx_factor"`
	Public       bool              `json:"public"`
	Projects     []string          `json:"projects,omitempty"` // that may use it if it is not public; sorted
	ExtraSpecs   map[string]string `json:"extra_specs,omitempty"`
	CreatedAt    time.Time         `json:"created"`
}

// forServer is the copy that a server keeps.
func (f *Flavor) forServer() ServerFlavor {
	return ServerFlavor{
		ID: f.ID, Name: f.Name, VCPUs: f.VCPUs, MemoryMiB: f.MemoryMiB, DiskGiB: f.DiskGiB,
		EphemeralGiB: f.EphemeralGiB, SwapMiB: f.SwapMiB, ExtraSpecs: f.ExtraSpecs,
	}
}

// VisibleTo reports whether servers of the project may have the flavor.
func (f *Flavor) VisibleTo(project string) bool {
	return f.Public || slices.Contains(f.Projects, project)
}

// maxInt is the greatest number that Nova keeps.
const maxInt = 0x7FFFFFFF

// flavorID is what a flavor's id may be made of.
var flavorID = regexp.MustCompile(`^[a-zA-Z0-9. _-]*$`)

// CreateFlavor adds a flavor; its ID is made if it is empty, RXTXFactor is 1 if it
// is 0. fault.AlreadyExists if the name or the id is taken.
func (s *Service) CreateFlavor(ctx context.Context, f Flavor) (Flavor, error) {
	if f.ID == "" {
		f.ID = s.core.IDs.UUID()
	}
	if f.RXTXFactor == 0 {
		f.RXTXFactor = 1
	}
	f.CreatedAt = s.core.Clock.Now()
	if err := f.check(); err != nil {
		return Flavor{}, fault.Wrap("compute.CreateFlavor", err)
	}
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		if _, taken := s.flavors.Find(tx, s.flavorNames, f.Name); taken {
			return fault.New(fault.AlreadyExists, "Flavor with name %s already exists.", f.Name)
		}
		if s.flavors.Has(tx, f.ID) {
			return fault.New(fault.AlreadyExists, "Flavor with ID %s already exists.", f.ID)
		}
		s.emit(ctx, tx, "compute.flavor.create", "flavor", f.ID, "", nil)
		return s.flavors.Insert(tx, f)
	})
	return f, fault.Wrap("compute.CreateFlavor", err)
}

func (f *Flavor) check() error {
	switch {
	case f.Name == "" || len(f.Name) > 255:
		return fault.New(fault.Invalid, "a flavor's name has 1 to 255 characters")
	case len(f.ID) > 255 || !flavorID.MatchString(f.ID):
		return fault.New(fault.Invalid, "Flavor ID %q has characters that are not allowed", f.ID)
	case f.VCPUs < 1 || f.VCPUs > maxInt || f.MemoryMiB < 1 || f.MemoryMiB > maxInt:
		return fault.New(fault.Invalid, "a flavor has at least 1 vCPU and 1 MiB of memory")
	case f.DiskGiB < 0 || f.EphemeralGiB < 0 || f.SwapMiB < 0 || f.DiskGiB > maxInt || f.EphemeralGiB > maxInt || f.SwapMiB > maxInt:
		return fault.New(fault.Invalid, "a flavor's disk sizes are between 0 and %d", maxInt)
	case f.RXTXFactor <= 0:
		return fault.New(fault.Invalid, "rxtx_factor must be greater than 0")
	}
	return nil
}

// GetFlavor returns one flavor.
func (s *Service) GetFlavor(_ context.Context, id string) (Flavor, error) {
	return s.flavor(s.core.DB.Snapshot(), id)
}

func (s *Service) flavor(r state.Reader, id string) (Flavor, error) {
	f, err := s.flavors.Get(r, id)
	if err != nil {
		return Flavor{}, fault.New(fault.NotFound, "Flavor %s could not be found.", id)
	}
	return f, nil
}

// ListFlavors returns all flavors, by id.
func (s *Service) ListFlavors(context.Context) []Flavor {
	return slices.Collect(s.flavors.All(s.core.DB.Snapshot()))
}

// changeFlavor alters a flavor.
func (s *Service) changeFlavor(ctx context.Context, op, id string, f func(f *Flavor) error) (Flavor, error) {
	var changed Flavor
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		if _, err := s.flavor(tx, id); err != nil {
			return err
		}
		s.emit(ctx, tx, "compute.flavor.update", "flavor", id, "", nil)
		return s.flavors.Change(tx, id, func(flavor *Flavor) error {
			err := f(flavor)
			changed = *flavor
			return err
		})
	})
	return changed, fault.Wrap(op, err)
}

// DescribeFlavor changes a flavor's description.
func (s *Service) DescribeFlavor(ctx context.Context, id, description string) (Flavor, error) {
	return s.changeFlavor(ctx, "compute.DescribeFlavor", id, func(f *Flavor) error {
		f.Description = description
		return nil
	})
}

// SetExtraSpecs adds extra specs to a flavor or changes them.
func (s *Service) SetExtraSpecs(ctx context.Context, id string, specs map[string]string) (Flavor, error) {
	return s.changeFlavor(ctx, "compute.SetExtraSpecs", id, func(f *Flavor) error {
		f.ExtraSpecs = merged(f.ExtraSpecs, specs)
		return nil
	})
}

// DeleteExtraSpec removes one extra spec: fault.NotFound if the flavor lacks it.
func (s *Service) DeleteExtraSpec(ctx context.Context, id, key string) error {
	_, err := s.changeFlavor(ctx, "compute.DeleteExtraSpec", id, func(f *Flavor) error {
		if _, ok := f.ExtraSpecs[key]; !ok {
			return fault.New(fault.NotFound, "Flavor %s has no extra specs with key %s.", id, key)
		}
		f.ExtraSpecs = without(f.ExtraSpecs, key)
		return nil
	})
	return err
}

// GrantFlavor lets a project use a flavor that is not public.
func (s *Service) GrantFlavor(ctx context.Context, id, project string) (Flavor, error) {
	return s.changeFlavor(ctx, "compute.GrantFlavor", id, func(f *Flavor) error {
		if slices.Contains(f.Projects, project) {
			return fault.New(fault.AlreadyExists,
				"Flavor access already exists for flavor %s and project %s combination.", id, project)
		}
		f.Projects = slices.Sorted(slices.Values(append(slices.Clone(f.Projects), project)))
		return nil
	})
}

// RevokeFlavor takes back what GrantFlavor gave.
func (s *Service) RevokeFlavor(ctx context.Context, id, project string) (Flavor, error) {
	return s.changeFlavor(ctx, "compute.RevokeFlavor", id, func(f *Flavor) error {
		i := slices.Index(f.Projects, project)
		if i < 0 {
			return fault.New(fault.NotFound,
				"Flavor access not found for flavor %s and project %s combination.", id, project)
		}
		f.Projects = slices.Delete(slices.Clone(f.Projects), i, i+1)
		return nil
	})
}

// DeleteFlavor removes a flavor. Servers that have it keep their copy.
func (s *Service) DeleteFlavor(ctx context.Context, id string) error {
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		if _, err := s.flavor(tx, id); err != nil {
			return err
		}
		s.emit(ctx, tx, "compute.flavor.delete", "flavor", id, "", nil)
		return s.flavors.Delete(tx, id)
	})
	return fault.Wrap("compute.DeleteFlavor", err)
}

// merged returns a copy of m with the entries of more.
func merged(m, more map[string]string) map[string]string {
	c := make(map[string]string, len(m)+len(more))
	maps.Copy(c, m)
	maps.Copy(c, more)
	return c
}

// without returns a copy of m without a key.
func without(m map[string]string, key string) map[string]string {
	c := maps.Clone(m)
	delete(c, key)
	return c
}
