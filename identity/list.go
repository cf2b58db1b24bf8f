package identity

import (
	"context"
	"iter"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Page is the part of a list, in order of ids, that is wanted. The zero value is all
// of it. Whether there is more shows when one more is asked for than is needed.
type Page struct {
	Marker string // what comes after this id; empty: from the start
	Limit  int    // at most so many; 0: all
}

// looksBetween is how many documents a walk passes before it looks whether its caller
// still waits.
const looksBetween = 1024

// paged gathers those documents of a walk in order of ids that keep holds for, as far
// as the page wants them. The walk had better begin behind the marker: what comes before
// is passed one by one.
func paged[T any](ctx context.Context, all iter.Seq[T], p Page, id func(*T) string, keep func(*T) bool) ([]T, error) {
	list, left := []T{}, whileAwaited(ctx)
	var doc T // one for all: a long walk would make a million
	for doc = range all {
		if p.Limit > 0 && len(list) == p.Limit {
			break
		}
		if err := left(); err != nil {
			return nil, err
		}
		if id(&doc) > p.Marker && keep(&doc) {
			list = append(list, doc)
		}
	}
	return list, nil
}

// whileAwaited gives what a long walk asks at each step: the error that ends it when its
// caller waits no more.
func whileAwaited(ctx context.Context) func() error {
	passed := 0
	return func() error {
		if passed++; passed%looksBetween == 0 && ctx.Err() != nil {
			return &fault.Error{Kind: fault.Of(ctx.Err()), Err: ctx.Err()}
		}
		return nil
	}
}

// only walks one document, if it is there.
func only[T any](doc T, there bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		if there {
			yield(doc)
		}
	}
}

// holds reports whether a condition that may be nil holds for a value.
func holds[T any](keep func(*T) bool, value *T) bool { return keep == nil || keep(value) }
