package state

import (
	"context"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// loadChunk is how many rows a decoding worker takes at once.
const loadChunk = 256

// load reads all documents from the engine. The engine streams rows on this
// goroutine while a worker per core decodes them; then each table is built, as
// many at a time as there are cores.
func (db *DB) load(ctx context.Context) (*Snapshot, error) {
	l := &loading{db: db, docs: make([][]any, len(db.schemas)), chunks: make(chan []Row, 2*runtime.GOMAXPROCS(0))}
	workers, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(l.decodeChunks)
	}
	revision, err := db.engine.Load(ctx, func(row Row) error { return l.take(ctx, row) })
	if err == nil {
		err = l.flush(ctx)
	}
	close(l.chunks)
	// A worker's error comes first: the engine's may only be its consequence.
	if werr := workers.Wait(); werr != nil {
		return nil, werr
	}
	if err != nil {
		return nil, err
	}
	return &Snapshot{revision: revision, tables: l.build(revision)}, nil
}

type loading struct {
	db     *DB
	chunk  []Row
	chunks chan []Row

	mu   sync.Mutex
	docs [][]any // by table
}

func (l *loading) take(ctx context.Context, row Row) error {
	if l.chunk == nil {
		l.chunk = make([]Row, 0, loadChunk)
	}
	l.chunk = append(l.chunk, row)
	if len(l.chunk) < loadChunk {
		return nil
	}
	return l.flush(ctx)
}

func (l *loading) flush(ctx context.Context) error {
	chunk := l.chunk
	l.chunk = nil
	select {
	case l.chunks <- chunk:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *loading) decodeChunks() error {
	for chunk := range l.chunks {
		docs := make([]any, len(chunk))
		for i, row := range chunk {
			table, known := l.db.byName[row.Collection]
			if !known {
				continue
			}
			var err error
			if docs[i], err = l.db.schemas[table].decode(row); err != nil {
				return err
			}
		}
		l.mu.Lock()
		for i, doc := range docs {
			if doc != nil {
				table := l.db.byName[chunk[i].Collection]
				l.docs[table] = append(l.docs[table], doc)
			}
		}
		l.mu.Unlock()
	}
	return nil
}

func (l *loading) build(revision uint64) []*table {
	tables := make([]*table, len(l.docs))
	var builders errgroup.Group
	builders.SetLimit(runtime.GOMAXPROCS(0))
	for i, docs := range l.docs {
		builders.Go(func() error {
			tables[i] = buildTable(l.db.schemas[i], docs, revision)
			l.docs[i] = nil
			return nil
		})
	}
	_ = builders.Wait() // builders do not fail
	return tables
}
