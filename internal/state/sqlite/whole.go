package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"

	sqlite3 "github.com/mattn/go-sqlite3"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// hasLog reports whether the file at path has a log beside it: whoever had it open was
// cut off.
func hasLog(path string) bool {
	info, err := os.Stat(path + "-wal")
	return err == nil && info.Size() > 0
}

// checkWhole refuses a file that was damaged beyond what SQLite mends: better no start
// than one with some commits and without others that came before them. A file that was
// cut off is looked through; any file must have all its pages, and nothing newer than its
// revision.
func (e *engine) checkWhole(ctx context.Context, path string, cutOff bool) error {
	err := e.checkSize(ctx, path)
	if err == nil && cutOff {
		var result string
		err = e.writer.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&result)
		if err == nil && result != "ok" {
			err = errDamaged(errors.New(result))
		}
	}
	if err == nil {
		err = e.checkMoments(ctx)
	}
	return explain(path, err)
}

// checkSize looks whether the file was cut short.
func (e *engine) checkSize(ctx context.Context, path string) error {
	var pages, size int64
	err := errors.Join(
		e.writer.QueryRowContext(ctx, `PRAGMA page_count`).Scan(&pages),
		e.writer.QueryRowContext(ctx, `PRAGMA page_size`).Scan(&size))
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size()%size != 0 || info.Size() < pages*size && !hasLog(path) {
		return errDamaged(fmt.Errorf("it has %d bytes and not %d pages of %d", info.Size(), pages, size))
	}
	return nil
}

// checkMoments looks for traces of commits after the revision, as a log leaves them that
// lost its end after that end got into the file.
func (e *engine) checkMoments(ctx context.Context) error {
	revision, err := meta(ctx, e.writer, "revision")
	if err != nil {
		return err
	}
	for _, table := range []string{"changes", "events"} {
		var last uint64
		if err := e.writer.QueryRowContext(ctx, `SELECT coalesce(max(revision), 0) FROM `+table).Scan(&last); err != nil {
			return err
		}
		if last > revision {
			return errTorn(last, revision)
		}
	}
	return nil
}

func errTorn(last, revision uint64) error {
	return errDamaged(fmt.Errorf("it has parts of revision %d and ends at %d", last, revision))
}

// errDamaged marks a cause that is damage.
func errDamaged(cause error) error { return damage{cause} }

type damage struct{ error }

// explain says what to do about a file that cannot be opened.
func explain(path string, err error) error {
	if err == nil {
		return nil
	}
	var broken sqlite3.Error
	var found damage
	if errors.As(err, &found) || errors.As(err, &broken) && broken.Code == sqlite3.ErrCorrupt {
		return fault.New(fault.Unavailable,
			"the state file %s is damaged: put a copy of it in its place, or what the command .recover of sqlite3 finds in it", path).Because(err)
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	return unusable(path, err)
}
