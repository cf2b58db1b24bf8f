package identity

import "time"

// Settings are what an operator may set of the service: how long things last, how many
// there may be, and what is asked of passwords. The zero value is Keystone's defaults.
//
// A field of zero means the default. Where none at all makes sense, a negative number
// means it: no limit, or not at all. ParseSettings reads them from a file with Keystone's
// names, and docs/configuration.md has them all.
type Settings struct {
	TokenTTL time.Duration // how long tokens are valid; default 1 h
	// ExpiredWindow is for how long after its end a token may still be used by a
	// service that finishes its user's work; default 48 h, negative for not at all.
	ExpiredWindow time.Duration
	// ReceiptTTL is how long a log-in that needs further methods can be continued;
	// default 5 min.
	ReceiptTTL time.Duration
	MaxKeys    int // keys of a kind that are kept, staged and primary included; default 3, at least 2

	Passwords  PasswordRules
	BcryptCost int // 4 to 31; default 12. Each step doubles the time of a log-in
	// HashWorkers is how many passwords are hashed at once; default half the number of
	// CPUs, at least 1, so that a flood of log-ins leaves the others to everything else.
	HashWorkers int
	HashQueue   int // log-ins that wait for one of them; default 64
	// TOTPWindows is how many passcodes before the present one are good, of 30 s each;
	// default 1, at most 10, negative for none. Unless it is none, the next one is good too.
	TOTPWindows int

	// URLSafeNames refuses names of projects and domains with characters that have a
	// meaning in URLs.
	URLSafeNames    bool
	MaxProjectDepth int // how many projects may be above one another; default 5
	// LimitModel is LimitsFlat, the default, or LimitsStrictTwoLevel.
	LimitModel string

	// MaxCredentials and MaxAppCredentials are how many credentials and application
	// credentials a user may have; default any number.
	MaxCredentials    int
	MaxAppCredentials int
	// MaxRedelegation is how often a trust may be passed on at most; default 3, negative
	// for not at all.
	MaxRedelegation int
	// SignatureTTL is how far the time of a signed request may be from now: of EC2
	// requests (default 15 min) as of OAuth1 ones (10 min at most).
	SignatureTTL    time.Duration
	RequestTokenTTL time.Duration // how long OAuth1 request tokens last; default 8 h
	AccessTokenTTL  time.Duration // how long OAuth1 access tokens last; default 24 h

	// TokenCache is how many tokens in use are remembered; default 20,000, about
	// 1 KiB each.
	TokenCache int

	// DirectoryRefresh is after which time shadows of users and groups are compared with
	// their directories again; default 5 min. It bounds how long somebody can go on who
	// was disabled or deleted there, as long as the directory answers.
	DirectoryRefresh time.Duration
	DirectoryTimeout time.Duration // of a call to a directory; default 10 s
	// DirectoryLimit is how many users or groups of a directory one list may have;
	// default 10,000.
	DirectoryLimit int
}

// ready fills in the defaults, and refuses what cannot be.
func (s Settings) ready() (Settings, error) {
	for _, o := range options() {
		if err := o.finish(&s); err != nil {
			return s, o.bad(err, "identity: %s", o.field)
		}
	}
	// No number of these is none at all from here on.
	s.ExpiredWindow, s.MaxRedelegation, s.TOTPWindows = max(s.ExpiredWindow, 0), max(s.MaxRedelegation, 0), max(s.TOTPWindows, 0)
	return s, s.Passwords.check()
}
