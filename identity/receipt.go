package identity

import (
	"encoding/binary"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// AuthReceipt says that a user has used some methods to prove who it is, and needs
// further ones for a token. With its ID, LoginRequest.Receipt, they count as done.
type AuthReceipt struct {
	ID        string
	Methods   []string
	User      TokenUser
	IssuedAt  time.Time
	ExpiresAt time.Time
	Required  [][]string // the rules that the methods are part of: one must be met whole
}

// MoreMethodsError is the error of Service.Login for a user whose multi-factor rules
// ask for more methods than were used. It is a fault.Unauthenticated.
type MoreMethodsError struct{ Receipt AuthReceipt }

// Error says that more is needed.
func (e *MoreMethodsError) Error() string { return "the user's rules ask for further methods" }

// Unwrap makes it a fault.Unauthenticated.
func (e *MoreMethodsError) Unwrap() error { return fault.Unauthenticated }

// receipt is what an authentication receipt carries.
type receipt struct {
	Methods   methods
	Epoch     uint16 // of the user
	ExpiresAt time.Time
	UserID    string
}

// receiptVersion is the first byte of a receipt; no payload of a token begins so.
const receiptVersion = 0x20

func (r *receipt) encode() []byte {
	b := append(make([]byte, 0, 32), receiptVersion, byte(r.Methods))
	b = binary.BigEndian.AppendUint16(b, r.Epoch)
	b = binary.BigEndian.AppendUint64(b, uint64(r.ExpiresAt.Unix()))
	return appendID(b, r.UserID)
}

// decodeReceipt is the inverse of encode. It refuses whatever encode does not make.
func decodeReceipt(b []byte) (receipt, bool) {
	r := reader{b: b}
	version, m := r.byte(), methods(r.byte())
	r.check(version == receiptVersion && m != 0)
	got := receipt{Methods: m, Epoch: binary.BigEndian.Uint16(r.take(2))}
	got.ExpiresAt = time.Unix(int64(binary.BigEndian.Uint64(r.take(8))), 0).UTC()
	got.UserID = r.id()
	return got, !r.bad && len(r.b) == 0
}

// needMethods is the error for a user who has met none of its rules yet: it holds a
// receipt for what was done.
func (s *Service) needMethods(r state.Reader, u *userRow, done methods) error {
	domain, err := s.enabledUser(r, u.User)
	if err != nil {
		return err
	}
	now := s.core.Clock.Now()
	rec := receipt{Methods: done, Epoch: u.Epoch, ExpiresAt: now.Add(s.cfg.ReceiptTTL).Truncate(time.Second).UTC(), UserID: u.ID}
	id, err := s.receiptKeys.seal(rec.encode(), now)
	if err != nil {
		return err
	}
	return &MoreMethodsError{AuthReceipt{
		ID: id, Methods: done.names(), User: tokenUser(u.User, domain),
		IssuedAt: now.Truncate(time.Second).UTC(), ExpiresAt: rec.ExpiresAt, Required: requiredMethods(u, done),
	}}
}

// redeem returns the methods of a receipt, which must be the user's own.
func (s *Service) redeem(text string, u *userRow) (methods, error) {
	if len(text) > maxTokenLen {
		return 0, errDenied()
	}
	message, ok := s.receiptKeys.open(text)
	if !ok {
		return 0, errDenied()
	}
	rec, ok := decodeReceipt(message)
	if !ok || rec.UserID != u.ID || rec.Epoch != u.Epoch || !s.core.Clock.Now().Before(rec.ExpiresAt) {
		return 0, errDenied()
	}
	return rec.Methods, nil
}
