package saga_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

func TestOneControllerLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newControllers(t)
		first, cut := c.boot("c1", nil)
		require.True(t, first.Leads())
		second, _ := c.boot("c2", nil)
		third, _ := c.boot("c3", nil)
		leaders := func() (names []bool) {
			synctest.Wait()
			for _, r := range []*rig{first, second, third} {
				names = append(names, r.Leads())
			}
			return names
		}
		time.Sleep(time.Minute)
		require.Equal(t, []bool{true, false, false}, leaders(), "the first stays, however many come")

		cut.Store(true) // it is silent, and must know by itself when it leads no more
		time.Sleep(15 * time.Second)
		require.False(t, first.Leads())
		time.Sleep(10 * time.Second)
		followers := leaders()[1:]
		require.ElementsMatch(t, []bool{true, false}, followers)

		cut.Store(false)
		time.Sleep(time.Minute)
		require.Equal(t, append([]bool{false}, followers...), leaders(), "who comes back does not lead again")
		if followers[0] {
			second.close()
			second = third
		} else {
			third.close()
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.NotEqual(t, first.Leads(), second.Leads(), "an orderly end makes room at once")
		first.close()
		second.close()
		require.False(t, second.Leads())
	})
}

// A process that another one of the same name has replaced must not go on with
// what is now the other's.
func TestWhoIsReplacedIsFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newControllers(t)
		gate := make(chan struct{})
		first, _ := c.boot("c1", gate)
		id := first.start("test.make", "x", nil)
		synctest.Wait()
		hold := make(chan struct{})
		second, _ := c.boot("c1", hold)
		synctest.Wait()
		close(gate) // the first has done its step b, and cannot journal it
		synctest.Wait()
		require.Equal(t, saga.Running, second.get(id).Status)
		close(hold)
		require.NoError(t, second.Wait(t.Context(), id))
		require.Equal(t, []string{"a", "b", "finished"}, second.thing("x").Marks)
		require.Equal(t, []string{"c1", "c1"}, c.ran.all(), "the first does not try it again and again")
		first.close()
		second.close()
	})
}

// A controller whose lease is over begins nothing, even if nobody has taken its
// sagas yet.
func TestNoStepBeginsWithoutALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newControllers(t)
		r, cut := c.boot("c1", nil)
		cut.Store(true)
		time.Sleep(18 * time.Second) // the lease is over; nobody else is there
		cut.Store(false)
		id := r.start("test.make", "x", nil)
		synctest.Wait()
		require.Empty(t, c.ran.all())
		require.NoError(t, r.Wait(t.Context(), id), "it goes on after the next sign of life")
		require.Equal(t, []string{"a", "b", "finished"}, r.thing("x").Marks)
		r.close()
	})
}

// What a run of a controller leaves unfinished is cleaned up by whoever notes its end,
// in the same transaction: the next run of its name, or another controller.
func TestCleansUpBehindAController(t *testing.T) {
	for name, next := range map[string]string{"its next run": "c1", "another controller": "c2"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newControllers(t)
				first, cut := c.boot("c1", nil)
				session := first.Session()
				require.True(t, first.AtWork(first.db.Snapshot(), session))
				cut.Store(true) // it is dead, but for its lease

				engine, err := c.store.Open()
				require.NoError(t, err)
				second := newRig(t, engine, saga.Config{Controller: next})
				second.Define(second.ends(saga.Definition{Name: "test.clean", Steps: []saga.Step{second.step("cleaned")}}))
				var gone []saga.Gone
				second.WhenGone(func(tx *state.Tx, g saga.Gone) error {
					gone = []saga.Gone{g} // it may run several times
					_, err := second.Start(tx, saga.Start{Name: "test.clean", Resource: "thing/x"})
					return err
				})
				begin := time.Now()
				second.open()
				if next == "c2" {
					time.Sleep(time.Minute)
				}
				synctest.Wait()
				require.Equal(t, []saga.Gone{{Session: session, Own: next == "c1"}}, gone)
				require.Equal(t, []string{"cleaned", "finished"}, second.thing("x").Marks)
				if next == "c1" {
					require.Zero(t, time.Since(begin))
				}
				require.False(t, second.AtWork(second.db.Snapshot(), session))
				first.close()
			})
		})
	}
}
