package state

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Export calls row for each document of the snapshot, as an engine would store it: by
// collection, and within one in the order of the keys. An error from row ends it.
func (s *Snapshot) Export(ctx context.Context, row func(Row) error) error {
	for _, t := range s.tables {
		var err error
		t.docs.Scan(func(key string, r ref) bool {
			if err = ctx.Err(); err != nil {
				return false
			}
			out := Row{Collection: t.schema.name(), Key: key, Version: t.schema.version(), Revision: s.revision}
			if out.Doc, err = t.schema.encode(r.doc); err == nil {
				err = row(out)
			}
			return err == nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// OpenFrom opens a DB in memory with the documents that rows gives, instead of Open:
// rows calls row for each. Documents of older versions are upgraded; those of unknown
// collections are refused.
func (db *DB) OpenFrom(ctx context.Context, revision uint64, rows func(ctx context.Context, row func(Row) error) error) error {
	if db.engine != nil || db.durable.Load() != nil {
		panic("state: OpenFrom is for a DB in memory that is not open")
	}
	loader := &DB{schemas: db.schemas, byName: db.byName, engine: source{revision: revision, load: func(ctx context.Context, row func(Row) error) error {
		return rows(ctx, func(r Row) error {
			if _, known := db.byName[r.Collection]; !known {
				return fault.New(fault.Conflict, "this program does not know the collection %q", r.Collection)
			}
			return row(r)
		})
	}}}
	s, err := loader.load(ctx)
	if err != nil {
		return err
	}
	db.start(s)
	return nil
}

// source is an engine to load from, and for nothing else.
type source struct {
	Engine
	revision uint64
	load     func(ctx context.Context, row func(Row) error) error
}

// Load gives all documents.
func (s source) Load(ctx context.Context, row func(Row) error) (uint64, error) {
	return s.revision, s.load(ctx, row)
}
