package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/welkin-cloud/cloud/internal/state"
)

// The nouns of directory entries.
const (
	nounUser  = "user"
	nounGroup = "group"
)

// directoryEntry says what a directory calls the user or the group of which there is a
// shadow.
type directoryEntry struct {
	ID       string `json:"id"` // of the shadow
	DomainID string `json:"domain"`
	Noun     string `json:"noun"`
	LocalID  string `json:"local"` // the directory's own id
	// Gone is since when the directory does not have it any more.
	Gone *time.Time `json:"gone,omitempty"`
}

// shadowID is the id of a shadow. It is what Keystone makes of the same, so that ids
// stay when a cloud's directory moves.
func shadowID(domainID, noun, localID string) string {
	sum := sha256.Sum256([]byte(domainID + noun + localID))
	return hex.EncodeToString(sum[:])
}

func (t *tables) defineDirectories(db *state.DB) {
	t.directoryDomain = state.NewIndex("domain", func(e *directoryEntry) []string {
		return []string{state.Key(e.DomainID, e.Noun)}
	})
	t.directoryEntries = state.Define(db, state.Spec[directoryEntry]{
		Name: "identity.directory_entries", Noun: "directory entry",
		Key:     func(e *directoryEntry) string { return e.ID },
		Indexes: []*state.Index[directoryEntry]{t.directoryDomain},
	})
}

// gone reports whether an id is that of a shadow whose original is gone.
func (s *Service) gone(r state.Reader, id string) bool {
	if !s.t.directoryEntries.Has(r, id) {
		return false // as of most users: an error would be made for each
	}
	e, err := s.t.directoryEntries.Get(r, id)
	return err == nil && e.Gone != nil
}

// dropEntry removes the entry of a shadow that is deleted, if it is one.
func (s *Service) dropEntry(tx *state.Tx, id string) error {
	if !s.t.directoryEntries.Has(tx, id) {
		return nil
	}
	return s.t.directoryEntries.Delete(tx, id)
}
