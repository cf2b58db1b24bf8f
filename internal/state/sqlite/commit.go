package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/internal/state"
)

// statements are the prepared statements of the writer.
type statements struct {
	upsert, change, event     *bulk
	remove, revise            *sql.Stmt
	trim, trimEvents, compact *sql.Stmt
}

func prepare(ctx context.Context, c *sql.Conn) (s *statements, err error) {
	s = &statements{}
	one := func(query string) (stmt *sql.Stmt) {
		if err == nil {
			stmt, err = c.PrepareContext(ctx, query)
		}
		return stmt
	}
	many := func(insert string, columns int, conflict string) *bulk {
		row := "(?" + strings.Repeat(",?", columns-1) + ")"
		return &bulk{
			columns: columns,
			one:     one(insert + row + conflict),
			many:    one(insert + row + strings.Repeat(","+row, bulkRows-1) + conflict),
		}
	}
	s.upsert = many(`INSERT INTO documents (collection, key, version, revision, doc) VALUES `, 5,
		` ON CONFLICT (collection, key) DO UPDATE SET version = excluded.version, revision = excluded.revision, doc = excluded.doc`)
	s.change = many(`INSERT INTO changes (revision, seq, collection, key, version, doc) VALUES `, 6, ``)
	s.event = many(`INSERT INTO events (revision, seq, time, type, resource, id, project, user, request, traits) VALUES `, 10, ``)
	s.remove = one(`DELETE FROM documents WHERE collection = ? AND key = ?`)
	s.revise = one(`UPDATE meta SET value = ? WHERE name = 'revision' AND value = ?`)
	s.trim = one(`DELETE FROM changes WHERE revision <= ?`)
	s.trimEvents = one(`DELETE FROM events WHERE revision <= ?`)
	s.compact = one(`UPDATE meta SET value = ? WHERE name = 'compacted'`)
	return s, err
}

func (s *statements) close() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{
		s.upsert.one, s.upsert.many, s.change.one, s.change.many, s.event.one, s.event.many,
		s.remove, s.revise, s.trim, s.trimEvents, s.compact,
	} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	return errors.Join(errs...)
}

// bulkRows is how many rows go into one insert where there are as many.
const bulkRows = 16

// bulk inserts rows, many at a time. add gathers, flush writes the rest.
type bulk struct {
	columns   int
	one, many *sql.Stmt
	args      []any
}

func (b *bulk) add(ctx context.Context, row ...any) error {
	b.args = append(b.args, row...)
	if len(b.args) < b.columns*bulkRows {
		return nil
	}
	_, err := b.many.ExecContext(ctx, b.args...)
	b.reset()
	return err
}

func (b *bulk) flush(ctx context.Context) error {
	defer b.reset()
	for args := b.args; len(args) > 0; args = args[b.columns:] {
		if _, err := b.one.ExecContext(ctx, args[:b.columns]...); err != nil {
			return err
		}
	}
	return nil
}

// reset lets go of the rows, also after an error.
func (b *bulk) reset() {
	clear(b.args)
	b.args = b.args[:0]
}

// Commit writes the change sets in one transaction.
func (e *engine) Commit(ctx context.Context, base uint64, sets []state.ChangeSet) error {
	if err := e.use(); err != nil {
		return err
	}
	defer e.mu.RUnlock()
	if err := ctx.Err(); err != nil {
		return broken("commit", err)
	}
	// Once begun it is not cut off: the caller would not know the outcome. This
	// also spares the driver a goroutine for each statement.
	ctx = context.WithoutCancel(ctx)
	compacted := e.compacted
	err := inTransaction(ctx, e.writer, func() (err error) {
		compacted, err = e.write(ctx, base, sets)
		return err
	})
	for _, b := range []*bulk{e.statements.upsert, e.statements.change, e.statements.event} {
		b.reset()
	}
	if err != nil {
		if errors.Is(err, state.ErrStale) {
			return state.ErrStale
		}
		e.overwrite(ctx)
		return broken("commit", err)
	}
	e.compacted = compacted
	return nil
}

// overwrite makes sure that a commit that failed stays so. If the disk took all of it
// and failed to sync, it lies whole beyond the end of the log, and a start after a crash
// would take it in. A count takes its place there; whether that one is stored does not
// matter.
func (e *engine) overwrite(ctx context.Context) {
	_ = inTransaction(ctx, e.writer, func() error {
		_, err := e.writer.ExecContext(ctx,
			`INSERT INTO meta VALUES ('failures', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1`)
		return err
	})
}

// write does the work of Commit and returns how far the changes are compacted.
func (e *engine) write(ctx context.Context, base uint64, sets []state.ChangeSet) (compacted uint64, err error) {
	revision := base + uint64(len(sets))
	result, err := e.statements.revise.ExecContext(ctx, int64(revision), int64(base))
	if err != nil {
		return 0, err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return 0, errors.Join(err, state.ErrStale)
	}
	if err := e.writeDocuments(ctx, sets); err != nil {
		return 0, err
	}
	for _, set := range sets {
		if err := e.writeLog(ctx, set); err != nil {
			return 0, err
		}
	}
	if err := errors.Join(e.statements.change.flush(ctx), e.statements.event.flush(ctx)); err != nil {
		return 0, err
	}
	if revision < e.compacted+Retained+slack {
		return e.compacted, nil
	}
	return revision - Retained, e.compact(ctx, revision)
}

// writeDocuments brings the documents up to the last of the sets. A document that
// changed several times is written once.
func (e *engine) writeDocuments(ctx context.Context, sets []state.ChangeSet) error {
	type place struct{ collection, key string }
	done := map[place]bool{}
	for i := len(sets) - 1; i >= 0; i-- {
		for j := len(sets[i].Rows) - 1; j >= 0; j-- {
			row := sets[i].Rows[j]
			at := place{row.Collection, row.Key}
			if done[at] {
				continue
			}
			done[at] = true
			var err error
			if row.Doc == nil {
				_, err = e.statements.remove.ExecContext(ctx, row.Collection, row.Key)
			} else {
				err = e.statements.upsert.add(ctx, row.Collection, row.Key, row.Version, int64(row.Revision), string(row.Doc))
			}
			if err != nil {
				return err
			}
		}
	}
	return e.statements.upsert.flush(ctx)
}

func (e *engine) writeLog(ctx context.Context, set state.ChangeSet) error {
	revision := int64(set.Revision)
	for i, row := range set.Rows {
		var doc any
		if row.Doc != nil {
			doc = string(row.Doc)
		}
		if err := e.statements.change.add(ctx, revision, i, row.Collection, row.Key, row.Version, doc); err != nil {
			return err
		}
	}
	for i, ev := range set.Events {
		var traits any
		if ev.Traits != nil {
			text, err := json.Marshal(ev.Traits)
			if err != nil {
				return err
			}
			traits = string(text)
		}
		err := e.statements.event.add(ctx, revision, i, ev.Time.UTC().Format(time.RFC3339Nano), ev.Type,
			ev.Resource, ev.ID, ev.ProjectID, ev.UserID, ev.RequestID, traits)
		if err != nil {
			return err
		}
	}
	return nil
}

// compact drops what is too old from the logs.
func (e *engine) compact(ctx context.Context, revision uint64) error {
	if _, err := e.statements.trim.ExecContext(ctx, int64(revision-Retained)); err != nil {
		return err
	}
	if revision > retainedEvents {
		if _, err := e.statements.trimEvents.ExecContext(ctx, int64(revision-retainedEvents)); err != nil {
			return err
		}
	}
	_, err := e.statements.compact.ExecContext(ctx, int64(revision-Retained))
	return err
}
