package identity

import (
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// option is one of the Settings: where it is in a file, and what it may be.
type option struct {
	section, name string // Keystone's, or of the section "welkin"
	field         string // of Settings
	doc           string
	value
}

// options are all Settings, with their defaults and bounds in the units of Keystone.
func options() []option {
	const second, minute, day = time.Second, time.Minute, 24 * time.Hour
	return slices.Concat([]option{
		{"token", "expiration", "TokenTTL", "how long tokens are valid",
			span(second, 3600, func(s *Settings) *time.Duration { return &s.TokenTTL })},
		{"token", "allow_expired_window", "ExpiredWindow", "how long after its end a token may be used together with a service's; 0 is not at all",
			span(second, 48*3600, func(s *Settings) *time.Duration { return &s.ExpiredWindow }).or(0)},
		{"receipt", "expiration", "ReceiptTTL", "how long a log-in that needs further methods can be continued",
			span(second, 300, func(s *Settings) *time.Duration { return &s.ReceiptTTL }).upTo(86400)},
		{"fernet_tokens", "max_active_keys", "MaxKeys", "keys that are kept of each kind: of tokens, of receipts, of credentials",
			count(3, func(s *Settings) *int { return &s.MaxKeys }).from(2)},

		{"identity", "password_hash_rounds", "BcryptCost", "cost of bcrypt; each step doubles the time of a log-in",
			count(12, func(s *Settings) *int { return &s.BcryptCost }).from(4).upTo(31)},
		{"totp", "included_previous_windows", "TOTPWindows", "passcodes before the present one that are good, of 30 s each; unless it is 0, the next one is good too",
			count(1, func(s *Settings) *int { return &s.TOTPWindows }).or(0).upTo(10)},

		{"resource", "project_name_url_safe", "URLSafeNames", "\"new\" refuses names of projects and domains with characters that have a meaning in URLs",
			flag{"off", "new", func(s *Settings) *bool { return &s.URLSafeNames }}},
		{"DEFAULT", "max_project_tree_depth", "MaxProjectDepth", "how many projects may be above one another; one with \"strict_two_level\"",
			count(5, func(s *Settings) *int { return &s.MaxProjectDepth }).upTo(100)},
		{"unified_limit", "enforcement_model", "LimitModel", "how limits of domains and projects go together",
			choice{[]string{LimitsFlat, LimitsStrictTwoLevel}, func(s *Settings) *string { return &s.LimitModel }}},

		{"credential", "user_limit", "MaxCredentials", "credentials of a user; -1 is any number",
			count(-1, func(s *Settings) *int { return &s.MaxCredentials }).or(-1)},
		{"application_credential", "user_limit", "MaxAppCredentials", "application credentials of a user; -1 is any number",
			count(-1, func(s *Settings) *int { return &s.MaxAppCredentials }).or(-1)},
		{"trust", "max_redelegation_count", "MaxRedelegation", "how often a trust may be passed on; 0 is not at all",
			count(3, func(s *Settings) *int { return &s.MaxRedelegation }).or(0)},
		{"credential", "auth_ttl", "SignatureTTL", "how far the time of a signed request may be from now; of OAuth1 requests 10 at most",
			span(minute, 15, func(s *Settings) *time.Duration { return &s.SignatureTTL })},
		{"oauth1", "request_token_duration", "RequestTokenTTL", "how long request tokens of OAuth1 last",
			span(second, 8*3600, func(s *Settings) *time.Duration { return &s.RequestTokenTTL })},
		{"oauth1", "access_token_duration", "AccessTokenTTL", "how long access tokens of OAuth1 last",
			span(second, 24*3600, func(s *Settings) *time.Duration { return &s.AccessTokenTTL })},
	}, passwordOptions(day), []option{
		{"welkin", "hash_workers", "HashWorkers", "passwords that are hashed at once",
			count(int64(max(1, runtime.GOMAXPROCS(0)/2)), func(s *Settings) *int { return &s.HashWorkers }).known("half of the CPUs")},
		{"welkin", "hash_queue", "HashQueue", "log-ins that wait for that; who comes then is told to try again later",
			count(64, func(s *Settings) *int { return &s.HashQueue })},
		{"welkin", "token_cache", "TokenCache", "tokens in use that are remembered, about 1 KiB each",
			count(20_000, func(s *Settings) *int { return &s.TokenCache })},
		{"welkin", "directory_refresh", "DirectoryRefresh", "after which time users and groups are compared with their directories again",
			span(second, 300, func(s *Settings) *time.Duration { return &s.DirectoryRefresh })},
		{"welkin", "directory_timeout", "DirectoryTimeout", "how long a call of a directory may take",
			span(second, 10, func(s *Settings) *time.Duration { return &s.DirectoryTimeout })},
		{"welkin", "directory_limit", "DirectoryLimit", "users or groups of a directory in one list",
			count(10_000, func(s *Settings) *int { return &s.DirectoryLimit })},
	})
}

// passwordOptions are those of PasswordRules.
func passwordOptions(day time.Duration) []option {
	const section = "security_compliance"
	return []option{
		{section, "password_regex", "Passwords.Patterns", "regular expression of Go that new passwords must match; may be given several times",
			texts{func(s *Settings) *[]string { return &s.Passwords.Patterns }}},
		{section, "password_regex_description", "Passwords.Description", "what they ask for, for users to read",
			text{func(s *Settings) *string { return &s.Passwords.Description }}},
		{section, "unique_last_password_count", "Passwords.History", "how many of its last passwords a user may not use again",
			count(0, func(s *Settings) *int { return &s.Passwords.History }).upTo(maxHistory)},
		{section, "minimum_password_age", "Passwords.MinimumAge", "how long a user must keep a password",
			span(day, 0, func(s *Settings) *time.Duration { return &s.Passwords.MinimumAge })},
		{section, "password_expires_days", "Passwords.ExpireAfter", "after what time a password only serves to be changed",
			span(day, 0, func(s *Settings) *time.Duration { return &s.Passwords.ExpireAfter })},
		{section, "change_password_upon_first_use", "Passwords.ChangeUponFirstUse", "users must change passwords that others have set",
			flag{"false", "true", func(s *Settings) *bool { return &s.Passwords.ChangeUponFirstUse }}},
		{section, "lockout_failure_attempts", "Passwords.LockoutAttempts", "failed log-ins that lock a user out",
			count(0, func(s *Settings) *int { return &s.Passwords.LockoutAttempts })},
		{section, "lockout_duration", "Passwords.LockoutDuration", "how long; 0 is until the user is enabled again",
			span(time.Second, 1800, func(s *Settings) *time.Duration { return &s.Passwords.LockoutDuration }).or(0)},
		{section, "disable_user_account_days_inactive", "Passwords.DisableInactive", "after what time without a log-in a user is disabled",
			span(day, 0, func(s *Settings) *time.Duration { return &s.Passwords.DisableInactive })},
	}
}

// ParseSettings returns the Settings that a file has in Keystone's form: sections, options
// and their values, of which the last counts unless an option may have several.
// docs/configuration.md lists the options. fault.Invalid if there is another one, or a
// value that it cannot have.
func ParseSettings(sections map[string]map[string][]string) (Settings, error) {
	var s Settings
	known := map[string]map[string]bool{}
	for _, o := range options() {
		if known[o.section] == nil {
			known[o.section] = map[string]bool{}
		}
		known[o.section][o.name] = true
		if given := sections[o.section][o.name]; len(given) > 0 {
			if err := o.read(&s, given); err != nil {
				return s, o.bad(err, "[%s] %s = %s", o.section, o.name, given[len(given)-1])
			}
		}
	}
	for _, section := range slices.Sorted(maps.Keys(sections)) {
		for _, name := range slices.Sorted(maps.Keys(sections[section])) {
			if !known[section][name] {
				return s, fault.New(fault.Invalid, "identity has no option %s in the section [%s].", name, section)
			}
		}
	}
	_, err := s.ready()
	return s, err
}

// bad is the error for a value that an option cannot have.
func (o option) bad(why error, format string, args ...any) error {
	return fault.New(fault.Invalid, "%s: %v.", fmt.Sprintf(format, args...), why)
}

// count is a number of things, from 1 on.
func count(usual int64, at func(*Settings) *int) number[int] {
	return number[int]{at: at, one: 1, usual: usual, least: 1, most: math.MaxInt32}
}

// span is a time, from one unit on to a hundred years.
func span(unit time.Duration, usual int64, at func(*Settings) *time.Duration) number[time.Duration] {
	return number[time.Duration]{at: at, one: unit, usual: usual, least: 1, most: int64(100 * 365 * 24 * time.Hour / unit)}
}
