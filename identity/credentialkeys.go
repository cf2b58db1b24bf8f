package identity

import (
	"context"
	"errors"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// sealAttempts bounds how often a change begins again because keys were rotated.
const sealAttempts = 8

var (
	errStaleKeys  = errors.New("identity: the credential keys were rotated")
	errUnknownKey = errors.New("identity: none of the credential keys in service has sealed it")
)

// resealAtOnce bounds how many secrets one transaction encrypts anew.
const resealAtOnce = 256

// RotateCredentialKeys makes the staged credential key primary and stages a new one;
// the oldest keys beyond Settings.MaxKeys are dropped. fault.Conflict while a secret is
// encrypted with another key than the primary one: call MigrateCredentials before, and
// again after.
func (s *Service) RotateCredentialKeys(ctx context.Context) error {
	return fault.Wrap("identity.RotateCredentialKeys", s.rotateCredentialKeys(ctx))
}

func (s *Service) rotateCredentialKeys(ctx context.Context) error {
	// What other controllers have sealed and rotated is looked at too.
	if err := firstError(s.core.DB.Sync(ctx), s.refreshCredentialKeys(ctx)); err != nil {
		return err
	}
	// A secret that is on its way into the state is sealed with a key that must not
	// leave before it is counted.
	s.sealMu.Lock()
	defer s.sealMu.Unlock()
	s.keyMu.Lock()
	defer s.keyMu.Unlock()
	old := 0
	for _, set := range s.sealedSets() {
		old += len(set.outdated(s.core.DB.Snapshot()))
	}
	if old > 0 {
		return fault.New(fault.Conflict, "%d secrets are not encrypted with the primary key. Migrate the credentials first.", old)
	}
	// Of other keys it is not known whether there are secrets that only the oldest opens.
	counted := true
	err := s.credentialKeys.rotate(ctx, s.cfg.MaxKeys, func(newest map[int][]byte) bool {
		counted = s.credentialKeys.are(newest)
		return counted
	})
	if err == nil && !counted {
		err = fault.New(fault.Conflict, "The keys were rotated at the same time. Migrate the credentials first.")
	}
	return err
}

// MigrateCredentials encrypts anew what is not encrypted with the primary credential
// key, and returns how many records that were. It works while the service does, in small
// transactions; a second call finds what the first was cut off from.
func (s *Service) MigrateCredentials(ctx context.Context) (int, error) {
	if err := s.refreshCredentialKeys(ctx); err != nil {
		return 0, fault.Wrap("identity.MigrateCredentials", err)
	}
	n := 0
	for _, set := range s.sealedSets() {
		for keys := range slices.Chunk(set.outdated(s.core.DB.Snapshot()), resealAtOnce) {
			err := s.updateSealed(ctx, "MigrateCredentials", func(tx *state.Tx) error { return set.reseal(tx, keys) })
			if err != nil {
				return n, err
			}
			n += len(keys)
		}
	}
	return n, nil
}

// refreshCredentialKeys reads the credential keys anew if somebody else may have
// rotated them. It must not be called within a transaction.
func (s *Service) refreshCredentialKeys(ctx context.Context) error {
	if !s.credentialKeys.stale() {
		return nil
	}
	s.sealMu.Lock() // who seals or opens at the moment does so with the same keys to the end
	defer s.sealMu.Unlock()
	s.keyMu.Lock()
	defer s.keyMu.Unlock()
	return s.credentialKeys.load(ctx)
}

// keysAreOld reports whether the secrets that a transaction sees may be sealed with keys
// that are not in service.
func (s *Service) keysAreOld(tx *state.Tx) bool {
	if !s.cfg.SharedKeys {
		return s.credentialKeys.stale()
	}
	// Who rotates them meanwhile makes the transaction run again.
	stored, err := s.t.keys.Get(tx, CredentialKeys)
	return err != nil || !s.credentialKeys.are(stored.Keys)
}

// updateSealed is update for a change that reads or writes secrets.
func (s *Service) updateSealed(ctx context.Context, op string, f func(tx *state.Tx) error) error {
	for range sealAttempts {
		err := s.withCredentialKeys(ctx, func() error {
			return s.core.DB.Update(ctx, func(tx *state.Tx) error {
				if s.keysAreOld(tx) {
					return errStaleKeys
				}
				return f(tx)
			})
		})
		if !errors.Is(err, errStaleKeys) {
			return fault.Wrap("identity."+op, err)
		}
	}
	return fault.Wrap("identity."+op, fault.New(fault.Unavailable, "The keys of credentials change all the time."))
}

// withCredentialKeys runs f with the newest keys, which are not rotated meanwhile, and
// again if it has found a secret that another controller has sealed with newer ones. It
// must not be called within a transaction or within itself.
func (s *Service) withCredentialKeys(ctx context.Context, f func() error) (err error) {
	for range sealAttempts {
		if err = s.refreshCredentialKeys(ctx); err != nil {
			return err
		}
		s.sealMu.RLock()
		err = f()
		s.sealMu.RUnlock()
		if !errors.Is(err, errUnknownKey) || !s.credentialKeys.stale() {
			return err
		}
	}
	return err
}

// sealSecret encrypts a secret that must be read again.
func (s *Service) sealSecret(secret string) (string, error) {
	return s.credentialKeys.seal([]byte(secret), s.core.Clock.Now())
}

// openSecret is the inverse of sealSecret.
func (s *Service) openSecret(sealed string) (string, error) {
	secret, ok := s.credentialKeys.open(sealed)
	if !ok {
		return "", fault.New(fault.Internal, "A secret cannot be decrypted with the keys of this cloud.").Because(errUnknownKey)
	}
	return string(secret), nil
}

// sealedSet is a collection whose documents hold encrypted secrets.
type sealedSet struct {
	outdated func(r state.Reader) []string // keys of documents that an older key has sealed
	reseal   func(tx *state.Tx, keys []string) error
}

// sealedSets are all that the credential keys have encrypted.
func (s *Service) sealedSets() []sealedSet {
	o := &s.t.oauth
	return []sealedSet{
		sealedIn(s, s.t.credentials, credentialKey, func(c *credentialRow) []*string { return []*string{&c.Sealed} }),
		sealedIn(s, s.t.domainConfigs, func(d *domainConfigRow) string { return d.DomainID }, func(d *domainConfigRow) []*string { return []*string{&d.Sealed} }),
		sealedIn(s, o.consumers, consumerKey, func(c *consumerRow) []*string { return []*string{&c.Sealed} }),
		sealedIn(s, o.requestTokens, requestTokenKey, func(r *requestToken) []*string { return []*string{&r.Sealed, &r.Verifier} }),
		sealedIn(s, o.accessTokens, accessTokenKey, func(a *accessTokenRow) []*string { return []*string{&a.Sealed} }),
	}
}

// sealedIn makes the set of a collection; secrets gives where a document keeps its
// secrets, some of which may be empty.
func sealedIn[T any](s *Service, c *state.Collection[T], key func(*T) string, secrets func(*T) []*string) sealedSet {
	old := func(doc *T) bool {
		return slices.ContainsFunc(secrets(doc), func(sealed *string) bool {
			return *sealed != "" && !s.credentialKeys.sealedByPrimary(*sealed)
		})
	}
	return sealedSet{
		outdated: func(r state.Reader) []string {
			var keys []string
			for doc := range c.All(r) {
				if old(&doc) {
					keys = append(keys, key(&doc))
				}
			}
			return keys
		},
		reseal: func(tx *state.Tx, keys []string) error {
			for _, k := range keys {
				doc, err := c.Get(tx, k)
				if err != nil || !old(&doc) {
					continue // it was deleted or changed in the meantime
				}
				for _, sealed := range secrets(&doc) {
					if err := s.resealOne(sealed); err != nil {
						return err
					}
				}
				if err := c.Put(tx, doc); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// resealOne encrypts a secret with the primary key.
func (s *Service) resealOne(sealed *string) error {
	if *sealed == "" {
		return nil
	}
	secret, err := s.openSecret(*sealed)
	if err != nil {
		return err
	}
	*sealed, err = s.sealSecret(secret)
	return err
}

// sealedByPrimary reports whether the key in use now has sealed a text.
func (k *keyring) sealedByPrimary(text string) bool {
	_, ok := openWith(text, k.keys.Load().list[:1])
	return ok
}
