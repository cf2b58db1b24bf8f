package identity

import (
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// setRedelegation settles how often a trust may be passed on and, if it passes on
// another one, holds it against that.
func (s *Service) setRedelegation(r state.Reader, t *Trust, opts CreateTrustOptions) error {
	asked := opts.Redelegation
	again := opts.AllowRedelegation && (asked == nil || *asked != 0)
	switch {
	case again && asked != nil && *asked > s.cfg.MaxRedelegation:
		return fault.New(fault.Forbidden, "Requested redelegation depth of %d is greater than allowed %d", *asked, s.cfg.MaxRedelegation)
	case again && asked != nil && *asked < 0:
		return fault.New(fault.Invalid, "redelegation_count must not be negative.")
	case again && t.Remaining != nil:
		return fault.New(fault.Invalid, "remaining_uses must not be set if redelegation is allowed")
	}
	most := s.cfg.MaxRedelegation
	if t.RedelegatedFrom != "" {
		from, err := s.t.trusts.Get(r, t.RedelegatedFrom)
		if err != nil {
			return err
		}
		most = from.Redelegation - 1
		if again && asked != nil && *asked != most {
			return fault.New(fault.Forbidden, "Modifying \"redelegation_count\" upon redelegation is forbidden. Omitting this parameter is advised.")
		}
		if err := s.checkRedelegated(r, from, t); err != nil {
			return err
		}
	}
	switch {
	case !again:
		t.Redelegation = 0
	case asked != nil:
		t.Redelegation = *asked
	default:
		t.Redelegation = most
	}
	return nil
}

// checkRedelegated holds a trust against all that it goes back to.
func (s *Service) checkRedelegated(r state.Reader, from Trust, t *Trust) error {
	passesOn := t.TrustorID == from.TrusteeID || from.Impersonation && t.TrustorID == from.TrustorID
	if !passesOn || t.ProjectID != from.ProjectID {
		return fault.New(fault.Forbidden, "A trust can only be passed on by its trustee, and on its project.")
	}
	chain, err := s.usableTrust(r, from)
	if err != nil {
		return err
	}
	for _, above := range chain {
		if err := s.checkLink(above, t); err != nil {
			return err
		}
	}
	return nil
}

// checkLink holds a trust against one that it goes back to. A trust that does not say
// when it ends, ends with the other.
func (s *Service) checkLink(above Trust, t *Trust) error {
	switch {
	case above.Redelegation < 1 || above.Redelegation > s.cfg.MaxRedelegation:
		return fault.New(fault.Forbidden, "Remaining redelegation depth of %d out of allowed range of [0..%d]", above.Redelegation, s.cfg.MaxRedelegation)
	case t.Remaining != nil:
		return fault.New(fault.Forbidden, "Field \"remaining_uses\" is set to %d while it must not be set in order to redelegate a trust", *t.Remaining)
	case t.ExpiresAt != nil && above.ExpiresAt != nil && above.ExpiresAt.Before(*t.ExpiresAt):
		return fault.New(fault.Forbidden, "Requested expiration time is more than redelegated trust can provide")
	case slices.ContainsFunc(t.RoleIDs, func(id string) bool { return !slices.Contains(above.RoleIDs, id) }):
		return fault.New(fault.Forbidden, "Some of requested roles are not in redelegated trust")
	case t.Impersonation && !above.Impersonation:
		return fault.New(fault.Forbidden, "Impersonation is not allowed because redelegated trust does not specify impersonation. Redelegated trust id: %s", above.ID)
	}
	if t.ExpiresAt == nil {
		t.ExpiresAt = above.ExpiresAt
	}
	return nil
}

// pedigree is a trust and those that it was passed on from, the first one last.
func (s *Service) pedigree(r state.Reader, t Trust) ([]Trust, error) {
	chain := []Trust{t}
	for t.RedelegatedFrom != "" {
		above, err := s.t.trusts.Get(r, t.RedelegatedFrom)
		if err != nil {
			return nil, err
		}
		chain = append(chain, above)
		t = above
	}
	return chain, nil
}

// usableTrust returns the pedigree of a trust if all of it is of use at the moment.
func (s *Service) usableTrust(r state.Reader, t Trust) ([]Trust, error) {
	if !t.usable(s.core.Clock.Now()) {
		return nil, fault.Missing("trust", t.ID)
	}
	return s.standing(r, t)
}

// standing returns the pedigree of a trust if those who have passed it on are there and
// enabled, and what they have passed on has not expired.
func (s *Service) standing(r state.Reader, t Trust) ([]Trust, error) {
	chain, err := s.pedigree(r, t)
	if err != nil {
		return nil, fault.Missing("trust", t.ID)
	}
	for _, above := range chain[1:] {
		if !above.usable(s.core.Clock.Now()) {
			return nil, fault.Missing("trust", t.ID)
		}
		if agent, err := s.t.users.Get(r, above.TrusteeID); err != nil || !agent.Enabled {
			return nil, fault.New(fault.Forbidden, "One of the trust agents is disabled or deleted")
		}
	}
	return chain, nil
}

// applyTrust fills in the trust of a token. It returns whose roles count, which are
// those of the first trustor, and the sum of the epochs of all who have passed the
// trust on. How often the trust may be used is counted when a token is issued.
func (s *Service) applyTrust(r state.Reader, p *payload, t *Token) (holder string, epoch uint16, err error) {
	trust, err := s.t.trusts.Get(r, p.Scope.TrustID)
	switch {
	case err != nil:
		return "", 0, invalidToken("the trust is gone")
	case trust.ExpiresAt != nil && !s.core.Clock.Now().Before(*trust.ExpiresAt):
		return "", 0, invalidToken("the trust has expired")
	case trust.TrusteeID != p.UserID || trust.ProjectID != p.Scope.ProjectID:
		return "", 0, fault.New(fault.Forbidden, "User is not a trustee.")
	}
	chain, err := s.standing(r, trust)
	if err != nil {
		return "", 0, err
	}
	for _, link := range chain {
		trustor, err := s.t.users.Get(r, link.TrustorID)
		if err != nil {
			return "", 0, invalidToken("a trustor is gone")
		}
		domain, err := s.enabledUser(r, trustor.User)
		if err != nil {
			return "", 0, fault.New(fault.Forbidden, "Trustor is disabled.").Because(err)
		}
		if link.ID == trust.ID && trust.Impersonation {
			t.User = tokenUser(trustor.User, domain)
		}
		holder, epoch = trustor.ID, epoch+trustor.Epoch
	}
	t.Trust = &trust
	return holder, epoch, nil
}
