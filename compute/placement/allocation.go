package placement

import (
	"iter"
	"maps"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Consumer is who uses resources: a server. Without allocations there is no
// consumer.
type Consumer struct {
	ID          string                    `json:"id"`
	ProjectID   string                    `json:"project"`
	UserID      string                    `json:"user"`
	Type        string                    `json:"type,omitempty"` // "INSTANCE"
	Generation  int                       `json:"generation"`
	Allocations map[string]map[string]int `json:"allocations"` // provider to resource class to amount
}

// Consumer returns a consumer with its allocations.
func (s *Store) Consumer(r state.Reader, id string) (Consumer, error) { return s.consumers.Get(r, id) }

// ConsumersOf walks those who use a provider.
func (s *Store) ConsumersOf(r state.Reader, provider string) iter.Seq[Consumer] {
	return s.consumers.Where(r, s.byHolder, provider)
}

// ProjectUsage sums what a project, or one user in it, has allocated.
func (s *Store) ProjectUsage(r state.Reader, project, user string) (used map[string]int, consumers int) {
	parts := []string{project}
	if user != "" {
		parts = append(parts, user)
	}
	used = map[string]int{}
	for c := range s.consumers.Where(r, s.byProject, parts...) {
		consumers++
		for _, resources := range c.Allocations {
			for class, n := range resources {
				used[class] += n
			}
		}
	}
	return used, consumers
}

// Claim makes c the consumer's allocations in place of those that it has.
// fault.Exhausted if a provider has not enough left, fault.Invalid if it has none of
// the resource or the amount does not suit its units; then nothing is changed.
func (s *Store) Claim(tx *state.Tx, c Consumer) error {
	old, err := s.consumers.Get(tx, c.ID)
	if err == nil {
		c.Generation = old.Generation + 1
	}
	changes := map[string]map[string]int{}
	addTo(changes, old.Allocations, -1)
	addTo(changes, c.Allocations, 1)
	for provider, delta := range changes {
		if err := s.use(tx, provider, delta, c.Allocations[provider]); err != nil {
			return err
		}
	}
	if len(c.Allocations) == 0 {
		if err != nil {
			return nil
		}
		return s.consumers.Delete(tx, c.ID)
	}
	return s.consumers.Put(tx, c)
}

// Release drops all allocations of a consumer; nil if it has none.
func (s *Store) Release(tx *state.Tx, consumer string) error {
	return s.Claim(tx, Consumer{ID: consumer})
}

// use adds delta to what is used of a provider, of which the consumer will then
// hold the wanted amounts.
func (s *Store) use(tx *state.Tx, provider string, delta, wanted map[string]int) error {
	p, err := s.providers.Get(tx, provider)
	if err != nil {
		return fault.New(fault.Invalid, "allocation for resource provider '%s' that does not exist", provider)
	}
	used := maps.Clone(s.Used(tx, provider))
	if used == nil {
		used = map[string]int{}
	}
	for class, n := range delta {
		if err := p.fits(class, used[class], n, wanted[class]); err != nil {
			return err
		}
		used[class] += n
	}
	return s.usages.Put(tx, Usage{ProviderID: provider, Used: used})
}

// fits checks that n more of a class can be used, by a consumer that then holds
// wanted of it. What shrinks always fits.
func (p *Provider) fits(class string, used, n, wanted int) error {
	if n <= 0 {
		return nil
	}
	i, ok := p.Inventories[class]
	switch {
	case !ok:
		return fault.New(fault.Exhausted, "no inventory of %s on resource provider '%s'", class, p.ID)
	case wanted < i.MinUnit || wanted > i.MaxUnit || wanted%i.StepSize != 0:
		return fault.New(fault.Exhausted, "%d %s does not suit the units of resource provider '%s'", wanted, class, p.ID)
	case used+n > i.Capacity():
		return fault.New(fault.Exhausted, "unable to allocate %d %s on resource provider '%s': %d of %d are used",
			n, class, p.ID, used, i.Capacity())
	}
	return nil
}

func addTo(sum, allocations map[string]map[string]int, sign int) {
	for provider, resources := range allocations {
		if sum[provider] == nil {
			sum[provider] = map[string]int{}
		}
		for class, n := range resources {
			sum[provider][class] += sign * n
		}
	}
}
