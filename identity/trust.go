package identity

import (
	"context"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Trust lets one user, the trustee, act with some roles of another, the trustor, on
// a project.
type Trust struct {
	ID            string     `json:"id"`
	TrustorID     string     `json:"trustor"`
	TrusteeID     string     `json:"trustee"`
	ProjectID     string     `json:"project,omitempty"`
	RoleIDs       []string   `json:"roles"`
	Impersonation bool       `json:"impersonation"` // tokens are of the trustor, not of the trustee
	ExpiresAt     *time.Time `json:"expires,omitempty"`
	Remaining     *int       `json:"remaining,omitempty"` // how often it may still be used; nil: always
}

// CreateTrustOptions of Service.CreateTrust.
type CreateTrustOptions struct {
	TrustorID     string
	TrusteeID     string
	ProjectID     string
	RoleIDs       []string
	Impersonation bool
	ExpiresAt     *time.Time
	Remaining     *int
}

// ListTrustsOptions narrow Service.ListTrusts; nil means all.
type ListTrustsOptions struct {
	TrustorID string
	TrusteeID string
}

// CreateTrust makes a trust: fault.Invalid if the trustor does not have the roles,
// fault.NotFound if trustee or project do not exist.
func (s *Service) CreateTrust(ctx context.Context, opts CreateTrustOptions) (Trust, error) {
	t := Trust{
		ID: s.core.IDs.Hex(), TrustorID: opts.TrustorID, TrusteeID: opts.TrusteeID,
		ProjectID: opts.ProjectID, Impersonation: opts.Impersonation,
		ExpiresAt: opts.ExpiresAt, Remaining: opts.Remaining,
	}
	err := s.update(ctx, "CreateTrust", func(tx *state.Tx) error {
		if t.ExpiresAt != nil && !s.core.Clock.Now().Before(*t.ExpiresAt) {
			return fault.New(fault.Invalid, "The 'expires_at' must not be before now.")
		}
		if t.Remaining != nil && *t.Remaining < 1 {
			return fault.New(fault.Invalid, "remaining_uses must be a positive integer or null.")
		}
		if _, err := s.t.users.Get(tx, t.TrusteeID); err != nil {
			return err
		}
		if len(opts.RoleIDs) == 0 {
			return fault.New(fault.Forbidden, "At least one role should be specified.")
		}
		var err error
		if t.RoleIDs, err = s.delegable(tx, t.TrustorID, t.ProjectID, opts.RoleIDs); err != nil {
			return err
		}
		s.emit(ctx, tx, created, "trust", t.ID)
		return s.t.trusts.Insert(tx, t)
	})
	return t, err
}

// GetTrust returns a trust by its id: fault.NotFound once it has expired or is used
// up.
func (s *Service) GetTrust(ctx context.Context, id string) (Trust, error) {
	t, err := s.t.trusts.Get(s.core.DB.Snapshot(), id)
	if err == nil && !t.usable(s.core.Clock.Now()) {
		err = fault.Missing("trust", id)
	}
	return t, fault.Wrap("identity.GetTrust", err)
}

// ListTrusts returns trusts in order of their ids.
func (s *Service) ListTrusts(ctx context.Context, opts *ListTrustsOptions) ([]Trust, error) {
	if opts == nil {
		opts = &ListTrustsOptions{}
	}
	r := s.core.DB.Snapshot()
	all := s.t.trusts.All(r)
	switch {
	case opts.TrustorID != "":
		all = s.t.trusts.Where(r, s.t.trustTrustor, opts.TrustorID)
	case opts.TrusteeID != "":
		all = s.t.trusts.Where(r, s.t.trustTrustee, opts.TrusteeID)
	}
	now := s.core.Clock.Now()
	return collect(all, func(t *Trust) bool {
		return is(opts.TrustorID, t.TrustorID) && is(opts.TrusteeID, t.TrusteeID) && t.usable(now)
	}), nil
}

// DeleteTrust removes a trust; its tokens end at once.
func (s *Service) DeleteTrust(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteTrust", func(tx *state.Tx) error {
		s.emit(ctx, tx, deleted, "trust", id)
		return s.t.trusts.Delete(tx, id)
	})
}

func (t *Trust) usable(now time.Time) bool {
	return (t.ExpiresAt == nil || now.Before(*t.ExpiresAt)) && (t.Remaining == nil || *t.Remaining > 0)
}

// useTrust counts one use of a trust.
func (s *Service) useTrust(ctx context.Context, id string) error {
	t, err := s.t.trusts.Get(s.core.DB.Snapshot(), id)
	if err != nil || t.Remaining == nil {
		return err
	}
	return s.core.DB.Update(ctx, func(tx *state.Tx) error {
		return s.t.trusts.Change(tx, id, func(t *Trust) error {
			if t.Remaining == nil || *t.Remaining < 1 {
				return fault.New(fault.Forbidden, "No remaining uses for trust: %s.", id)
			}
			left := *t.Remaining - 1
			t.Remaining = &left
			return nil
		})
	})
}

// applyTrust fills in the trust of a token and returns the user whose roles count: the
// trustor. The trust must be there, for the trustee only; how often it may be
// used is counted when a token is issued.
func (s *Service) applyTrust(r state.Reader, p *payload, t *Token) (userRow, error) {
	trust, err := s.t.trusts.Get(r, p.Scope.TrustID)
	switch {
	case err != nil:
		return userRow{}, invalidToken("the trust is gone")
	case trust.ExpiresAt != nil && !s.core.Clock.Now().Before(*trust.ExpiresAt):
		return userRow{}, invalidToken("the trust has expired")
	case trust.TrusteeID != p.UserID || trust.ProjectID != p.Scope.ProjectID:
		return userRow{}, fault.New(fault.Forbidden, "User is not a trustee.")
	}
	trustor, err := s.t.users.Get(r, trust.TrustorID)
	if err != nil {
		return userRow{}, invalidToken("the trustor is gone")
	}
	domain, err := s.enabledUser(r, trustor.User)
	if err != nil {
		return userRow{}, err
	}
	t.Trust = &trust
	if trust.Impersonation {
		t.User = tokenUser(trustor.User, domain)
	}
	trustor.Epoch += domain.Epoch
	return trustor, nil
}
