package state

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// follow tells the committer when others have committed, until Close.
func (db *DB) follow(ctx context.Context, f Follower, from uint64) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	db.unfollow = func() { cancel(); <-ended }
	go func() {
		defer close(ended)
		for {
			newest, err := f.Await(ctx, from)
			if err != nil {
				return // it is closing
			}
			db.hear(newest)
			from = newest
		}
	}()
}

// hear notes that the engine has a revision. The DB's own commits are heard of too:
// the committer sees that they are known.
func (db *DB) hear(newest uint64) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.newest = max(db.newest, newest)
	if !db.closed && newest > db.durable.Load().revision {
		db.tellCommitter()
	}
}

// Sync returns when Snapshot has all that was stored when Sync was called, by
// whichever controller. It is for reads that must be current; it costs a call of
// the engine if other controllers may share that, and nothing otherwise.
func (db *DB) Sync(ctx context.Context) error {
	if _, shared := db.engine.(Follower); !shared {
		return nil
	}
	if db.durable.Load() == nil {
		panic("state: Sync before Open")
	}
	done := make(chan error, 1)
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return errClosed()
	}
	db.syncs = append(db.syncs, done)
	db.tellCommitter()
	db.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return &fault.Error{Kind: fault.Of(ctx.Err()), Err: ctx.Err()}
	}
}
