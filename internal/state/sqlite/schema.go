package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/welkin-cloud/cloud/internal/fault"
)

const (
	// applicationID marks the file as a Welkin state ("WLKN") for file(1) and for us.
	applicationID = 0x574c4b4e
	// schemaVersion is the version of the tables below.
	schemaVersion = 1
)

var schema = []string{
	`CREATE TABLE meta (
		name  TEXT PRIMARY KEY,
		value INTEGER NOT NULL
	) WITHOUT ROWID`,
	`CREATE TABLE documents (
		collection TEXT NOT NULL,
		key        TEXT NOT NULL,
		version    INTEGER NOT NULL,
		revision   INTEGER NOT NULL,
		doc        TEXT NOT NULL,
		PRIMARY KEY (collection, key)
	)`,
	`CREATE TABLE changes (
		revision   INTEGER NOT NULL,
		seq        INTEGER NOT NULL,
		collection TEXT NOT NULL,
		key        TEXT NOT NULL,
		version    INTEGER NOT NULL,
		doc        TEXT,
		PRIMARY KEY (revision, seq)
	) WITHOUT ROWID`,
	`CREATE TABLE events (
		revision INTEGER NOT NULL,
		seq      INTEGER NOT NULL,
		time     TEXT NOT NULL,
		type     TEXT NOT NULL,
		resource TEXT NOT NULL,
		id       TEXT NOT NULL,
		project  TEXT NOT NULL,
		user     TEXT NOT NULL,
		request  TEXT NOT NULL,
		traits   TEXT,
		PRIMARY KEY (revision, seq)
	) WITHOUT ROWID`,
	fmt.Sprintf(`INSERT INTO meta VALUES ('schema', %d), ('revision', 0), ('compacted', 0)`, schemaVersion),
	fmt.Sprintf(`PRAGMA application_id = %d`, applicationID),
}

// prepareSchema makes the tables in a new file and checks those of an old one.
func (e *engine) prepareSchema(ctx context.Context, path string) error {
	var tables, application int
	err := e.writer.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master`).Scan(&tables)
	if err == nil {
		err = e.writer.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&application)
	}
	switch {
	case err != nil:
		return unusable(path, err)
	case tables == 0:
		if err := inTransaction(ctx, e.writer, func() error { return create(ctx, e.writer) }); err != nil {
			return unusable(path, err)
		}
	case application != applicationID:
		return fault.New(fault.Conflict, "the file %s is a database of another application", path)
	}
	return e.checkMeta(ctx, path)
}

func create(ctx context.Context, c *sql.Conn) error {
	for _, statement := range schema {
		if _, err := c.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func (e *engine) checkMeta(ctx context.Context, path string) error {
	version, err := meta(ctx, e.writer, "schema")
	if err == nil {
		e.compacted, err = meta(ctx, e.writer, "compacted")
	}
	if err != nil {
		return unusable(path, err)
	}
	if version > schemaVersion {
		return fault.New(fault.Conflict,
			"the state file %s has schema version %d; this program knows %d, use a newer one", path, version, schemaVersion)
	}
	return nil
}

// queryer is a connection or a transaction.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func meta(ctx context.Context, q queryer, name string) (value uint64, err error) {
	err = q.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = ?`, name).Scan(&value)
	return value, err
}

// inTransaction runs f between BEGIN IMMEDIATE and COMMIT, or rolls back. It does
// not use sql.Tx, which would prepare each statement anew.
func inTransaction(ctx context.Context, c *sql.Conn, f func() error) error {
	if _, err := c.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	err := f()
	if err == nil {
		_, err = c.ExecContext(ctx, `COMMIT`)
	}
	if err != nil {
		// Some errors have rolled back already, then this one fails in vain.
		_, _ = c.ExecContext(ctx, `ROLLBACK`)
	}
	return err
}
