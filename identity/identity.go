// Package identity knows who may use the cloud: users and groups in domains, the
// projects that own resources, roles and who has them where, the tokens that prove
// it, and the catalog of services. It follows OpenStack's Keystone v3.
//
// Tokens are Fernet messages that carry only who, what for and until when.
// Everything else is looked up in the state whenever a token is used, so what is
// disabled, deleted or taken away is so at once, and nothing needs to be stored to
// issue a token. What a look-up has found is remembered until something that it has
// read changes.
//
// The methods of Service are trusted: they authorise nothing. Policy is enforced
// where requests come in, in package identityapi.
package identity

import (
	"context"
	"encoding/hex"
	"errors"
	"regexp"
	"runtime"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/internal/recent"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// DefaultDomainID is the id of the domain that is there from the start, and that
// requests mean when they name none.
const DefaultDomainID = "default"

// Config of a Service. The zero value is a working one that forgets its keys, and
// makes no administrator.
type Config struct {
	// AdminPassword of the administrator that Bootstrap makes; empty makes none.
	// It is not looked at once the user exists.
	AdminPassword string
	AdminName     string // default "admin"
	AdminProject  string // default "admin"
	AdminRole     string // default "admin"
	Region        string // of the services below; default "RegionOne"
	// Services are put into the catalog by Bootstrap.
	Services []CatalogEntry

	Keys KeyStore // of tokens and credentials; default MemoryKeys()
	// SharedKeys keeps the keys in the state instead of Keys, where all controllers of
	// a cloud find them. Whoever can read the state can then make tokens and read the
	// stored credentials.
	SharedKeys bool
	MaxKeys    int           // token keys that are kept, staged and primary included; default 3, at least 2
	TokenTTL   time.Duration // how long tokens are valid; default 1 h
	// ExpiredWindow is for how long after its end a token may still be used by a
	// service that finishes its user's work; default 48 h, negative for not at all.
	ExpiredWindow time.Duration
	// ReceiptTTL is how long a log-in that needs further methods can be continued;
	// default 5 min.
	ReceiptTTL time.Duration

	Passwords PasswordRules

	BcryptCost int // 4 to 31; default 12, as in Keystone
	// HashWorkers is how many passwords are hashed at once; default half the number of
	// CPUs, at least 1, so that a flood of log-ins leaves the others to everything else.
	HashWorkers int
	HashQueue   int // log-ins that wait for one of them; default 64

	// URLSafeNames refuses names of projects and domains with characters that have a
	// meaning in URLs.
	URLSafeNames bool

	// LimitModel is LimitsFlat, the default, or LimitsStrictTwoLevel.
	LimitModel string
	// MaxCredentials and MaxAppCredentials are how many credentials and application
	// credentials a user may have; 0 means any number.
	MaxCredentials    int
	MaxAppCredentials int
	// MaxRedelegation is how often a trust may be passed on at most; default 3.
	MaxRedelegation int
	// SignatureTTL is how far the time of a signed request may be from now: of EC2
	// requests (default 15 min) as of OAuth1 ones (10 min at most).
	SignatureTTL    time.Duration
	RequestTokenTTL time.Duration // how long OAuth1 request tokens last; default 8 h
	AccessTokenTTL  time.Duration // how long OAuth1 access tokens last; default 24 h

	// Federation names the identity providers whose users may log in.
	Federation FederationConfig

	// TokenCache is how many tokens in use are remembered; default 20,000, about
	// 1 KiB each.
	TokenCache int

	// Directories keep the users and groups of domains, by the name of the domain, which
	// is made if it is not there. Their owner closes them, after the service. See
	// AttachDirectory.
	Directories map[string]driver.Directory
	// OpenDirectory, if it is set, opens the directories of domains whose configuration,
	// which the API sets, says so: kind is their option "identity.driver", and options are
	// those of the group of that name, with their secrets. identity/ldap.ParseOptions reads
	// those of "ldap". Whoever may set them has this program connect to where they say.
	// Without it, the configurations of domains change nothing.
	OpenDirectory func(kind string, options map[string]string) (driver.Directory, error)
	// DirectoryRefresh is after which time shadows of users and groups are compared with
	// their directories again; default 5 min. It bounds how long somebody can go on who
	// was disabled or deleted there, as long as the directory answers.
	DirectoryRefresh time.Duration
	DirectoryTimeout time.Duration // of a call to a directory; default 10 s
	// DirectoryLimit is how many users or groups of a directory one list may have;
	// default 10,000.
	DirectoryLimit int
}

// CatalogEntry is a service of this cloud for the catalog.
type CatalogEntry struct {
	Type string // "compute"
	Name string // "nova"
	Path string // below the cloud's base URL: "/compute/v2.1"
}

// withDefaults fills in what is not set, and refuses what cannot be.
func (c Config) withDefaults() (Config, error) {
	text := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	number := func(field *int, value int) {
		if *field <= 0 {
			*field = value
		}
	}
	text(&c.AdminName, "admin")
	text(&c.AdminProject, "admin")
	text(&c.AdminRole, "admin")
	text(&c.Region, "RegionOne")
	text(&c.LimitModel, LimitsFlat)
	number(&c.MaxKeys, 3)
	number(&c.BcryptCost, 12)
	number(&c.HashWorkers, max(1, runtime.GOMAXPROCS(0)/2))
	number(&c.HashQueue, 64)
	number(&c.TokenCache, 20_000)
	number(&c.DirectoryLimit, 10_000)
	number(&c.MaxRedelegation, 3)
	span := func(field *time.Duration, value time.Duration) {
		if *field <= 0 {
			*field = value
		}
	}
	if c.ExpiredWindow == 0 {
		c.ExpiredWindow = 48 * time.Hour
	}
	c.ExpiredWindow = max(c.ExpiredWindow, 0)
	span(&c.TokenTTL, time.Hour)
	span(&c.ReceiptTTL, 5*time.Minute)
	span(&c.DirectoryRefresh, 5*time.Minute)
	span(&c.DirectoryTimeout, 10*time.Second)
	span(&c.SignatureTTL, 15*time.Minute)
	span(&c.RequestTokenTTL, 8*time.Hour)
	span(&c.AccessTokenTTL, 24*time.Hour)
	if c.Keys == nil && !c.SharedKeys {
		c.Keys = MemoryKeys()
	}
	if c.MaxKeys < 2 {
		return c, fault.New(fault.Invalid, "identity: MaxKeys must be at least 2.")
	}
	if c.LimitModel != LimitsFlat && c.LimitModel != LimitsStrictTwoLevel {
		return c, fault.New(fault.Invalid, "identity: there is no limit model %q.", c.LimitModel)
	}
	if c.BcryptCost < bcrypt.MinCost || c.BcryptCost > bcrypt.MaxCost {
		return c, fault.New(fault.Invalid, "identity: BcryptCost must be from %d to %d.", bcrypt.MinCost, bcrypt.MaxCost)
	}
	return c, nil
}

// Service is the identity service of one cloud. It is safe for concurrent use.
type Service struct {
	core   *core.Core
	cfg    Config
	t      tables
	hasher *hasher

	patterns []*regexp.Regexp // of PasswordRules

	keyMu          sync.Mutex // held while keys are changed
	tokenKeys      *keyring
	receiptKeys    *keyring
	credentialKeys *keyring
	// sealMu is held for reading while secrets are sealed or opened, and for writing
	// while the credential keys are rotated; before keyMu.
	sealMu sync.RWMutex

	tokens     *recent.Cache[[32]byte, *opened]
	secrets    *recent.Cache[string, [32]byte] // of application credentials
	secretSalt string

	directories directories

	owned func() error // closes what Open made; nil after New
}

// New returns a service on c. It defines its collections, so c.DB must not be open
// yet; open it, then call Start.
func New(c *core.Core, cfg Config) (*Service, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fault.Wrap("identity.New", err)
	}
	rules, patterns, err := cfg.Passwords.ready()
	if err != nil {
		return nil, fault.Wrap("identity.New", err)
	}
	cfg.Passwords = rules
	var salt [32]byte
	c.IDs.Read(salt[:])
	t := define(c.DB)
	if cfg.SharedKeys {
		cfg.Keys = &stateKeys{db: c.DB, sets: t.keys}
	}
	return &Service{
		core: c, cfg: cfg, t: t, patterns: patterns,
		hasher:         newHasher(cfg.BcryptCost, cfg.HashWorkers, cfg.HashQueue),
		tokenKeys:      &keyring{set: TokenKeys, store: cfg.Keys, ids: c.IDs},
		receiptKeys:    &keyring{set: ReceiptKeys, store: cfg.Keys, ids: c.IDs},
		credentialKeys: &keyring{set: CredentialKeys, store: cfg.Keys, ids: c.IDs},
		tokens:         recent.New[[32]byte, *opened](cfg.TokenCache),
		secrets:        recent.New[string, [32]byte](cfg.TokenCache),
		secretSalt:     hex.EncodeToString(salt[:]),
		directories:    directories{byDomain: map[string]*attached{}},
	}, nil
}

// Start reads or makes the keys, does what Bootstrap does, and attaches the directories.
func (s *Service) Start(ctx context.Context) error {
	s.keyMu.Lock()
	err := firstError(s.tokenKeys.load(ctx), s.receiptKeys.load(ctx), s.credentialKeys.load(ctx))
	s.keyMu.Unlock()
	if err = firstError(err, s.checkDepths()); err != nil {
		return fault.Wrap("identity.Start", err)
	}
	if !s.core.Forked {
		if err := s.Bootstrap(ctx); err != nil {
			return err
		}
	}
	return fault.Wrap("identity.Start", s.startDirectories(ctx))
}

// Close ends what the service does by itself, and closes the directories that were
// attached to it. It ends the state of a service that Open made; after New the state is
// the caller's.
func (s *Service) Close() error {
	err := s.closeDirectories()
	if s.owned == nil {
		return err
	}
	return errors.Join(err, s.owned())
}
