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
	return s.revoke(ctx, "Revoke", t, revocation{AuditID: t.AuditIDs[0]})
}

// RevokeChain ends a token, the one it was made from, and all others that were made
// from that one: fault.Unauthenticated if it is not valid.
func (s *Service) RevokeChain(ctx context.Context, token string) error {
	t, err := s.Validate(ctx, token)
	if err != nil {
		return fault.Wrap("identity.RevokeChain", err)
	}
	first := t.AuditIDs[len(t.AuditIDs)-1]
	return s.revoke(ctx, "RevokeChain", t, revocation{AuditID: first, Chain: true})
}

func (s *Service) revoke(ctx context.Context, op string, t *Token, rev revocation) error {
	rev.ExpiresAt, rev.RevokedAt = t.ExpiresAt, s.core.Clock.Now()
	if last := rev.RevokedAt.Add(s.cfg.TokenTTL); rev.Chain && last.After(rev.ExpiresAt) {
		rev.ExpiresAt = last // others of the chain may last longer
	}
	return s.update(ctx, op, func(tx *state.Tx) error {
		if err := s.sweepRevocations(tx, sweepAtOnce); err != nil {
			return err
		}
		if old, err := s.t.revocations.Get(tx, rev.AuditID); err == nil && old.Chain {
			rev.Chain = true
		}
		s.emit(ctx, tx, "revoked", "token", rev.AuditID)
		return s.t.revocations.Put(tx, rev)
	})
}

// revoked reports whether a token was revoked, by itself or with its chain.
func (s *Service) revoked(r state.Reader, p *payload) bool {
	if s.t.revocations.Has(r, auditID(p.AuditID)) {
		return true
	}
	if p.ChainID == [auditLen]byte{} {
		return false
	}
	rev, err := s.t.revocations.Get(r, auditID(p.ChainID))
	return err == nil && rev.Chain
}

// sweepRevocations removes revocations of tokens that not even ValidateExpired takes
// any more, most of them at most.
func (s *Service) sweepRevocations(tx *state.Tx, most int) error {
	now := s.core.Clock.Now().Add(-s.cfg.ExpiredWindow - time.Second)
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

// RevocationEvent tells that a token was revoked: the one with an audit id, or all of a
// chain. Tokens that are void for other reasons leave none.
type RevocationEvent struct {
	AuditID      string
	AuditChainID string
	RevokedAt    time.Time
}

// RevocationEvents returns the events since a time, in order of the audit ids. They are
// forgotten when their tokens would have expired.
func (s *Service) RevocationEvents(ctx context.Context, since time.Time) ([]RevocationEvent, error) {
	list := []RevocationEvent{}
	for rev := range s.t.revocations.All(s.core.DB.Snapshot()) {
		e := RevocationEvent{AuditID: rev.AuditID, RevokedAt: rev.RevokedAt}
		if rev.Chain {
			e = RevocationEvent{AuditChainID: rev.AuditID, RevokedAt: rev.RevokedAt}
		}
		if !rev.RevokedAt.Before(since) {
			list = append(list, e)
		}
	}
	return list, nil
}
