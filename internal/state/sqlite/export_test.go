package sqlite

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/state"
)

// Pragma runs a PRAGMA on the writing connection of an engine.
func Pragma(e state.Engine, pragma string) (value int64, err error) {
	err = e.(*engine).writer.QueryRowContext(context.Background(), "PRAGMA "+pragma).Scan(&value)
	return value, err
}

// Set runs a PRAGMA that answers nothing.
func Set(e state.Engine, pragma string) error {
	_, err := e.(*engine).writer.ExecContext(context.Background(), "PRAGMA "+pragma)
	return err
}
