package identity

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" // RFC 6238; what authenticator apps compute
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/internal/state"
)

// totpType is the type of credentials whose blob is the secret of passcodes, in base 32.
const totpType = "totp"

// The form of passcodes, as in Keystone: six digits that change every 30 seconds. Those
// of Settings.TOTPWindows steps before are taken as well, and that of the next one, since
// clocks differ.
const (
	totpDigits = 6
	totpPeriod = 30 * time.Second
)

// TOTPLogin is the method "totp": a passcode of one of the user's credentials of that
// type. Each is good for one log-in.
type TOTPLogin struct {
	User     UserRef
	Passcode string
}

// passcode is the code of a secret at a time step (RFC 4226, section 5.3).
func passcode(secret []byte, step int64) string {
	var message [8]byte
	binary.BigEndian.PutUint64(message[:], uint64(step))
	mac := hmac.New(sha1.New, secret)
	mac.Write(message[:])
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	number := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", totpDigits, number%1_000_000)
}

// Passcode returns the code that a credential of type "totp" with this secret, in base
// 32, has at a time: what the user's authenticator shows. ok is false if the secret is
// not one.
func Passcode(secret string, at time.Time) (code string, ok bool) {
	key, ok := totpSecret(secret)
	if !ok {
		return "", false
	}
	return passcode(key, totpStep(at)), true
}

func totpSecret(text string) ([]byte, bool) {
	text = strings.TrimRight(strings.ToUpper(strings.TrimSpace(text)), "=")
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text)
	return key, err == nil && len(key) > 0
}

func totpStep(at time.Time) int64 { return at.Unix() / int64(totpPeriod/time.Second) }

// byPasscode is the method "totp". Unless a password has been checked in the same
// request, it costs as much as one, so that codes cannot be tried out quickly.
func (s *Service) byPasscode(ctx context.Context, l TOTPLogin, throttled bool, p *payload) (userRow, error) {
	r := s.core.DB.Snapshot()
	u, known := s.findUser(r, l.User)
	if !known {
		u = userRow{}
	}
	if !throttled {
		if err := s.hasher.Pretend(ctx); err != nil {
			return userRow{}, err
		}
	}
	locked := s.lockedOut(s.core.DB.Snapshot(), &u)
	if locked || !s.usePasscode(ctx, u.ID, l.Passcode) {
		return userRow{}, s.refuse(ctx, u.ID, locked, nil)
	}
	p.Methods |= methodTOTP
	return u, nil
}

// usePasscode reports whether a passcode is one of the user's now, and takes it out of
// use: it and those of earlier steps are refused from then on.
func (s *Service) usePasscode(ctx context.Context, userID, code string) bool {
	found := false
	err := s.updateSealed(ctx, "Login", func(tx *state.Tx) error {
		found = false
		l, _ := s.t.loginRecords.Get(tx, userID)
		steps := map[string]int64{}
		for row := range s.t.credentials.Where(tx, s.t.credentialUser, userID) {
			if row.Type != totpType {
				continue
			}
			last, used := l.Steps[row.ID]
			if step, ok := s.matchPasscode(row, code); ok && !found && (!used || step > last) {
				found, last, used = true, step, true
			}
			if used {
				steps[row.ID] = last
			}
		}
		if !found {
			return nil
		}
		l.UserID, l.Steps = userID, steps
		return s.t.loginRecords.Put(tx, l)
	})
	return err == nil && found
}

// matchPasscode returns the newest step at which a credential has a passcode. A
// credential that is no secret has none.
func (s *Service) matchPasscode(row credentialRow, code string) (step int64, ok bool) {
	c, err := s.openCredential(row)
	if err != nil {
		return 0, false
	}
	secret, valid := totpSecret(c.Blob)
	if !valid {
		return 0, false
	}
	now, before := totpStep(s.core.Clock.Now()), int64(s.cfg.TOTPWindows)
	for at := now - before; at <= now+min(before, 1); at++ {
		if subtle.ConstantTimeCompare([]byte(passcode(secret, at)), []byte(code)) == 1 {
			step, ok = at, true
		}
	}
	return step, ok
}
