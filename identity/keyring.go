package identity

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fernet/fernet-go"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/ids"
)

// keyLen is the length of a Fernet key in bytes.
const keyLen = 32

// keyring seals and opens messages with the keys of one set. As in Keystone, key 0
// is staged (it opens, and becomes primary at the next rotation, so that other
// controllers know it by then), the highest is primary (it seals), and those
// between only open.
type keyring struct {
	set   string
	store KeyStore
	ids   *ids.Source
	keys  atomic.Pointer[keys]
}

// keys are those that are in service, as of a revision of the store.
type keys struct {
	revision uint64
	list     []*fernet.Key // primary first, staged last
}

// load reads the keys, making the first two when there are none.
func (k *keyring) load(ctx context.Context) error {
	// The revision is read before the keys: what changes in between is read again.
	revision := k.store.Revision(k.set)
	keys, err := k.store.Load(ctx, k.set)
	if err == nil && len(keys) == 0 {
		first := map[int][]byte{0: k.newKey(), 1: k.newKey()}
		keys, err = k.store.Change(ctx, k.set, func(keys map[int][]byte) {
			if len(keys) == 0 { // nobody else was faster
				maps.Copy(keys, first)
			}
		})
	}
	if err != nil {
		return err
	}
	k.use(revision, keys)
	return nil
}

// stale reports whether the store may have other keys than those in service.
func (k *keyring) stale() bool { return k.keys.Load().revision != k.store.Revision(k.set) }

// rotate makes the staged key primary, stages a new one, and drops the oldest so
// that most keys stay. It changes nothing if may, which is shown the newest keys, does
// not allow it.
func (k *keyring) rotate(ctx context.Context, most int, may func(newest map[int][]byte) bool) error {
	revision, staged, spare := k.store.Revision(k.set), k.newKey(), k.newKey()
	keys, err := k.store.Change(ctx, k.set, func(keys map[int][]byte) {
		if !may(keys) {
			return
		}
		if len(keys) == 0 {
			keys[0] = spare
		}
		numbers := slices.Sorted(maps.Keys(keys))
		keys[numbers[len(numbers)-1]+1] = keys[0]
		keys[0] = staged
		for _, n := range slices.Sorted(maps.Keys(keys))[1:] {
			if len(keys) > most {
				delete(keys, n)
			}
		}
	})
	if err != nil {
		return err
	}
	k.use(revision, keys)
	return nil
}

func (k *keyring) newKey() []byte {
	key := make([]byte, keyLen)
	k.ids.Read(key)
	return key
}

// use takes keys into service.
func (k *keyring) use(revision uint64, all map[int][]byte) {
	k.keys.Store(&keys{revision, byAge(all)})
}

// byAge lists keys, primary first and staged last.
func byAge(all map[int][]byte) []*fernet.Key {
	list := make([]*fernet.Key, 0, len(all))
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(all))) {
		list = append(list, (*fernet.Key)(all[n]))
	}
	return list
}

// are reports whether the keys in service are these.
func (k *keyring) are(all map[int][]byte) bool {
	return slices.EqualFunc(k.keys.Load().list, byAge(all), func(a, b *fernet.Key) bool { return *a == *b })
}

// seal encrypts and signs a message; the result is URL-safe text.
func (k *keyring) seal(message []byte, now time.Time) (string, error) {
	text, err := fernet.EncryptAndSignAtTime(message, k.keys.Load().list[0], now)
	if err != nil {
		return "", fault.New(fault.Internal, "").Because(err)
	}
	return strings.TrimRight(string(text), "="), nil
}

// open returns the message of a sealed text, and whether one of the keys signed
// exactly this text.
func (k *keyring) open(text string) ([]byte, bool) { return openWith(text, k.keys.Load().list) }

func openWith(text string, keys []*fernet.Key) ([]byte, bool) {
	text = strings.TrimRight(text, "=")
	if strings.ContainsAny(text, "\r\n") {
		return nil, false
	}
	// The library takes what it can decode of a text; only the canonical form of
	// a message may pass.
	if _, err := base64.RawURLEncoding.Strict().DecodeString(text); err != nil {
		return nil, false
	}
	padded := text + "==="[:(4-len(text)%4)%4]
	message := fernet.VerifyAndDecrypt([]byte(padded), 0, keys)
	return message, message != nil
}

// RotateKeys makes the staged keys of tokens and of receipts primary and stages new
// ones; the oldest beyond Settings.MaxKeys are dropped, and what they sealed is void. Call
// it at most every Settings.TokenTTL divided by MaxKeys-2, and tokens end by their
// expiry only.
func (s *Service) RotateKeys(ctx context.Context) error {
	s.keyMu.Lock()
	defer s.keyMu.Unlock()
	always := func(map[int][]byte) bool { return true }
	err := s.tokenKeys.rotate(ctx, s.cfg.MaxKeys, always)
	if err == nil {
		err = s.receiptKeys.rotate(ctx, s.cfg.MaxKeys, always)
	}
	return fault.Wrap("identity.RotateKeys", err)
}

// refreshKeys is ReloadKeys if the store tells that they have changed.
func (s *Service) refreshKeys(ctx context.Context) error {
	if !s.tokenKeys.stale() && !s.receiptKeys.stale() {
		return nil
	}
	return s.ReloadKeys(ctx)
}

// ReloadKeys reads the keys of tokens and receipts anew, after somebody else has
// rotated them.
func (s *Service) ReloadKeys(ctx context.Context) error {
	s.keyMu.Lock()
	defer s.keyMu.Unlock()
	return fault.Wrap("identity.ReloadKeys", firstError(s.tokenKeys.load(ctx), s.receiptKeys.load(ctx)))
}
