package placement_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/welkin-cloud/cloud/compute/placement"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/state"
)

// rig is a store over a state in memory.
type rig struct {
	*placement.Store
	t require.TestingT
	p placement.Provider // with 10 VCPU, overcommitted twice, and 100 MiB of which 20 are reserved
}

func newRig(t require.TestingT) *rig {
	db := state.New(nil, nil)
	r := &rig{Store: placement.Define(db, clock.System{}, ids.Random()), t: t}
	require.NoError(t, db.Open(context.Background()))
	r.p = r.provider("host-1")
	return r
}

// do runs f in a transaction that must succeed.
func (r *rig) do(f func(tx *state.Tx) error) { require.NoError(r.t, r.try(f)) }

func (r *rig) try(f func(tx *state.Tx) error) error { return r.Update(context.Background(), f) }

func inventory(total int, change ...func(i *placement.Inventory)) placement.Inventory {
	i := placement.Inventory{Total: total, MinUnit: 1, MaxUnit: total, StepSize: 1, AllocationRatio: 1}
	for _, f := range change {
		f(&i)
	}
	return i
}

// provider makes a provider.
func (r *rig) provider(name string) (p placement.Provider) {
	r.do(func(tx *state.Tx) (err error) {
		if p, err = r.Create(tx, placement.Provider{Name: name}); err != nil {
			return err
		}
		p, err = r.SetInventories(tx, p.ID, 0, map[string]placement.Inventory{
			placement.VCPU:     inventory(10, func(i *placement.Inventory) { i.AllocationRatio = 2 }),
			placement.MemoryMB: inventory(100, func(i *placement.Inventory) { i.Reserved = 20 }),
		})
		return err
	})
	return p
}

// claim claims amounts of a provider for a consumer.
func (r *rig) claim(consumer, provider string, amounts map[string]int) error {
	return r.try(func(tx *state.Tx) error {
		return r.Claim(tx, placement.Consumer{
			ID: consumer, ProjectID: "project", UserID: "user", Allocations: map[string]map[string]int{provider: amounts},
		})
	})
}

func (r *rig) used(provider string) map[string]int { return r.Used(r.Snapshot(), provider) }

