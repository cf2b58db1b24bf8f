package identity

import "iter"

// Page is the part of a list, in order of ids, that is wanted. The zero value is all
// of it. Whether there is more shows when one more is asked for than is needed.
type Page struct {
	Marker string // what comes after this id; empty: from the start
	Limit  int    // at most so many; 0: all
}

// paged gathers those documents of a walk in order of ids that keep holds for, as far
// as the page wants them.
func paged[T any](all iter.Seq[T], p Page, id func(*T) string, keep func(*T) bool) []T {
	list := []T{}
	for doc := range all {
		if p.Limit > 0 && len(list) == p.Limit {
			break
		}
		if id(&doc) > p.Marker && keep(&doc) {
			list = append(list, doc)
		}
	}
	return list
}

// holds reports whether a condition that may be nil holds for a value.
func holds[T any](keep func(*T) bool, value *T) bool { return keep == nil || keep(value) }
