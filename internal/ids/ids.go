// Package ids makes the identifiers of the cloud's resources and its random
// secrets, from a source that tests can seed.
package ids

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"io"
	mrand "math/rand/v2"
	"sync"

	"github.com/google/uuid"
)

// Source makes identifiers and random bytes. It is safe for concurrent use.
type Source struct {
	mu     sync.Mutex
	random io.Reader
}

// Random returns a source that draws from the operating system.
func Random() *Source { return &Source{random: rand.Reader} }

// Seeded returns a source whose identifiers depend on the seed alone: for tests
// and simulations, never for a cloud that holds secrets.
func Seeded(seed uint64) *Source {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return &Source{random: mrand.NewChaCha8(key)}
}

// UUID returns a version 4 UUID in its canonical form with dashes.
func (s *Source) UUID() string {
	var b [16]byte
	s.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return uuid.UUID(b).String()
}

// Hex returns an identifier of 32 hexadecimal digits without dashes, the form
// that Keystone uses.
func (s *Source) Hex() string {
	var b [16]byte
	s.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return hex.EncodeToString(b[:])
}

// Read fills p with random bytes. It never fails: the operating system's source
// ends the program itself when it cannot deliver.
func (s *Source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return io.ReadFull(s.random, p)
}

// Int64N returns a number in [0, n).
func (s *Source) Int64N(n int64) int64 {
	var b [8]byte
	s.Read(b[:])
	return int64(binary.LittleEndian.Uint64(b[:])>>1) % n
}
