package compute

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Aggregate is a set of hosts with metadata. One whose metadata names an
// availability zone makes its hosts that zone's.
type Aggregate struct {
	ID        int               `json:"id"`
	UUID      string            `json:"uuid"`
	Name      string            `json:"name"` // unique
	Hosts     []string          `json:"hosts,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	CreatedAt time.Time         `json:"created"`
	UpdatedAt time.Time         `json:"updated,omitzero"`
}

// zoneKey is the metadata item that names an aggregate's zone.
const zoneKey = "availability_zone"

// Zone is the availability zone of the aggregate's hosts; empty for none.
func (a *Aggregate) Zone() string { return a.Metadata[zoneKey] }

func aggregateKey(id int) string { return fmt.Sprintf("%010d", id) }

// CreateAggregate adds an aggregate; zone may be empty.
func (s *Service) CreateAggregate(ctx context.Context, name, zone string) (Aggregate, error) {
	a := Aggregate{UUID: s.core.IDs.UUID(), Name: name, CreatedAt: s.core.Clock.Now()}
	if zone != "" {
		a.Metadata = map[string]string{zoneKey: zone}
	}
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		a.ID = 1
		for other := range s.aggregates.All(tx) {
			if other.Name == name {
				return fault.New(fault.AlreadyExists, "Aggregate %s already exists.", name)
			}
			a.ID = other.ID + 1
		}
		s.emit(ctx, tx, "aggregate.create.end", "aggregate", a.UUID, "", nil)
		return s.aggregates.Insert(tx, a)
	})
	return a, fault.Wrap("compute.CreateAggregate", err)
}

// GetAggregate returns one aggregate.
func (s *Service) GetAggregate(_ context.Context, id int) (Aggregate, error) {
	a, err := s.aggregates.Get(s.core.DB.Snapshot(), aggregateKey(id))
	if err != nil {
		return Aggregate{}, noAggregate(id)
	}
	return a, nil
}

func noAggregate(id int) error {
	return fault.New(fault.NotFound, "Aggregate %d could not be found.", id)
}

// ListAggregates returns all aggregates by id.
func (s *Service) ListAggregates(context.Context) []Aggregate {
	return slices.Collect(s.aggregates.All(s.core.DB.Snapshot()))
}

// changeAggregate alters an aggregate.
func (s *Service) changeAggregate(ctx context.Context, op string, id int, f func(tx *state.Tx, a *Aggregate) error) (Aggregate, error) {
	var changed Aggregate
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		a, err := s.aggregates.Get(tx, aggregateKey(id))
		if err != nil {
			return noAggregate(id)
		}
		if err := f(tx, &a); err != nil {
			return err
		}
		a.UpdatedAt = s.core.Clock.Now()
		changed = a
		s.emit(ctx, tx, "aggregate.update.end", "aggregate", a.UUID, "", nil)
		return s.aggregates.Put(tx, a)
	})
	return changed, fault.Wrap(op, err)
}

// UpdateAggregate changes an aggregate's name or zone; nil leaves one as it is.
func (s *Service) UpdateAggregate(ctx context.Context, id int, name, zone *string) (Aggregate, error) {
	return s.changeAggregate(ctx, "compute.UpdateAggregate", id, func(tx *state.Tx, a *Aggregate) error {
		if name != nil {
			for other := range s.aggregates.All(tx) {
				if other.Name == *name && other.ID != id {
					return fault.New(fault.AlreadyExists, "Aggregate %s already exists.", *name)
				}
			}
			a.Name = *name
		}
		if zone != nil {
			return s.rezone(tx, a, merged(a.Metadata, map[string]string{zoneKey: *zone}))
		}
		return nil
	})
}

// SetAggregateMetadata adds or changes metadata; a nil value removes an item.
func (s *Service) SetAggregateMetadata(ctx context.Context, id int, metadata map[string]*string) (Aggregate, error) {
	return s.changeAggregate(ctx, "compute.SetAggregateMetadata", id, func(tx *state.Tx, a *Aggregate) error {
		all := merged(a.Metadata, nil)
		for k, v := range metadata {
			if v == nil {
				delete(all, k)
			} else {
				all[k] = *v
			}
		}
		return s.rezone(tx, a, all)
	})
}

// rezone gives an aggregate new metadata, unless that would change the zone of
// servers or put a host in two zones.
func (s *Service) rezone(tx *state.Tx, a *Aggregate, metadata map[string]string) error {
	was := a.Zone()
	a.Metadata = metadata
	if a.Zone() == was {
		return nil
	}
	for _, h := range a.Hosts {
		if s.servers.Count(tx, s.serverBy.host, h) > 0 {
			return fault.New(fault.Invalid, "Cannot update aggregate %d. Reason: One or more hosts contain instances in this zone", a.ID)
		}
		if err := s.oneZone(tx, a, h); err != nil {
			return err
		}
	}
	return nil
}

// oneZone reports whether a host could be in the aggregate without being in two
// zones.
func (s *Service) oneZone(r state.Reader, a *Aggregate, host string) error {
	for other := range s.aggregates.All(r) {
		if other.ID != a.ID && a.Zone() != "" && other.Zone() != "" && other.Zone() != a.Zone() && slices.Contains(other.Hosts, host) {
			return fault.New(fault.Conflict, "Cannot add host to aggregate %d. Reason: One or more hosts already in availability zone(s) [%s]", a.ID, other.Zone())
		}
	}
	return nil
}

// AddHost puts a host into an aggregate.
func (s *Service) AddHost(ctx context.Context, id int, host string) (Aggregate, error) {
	return s.changeAggregate(ctx, "compute.AddHost", id, func(tx *state.Tx, a *Aggregate) error {
		switch {
		case !s.hosts.Has(tx, host):
			return fault.New(fault.NotFound, "Compute host %s could not be found.", host)
		case slices.Contains(a.Hosts, host):
			return fault.New(fault.AlreadyExists, "Aggregate %d already has host %s.", id, host)
		}
		if err := s.oneZone(tx, a, host); err != nil {
			return err
		}
		a.Hosts = append(slices.Clone(a.Hosts), host)
		return nil
	})
}

// RemoveHost takes a host out of an aggregate.
func (s *Service) RemoveHost(ctx context.Context, id int, host string) (Aggregate, error) {
	return s.changeAggregate(ctx, "compute.RemoveHost", id, func(_ *state.Tx, a *Aggregate) error {
		i := slices.Index(a.Hosts, host)
		if i < 0 {
			return fault.New(fault.NotFound, "Aggregate %d has no host %s.", id, host)
		}
		a.Hosts = slices.Delete(slices.Clone(a.Hosts), i, i+1)
		return nil
	})
}

// DeleteAggregate removes an aggregate that has no hosts.
func (s *Service) DeleteAggregate(ctx context.Context, id int) error {
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		a, err := s.aggregates.Get(tx, aggregateKey(id))
		switch {
		case err != nil:
			return noAggregate(id)
		case len(a.Hosts) > 0:
			return fault.New(fault.Invalid, "Cannot remove host from aggregate %d. Reason: Host aggregate is not empty", id)
		}
		s.emit(ctx, tx, "aggregate.delete.end", "aggregate", a.UUID, "", nil)
		return s.aggregates.Delete(tx, aggregateKey(id))
	})
	return fault.Wrap("compute.DeleteAggregate", err)
}

// Zone is an availability zone with its hosts.
type Zone struct {
	Name  string
	Hosts []HostStatus
}

// ListZones returns the availability zones by name.
func (s *Service) ListZones(ctx context.Context) []Zone {
	var zones []Zone
	for _, h := range s.ListHosts(ctx) {
		i := slices.IndexFunc(zones, func(z Zone) bool { return z.Name == h.Zone })
		if i < 0 {
			zones = append(zones, Zone{Name: h.Zone})
			i = len(zones) - 1
		}
		zones[i].Hosts = append(zones[i].Hosts, h)
	}
	slices.SortFunc(zones, func(a, b Zone) int { return strings.Compare(a.Name, b.Name) })
	return zones
}

// zones gives the zone of each host that an aggregate puts into one.
func (s *Service) zones(r state.Reader) map[string]string {
	zones := map[string]string{}
	for a := range s.aggregates.All(r) {
		if z := a.Zone(); z != "" {
			for _, h := range a.Hosts {
				zones[h] = z
			}
		}
	}
	return zones
}

func (s *Service) zone(zones map[string]string, host string) string {
	if z, ok := zones[host]; ok {
		return z
	}
	return s.cfg.Zone
}
