package placement

import (
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Provider is something that has resources: a compute host.
type Provider struct {
	ID          string               `json:"id"`
	Name        string               `json:"name"`
	Generation  int                  `json:"generation"` // grows with each change
	ParentID    string               `json:"parent,omitempty"`
	RootID      string               `json:"root"`
	Inventories map[string]Inventory `json:"inventories,omitempty"` // by resource class
	Traits      []string             `json:"traits,omitempty"`      // sorted
	Aggregates  []string             `json:"aggregates,omitempty"`
	CreatedAt   time.Time            `json:"created"`
	UpdatedAt   time.Time            `json:"updated"`
}

// Inventory is how much of one resource class a provider has.
type Inventory struct {
	Total           int     `json:"total"`
	Reserved        int     `json:"reserved"`
	MinUnit         int     `json:"min_unit"`
	MaxUnit         int     `json:"max_unit"`
	StepSize        int     `json:"step_size"`
	AllocationRatio float64 `json:"allocation_ratio"`
}

// Capacity is how much may be allocated in all.
func (i Inventory) Capacity() int {
	return int(float64(i.Total-i.Reserved) * i.AllocationRatio)
}

// Usage is how much of a provider is allocated: the sum of its consumers'
// allocations, kept by the transactions that change them. It is a document of its
// own because it changes with every claim and the provider hardly ever.
type Usage struct {
	ProviderID string         `json:"provider"`
	Used       map[string]int `json:"used"` // by resource class
}

// Create adds a provider; its ID is made if it is empty. fault.AlreadyExists if the
// name or the id is taken.
func (s *Store) Create(tx *state.Tx, p Provider) (Provider, error) {
	if p.ID == "" {
		p.ID = s.ids.UUID()
	}
	p.RootID = p.ID
	if p.ParentID != "" {
		parent, err := s.providers.Get(tx, p.ParentID)
		if err != nil {
			return Provider{}, fault.New(fault.Invalid, "parent provider UUID %s does not exist", p.ParentID)
		}
		p.RootID = parent.RootID
	}
	p.CreatedAt = s.clock.Now()
	p.UpdatedAt = p.CreatedAt
	return p, s.providers.Insert(tx, p)
}

// Get returns a provider.
func (s *Store) Get(r state.Reader, id string) (Provider, error) { return s.providers.Get(r, id) }

// Find returns the provider of a name.
func (s *Store) Find(r state.Reader, name string) (Provider, bool) {
	return s.providers.Find(r, s.byName, name)
}

// List walks all providers by id.
func (s *Store) List(r state.Reader) iter.Seq[Provider] { return s.providers.All(r) }

// Change alters a provider if its generation is still the given one; a negative
// one is not compared. fault.Conflict with the code "placement.concurrent_update"
// if it has moved on.
func (s *Store) Change(tx *state.Tx, id string, generation int, f func(p *Provider) error) (Provider, error) {
	var changed Provider
	err := s.providers.Change(tx, id, func(p *Provider) error {
		if generation >= 0 && generation != p.Generation {
			return fault.New(fault.Conflict, "resource provider generation conflict: the generation is %d, not %d",
				p.Generation, generation).WithCode("placement.concurrent_update")
		}
		if err := f(p); err != nil {
			return err
		}
		p.Generation++
		p.UpdatedAt = s.clock.Now()
		changed = *p
		return nil
	})
	return changed, err
}

// Move puts a provider, with all that is below it, under another one; an empty
// parentID puts it under none. fault.Invalid if the parent does not exist or is the
// provider itself or below it.
func (s *Store) Move(tx *state.Tx, id, parentID string) error {
	root := id
	if parentID != "" {
		parent, err := s.providers.Get(tx, parentID)
		if err != nil {
			return fault.New(fault.Invalid, "parent provider UUID %s does not exist", parentID)
		}
		if s.below(tx, parent, id) {
			return fault.New(fault.Invalid, "creating loop in resource provider tree is not allowed")
		}
		root = parent.RootID
	}
	p, err := s.providers.Get(tx, id)
	if err != nil {
		return err
	}
	var tree []Provider
	for other := range s.providers.All(tx) {
		if other.RootID == p.RootID && s.below(tx, other, id) {
			tree = append(tree, other)
		}
	}
	for _, other := range tree {
		if other.RootID = root; other.ID == id {
			other.ParentID = parentID
		}
		if err := s.providers.Put(tx, other); err != nil {
			return err
		}
	}
	return nil
}

// below reports whether a provider is the one of an id, or below it.
func (s *Store) below(r state.Reader, p Provider, id string) bool {
	for p.ID != id {
		parent, err := s.providers.Get(r, p.ParentID)
		if err != nil {
			return false
		}
		p = parent
	}
	return true
}

// SetInventories replaces what a provider has. fault.Conflict if a class that is in
// use would go, fault.Invalid for numbers that make no sense.
func (s *Store) SetInventories(tx *state.Tx, id string, generation int, inventories map[string]Inventory) (Provider, error) {
	for class, inventory := range inventories {
		if err := s.checkInventory(tx, class, inventory); err != nil {
			return Provider{}, err
		}
	}
	used := s.Used(tx, id)
	return s.Change(tx, id, generation, func(p *Provider) error {
		for class := range p.Inventories {
			if _, stays := inventories[class]; !stays && used[class] > 0 {
				return fault.New(fault.Conflict, "inventory for '%s' on resource provider '%s' in use", class, id).
					WithCode("placement.inventory.inuse")
			}
		}
		p.Inventories = maps.Clone(inventories)
		return nil
	})
}

func (s *Store) checkInventory(r state.Reader, class string, i Inventory) error {
	switch {
	case !s.HasClass(r, class):
		return fault.New(fault.Invalid, "unknown resource class in inventory: %s", class)
	case i.Total < 1 || i.MinUnit < 1 || i.MaxUnit < 1 || i.StepSize < 1 || i.Reserved < 0 || i.AllocationRatio <= 0:
		return fault.New(fault.Invalid, "invalid inventory for '%s'", class)
	case i.Reserved > i.Total:
		return fault.New(fault.Invalid, "invalid inventory for '%s': more is reserved than there is", class)
	}
	return nil
}

// SetTraits replaces the traits of a provider; each must exist.
func (s *Store) SetTraits(tx *state.Tx, id string, generation int, traits []string) (Provider, error) {
	for _, t := range traits {
		if !s.HasTrait(tx, t) {
			return Provider{}, fault.New(fault.Invalid, "no such trait %s", t)
		}
	}
	return s.Change(tx, id, generation, func(p *Provider) error {
		p.Traits = slices.Sorted(slices.Values(traits))
		return nil
	})
}

// Delete removes a provider that nothing is allocated from and that is no other's
// parent.
func (s *Store) Delete(tx *state.Tx, id string) error {
	for other := range s.providers.All(tx) {
		if other.ParentID == id {
			return fault.New(fault.Conflict, "unable to delete parent resource provider %s: it has child resource providers", id).
				WithCode("placement.resource_provider.cannot_delete_parent")
		}
	}
	if s.consumers.Count(tx, s.byHolder, id) > 0 {
		return fault.New(fault.Conflict, "unable to delete resource provider %s: it has allocations", id).
			WithCode("placement.resource_provider.inuse")
	}
	if s.usages.Has(tx, id) {
		if err := s.usages.Delete(tx, id); err != nil {
			return err
		}
	}
	return s.providers.Delete(tx, id)
}

// Used tells how much of a provider is allocated, by resource class.
func (s *Store) Used(r state.Reader, id string) map[string]int {
	u, err := s.usages.Get(r, id)
	if err != nil {
		return nil
	}
	return u.Used
}
