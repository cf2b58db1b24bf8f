// Package placement keeps what compute hosts have and who uses how much of it:
// resource providers, their inventories and traits, and the allocations of
// consumers, in the shape of OpenStack Placement.
//
// It is a part of package compute's state: its methods read a [state.Reader] or
// work in the caller's transaction, so a server and its claim change together.
package placement

import (
	"context"
	"time"

	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/state"
)

// The resource classes that every host has.
const (
	VCPU     = "VCPU"
	MemoryMB = "MEMORY_MB"
	DiskGB   = "DISK_GB"
)

// Store keeps providers and allocations.
type Store struct {
	db        *state.DB
	providers *state.Collection[Provider]
	byName    *state.Index[Provider]
	usages    *state.Collection[Usage]
	consumers *state.Collection[Consumer]
	byHolder  *state.Index[Consumer]
	byProject *state.Index[Consumer]
	classes   *state.Collection[name]
	traits    *state.Collection[name]
	clock     clock.Clock
	ids       *ids.Source
}

// name is a custom trait or resource class.
type name struct {
	Name string `json:"name"`
}

// Define adds the collections of placement to db.
func Define(db *state.DB, c clock.Clock, source *ids.Source) *Store {
	s := &Store{db: db, clock: c, ids: source}
	s.byName = state.NewUnique("name", func(p *Provider) []string { return []string{p.Name} })
	s.byHolder = state.NewIndex("provider", func(c *Consumer) []string {
		keys := make([]string, 0, len(c.Allocations))
		for id := range c.Allocations {
			keys = append(keys, id)
		}
		return keys
	})
	s.byProject = state.NewIndex("project", func(c *Consumer) []string {
		return []string{state.Key(c.ProjectID, c.UserID)}
	})
	s.providers = state.Define(db, state.Spec[Provider]{
		Name: "placement.providers", Noun: "resource provider",
		Key:     func(p *Provider) string { return p.ID },
		Indexes: []*state.Index[Provider]{s.byName},
	})
	s.usages = state.Define(db, state.Spec[Usage]{
		Name: "placement.usages", Noun: "usage",
		Key: func(u *Usage) string { return u.ProviderID },
	})
	s.consumers = state.Define(db, state.Spec[Consumer]{
		Name: "placement.consumers", Noun: "consumer",
		Key:     func(c *Consumer) string { return c.ID },
		Indexes: []*state.Index[Consumer]{s.byHolder, s.byProject},
	})
	s.classes = state.Define(db, state.Spec[name]{
		Name: "placement.classes", Noun: "resource class",
		Key: func(n *name) string { return n.Name },
	})
	s.traits = state.Define(db, state.Spec[name]{
		Name: "placement.traits", Noun: "trait",
		Key: func(n *name) string { return n.Name },
	})
	return s
}

// Snapshot is the newest state, for reads.
func (s *Store) Snapshot() *state.Snapshot { return s.db.Snapshot() }

// Update runs f in a transaction.
func (s *Store) Update(ctx context.Context, f func(tx *state.Tx) error) error {
	return s.db.Update(ctx, f)
}

// Now is the cloud's time.
func (s *Store) Now() time.Time { return s.clock.Now() }
