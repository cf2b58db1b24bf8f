package state_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/state"
)

func TestAFenceKeepsTransactionsOut(t *testing.T) {
	db, things := newFenced(t)
	open := true
	closed := errors.New("closed")
	ctx := state.WithFence(t.Context(), func(*state.Tx) error {
		if !open {
			return closed
		}
		return nil
	})
	put := func(tx *state.Tx) error { return things.Put(tx, fencedThing{ID: "a"}) }
	require.NoError(t, db.Update(ctx, put))
	open = false
	require.ErrorIs(t, db.Update(ctx, func(tx *state.Tx) error { return things.Delete(tx, "a") }), closed)
	require.True(t, things.Has(db.Snapshot(), "a"))
	require.NoError(t, db.Update(t.Context(), put), "others are not kept out")
}

type fencedThing struct{ ID string }

func newFenced(t *testing.T) (*state.DB, *state.Collection[fencedThing]) {
	db := state.New(nil, nil)
	things := state.Define(db, state.Spec[fencedThing]{Name: "things", Noun: "thing", Key: func(d *fencedThing) string { return d.ID }})
	require.NoError(t, db.Open(t.Context()))
	return db, things
}
