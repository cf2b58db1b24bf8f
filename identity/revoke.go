package identity

import (
	"context"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// sweepAtOnce bounds how many outdated revocations one revocation removes: more
// than it adds, so that they never pile up.
const sweepAtOnce = 8

// Revoke ends a token before its time: fault.Unauthenticated if it is not valid.
// Other tokens that were made from it stay.
func (s *Service) Revoke(ctx context.Context, token string) error {
	t, err := s.Validate(ctx, token)
	if err != nil {
		return fault.Wrap("identity.Revoke", err)
	}
	return s.update(ctx, "Revoke", func(tx *state.Tx) error {
		if err := s.sweepRevocations(tx, sweepAtOnce); err != nil {
			return err
		}
		s.emit(ctx, tx, "revoked", "token", t.AuditIDs[0])
		return s.t.revocations.Put(tx, revocation{AuditID: t.AuditIDs[0], ExpiresAt: t.ExpiresAt})
	})
}

// sweepRevocations removes revocations of tokens that have expired since, most of
// them at most.
func (s *Service) sweepRevocations(tx *state.Tx, most int) error {
	now := s.core.Clock.Now().Add(-time.Second)
	var outdated []string
	for r := range s.t.revocations.Where(tx, s.t.revokedTill) {
		if len(outdated) == most || r.ExpiresAt.After(now) {
			break
		}
		outdated = append(outdated, r.AuditID)
	}
	for _, id := range outdated {
		if err := s.t.revocations.Delete(tx, id); err != nil {
			return err
		}
	}
	return nil
}
