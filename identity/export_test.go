package identity

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/state"
)

// ReencodePayload decodes a token's payload and encodes it again; ok reports whether
// it could be decoded.
func ReencodePayload(b []byte) (again []byte, ok bool) {
	p, err := decodePayload(b)
	if err != nil {
		return nil, false
	}
	return p.encode(), true
}

// SealPayload makes a token of any bytes, signed as a real one is.
func (s *Service) SealPayload(b []byte) (string, error) {
	return s.tokenKeys.seal(b, s.core.Clock.Now())
}

// OpenPayload returns the bytes in a token.
func (s *Service) OpenPayload(token string) []byte {
	b, _ := s.tokenKeys.open(token)
	return b
}

// ReencodeReceipt is ReencodePayload for receipts.
func ReencodeReceipt(b []byte) (again []byte, ok bool) {
	r, ok := decodeReceipt(b)
	return r.encode(), ok
}

// LoginRecords counts the users whose log-ins something is remembered of.
func (s *Service) LoginRecords() int {
	n := 0
	for range s.t.loginRecords.All(s.core.DB.Snapshot()) {
		n++
	}
	return n
}

// Hashes returns how many password hashes were computed.
func (s *Service) Hashes() int64 { return s.hasher.done.Load() }

// EventsSoFar returns the events of all commits since the state was opened new.
func (s *Service) EventsSoFar(ctx context.Context) ([]state.Event, error) {
	var events []state.Event
	last := s.core.DB.Snapshot().Revision()
	for commit, err := range s.core.DB.Watch(ctx, 0) {
		if err != nil {
			return nil, err
		}
		events = append(events, commit.Events...)
		if commit.Revision >= last {
			break
		}
	}
	return events, nil
}

// UsedFlows returns of how many log-ins with a browser it is known that they have ended.
func UsedFlows(s *Service) int { return s.t.flows.Count(s.core.DB.Snapshot(), s.t.flowTill) }

// Revision is that of the newest change.
func (s *Service) Revision() uint64 { return s.core.DB.Snapshot().Revision() }

// Sync returns when the service knows what other controllers have done.
func (s *Service) Sync(ctx context.Context) error { return s.core.DB.Sync(ctx) }

// DB is the state of the service.
func (s *Service) DB() *state.DB { return s.core.DB }

// Plant stores a row as it is, whatever the service thinks of it.
func (s *Service) Plant(ctx context.Context, row state.Row) error { return s.core.DB.Plant(ctx, row) }
