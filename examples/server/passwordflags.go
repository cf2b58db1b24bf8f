package main

import (
	"flag"

	"github.com/welkin-cloud/cloud"
)

// passwordFlags are the command line's rules for passwords.
func passwordFlags(f *flag.FlagSet, r *cloud.PasswordRules) {
	f.Func("password-pattern", "regular expression that new passwords must match; may be given several times", func(text string) error {
		r.Patterns = append(r.Patterns, text)
		return nil
	})
	f.StringVar(&r.Description, "password-description", "", "what the patterns ask for, for users to read")
	f.IntVar(&r.History, "password-history", 0, "how many of its last passwords a user may not use again")
	f.DurationVar(&r.MinimumAge, "password-minimum-age", 0, "how long a user must keep a password")
	f.DurationVar(&r.ExpireAfter, "password-expires", 0, "after what time a password must be changed")
	f.BoolVar(&r.ChangeUponFirstUse, "password-change-first", false, "users must change passwords that others have set")
	f.IntVar(&r.LockoutAttempts, "lockout-attempts", 0, "failed log-ins that lock a user out")
	f.DurationVar(&r.LockoutDuration, "lockout-duration", 0, "how long; 0 is half an hour, negative until the user is enabled again")
	f.DurationVar(&r.DisableInactive, "disable-inactive", 0, "after what time without a log-in a user is disabled")
}
