package identity

import (
	"context"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// loginRecord is what is remembered of a user's log-ins. It is apart from the user,
// so that it does not alter what any token is worth.
type loginRecord struct {
	UserID   string    `json:"user"` // noUser for those that are not known
	Failed   int       `json:"failed,omitempty"`
	FailedAt time.Time `json:"failed_at,omitzero"`
	// ActiveOn is the day of the last log-in; kept only if the rules ask for it.
	ActiveOn time.Time `json:"active_on,omitzero"`
	// Steps are the time steps of the last passcodes that were accepted, by credential.
	Steps map[string]int64 `json:"steps,omitempty"`
}

// noUser is whose record counts log-ins that nobody's record does, so that refusing
// them takes as long.
const noUser = "-"

func (t *tables) defineLoginRecords(db *state.DB) {
	t.loginRecords = state.Define(db, state.Spec[loginRecord]{
		Name: "identity.login_records", Noun: "login record",
		Key: func(l *loginRecord) string { return l.UserID },
	})
}

// lockedOut reports whether a user has failed too often lately.
func (s *Service) lockedOut(r state.Reader, u *userRow) bool {
	rules := s.cfg.Passwords
	if rules.LockoutAttempts == 0 || u.option(ignoreLockout) {
		return false
	}
	l, err := s.t.loginRecords.Get(r, u.ID)
	if err != nil || l.Failed < rules.LockoutAttempts {
		return false
	}
	return rules.LockoutDuration < 0 || s.core.Clock.Now().Sub(l.FailedAt) < rules.LockoutDuration
}

// refuse counts a failed log-in and returns the answer to it. It writes once whoever
// the user is, and whether it is locked out or not; each write has cost a hash, so
// that they cannot become a flood.
func (s *Service) refuse(ctx context.Context, userID string, locked bool, cause error) error {
	denied := error(errDenied())
	if cause != nil {
		denied = cause
	}
	if s.cfg.Passwords.LockoutAttempts == 0 {
		return denied
	}
	if userID == "" || locked {
		userID = noUser
	}
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		if userID != noUser && !s.t.users.Has(tx, userID) {
			return nil
		}
		l, _ := s.t.loginRecords.Get(tx, userID)
		now, rules := s.core.Clock.Now(), s.cfg.Passwords
		if l.Failed >= rules.LockoutAttempts { // and its time is over
			l.Failed = 0
		}
		l.UserID, l.Failed, l.FailedAt = userID, l.Failed+1, now.UTC()
		return s.t.loginRecords.Put(tx, l)
	})
	if err != nil {
		return err
	}
	return denied
}

// noteLogin forgets the failures of a user who has proved itself since, and notes the
// day, each only where there is something to write.
func (s *Service) noteLogin(ctx context.Context, u userRow, req LoginRequest) error {
	l, _ := s.t.loginRecords.Get(s.core.DB.Snapshot(), u.ID)
	proved := req.Password != nil || req.TOTP != nil
	today := s.core.Clock.Now().UTC().Truncate(24 * time.Hour)
	forget := proved && l.Failed > 0
	active := (proved || req.External != nil) && s.cfg.Passwords.DisableInactive > 0 && !l.ActiveOn.Equal(today)
	if !forget && !active {
		return nil
	}
	return s.core.DB.Update(ctx, func(tx *state.Tx) error {
		if !s.t.users.Has(tx, u.ID) {
			return errDenied()
		}
		l, _ := s.t.loginRecords.Get(tx, u.ID)
		l.UserID = u.ID
		if forget {
			l.Failed, l.FailedAt = 0, time.Time{}
		}
		if active {
			l.ActiveOn = today
		}
		return s.t.loginRecords.Put(tx, l)
	})
}

// welcomeBack is noteLogin for a user that an administrator has enabled.
func (s *Service) welcomeBack(tx *state.Tx, userID string) error {
	l, err := s.t.loginRecords.Get(tx, userID)
	if err != nil && s.cfg.Passwords.DisableInactive == 0 {
		return nil
	}
	l.UserID, l.Failed, l.FailedAt = userID, 0, time.Time{}
	if s.cfg.Passwords.DisableInactive > 0 {
		l.ActiveOn = s.core.Clock.Now().UTC().Truncate(24 * time.Hour)
	}
	return s.t.loginRecords.Put(tx, l)
}

// inactive reports whether a user has stayed away so long that it counts as disabled.
func (s *Service) inactive(r state.Reader, u *userRow) bool {
	most := s.cfg.Passwords.DisableInactive
	if most == 0 || u.option(ignoreInactivity) {
		return false
	}
	last := u.Created
	if l, err := s.t.loginRecords.Get(r, u.ID); err == nil && !l.ActiveOn.IsZero() {
		last = l.ActiveOn
	}
	if last.IsZero() { // made before this was recorded
		return false
	}
	return s.core.Clock.Now().Sub(last.UTC().Truncate(24*time.Hour)) >= most
}

// shown is a user as others see it.
func (s *Service) shown(r state.Reader, u userRow) User {
	if u.Enabled && s.inactive(r, &u) {
		u.Enabled = false
	}
	return u.User
}

// dropLoginRecord removes what is remembered of a user's log-ins.
func (s *Service) dropLoginRecord(tx *state.Tx, userID string) error {
	err := s.t.loginRecords.Delete(tx, userID)
	if fault.Of(err) == fault.NotFound {
		return nil
	}
	return err
}
