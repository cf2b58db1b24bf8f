package identityapi_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/sqlite"
)

// BenchmarkStart measures how long a service takes to start on a directory with so many
// users and as many assignments.
func BenchmarkStart(b *testing.B) {
	for _, n := range sizes(10_000, 1_000_000) {
		dir := b.TempDir()
		fill(b, dir, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				svc, err := identity.Open(b.Context(), identity.Config{}, &identity.OpenOptions{Dir: dir})
				require.NoError(b, err)
				require.NoError(b, svc.Close())
			}
		})
	}
}

// fill makes a directory of a population, faster than a commit for each would.
func fill(b *testing.B, dir string, n int) {
	ctx, log, source, db := b.Context(), slog.New(slog.DiscardHandler), ids.Random(), state.New(nil, nil)
	svc, err := identity.New(&core.Core{
		DB: db, Clock: clock.System{}, IDs: source, Log: log, Quotas: quota.Define(db),
		Sagas: saga.New(db, clock.System{}, source, log, saga.Config{}),
	}, identity.Config{})
	require.NoError(b, err)
	require.NoError(b, db.Open(ctx))
	require.NoError(b, svc.Start(ctx))
	(&site{TB: b, svc: svc}).populate(n)

	engine, err := sqlite.Open(filepath.Join(dir, "identity.db"))
	require.NoError(b, err)
	set := state.ChangeSet{Revision: 1}
	store := func() {
		require.NoError(b, engine.Commit(ctx, set.Revision-1, []state.ChangeSet{set}))
		set = state.ChangeSet{Revision: set.Revision + 1}
	}
	require.NoError(b, db.Snapshot().Export(ctx, func(row state.Row) error {
		row.Revision = set.Revision
		if set.Rows = append(set.Rows, row); len(set.Rows) == 10_000 {
			store()
		}
		return nil
	}))
	store()
	require.NoError(b, engine.Close())
	require.NoError(b, svc.Close())
	require.NoError(b, db.Close())
}
