// Package sqlite keeps the state of a cloud in one SQLite file.
//
// The file is in WAL mode with synchronous=FULL: a commit is on the disk when it is
// acknowledged. One process owns the file; a second one is refused. An operator
// may read it with the sqlite3 command while the cloud runs:
//
//	documents  the state: a row of JSON for each document
//	changes    the change sets of the last 4,096 revisions
//	events     the events of the last 65,536 revisions
//	meta       schema version, revision, how far changes are compacted, and how often
//	           the disk failed
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	_ "github.com/mattn/go-sqlite3" // the driver named "sqlite3"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

const (
	// Retained is how many revisions Since can go back at least.
	Retained = 4096
	// retainedEvents is how many revisions keep their events.
	retainedEvents = 65536
	// slack is how many more revisions may gather before they are trimmed, so that
	// few commits pay for it.
	slack = 256
)

// engine is a state.Engine on one file.
type engine struct {
	db   *sql.DB
	lock *os.File
	path string

	writer     *sql.Conn // for Commit alone
	statements *statements
	compacted  uint64 // changes up to this revision are gone

	mu     sync.RWMutex // held for reading by each call, for writing by Close
	closed bool
}

// Open opens the state in the file at path, which it makes if it is not there, and
// takes a lock on it. It fails with fault.Conflict if another process has the
// file, or if a newer version of the program wrote it.
func Open(path string) (state.Engine, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, unusable(path, err)
	}
	lock, err := takeLock(abs + ".lock")
	if err != nil {
		return nil, err
	}
	e := &engine{lock: lock, path: abs}
	if err := e.open(abs); err != nil {
		_ = e.release()
		return nil, err
	}
	return e, nil
}

func (e *engine) open(path string) error {
	// The other files of the database get the mode of this one.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return unusable(path, err)
	}
	err = errors.Join(f.Chmod(0o600), f.Close())
	if err != nil {
		return unusable(path, err)
	}
	cutOff := hasLog(path)
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{
		"_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_busy_timeout": {"10000"},
	}.Encode()}
	if e.db, err = sql.Open("sqlite3", dsn.String()); err != nil {
		return unusable(path, err)
	}
	e.db.SetMaxOpenConns(2)     // one writes, one reads
	ctx := context.Background() // opening is short and bounded by the busy timeout
	if e.writer, err = e.db.Conn(ctx); err != nil {
		return explain(path, err)
	}
	if err := e.prepareSchema(ctx, path); err != nil {
		return explain(path, err)
	}
	if err := e.checkWhole(ctx, path, cutOff); err != nil {
		return err
	}
	if e.statements, err = prepare(ctx, e.writer); err != nil {
		return explain(path, err)
	}
	return nil
}

// Close releases the file and its lock.
func (e *engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return errClosed()
	}
	return e.release()
}

func (e *engine) release() error {
	e.closed = true
	var errs []error
	if e.statements != nil {
		errs = append(errs, e.statements.close())
	}
	if e.writer != nil {
		errs = append(errs, e.writer.Close())
	}
	if e.db != nil {
		errs = append(errs, e.db.Close())
	}
	// Last: until here nobody else may open the file.
	errs = append(errs, e.lock.Close())
	if err := errors.Join(errs...); err != nil {
		return fault.New(fault.Unavailable, "the state file was not closed cleanly").Because(err)
	}
	return nil
}

// use holds off Close; the caller calls e.mu.RUnlock if there is no error.
func (e *engine) use() error {
	e.mu.RLock()
	if e.closed {
		e.mu.RUnlock()
		return errClosed()
	}
	return nil
}

func errClosed() error { return fault.New(fault.Unavailable, "the state file is closed") }

func unusable(path string, err error) error {
	return fault.New(fault.Unavailable, "the state file %s cannot be used", path).Because(err)
}

func broken(op string, err error) error {
	return fault.New(fault.Unavailable, "the state file failed").Because(fmt.Errorf("%s: %w", op, err))
}