// code is the finer code of an error.
func code(err error) string {
	var e *fault.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func vcpus(n int) map[string]int { return map[string]int{placement.VCPU: n} }

func TestClaims(t *testing.T) {
	r := newRig(t)
	require.NoError(t, r.claim("a", r.p.ID, map[string]int{placement.VCPU: 4, placement.MemoryMB: 80}))
	require.Equal(t, map[string]int{placement.VCPU: 4, placement.MemoryMB: 80}, r.used(r.p.ID))

	require.NoError(t, r.claim("a", r.p.ID, map[string]int{placement.VCPU: 8, placement.MemoryMB: 40}), "a claim replaces the one before")
	require.Equal(t, map[string]int{placement.VCPU: 8, placement.MemoryMB: 40}, r.used(r.p.ID))
	c, err := r.Consumer(r.Snapshot(), "a")
	require.NoError(t, err)
	require.Equal(t, 1, c.Generation)

	require.NoError(t, r.claim("b", r.p.ID, vcpus(10)))
	err = r.claim("c", r.p.ID, vcpus(3))
	require.Equal(t, fault.Exhausted, fault.Of(err))
	require.Contains(t, fault.Public(err), "18 of 20 are used")
	require.Len(t, slices.Collect(r.ConsumersOf(r.Snapshot(), r.p.ID)), 2)

	sums, consumers := r.ProjectUsage(r.Snapshot(), "project", "")
	require.Equal(t, map[string]int{placement.VCPU: 18, placement.MemoryMB: 40}, sums)
	require.Equal(t, 2, consumers)
	_, consumers = r.ProjectUsage(r.Snapshot(), "project", "other")
	require.Zero(t, consumers)

	for range 2 {
		r.do(func(tx *state.Tx) error { return r.Release(tx, "a") })
	}
	require.Equal(t, 10, r.used(r.p.ID)[placement.VCPU])
	_, err = r.Consumer(r.Snapshot(), "a")
	require.Equal(t, fault.NotFound, fault.Of(err))
}

func TestClaimsThatDoNotFit(t *testing.T) {
	r := newRig(t)
	r.do(func(tx *state.Tx) error {
		if err := r.CreateClass(tx, "CUSTOM_GPU"); err != nil {
			return err
		}
		_, err := r.SetInventories(tx, r.p.ID, -1, map[string]placement.Inventory{
			placement.VCPU:     inventory(10, func(i *placement.Inventory) { i.AllocationRatio, i.MaxUnit = 2, 8 }),
			placement.MemoryMB: inventory(100, func(i *placement.Inventory) { i.Reserved, i.StepSize = 20, 16 }),
			"CUSTOM_GPU":       inventory(4, func(i *placement.Inventory) { i.MinUnit = 2 }),
		})
		return err
	})
	for name, c := range map[string]struct {
		amounts map[string]int
		kind    fault.Kind // empty: it fits
	}{
		"max unit":           {vcpus(8), ""},
		"above the max unit": {vcpus(9), fault.Exhausted},
		"of the step":        {map[string]int{placement.MemoryMB: 80}, ""},
		"not of the step":    {map[string]int{placement.MemoryMB: 40}, fault.Exhausted},
		"what is reserved":   {map[string]int{placement.MemoryMB: 96}, fault.Exhausted},
		"min unit":           {map[string]int{"CUSTOM_GPU": 2}, ""},
		"below the min unit": {map[string]int{"CUSTOM_GPU": 1}, fault.Exhausted},
		"no inventory":       {map[string]int{placement.DiskGB: 1}, fault.Exhausted},
		"one of two":         {map[string]int{placement.VCPU: 1, placement.MemoryMB: 81}, fault.Exhausted},
	} {
		t.Run(name, func(t *testing.T) {
			err := r.claim(name, r.p.ID, c.amounts)
			require.Equal(t, c.kind, fault.Of(err), err)
			_, there := r.Consumer(r.Snapshot(), name)
			require.Equal(t, c.kind == "", there == nil, "all or nothing")
			r.do(func(tx *state.Tx) error { return r.Release(tx, name) })
			for class, n := range r.used(r.p.ID) {
				require.Zero(t, n, class)
			}
		})
	}
	require.Equal(t, fault.Invalid, fault.Of(r.claim("x", "no-provider", vcpus(1))))
}

// Inventories may shrink below what is used: nothing is taken from anybody, and nobody
// gets more until there is room again.
func TestInventoriesBelowUsage(t *testing.T) {
	r := newRig(t)
	require.NoError(t, r.claim("a", r.p.ID, vcpus(8)))
	require.NoError(t, r.claim("b", r.p.ID, vcpus(8)))
	set := func(inventories map[string]placement.Inventory) error {
		return r.try(func(tx *state.Tx) error {
			_, err := r.SetInventories(tx, r.p.ID, -1, inventories)
			return err
		})
	}
	require.NoError(t, set(map[string]placement.Inventory{placement.VCPU: inventory(10)}))
	require.Equal(t, fault.Exhausted, fault.Of(r.claim("c", r.p.ID, vcpus(1))))
	require.Equal(t, fault.Exhausted, fault.Of(r.claim("a", r.p.ID, vcpus(9))))
	require.NoError(t, r.claim("a", r.p.ID, vcpus(8)), "the same again")
	require.NoError(t, r.claim("a", r.p.ID, vcpus(1)), "less")
	require.NoError(t, r.claim("c", r.p.ID, vcpus(1)))

	err := set(map[string]placement.Inventory{placement.MemoryMB: inventory(10)})
	require.Equal(t, fault.Conflict, fault.Of(err), "what is used cannot go")
	for _, consumer := range []string{"a", "b", "c"} {
		r.do(func(tx *state.Tx) error { return r.Release(tx, consumer) })
	}
	require.NoError(t, set(nil))
}

func TestInventoriesMustMakeSense(t *testing.T) {
	r := newRig(t)
	for name, change := range map[string]func(i *placement.Inventory){
		"nothing":           func(i *placement.Inventory) { i.Total = 0 },
		"no min unit":       func(i *placement.Inventory) { i.MinUnit = 0 },
		"no max unit":       func(i *placement.Inventory) { i.MaxUnit = 0 },
		"no step":           func(i *placement.Inventory) { i.StepSize = 0 },
		"no ratio":          func(i *placement.Inventory) { i.AllocationRatio = 0 },
		"negative reserve":  func(i *placement.Inventory) { i.Reserved = -1 },
		"too much reserved": func(i *placement.Inventory) { i.Reserved = 11 },
	} {
		err := r.try(func(tx *state.Tx) error {
			_, err := r.SetInventories(tx, r.p.ID, -1, map[string]placement.Inventory{placement.VCPU: inventory(10, change)})
			return err
		})
		require.Equal(t, fault.Invalid, fault.Of(err), name)
	}
	err := r.try(func(tx *state.Tx) error {
		_, err := r.SetInventories(tx, r.p.ID, -1, map[string]placement.Inventory{"CUSTOM_NONE": inventory(1)})
		return err
	})
	require.Equal(t, fault.Invalid, fault.Of(err))
	require.Equal(t, 20, r.p.Inventories[placement.VCPU].Capacity())
	require.Equal(t, 80, r.p.Inventories[placement.MemoryMB].Capacity())
	require.Zero(t, inventory(10, func(i *placement.Inventory) { i.Reserved = 10 }).Capacity())
}

func TestGenerations(t *testing.T) {
	r := newRig(t)
	require.Equal(t, 1, r.p.Generation)
	conflict := func(f func(tx *state.Tx, generation int) error) {
		t.Helper()
		before, err := r.Get(r.Snapshot(), r.p.ID)
		require.NoError(t, err)
		err = r.try(func(tx *state.Tx) error { return f(tx, before.Generation-1) })
		require.Equal(t, fault.Conflict, fault.Of(err))
		require.Equal(t, "placement.concurrent_update", code(err))
		r.do(func(tx *state.Tx) error { return f(tx, before.Generation) })
		after, err := r.Get(r.Snapshot(), r.p.ID)
		require.NoError(t, err)
		require.Equal(t, before.Generation+1, after.Generation)
	}
	conflict(func(tx *state.Tx, generation int) error {
		_, err := r.SetInventories(tx, r.p.ID, generation, nil)
		return err
	})
	conflict(func(tx *state.Tx, generation int) error {
		_, err := r.SetTraits(tx, r.p.ID, generation, []string{"HW_ARCH_X86_64"})
		return err
	})
	conflict(func(tx *state.Tx, generation int) error {
		_, err := r.Change(tx, r.p.ID, generation, func(p *placement.Provider) error {
			p.Aggregates = []string{"rack"}
			return nil
		})
		return err
	})
}

func TestProviders(t *testing.T) {
	r := newRig(t)
	create := func(p placement.Provider) (made placement.Provider, err error) {
		err = r.try(func(tx *state.Tx) (err error) {
			made, err = r.Create(tx, p)
			return err
		})
		return made, err
	}
	_, err := create(placement.Provider{Name: "host-1"})
	require.Equal(t, fault.AlreadyExists, fault.Of(err))
	_, err = create(placement.Provider{ID: r.p.ID, Name: "other"})
	require.Equal(t, fault.AlreadyExists, fault.Of(err))
	_, err = create(placement.Provider{Name: "numa", ParentID: "none"})
	require.Equal(t, fault.Invalid, fault.Of(err))

	child, err := create(placement.Provider{Name: "numa", ParentID: r.p.ID})
	require.NoError(t, err)
	require.Equal(t, r.p.ID, child.RootID)
	grandchild, err := create(placement.Provider{Name: "gpu", ParentID: child.ID})
	require.NoError(t, err)
	require.Equal(t, r.p.ID, grandchild.RootID)
	found, ok := r.Find(r.Snapshot(), "numa")
	require.True(t, ok)
	require.Equal(t, child.ID, found.ID)

	other := r.provider("host-2")
	for _, to := range []string{child.ID, grandchild.ID, "none"} {
		err = r.try(func(tx *state.Tx) error { return r.Move(tx, child.ID, to) })
		require.Equal(t, fault.Invalid, fault.Of(err), "to itself, below itself, to nowhere")
	}
	r.do(func(tx *state.Tx) error { return r.Move(tx, child.ID, other.ID) })
	for _, id := range []string{child.ID, grandchild.ID} {
		p, err := r.Get(r.Snapshot(), id)
		require.NoError(t, err)
		require.Equal(t, other.ID, p.RootID)
	}
	r.do(func(tx *state.Tx) error { return r.Move(tx, child.ID, "") })
	moved, err := r.Get(r.Snapshot(), grandchild.ID)
	require.NoError(t, err)
	require.Equal(t, child.ID, moved.RootID)
	r.do(func(tx *state.Tx) error { return r.Move(tx, child.ID, other.ID) })
	r.do(func(tx *state.Tx) error { return r.Delete(tx, r.p.ID) })

	remove := func(id string) error { return r.try(func(tx *state.Tx) error { return r.Delete(tx, id) }) }
	err = remove(other.ID)
	require.Equal(t, "placement.resource_provider.cannot_delete_parent", code(err))
	require.NoError(t, remove(grandchild.ID))
	require.NoError(t, remove(child.ID))
	require.NoError(t, r.claim("a", other.ID, vcpus(1)))
	require.Equal(t, "placement.resource_provider.inuse", code(remove(other.ID)))
	r.do(func(tx *state.Tx) error { return r.Release(tx, "a") })
	require.NoError(t, remove(other.ID))
	require.Equal(t, fault.NotFound, fault.Of(remove(other.ID)))
	require.Empty(t, slices.Collect(r.List(r.Snapshot())))
}

func TestTraitsAndClasses(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"GPU", "CUSTOM_", "CUSTOM_gpu", "CUSTOM_A-B", "CUSTOM_" + fmt.Sprintf("%0250d", 0)} {
		require.Equal(t, fault.Invalid, fault.Of(r.try(func(tx *state.Tx) error { return r.CreateClass(tx, name) })), name)
		require.Equal(t, fault.Invalid, fault.Of(r.try(func(tx *state.Tx) error { _, err := r.CreateTrait(tx, name); return err })), name)
	}
	set := func(traits ...string) error {
		return r.try(func(tx *state.Tx) error { _, err := r.SetTraits(tx, r.p.ID, -1, traits); return err })
	}
	require.Equal(t, fault.Invalid, fault.Of(set("CUSTOM_FAST")))
	for _, new := range []bool{true, false} {
		r.do(func(tx *state.Tx) error {
			added, err := r.CreateTrait(tx, "CUSTOM_FAST")
			require.Equal(t, new, added)
			return err
		})
	}
	require.NoError(t, set("HW_ARCH_X86_64", "CUSTOM_FAST"))
	p, err := r.Get(r.Snapshot(), r.p.ID)
	require.NoError(t, err)
	require.Equal(t, []string{"CUSTOM_FAST", "HW_ARCH_X86_64"}, p.Traits, "sorted")

	drop := func(name string) error { return r.try(func(tx *state.Tx) error { return r.DeleteTrait(tx, name) }) }
	require.Equal(t, fault.Conflict, fault.Of(drop("CUSTOM_FAST")), "in use")
	require.Equal(t, fault.Invalid, fault.Of(drop("HW_ARCH_X86_64")), "standard")
	require.Equal(t, fault.NotFound, fault.Of(drop("HW_NONE")))
	require.NoError(t, set())
	require.NoError(t, drop("CUSTOM_FAST"))
	require.False(t, r.HasTrait(r.Snapshot(), "CUSTOM_FAST"))

	dropClass := func(name string) error { return r.try(func(tx *state.Tx) error { return r.DeleteClass(tx, name) }) }
	r.do(func(tx *state.Tx) error { return r.CreateClass(tx, "CUSTOM_GPU") })
	require.Contains(t, r.Classes(r.Snapshot()), "CUSTOM_GPU")
	r.do(func(tx *state.Tx) error {
		_, err := r.SetInventories(tx, r.p.ID, -1, map[string]placement.Inventory{"CUSTOM_GPU": inventory(1)})
		return err
	})
	require.Equal(t, fault.Conflict, fault.Of(dropClass("CUSTOM_GPU")), "in use")
	require.Equal(t, fault.Invalid, fault.Of(dropClass(placement.VCPU)), "standard")
	r.do(func(tx *state.Tx) error { _, err := r.SetInventories(tx, r.p.ID, -1, nil); return err })
	require.NoError(t, dropClass("CUSTOM_GPU"))
	require.Equal(t, fault.NotFound, fault.Of(dropClass("CUSTOM_GPU")))
}

// Whatever is claimed, moved, released and resized, in whatever order: what is counted
// as used is the sum of what consumers have, and no claim takes more than there is.
func TestUsageIsTheSumOfTheClaims(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t)
		providers := []placement.Provider{r.p, r.provider("host-2")}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			consumer := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "consumer")
			allocations := map[string]map[string]int{}
			for _, p := range providers {
				if n := rapid.IntRange(0, 10).Draw(t, "vcpus"); n > 0 {
					allocations[p.ID] = vcpus(n)
				}
			}
			err := r.try(func(tx *state.Tx) error {
				return r.Claim(tx, placement.Consumer{ID: consumer, Allocations: allocations})
			})
			require.Contains(t, []fault.Kind{"", fault.Exhausted}, fault.Of(err))
			for _, p := range providers {
				sum := 0
				for c := range r.ConsumersOf(r.Snapshot(), p.ID) {
					sum += c.Allocations[p.ID][placement.VCPU]
				}
				require.Equal(t, sum, r.used(p.ID)[placement.VCPU])
				require.LessOrEqual(t, sum, 20)
			}
		}
	})
}
