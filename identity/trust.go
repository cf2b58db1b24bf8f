package identity

import (
	"context"
	"slices"
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
	// Redelegation is how often it may be passed on, one after the other; 0 is never.
	Redelegation int `json:"redelegation,omitempty"`
	// RedelegatedFrom is the trust that this one passes on; empty for a first one.
	RedelegatedFrom string `json:"redelegated_from,omitempty"`
}

// CreateTrustOptions of Service.CreateTrust.
type CreateTrustOptions struct {
	TrustorID     string
	TrusteeID     string
	ProjectID     string   // may be empty if there are no roles
	RoleIDs       []string // required with ProjectID
	Impersonation bool
	ExpiresAt     *time.Time
	Remaining     *int // nil: any number of uses
	// AllowRedelegation lets the trustee pass the trust on, Redelegation times; nil is
	// as often as Settings.MaxRedelegation says.
	AllowRedelegation bool
	Redelegation      *int
	// RedelegatedFrom is the trust that the trustor has by another one and passes on.
	RedelegatedFrom string
}

// ListTrustsOptions narrow Service.ListTrusts; nil means all.
type ListTrustsOptions struct {
	TrustorID string
	TrusteeID string
}

// CreateTrust makes a trust: fault.NotFound if trustee, project or roles do not exist,
// or the trustor does not have the roles; fault.Forbidden if another trust may not be
// passed on so.
func (s *Service) CreateTrust(ctx context.Context, opts CreateTrustOptions) (Trust, error) {
	t := Trust{
		ID: s.core.IDs.Hex(), TrustorID: opts.TrustorID, TrusteeID: opts.TrusteeID,
		ProjectID: opts.ProjectID, RoleIDs: slices.Compact(slices.Sorted(slices.Values(opts.RoleIDs))),
		Impersonation: opts.Impersonation, ExpiresAt: opts.ExpiresAt, Remaining: opts.Remaining,
		RedelegatedFrom: opts.RedelegatedFrom,
	}
	err := s.update(ctx, "CreateTrust", func(tx *state.Tx) error {
		if err := s.checkTrust(tx, &t); err != nil {
			return err
		}
		if err := s.setRedelegation(tx, &t, opts); err != nil {
			return err
		}
		if err := s.checkDelegated(tx, &t); err != nil {
			return err
		}
		s.emit(ctx, tx, created, "trust", t.ID)
		return s.t.trusts.Insert(tx, t)
	})
	return t, err
}

// checkTrust refuses a trust that is wrong in itself.
func (s *Service) checkTrust(r state.Reader, t *Trust) error {
	if t.ProjectID != "" && len(t.RoleIDs) == 0 {
		return fault.New(fault.Forbidden, "At least one role should be specified.")
	}
	for _, id := range []string{t.TrustorID, t.TrusteeID} {
		if _, err := s.t.users.Get(r, id); err != nil {
			return err
		}
	}
	if t.ProjectID != "" {
		if _, err := s.t.projects.Get(r, t.ProjectID); err != nil {
			return err
		}
	}
	if t.ExpiresAt != nil && !s.core.Clock.Now().Before(*t.ExpiresAt) {
		return fault.New(fault.Invalid, "The 'expires_at' must not be before now. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.")
	}
	if t.Remaining != nil && *t.Remaining < 1 {
		return fault.New(fault.Invalid, "remaining_uses must be a positive integer or null.")
	}
	if t.ExpiresAt == nil || t.ProjectID == "" {
		return nil
	}
	for other := range s.t.trusts.Where(r, s.t.trustTrustor, t.TrustorID) {
		if other.TrusteeID == t.TrusteeID && other.ProjectID == t.ProjectID && other.Impersonation == t.Impersonation &&
			other.ExpiresAt != nil && other.ExpiresAt.Equal(*t.ExpiresAt) {
			return fault.New(fault.AlreadyExists, "Conflict occurred attempting to store trust - Duplicate entry found.")
		}
	}
	return nil
}

// checkDelegated tells whether who the trust goes back to has the roles.
func (s *Service) checkDelegated(r state.Reader, t *Trust) error {
	chain, err := s.pedigree(r, *t)
	if err != nil {
		return err
	}
	held := s.held(r, chain[len(chain)-1].TrustorID, scope{ProjectID: t.ProjectID})
	for _, id := range t.RoleIDs {
		if !held[id] {
			return fault.Missing("role", id)
		}
	}
	return nil
}

// GetTrust returns a trust by its id: fault.NotFound once it has expired or is used
// up, or one that it was passed on from has, or the trust in between was withdrawn.
func (s *Service) GetTrust(ctx context.Context, id string) (Trust, error) {
	r := s.core.DB.Snapshot()
	t, err := s.t.trusts.Get(r, id)
	if err == nil {
		_, err = s.usableTrust(r, t)
	}
	return t, fault.Wrap("identity.GetTrust", err)
}

// ListTrusts returns trusts in order of their ids, those that have expired or are used
// up too.
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
	return collect(all, func(t *Trust) bool {
		return is(opts.TrustorID, t.TrustorID) && is(opts.TrusteeID, t.TrusteeID)
	}), nil
}

// DeleteTrust removes a trust and those that it was passed on by; their tokens end at
// once.
func (s *Service) DeleteTrust(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteTrust", func(tx *state.Tx) error { return s.dropTrust(ctx, tx, id) })
}

// FlushTrusts removes trusts that had expired before a time, and returns how many; with
// what they were passed on by.
func (s *Service) FlushTrusts(ctx context.Context, before time.Time) (int, error) {
	n := 0
	err := s.update(ctx, "FlushTrusts", func(tx *state.Tx) error {
		n = 0
		for _, t := range collect(s.t.trusts.All(tx), func(t *Trust) bool {
			return t.ExpiresAt != nil && t.ExpiresAt.Before(before)
		}) {
			if !s.t.trusts.Has(tx, t.ID) {
				continue
			}
			if err := s.dropTrust(ctx, tx, t.ID); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

// dropTrust removes a trust and those below it.
func (s *Service) dropTrust(ctx context.Context, tx *state.Tx, id string) error {
	if err := s.t.trusts.Delete(tx, id); err != nil {
		return err
	}
	s.emit(ctx, tx, deleted, "trust", id)
	for _, below := range collect(s.t.trusts.Where(tx, s.t.trustParent, id), nil) {
		if err := s.dropTrust(ctx, tx, below.ID); err != nil {
			return err
		}
	}
	return nil
}

// dropTrusts removes the trusts that an index holds under a key, and those below them.
func (s *Service) dropTrusts(ctx context.Context, tx *state.Tx, ix *state.Index[Trust], key string) error {
	for _, t := range collect(s.t.trusts.Where(tx, ix, key), nil) {
		if !s.t.trusts.Has(tx, t.ID) {
			continue // it was below another
		}
		if err := s.dropTrust(ctx, tx, t.ID); err != nil {
			return err
		}
	}
	return nil
}

// usable reports whether a trust has neither expired nor been used up.
func (t *Trust) usable(now time.Time) bool {
	return (t.ExpiresAt == nil || now.Before(*t.ExpiresAt)) && (t.Remaining == nil || *t.Remaining > 0)
}

// useTrust counts one use of a trust: of many at once no more than are left succeed.
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
