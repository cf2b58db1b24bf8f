package compute_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state/memengine"
)

// stray puts a guest on the host that no server owns.
func stray(t *testing.T, w *world, id string) {
	t.Helper()
	require.NoError(t, w.host.Create(t.Context(), driver.Spec{ID: id, VCPUs: 1, MemoryMiB: 64}))
	require.NoError(t, w.host.Start(t.Context(), id))
}

// settle lets time pass until the reconciler has looked at the host again.
func settle() {
	time.Sleep(3 * time.Minute)
	synctest.Wait()
}

func TestAGuestWithoutAServerIsDestroyedAfterTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := w.open(t)
		defer r.close()
		s := r.boot()
		stray(t, w, "orphan")
		time.Sleep(59 * time.Second)
		synctest.Wait()
		require.Len(t, r.host.Guests(), 2, "it may be a boot that is under way elsewhere")
		settle()
		require.Len(t, r.host.Guests(), 1)
		require.Equal(t, s.ID, r.host.Guests()[0].ID)
	})
}

// However often the controller restarts, and whenever: an orphan goes in the end, and a
// server's guest never does.
func TestOrphansGoAfterCrashes(t *testing.T) {
	for _, after := range []time.Duration{0, time.Second, 59 * time.Second, time.Minute, 61 * time.Second, 2 * time.Minute} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, store := newWorld(), memengine.NewStore(memengine.Options{})
				r := openOn(t, w, store)
				s := r.boot()
				stray(t, w, "orphan")
				for range 3 {
					time.Sleep(after)
					r = reopen(t, w, store, r, func() {})
				}
				settle()
				require.Len(t, r.host.Guests(), 1)
				require.Equal(t, "ACTIVE", r.wait(s.ID).Status())
				r.close()
			})
		})
	}
}

func TestAnOrphanThatCannotBeDestroyedIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := w.open(t)
		defer r.close()
		r.host.SetFault(func(_ context.Context, op, _ string) error {
			if op == "Destroy" {
				return fault.New(fault.Unavailable, "not now")
			}
			return nil
		})
		stray(t, w, "orphan")
		settle()
		require.Len(t, r.host.Guests(), 1)
		r.host.SetFault(nil)
		settle()
		require.Empty(t, r.host.Guests())
	})
}

// A boot that takes longer than the grace is no orphan, whatever of it there is.
func TestASlowBootIsNoOrphan(t *testing.T) {
	for _, op := range []string{"Create/after", "Start", "Start/after"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.close()
				r.host.SetFault(func(ctx context.Context, name, _ string) error {
					if name != op {
						return nil
					}
					select {
					case <-time.After(10 * time.Minute):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				})
				s := r.boot()
				require.Equal(t, "ACTIVE", s.Status())
				settle()
				require.Equal(t, "ACTIVE", r.wait(s.ID).Status())
			})
		})
	}
}

// A guest that goes behind the cloud's back leaves its server in error, which can then
// be rebuilt or deleted; a restart in between changes nothing.
func TestAGuestThatIsLost(t *testing.T) {
	for name, crash := range map[string]bool{"while it works": false, "while it is down": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, store := newWorld(), memengine.NewStore(memengine.Options{})
				r := openOn(t, w, store)
				lost, stays, stopped, shelved := r.boot(), r.boot(), r.boot(), r.boot()
				require.NoError(t, r.StopServer(r.ctx(), stopped.ID))
				require.NoError(t, r.ShelveServer(r.ctx(), shelved.ID))
				r.wait(stopped.ID)
				r.wait(shelved.ID)
				vanish := func() {
					require.NoError(t, w.host.Destroy(t.Context(), lost.ID))
					require.NoError(t, w.host.Destroy(t.Context(), stopped.ID))
				}
				if crash {
					r = reopen(t, w, store, r, vanish)
				} else {
					vanish()
				}
				settle()
				r = reopen(t, w, store, r, func() {})
				settle()
				for id, status := range map[string]string{lost.ID: "ERROR", stopped.ID: "ERROR", stays.ID: "ACTIVE", shelved.ID: "SHELVED_OFFLOADED"} {
					s := r.wait(id)
					require.Equal(t, status, s.Status())
					if status == "ERROR" {
						require.Equal(t, "The guest is gone from host host-1.", s.Fault.Message)
						require.Equal(t, compute.NoPower, s.PowerState)
					}
				}

				_, err := r.RebuildServer(r.ctx(), lost.ID, compute.RebuildOptions{ImageID: "cirros"})
				require.NoError(t, err)
				require.Equal(t, "ACTIVE", r.wait(lost.ID).Status())
				for _, s := range []compute.Server{lost, stays, stopped, shelved} {
					require.NoError(t, r.DeleteServer(r.ctx(), s.ID))
					_, err := r.WaitServer(r.ctx(), s.ID)
					require.Equal(t, fault.NotFound, fault.Of(err))
				}
				r.requireNothingLeft()
				require.Zero(t, r.networks.count())
				r.close()
			})
		})
	}
}

// A host that does not answer has lost nothing.
func TestAHostThatIsAwayHasLostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		s := r.boot()
		away := fault.New(fault.Unavailable, "away")
		r.host.SetFault(func(_ context.Context, op, _ string) error {
			if op == "Get" || op == "List" || op == "Host" {
				return away
			}
			return nil
		})
		settle()
		require.Equal(t, "ACTIVE", r.wait(s.ID).Status())
		r.host.SetFault(nil)
		settle()
		require.Equal(t, "ACTIVE", r.wait(s.ID).Status())
	})
}

// Whatever else there is to hear of a host, all its guests are looked at every minute.
func TestEventsDoNotStarveTheLookAtAllGuests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := w.open(t)
		defer r.close()
		s := r.boot()
		synctest.Wait()
		stray(t, w, "orphan") // seen at the next look, and gone a minute later
		for range 30 {
			time.Sleep(10 * time.Second)
			r.host.SetPower("orphan", driver.Shutdown)
			r.host.SetPower("orphan", driver.Running)
			synctest.Wait()
		}
		require.Len(t, r.host.Guests(), 1)
		require.Equal(t, s.ID, r.host.Guests()[0].ID)
	})
}
