package state

import "context"

type fenceKey struct{}

// WithFence returns a context whose transactions begin with fence: if that fails, they
// change nothing and end with its error. So who has lost the right to work, and does not
// know yet, can change no state, however deep in a call. What fence reads is compared at
// commit like all that a transaction reads.
func WithFence(ctx context.Context, fence func(tx *Tx) error) context.Context {
	return context.WithValue(ctx, fenceKey{}, fence)
}

// fenced puts the fence of ctx before f.
func fenced(ctx context.Context, f func(tx *Tx) error) func(tx *Tx) error {
	fence, ok := ctx.Value(fenceKey{}).(func(tx *Tx) error)
	if !ok {
		return f
	}
	return func(tx *Tx) error {
		if err := fence(tx); err != nil {
			return err
		}
		return f(tx)
	}
}
