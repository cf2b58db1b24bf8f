package placement

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/welkin-cloud/cloud/internal/check"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Checks are the invariants of inventories and allocations.
func (s *Store) Checks() []check.Check {
	return []check.Check{
		{
			Name: "placement.usage", Run: s.checkUsage,
			Doc: "What is used of a provider is the sum of the allocations from it.",
		},
		{
			Name: "placement.capacity", Run: s.checkCapacity,
			Doc: "No more is allocated of a provider than its inventory and ratio allow.",
		},
		{
			Name: "placement.refers", Run: s.checkRefers,
			Doc: "Allocations are from providers that exist, and of resources that these have; parents of providers exist.",
		},
	}
}

// sums are what is allocated from each provider, by resource class.
func (s *Store) sums(r state.Reader) map[string]map[string]int {
	sums := map[string]map[string]int{}
	for c := range s.consumers.All(r) {
		addTo(sums, c.Allocations, 1)
	}
	return sums
}

func (s *Store) checkUsage(_ context.Context, l *check.Look) error {
	sums := s.sums(l.State())
	for u := range s.usages.All(l.State()) {
		if _, any := sums[u.ProviderID]; !any {
			sums[u.ProviderID] = nil
		}
	}
	for provider, sum := range sums {
		if used := s.Used(l.State(), provider); !sameAmounts(used, sum) {
			l.FoundMendable("resource-provider/"+provider,
				fmt.Sprintf("has %v used on record, but the allocations from it are %v.", used, sum),
				"Count the allocations again.", func(ctx context.Context) error { return s.recount(ctx, provider) })
		}
	}
	return nil
}

// sameAmounts compares amounts by resource class; none is the same as zero.
func sameAmounts(a, b map[string]int) bool {
	for class := range a {
		if a[class] != b[class] {
			return false
		}
	}
	for class := range b {
		if a[class] != b[class] {
			return false
		}
	}
	return true
}

// recount makes the usage of a provider the sum of the allocations from it.
func (s *Store) recount(ctx context.Context, provider string) error {
	return s.db.Update(ctx, func(tx *state.Tx) error {
		sum := map[string]map[string]int{}
		for c := range s.ConsumersOf(tx, provider) {
			addTo(sum, map[string]map[string]int{provider: c.Allocations[provider]}, 1)
		}
		if len(sum[provider]) == 0 && !s.providers.Has(tx, provider) {
			if !s.usages.Has(tx, provider) {
				return nil
			}
			return s.usages.Delete(tx, provider)
		}
		return s.usages.Put(tx, Usage{ProviderID: provider, Used: sum[provider]})
	})
}

func (s *Store) checkCapacity(_ context.Context, l *check.Look) error {
	sums := s.sums(l.State())
	for p := range s.providers.All(l.State()) {
		for _, class := range slices.Sorted(maps.Keys(sums[p.ID])) {
			used, capacity := sums[p.ID][class], p.Inventories[class].Capacity()
			if used > capacity {
				l.Found("resource-provider/"+p.ID, fmt.Sprintf("(%s) has %d %s allocated, but only %d to give.", p.Name, used, class, capacity),
					"Move servers away from the host, or raise its inventory.")
			}
		}
	}
	return nil
}

func (s *Store) checkRefers(_ context.Context, l *check.Look) error {
	r := l.State()
	for c := range s.consumers.All(r) {
		for provider, resources := range c.Allocations {
			p, err := s.providers.Get(r, provider)
			if err != nil {
				l.Found("consumer/"+c.ID, fmt.Sprintf("has allocations from provider %s, which does not exist.", provider),
					"Replace the allocations of the consumer.")
				continue
			}
			for class := range resources {
				if _, has := p.Inventories[class]; !has {
					l.Found("consumer/"+c.ID, fmt.Sprintf("has %s allocated from provider %s (%s), which has none.", class, p.ID, p.Name),
						"Replace the allocations of the consumer.")
				}
			}
		}
	}
	for p := range s.providers.All(r) {
		if p.ParentID != "" && !s.providers.Has(r, p.ParentID) {
			l.Found("resource-provider/"+p.ID, fmt.Sprintf("has the parent %s, which does not exist.", p.ParentID), "Delete the provider.")
		}
	}
	return nil
}
