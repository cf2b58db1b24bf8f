package identity

import (
	"regexp"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// PasswordRules are what is asked of passwords and of who uses them, as in Keystone's
// section security_compliance. The zero value asks for nothing.
type PasswordRules struct {
	// Patterns are regular expressions that every new password must match, all of them.
	// They are Go's: instead of look-aheads, give several.
	Patterns    []string
	Description string // of the patterns, for users; required with them

	// History is how many of the last passwords a user's own change may not use again,
	// the present one included; at most 24.
	History            int
	MinimumAge         time.Duration // before a user may change its own password again
	ExpireAfter        time.Duration // after which a password only serves to be changed
	ChangeUponFirstUse bool          // expire passwords that somebody else has set

	// LockoutAttempts are the failed log-ins after which a user cannot log in with a
	// password or a passcode for LockoutDuration. 0: never.
	LockoutAttempts int
	LockoutDuration time.Duration // default 30 min; negative: until the user is enabled again

	// DisableInactive is how long a user may stay away: after that it is disabled.
	DisableInactive time.Duration
}

// maxHistory bounds the hashes that one change of password computes.
const maxHistory = 24

// patterns returns the compiled patterns.
func (r PasswordRules) patterns() ([]*regexp.Regexp, error) {
	var patterns []*regexp.Regexp
	for _, text := range r.Patterns {
		p, err := regexp.Compile(text)
		if err != nil {
			return nil, fault.New(fault.Invalid, "identity: the password pattern %q is no regular expression.", text).Because(err)
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}

// check refuses rules that do not go together.
func (r PasswordRules) check() error {
	if _, err := r.patterns(); err != nil {
		return err
	}
	switch {
	case len(r.Patterns) > 0 && r.Description == "":
		return fault.New(fault.Invalid, "identity: password patterns need a description for users.")
	case r.ExpireAfter > 0 && r.MinimumAge >= r.ExpireAfter:
		return fault.New(fault.Invalid, "identity: passwords must not expire before they may be changed.")
	}
	return nil
}

// checkNewPassword refuses a password that does not match the patterns.
func (s *Service) checkNewPassword(password string) error {
	for _, p := range s.patterns {
		if !p.MatchString(password) {
			return fault.New(fault.Invalid, "The password does not match the requirements: %s.", s.cfg.Passwords.Description)
		}
	}
	return nil
}

// setPassword gives a user the hash of a new password. Its tokens are void then.
func (s *Service) setPassword(u *userRow, hash string, byItself bool) {
	rules, now := s.cfg.Passwords, s.core.Clock.Now()
	if rules.History > 1 && u.Hash != "" {
		kept := append([]string{u.Hash}, u.Previous...)
		u.Previous = kept[:min(len(kept), rules.History-1)]
	}
	u.Hash, u.PasswordSet, u.SelfService, u.PasswordExpires = hash, now.UTC(), byItself, nil
	u.Epoch++
	var ends time.Time
	switch {
	case hash == "":
		u.PasswordSet = time.Time{}
		return
	case rules.ChangeUponFirstUse && !byItself && !u.option(ignoreFirstUse):
		ends = now
	case rules.ExpireAfter > 0 && !u.option(ignoreExpiry):
		ends = now.Add(rules.ExpireAfter).Truncate(time.Second)
	default:
		return
	}
	ends = ends.UTC()
	u.PasswordExpires = &ends
}

// passwordExpired reports whether a user's password only serves to be changed.
func (s *Service) passwordExpired(u *userRow) bool {
	return u.PasswordExpires != nil && !s.core.Clock.Now().Before(*u.PasswordExpires) && !u.option(ignoreExpiry)
}

// mayChange refuses a user's own change of password that the rules do not allow yet,
// or not at all.
func (s *Service) mayChange(u *userRow) error {
	rules, now := s.cfg.Passwords, s.core.Clock.Now()
	if u.option(lockPassword) {
		return fault.New(fault.Invalid, "Users may not change this password themselves. Ask an administrator to reset it.")
	}
	if early := rules.MinimumAge - now.Sub(u.PasswordSet); u.SelfService && early > 0 {
		const day = 24 * time.Hour
		return fault.New(fault.Invalid, "The password was changed less than %d day(s) ago, which is its minimum age. Try again in %d day(s), or ask an administrator to reset it.",
			(rules.MinimumAge+day-1)/day, early/day)
	}
	return nil
}
