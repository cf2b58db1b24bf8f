// Package coretest makes what services stand on, in memory, for their tests.
package coretest

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

// New returns a core whose state is in memory and not open yet: make the services,
// then call Open. Its log goes to the test's.
func New(t testing.TB) *core.Core {
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	db, source := state.New(nil, nil), ids.Seeded(1)
	return &core.Core{
		DB: db, Clock: clock.System{}, IDs: source, Log: log, Quotas: quota.Define(db),
		Sagas: saga.New(db, clock.System{}, source, log, saga.Config{}),
	}
}

// Open opens state and sagas, and closes them when the test ends.
func Open(t testing.TB, c *core.Core) {
	t.Helper()
	require.NoError(t, c.DB.Open(t.Context()))
	require.NoError(t, c.Sagas.Open(t.Context()))
	t.Cleanup(func() {
		require.NoError(t, c.Sagas.Close())
		require.NoError(t, c.DB.Close())
	})
}
