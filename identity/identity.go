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
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"regexp"
	"sync"

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
	Settings // limits, times and rules

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
	// Federation names the identity providers whose users may log in.
	Federation FederationConfig

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
}

// CatalogEntry is a service of this cloud for the catalog.
type CatalogEntry struct {
	Type string // "compute"
	Name string // "nova"
	Path string // below the cloud's base URL: "/compute/v2.1"
}

// withDefaults fills in what is not set, and refuses what cannot be.
func (c Config) withDefaults() (Config, error) {
	c.AdminName = cmp.Or(c.AdminName, "admin")
	c.AdminProject = cmp.Or(c.AdminProject, "admin")
	c.AdminRole = cmp.Or(c.AdminRole, "admin")
	c.Region = cmp.Or(c.Region, "RegionOne")
	if c.Keys == nil && !c.SharedKeys {
		c.Keys = MemoryKeys()
	}
	var err error
	c.Settings, err = c.Settings.ready()
	return c, err
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
	patterns, err := cfg.Passwords.patterns()
	if err != nil {
		return nil, fault.Wrap("identity.New", err)
	}
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
