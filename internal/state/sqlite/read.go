package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/welkin-cloud/cloud/internal/state"
)

// Load reads all documents in the order in which the file holds them, which is
// the fastest.
func (e *engine) Load(ctx context.Context, row func(state.Row) error) (revision uint64, err error) {
	err = e.read(ctx, func(tx *sql.Tx) error {
		if revision, err = meta(ctx, tx, "revision"); err != nil {
			return err
		}
		return loadDocuments(ctx, tx, func(r state.Row) error {
			if r.Revision > revision {
				return explain(e.path, errTorn(r.Revision, revision))
			}
			return row(r)
		})
	})
	return revision, err
}

// loadDocuments casts the JSON to a blob, which the driver hands over in memory of
// its own: one copy for each document, not two.
func loadDocuments(ctx context.Context, tx *sql.Tx, row func(state.Row) error) error {
	// With a context that can end, the driver starts a goroutine for each row.
	rows, err := tx.QueryContext(context.WithoutCancel(ctx),
		`SELECT collection, key, version, revision, CAST(doc AS BLOB) FROM documents`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		var r state.Row
		if err := rows.Scan(&r.Collection, &r.Key, &r.Version, &r.Revision, &r.Doc); err != nil {
			return err
		}
		if err := row(r); err != nil {
			return callerError{err}
		}
	}
	return rows.Err()
}

// callerError is an error from the caller's own function, to be given back as it is.
type callerError struct{ error }

// Since returns the change sets after revision.
func (e *engine) Since(ctx context.Context, revision uint64) (sets []state.ChangeSet, err error) {
	err = e.read(ctx, func(tx *sql.Tx) error {
		last, err := meta(ctx, tx, "revision")
		if err != nil {
			return err
		}
		compacted, err := meta(ctx, tx, "compacted")
		if err != nil {
			return err
		}
		if revision < compacted {
			return callerError{state.ErrCompacted}
		}
		// A set without rows or events has left no trace but its number.
		for r := revision + 1; r <= last; r++ {
			sets = append(sets, state.ChangeSet{Revision: r})
		}
		return errors.Join(readChanges(ctx, tx, revision, sets), readEvents(ctx, tx, revision, sets))
	})
	return sets, err
}

func readChanges(ctx context.Context, tx *sql.Tx, after uint64, sets []state.ChangeSet) error {
	rows, err := tx.QueryContext(ctx, `SELECT revision, collection, key, version, CAST(doc AS BLOB) FROM changes
		WHERE revision > ? ORDER BY revision, seq`, int64(after))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r state.Row
		if err := rows.Scan(&r.Revision, &r.Collection, &r.Key, &r.Version, &r.Doc); err != nil {
			return err
		}
		set := &sets[r.Revision-after-1]
		set.Rows = append(set.Rows, r)
	}
	return rows.Err()
}

func readEvents(ctx context.Context, tx *sql.Tx, after uint64, sets []state.ChangeSet) error {
	rows, err := tx.QueryContext(ctx, `SELECT revision, time, type, resource, id, project, user, request, traits FROM events
		WHERE revision > ? ORDER BY revision, seq`, int64(after))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var ev state.Event
		var at string
		var traits []byte
		err := rows.Scan(&ev.Revision, &at, &ev.Type, &ev.Resource, &ev.ID, &ev.ProjectID, &ev.UserID, &ev.RequestID, &traits)
		if err == nil && traits != nil {
			err = json.Unmarshal(traits, &ev.Traits)
		}
		if err == nil {
			ev.Time, err = time.Parse(time.RFC3339Nano, at)
		}
		if err != nil {
			return err
		}
		set := &sets[ev.Revision-after-1]
		set.Events = append(set.Events, ev)
	}
	return rows.Err()
}

// read runs f in a transaction that sees one snapshot of the file.
func (e *engine) read(ctx context.Context, f func(tx *sql.Tx) error) error {
	if err := e.use(); err != nil {
		return err
	}
	defer e.mu.RUnlock()
	tx, err := e.db.BeginTx(ctx, nil)
	if err != nil {
		return broken("read", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	err = f(tx)
	var own callerError
	switch {
	case errors.As(err, &own):
		return own.error
	case err != nil:
		return broken("read", err)
	}
	return nil
}
