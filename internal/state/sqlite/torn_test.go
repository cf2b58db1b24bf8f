package sqlite_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/diskfault"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state/sqlite"
)

// wreck is what a killed process left: a file with its log, and how long the log was
// when each of its notes was acknowledged.
type wreck struct {
	main, log []byte
	durable   []int    // the log's length after note i
	turn      []uint32 // how often the log had begun anew then
}

// newWreck kills a process after it has written notes 0, 1, 2, …
func newWreck(t *testing.T, notes int) wreck {
	path := filepath.Join(t.TempDir(), "state.db")
	c := newClerk(t, path, diskfault.New(t, path))
	var w wreck
	for i := range notes {
		require.Equal(t, "ok", c.say(fmt.Sprint(i)))
		log, err := os.Open(path + "-wal")
		require.NoError(t, err)
		info, err := log.Stat()
		require.NoError(t, err)
		var head [16]byte
		_, err = log.ReadAt(head[:], 0)
		require.NoError(t, errors.Join(err, log.Close()))
		w.durable = append(w.durable, int(info.Size()))
		w.turn = append(w.turn, binary.BigEndian.Uint32(head[12:]))
	}
	c.kill()
	var err error
	w.main, err = os.ReadFile(path)
	require.NoError(t, err)
	w.log, err = os.ReadFile(path + "-wal")
	require.NoError(t, err)
	return w
}

// open starts with such files, and returns how many notes there are. They must be the
// first ones, without a gap. It is -1 if the file is refused.
func (w wreck) open(t *testing.T, main, log []byte) int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	require.NoError(t, os.WriteFile(path, main, 0o600))
	require.NoError(t, os.WriteFile(path+"-wal", log, 0o600))
	e, err := sqlite.Open(path)
	if err != nil {
		requireDamaged(t, path, err)
		return -1
	}
	d := newDiary(e)
	if err := d.Open(t.Context()); err != nil {
		requireDamaged(t, path, err)
		require.NoError(t, e.Close())
		return -1
	}
	s := d.Snapshot()
	n := int(s.Revision())
	require.Equal(t, n, d.notes.Count(s, nil), "each revision wrote one note")
	for i := range n {
		require.True(t, d.notes.Has(s, fmt.Sprint(i)), "note %d of %d", i, n)
	}
	sets, err := e.Since(t.Context(), 0)
	require.NoError(t, err)
	for i, set := range sets {
		require.EqualValues(t, i+1, set.Revision)
		require.Len(t, set.Rows, 1)
	}
	require.NoError(t, d.write(t.Context(), "after", "the crash"))
	require.NoError(t, d.Close())
	return n
}

func requireDamaged(t *testing.T, path string, err error) {
	t.Helper()
	require.ErrorIs(t, err, fault.Unavailable)
	require.Contains(t, fault.Public(err), "the state file "+path+" is damaged", "%v", err)
}

// TestTornLog cuts the log of a killed process at random places and flips bytes of it:
// what was acknowledged before that place is there, and nothing after a gap.
func TestTornLog(t *testing.T) {
	rng := rand.New(rand.NewPCG(newSeed(t), 0))
	w := newWreck(t, 60)
	require.Equal(t, 60, w.open(t, w.main, w.log))
	seen := map[int]bool{}
	for i := range 150 {
		at := rng.IntN(len(w.log))
		log := append([]byte(nil), w.log...)
		switch i % 3 {
		case 0:
			log = log[:at]
		case 1:
			log[at] ^= byte(1 + rng.IntN(255))
		case 2: // a block of the disk that was never written
			clear(log[at:min(at+512, len(log))])
		}
		n := w.open(t, w.main, log)
		require.GreaterOrEqual(t, n, w.before(at), "damage at %d of %d", at, len(w.log))
		seen[n] = true
	}
	require.Greater(t, len(seen), 20, "the damage fell on many revisions")
}

// before is how many notes were durable in the log before an offset.
func (w wreck) before(at int) int {
	n := 0
	for n < len(w.durable) && w.durable[n] <= at {
		n++
	}
	return n
}

// TestTornLogAfterCheckpoint damages a log all of which has got into the file, which no
// crash does: it starts without a gap or not at all.
func TestTornLogAfterCheckpoint(t *testing.T) {
	rng := rand.New(rand.NewPCG(newSeed(t), 1))
	const enough = 600
	first := newWreck(t, enough)
	n := 0 // after so many notes the log is written to the file and begins for the third time
	for n < enough && first.turn[n] < first.turn[0]+2 {
		n++
	}
	require.Less(t, n, enough)
	w := newWreck(t, n)
	require.Equal(t, n, w.open(t, w.main, w.log))
	require.Equal(t, n, w.open(t, w.main, nil), "all of the log is in the file")
	opened := map[int]int{}
	for range 40 {
		opened[w.open(t, w.main, w.log[:rng.IntN(len(w.log))])]++
	}
	t.Logf("notes found, and how often; -1 for a file that was refused: %v", opened)
}

// TestCutFile cuts the file itself: it is refused, and the reason names it.
func TestCutFile(t *testing.T) {
	rng := rand.New(rand.NewPCG(newSeed(t), 2))
	path := filepath.Join(t.TempDir(), "state.db")
	d := openDiary(t, path)
	for i := range 200 {
		require.NoError(t, d.write(t.Context(), fmt.Sprint(i), "text"))
	}
	require.NoError(t, d.Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for range 30 {
		require.NoError(t, os.WriteFile(path, whole[:1+rng.IntN(len(whole)-1)], 0o600))
		_, err := sqlite.Open(path)
		require.ErrorIs(t, err, fault.Unavailable)
		require.Contains(t, fault.Public(err), "the state file "+path)
	}
}

// newSeed returns a seed, which it logs.
func newSeed(t *testing.T) uint64 {
	seed := uint64(time.Now().UnixNano())
	t.Logf("the seed is %d", seed)
	return seed
}
