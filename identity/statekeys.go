package identity

import (
	"context"
	"maps"

	"github.com/welkin-cloud/cloud/internal/state"
)

// storedKeys is a set of keys in the state.
type storedKeys struct {
	Set  string         `json:"set"`
	Keys map[int][]byte `json:"keys"`
}

func (t *tables) defineKeys(db *state.DB) {
	t.keys = state.Define(db, state.Spec[storedKeys]{
		Name: "identity.keys", Noun: "key set",
		Key: func(k *storedKeys) string { return k.Set },
	})
}

// stateKeys is the KeyStore of Config.SharedKeys.
type stateKeys struct {
	db   *state.DB
	sets *state.Collection[storedKeys]
}

// Load reads what this controller knows.
func (k *stateKeys) Load(_ context.Context, set string) (map[int][]byte, error) {
	stored, _ := k.sets.Get(k.db.Snapshot(), set)
	return maps.Clone(stored.Keys), nil
}

// Change works on the newest keys, whoever made them.
func (k *stateKeys) Change(ctx context.Context, set string, f func(keys map[int][]byte)) (map[int][]byte, error) {
	var keys map[int][]byte
	err := k.db.Update(ctx, func(tx *state.Tx) error {
		stored, _ := k.sets.Get(tx, set)
		if keys = maps.Clone(stored.Keys); keys == nil {
			keys = map[int][]byte{}
		}
		f(keys)
		return k.sets.Put(tx, storedKeys{Set: set, Keys: keys})
	})
	return maps.Clone(keys), err
}

// Revision is that of all sets together.
func (k *stateKeys) Revision(string) uint64 { return k.sets.Revision(k.db.Snapshot()) }
