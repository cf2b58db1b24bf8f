package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Limits of passwords, in bytes.
const (
	maxPassword = 4096 // as in Keystone
	bcryptMax   = 72   // what bcrypt can take
)

// hasher computes password hashes, which is slow on purpose: no more at once than
// there are workers, and no more waiting than the queue holds, so that a flood of
// log-ins neither starves other requests nor piles up.
type hasher struct {
	cost    int
	compare func(hash, password []byte) error // bcrypt.CompareHashAndPassword
	workers chan struct{}
	queue   chan struct{}
	// decoy is compared when there is no hash, so that it takes as long to refuse
	// an unknown user as a wrong password.
	decoy []byte
	done  atomic.Int64 // hashes computed so far
}

func newHasher(cost, workers, queue int) *hasher {
	return &hasher{
		cost:    cost,
		compare: bcrypt.CompareHashAndPassword,
		workers: make(chan struct{}, workers),
		queue:   make(chan struct{}, workers+queue),
		decoy:   fmt.Appendf(nil, "$2a$%02d$%s%s", cost, "......................", "..............................."),
	}
}

// do runs f when a worker is free: fault.RateLimited if the queue is full.
func (h *hasher) do(ctx context.Context, f func() error) error {
	select {
	case h.queue <- struct{}{}:
		defer func() { <-h.queue }()
	default:
		return fault.New(fault.RateLimited, "Too many log-ins at once. Try again later.")
	}
	select {
	case h.workers <- struct{}{}:
		defer func() { <-h.workers }()
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil { // nobody waits for the answer any more
		return err
	}
	h.done.Add(1)
	return f()
}

// Hash returns the hash of a password to be stored.
func (h *hasher) Hash(ctx context.Context, password string) (string, error) {
	if len(password) > maxPassword {
		return "", fault.New(fault.Invalid, "The password is longer than %d bytes.", maxPassword)
	}
	var hash []byte
	err := h.do(ctx, func() (err error) {
		hash, err = bcrypt.GenerateFromPassword(shorten(password), h.cost)
		return err
	})
	return string(hash), err
}

// Compare returns nil if the password is that of the hash. A wrong password and a
// missing hash give the same fault.Unauthenticated after the same time.
func (h *hasher) Compare(ctx context.Context, hash, password string) error {
	stored, known := []byte(hash), hash != ""
	if !known {
		stored = h.decoy
	}
	var wrong error
	err := h.do(ctx, func() error {
		wrong = h.compare(stored, shorten(password))
		return nil
	})
	switch {
	case err != nil:
		return err
	case wrong == nil && known && len(password) <= maxPassword:
		return nil
	case wrong != nil && known && !errors.Is(wrong, bcrypt.ErrMismatchedHashAndPassword):
		return errDenied().Because(wrong)
	}
	return errDenied()
}

// Pretend takes the time of a comparison, and its turn in the queue.
func (h *hasher) Pretend(ctx context.Context) error {
	err := h.Compare(ctx, "", "")
	if fault.Of(err) == fault.Unauthenticated {
		return nil
	}
	return err
}

// shorten fits a password into what bcrypt can take, without making two passwords
// with the same beginning the same. The mark in front is in no text, so that the sum of
// a long password is not a password too.
func shorten(password string) []byte {
	if len(password) <= bcryptMax {
		return []byte(password)
	}
	sum := sha256.Sum256([]byte(password))
	return hex.AppendEncode([]byte{0xff}, sum[:])
}

// errDenied is the one answer to every log-in that fails, whatever the reason.
func errDenied() *fault.Error {
	return fault.New(fault.Unauthenticated, "The request you have made requires authentication.")
}
