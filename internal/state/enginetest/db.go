package enginetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/state"
)

type account struct {
	ID, Owner string
	Balance   int
}

type bank struct {
	*state.DB
	accounts *state.Collection[account]
	byOwner  *state.Index[account]
}

func openBank(t *testing.T, h Harness) *bank {
	t.Helper()
	b := &bank{DB: state.New(h.open(t), nil)}
	b.byOwner = state.NewIndex("owner", func(a *account) []string { return []string{state.Key(a.Owner)} })
	b.accounts = state.Define(b.DB, state.Spec[account]{
		Name: "bank.accounts", Noun: "account",
		Key:     func(a *account) string { return a.ID },
		Indexes: []*state.Index[account]{b.byOwner},
	})
	require.NoError(t, b.Open(t.Context()))
	return b
}

// testDB moves money about with many writers; none is lost, then or after reopening.
func testDB(t *testing.T, h Harness) {
	const accounts, writers, moves = 10, 8, 25
	b := openBank(t, h)
	require.NoError(t, b.Update(t.Context(), func(tx *state.Tx) error {
		for i := range accounts {
			err := b.accounts.Insert(tx, account{ID: fmt.Sprint(i), Owner: fmt.Sprint(i % 2), Balance: 100})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range moves {
				from, to := fmt.Sprint((w+i)%accounts), fmt.Sprint((w*i+1)%accounts)
				if err := b.move(t, from, to); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	before := slices.Collect(b.accounts.All(b.Snapshot()))
	revision := b.Snapshot().Revision()
	require.EqualValues(t, 1+writers*moves, revision)
	require.NoError(t, b.Close())

	b = openBank(t, h)
	s := b.Snapshot()
	require.Equal(t, revision, s.Revision())
	require.Equal(t, before, slices.Collect(b.accounts.All(s)))
	require.Equal(t, accounts/2, b.accounts.Count(s, b.byOwner, "1"))
	sum := 0
	for a := range b.accounts.All(s) {
		sum += a.Balance
	}
	require.Equal(t, 100*accounts, sum)
	require.NoError(t, b.Close())
}

func (b *bank) move(t *testing.T, from, to string) error {
	return b.Update(t.Context(), func(tx *state.Tx) error {
		if err := b.accounts.Change(tx, from, func(a *account) error { a.Balance--; return nil }); err != nil {
			return err
		}
		return b.accounts.Change(tx, to, func(a *account) error { a.Balance++; return nil })
	})
}
