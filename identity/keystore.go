package identity

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// The sets of keys that a KeyStore keeps.
const (
	TokenKeys      = "fernet-keys"
	ReceiptKeys    = "receipt-keys"
	CredentialKeys = "credential-keys"
)

// KeyStore keeps sets of secret keys, each under its number. Calls are not
// concurrent within one Service, but for Revision.
type KeyStore interface {
	// Load returns the keys of a set; none if it was never changed.
	Load(ctx context.Context, set string) (map[int][]byte, error)
	// Change replaces the keys of a set by what f makes of them, and returns those
	// that are then there. f may alter its argument, and may be called several times.
	// When Change fails, the old keys or the new ones are there, or all of both.
	Change(ctx context.Context, set string, f func(keys map[int][]byte)) (map[int][]byte, error)
	// Revision is another one when somebody else may have changed the set; stores
	// that cannot tell return 0, and then ReloadKeys must be called.
	Revision(set string) uint64
}

// MemoryKeys returns a store that forgets its keys with the process: then every
// token is void and no stored credential can be read.
func MemoryKeys() KeyStore { return &memoryKeys{sets: map[string]map[int][]byte{}} }

type memoryKeys struct {
	mu   sync.Mutex
	sets map[string]map[int][]byte
}

func (m *memoryKeys) Load(_ context.Context, set string) (map[int][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.sets[set]), nil
}

func (m *memoryKeys) Change(_ context.Context, set string, f func(keys map[int][]byte)) (map[int][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	keys := maps.Clone(m.sets[set])
	if keys == nil {
		keys = map[int][]byte{}
	}
	f(keys)
	m.sets[set] = keys
	return maps.Clone(keys), nil
}

func (m *memoryKeys) Revision(string) uint64 { return 0 }

// FileKeys returns a store below dir: DIR/fernet-keys/0 and so on, one key a file,
// in the form that Keystone uses. Directories have mode 0700, files 0600.
func FileKeys(dir string) KeyStore { return fileKeys(dir) }

type fileKeys string

func (f fileKeys) Revision(string) uint64 { return 0 }

func (f fileKeys) Load(_ context.Context, set string) (map[int][]byte, error) {
	dir := filepath.Join(string(f), set)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, keyFault("read", set, err)
	}
	keys := map[int][]byte{}
	for _, e := range entries {
		number, err := strconv.Atoi(e.Name())
		if err != nil || number < 0 || e.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, keyFault("read", set, err)
		}
		key, err := base64.URLEncoding.DecodeString(strings.TrimSpace(string(text)))
		if err != nil || len(key) != keyLen {
			return nil, keyFault("read", set, fmt.Errorf("file %s holds no key", e.Name()))
		}
		keys[number] = key
	}
	return keys, nil
}

func (f fileKeys) Change(ctx context.Context, set string, change func(keys map[int][]byte)) (map[int][]byte, error) {
	keys, err := f.Load(ctx, set)
	if err != nil {
		return nil, err
	}
	if keys == nil {
		keys = map[int][]byte{}
	}
	change(keys)
	return keys, f.save(set, keys)
}

func (f fileKeys) save(set string, keys map[int][]byte) error {
	dir := filepath.Join(string(f), set)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return keyFault("write", set, err)
	}
	for number, key := range keys {
		if err := writeKey(filepath.Join(dir, strconv.Itoa(number)), key); err != nil {
			return keyFault("write", set, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return keyFault("write", set, err)
	}
	for _, e := range entries {
		number, err := strconv.Atoi(e.Name())
		if _, keep := keys[number]; err != nil || keep {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return keyFault("write", set, err)
		}
	}
	return nil
}

// writeKey replaces a key file as a whole, so that a crash leaves the old key or
// the new one.
func writeKey(path string, key []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(base64.URLEncoding.EncodeToString(key) + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// keyFault words an error of a key store without the keys.
func keyFault(verb, set string, err error) error {
	return fault.New(fault.Unavailable, "The %s cannot be %s.", set, map[string]string{"read": "read", "write": "written"}[verb]).Because(err)
}
