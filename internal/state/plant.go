package state

import (
	"cmp"
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Plant stores a row as it is, whatever unique indexes say and whatever the service
// thinks of it that the collection belongs to: for tests of what must never be. A zero
// Version is the present one; without a Doc the row is removed.
func (db *DB) Plant(ctx context.Context, row Row) error {
	table, known := db.byName[row.Collection]
	if !known {
		return fault.New(fault.NotFound, "there is no collection %q", row.Collection)
	}
	var doc any
	if row.Doc != nil {
		row.Version = cmp.Or(row.Version, db.schemas[table].version())
		var err error
		if doc, err = db.schemas[table].decode(row); err != nil {
			return err
		}
	}
	return db.Update(ctx, func(tx *Tx) error {
		own := tx.own(table)
		if doc == nil {
			own.remove(row.Key)
		} else {
			own.put(row.Key, doc)
		}
		tx.wrote(location{table, row.Key}, doc)
		return nil
	})
}
