package state

import (
	"context"
	"iter"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// record is a commit in the history, with the position of each change's table.
type record struct {
	Commit
	tables []int
}

// history is the recent commits: those after first, up to last.
type history struct {
	size        int
	ring        []*record // made when first needed: a fork costs nothing
	first, last uint64
}

func newHistory(size int, revision uint64) history {
	return history{size: size, first: revision, last: revision}
}

func (h *history) add(r *record) {
	if h.ring == nil {
		h.ring = make([]*record, h.size)
	}
	h.last = r.Revision
	*h.slot(r.Revision) = r
	if kept := uint64(len(h.ring)); h.last-h.first > kept {
		h.first = h.last - kept
	}
}

// truncate forgets the commits after revision.
func (h *history) truncate(revision uint64) {
	for h.last > revision {
		if h.last > h.first {
			*h.slot(h.last) = nil
		}
		h.last--
	}
	h.first = min(h.first, h.last)
}

func (h *history) slot(revision uint64) **record {
	return &h.ring[revision%uint64(len(h.ring))]
}

// since returns the commits after revision up to to, at most limit of them (0: no
// limit), and whether they are all still known.
func (h *history) since(revision, to uint64, limit int) (records []*record, ok bool) {
	if revision < h.first {
		return nil, false
	}
	for r := revision + 1; r <= to && (limit == 0 || len(records) < limit); r++ {
		records = append(records, *h.slot(r))
	}
	return records, true
}

// watchChunk is how many commits a watcher takes at once.
const watchChunk = 128

// Watch gives the commits after revision from, oldest first, and then new ones
// as they become durable, until ctx is done or the consumer stops. A consumer that
// falls behind the kept history gets ErrCompacted and must read a snapshot again;
// so does one that asks for commits from before Open. Closing the DB ends a watch
// with fault.Unavailable.
func (db *DB) Watch(ctx context.Context, from uint64) iter.Seq2[Commit, error] {
	return func(yield func(Commit, error) bool) {
		for ctx.Err() == nil {
			records, wake, err := db.since(from)
			if err != nil {
				yield(Commit{}, err)
				return
			}
			for _, r := range records {
				if ctx.Err() != nil || !yield(r.Commit, nil) {
					return
				}
				from = r.Revision
			}
			if len(records) > 0 {
				continue
			}
			select {
			case <-wake:
			case <-ctx.Done():
			}
		}
	}
}

// since returns the durable commits after from, or a channel that is closed when
// there is something new.
func (db *DB) since(from uint64) ([]*record, <-chan struct{}, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	durable := db.durable.Load()
	if durable == nil {
		return nil, nil, errClosed()
	}
	records, ok := db.history.since(from, durable.revision, watchChunk)
	switch {
	case !ok:
		return nil, nil, ErrCompacted
	case len(records) == 0 && db.closed:
		return nil, nil, errClosed()
	}
	if db.wake == nil {
		db.wake = make(chan struct{})
	}
	return records, db.wake, nil
}

// wakeWatchers tells all watchers to look again. The caller holds mu.
func (db *DB) wakeWatchers() {
	if db.wake != nil {
		close(db.wake)
		db.wake = nil
	}
}

func errClosed() error { return fault.New(fault.Unavailable, "the state is not open") }
