package identity

import (
	"iter"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/internal/state"
)

// groupTTL is how long memberships that a provider tells hold.
func (s *Service) groupTTL(p IdentityProvider) time.Duration {
	if p.AuthorizationTTL != nil && *p.AuthorizationTTL > 0 {
		return *p.AuthorizationTTL
	}
	return s.cfg.Federation.GroupTTL
}

// heldUntil is when a membership ends that a provider has told.
func (s *Service) heldUntil(r state.Reader, m *federatedMember) time.Time {
	p, err := s.t.providers.Get(r, m.ProviderID)
	if err != nil || !p.Enabled {
		return m.VerifiedAt
	}
	return m.VerifiedAt.Add(s.groupTTL(p))
}

// heldMemberships walks the memberships that an index holds under a key, from those of
// one user on, and that hold at the moment, whatever token their user has.
func (s *Service) heldMemberships(r state.Reader, ix *state.Index[federatedMember], from, key string) iter.Seq[federatedMember] {
	return func(yield func(federatedMember) bool) {
		now := s.core.Clock.Now()
		for m := range s.t.federated.WhereAfter(r, ix, from, key) {
			if now.Before(s.heldUntil(r, &m)) && !yield(m) {
				return
			}
		}
	}
}

// membershipsEnd is when the first of those memberships ends that may be counted in a
// token; zero if there are none.
func (s *Service) membershipsEnd(r state.Reader, p *payload) time.Time {
	users := []string{p.UserID}
	if t, err := s.t.trusts.Get(r, p.Scope.TrustID); err == nil {
		users = append(users, t.TrustorID)
	}
	var first time.Time
	for _, id := range users {
		for m := range s.heldMemberships(r, s.t.federatedUser, "", id) {
			if end := s.heldUntil(r, &m); first.IsZero() || end.Before(first) {
				first = end
			}
		}
	}
	return first
}

// setMemberships makes the groups of a user, as a protocol tells them, be these.
func (s *Service) setMemberships(tx *state.Tx, p IdentityProvider, row protocolRow, userID string, groups []string) error {
	now := s.core.Clock.Now()
	there := map[string]bool{}
	for _, m := range slices.Collect(s.t.federated.Where(tx, s.t.federatedUser, userID)) {
		if m.ProviderID != row.ProviderID || m.ProtocolID != row.ID {
			continue
		}
		there[m.GroupID] = true
		if !slices.Contains(groups, m.GroupID) {
			if err := s.t.federated.Delete(tx, federatedMemberKey(&m)); err != nil {
				return err
			}
		}
	}
	for _, id := range groups {
		// Without a time to live it is of no use to know when it was told.
		if there[id] && s.groupTTL(p) == 0 {
			continue
		}
		m := federatedMember{UserID: userID, GroupID: id, ProviderID: row.ProviderID, ProtocolID: row.ID, VerifiedAt: now}
		if err := s.t.federated.Put(tx, m); err != nil {
			return err
		}
	}
	return nil
}
