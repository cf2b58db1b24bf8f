package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/sqlite"
)

// childPath names the state file of a child process, which this test binary
// becomes; childLimited tells it to meet a limit of the file size.
const (
	childPath    = "STATE_SQLITE_TEST_CHILD"
	childLimited = "STATE_SQLITE_TEST_LIMITED"
)

func TestMain(m *testing.M) {
	path, limited := os.Getenv(childPath), os.Getenv(childLimited) != ""
	switch {
	case os.Getenv(childObeys) != "":
		must(obeyingChild(path))
		os.Exit(0)
	case limited:
		must(limitedChild(path))
		os.Exit(0)
	case path != "":
		must(writingChild(path))
	}
	os.Exit(m.Run())
}

// note is one line of a diary: document i says so.
type note struct {
	ID   string
	Text string
}

type diary struct {
	*state.DB
	notes *state.Collection[note]
}

func newDiary(e state.Engine) *diary {
	d := &diary{DB: state.New(e, nil)}
	d.notes = state.Define(d.DB, state.Spec[note]{Name: "notes", Noun: "note", Key: func(n *note) string { return n.ID }})
	return d
}

func openDiary(t *testing.T, path string) *diary {
	t.Helper()
	e, err := sqlite.Open(path)
	require.NoError(t, err)
	d := newDiary(e)
	require.NoError(t, d.Open(t.Context()))
	return d
}

func (d *diary) write(ctx context.Context, id, text string) error {
	return d.Update(ctx, func(tx *state.Tx) error { return d.notes.Put(tx, note{id, text}) })
}

func must(err error) {
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

func openInChild(path string) (*diary, error) {
	e, err := sqlite.Open(path)
	if err != nil {
		return nil, err
	}
	d := newDiary(e)
	return d, d.Open(context.Background())
}

// writingChild writes notes with many writers and prints each that is
// acknowledged, until it is killed.
func writingChild(path string) error {
	d, err := openInChild(path)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var group sync.WaitGroup
	base := d.Snapshot().Revision()
	for w := range 8 {
		group.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d-%d", base, w, i)
				err := d.write(context.Background(), id, strings.Repeat(id, 50))
				mu.Lock()
				must(err)
				fmt.Println("ok", id)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return nil
}

// limitedChild makes write(2) fail in the middle of commits by lowering how large
// its files may grow, byte by byte at the edge, and writes on when it may again.
func limitedChild(path string) error {
	d, err := openInChild(path)
	if err != nil {
		return err
	}
	ctx, refused := context.Background(), 0
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	for i := range 30 {
		wal, err := os.Stat(path + "-wal")
		if err != nil {
			return err
		}
		limit := syscall.Rlimit{Cur: uint64(wal.Size()) + uint64(i*1500), Max: before.Max}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			return err
		}
		err = d.write(ctx, fmt.Sprint("limited", i), strings.Repeat("x", 20_000))
		if err != nil {
			refused++
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			return err
		}
		if (err == nil) != d.notes.Has(d.Snapshot(), fmt.Sprint("limited", i)) || err != nil && fault.Of(err) != fault.Unavailable {
			return fmt.Errorf("write %d: %w", i, err)
		}
		if err := d.write(ctx, fmt.Sprint("free", i), "y"); err != nil {
			return err
		}
	}
	fmt.Println("refused", refused, d.notes.Count(d.Snapshot(), nil))
	return d.Close()
}

// spawn starts a child and returns its lines.
func spawn(t *testing.T, path string, env ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childPath+"="+path), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // for a test that failed meanwhile
	return cmd, bufio.NewScanner(out)
}

// TestKill kills a process at random moments: all that it acknowledged is there.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	var acknowledged []string
	for round := range 5 {
		cmd, lines := spawn(t, path)
		n := 0
		for lines.Scan() {
			verb, rest, _ := strings.Cut(lines.Text(), " ")
			require.Equal(t, "ok", verb, rest)
			acknowledged = append(acknowledged, rest)
			// What was printed before the kill still arrives after it.
			if n++; n == 100+137*round {
				require.NoError(t, cmd.Process.Kill())
			}
		}
		require.Error(t, cmd.Wait())
		d := openDiary(t, path)
		s := d.Snapshot()
		for _, id := range acknowledged {
			got, err := d.notes.Get(s, id)
			require.NoError(t, err)
			require.Equal(t, strings.Repeat(id, 50), got.Text)
		}
		require.EqualValues(t, s.Revision(), d.notes.Count(s, nil), "each revision wrote one note")
		require.NoError(t, d.Close())
	}
}

// TestTornTail cuts the write-ahead log anywhere, as a crash of the machine may:
// the state is then that of some earlier revision, whole.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.db")
	d := openDiary(t, path)
	const revisions = 40
	for i := range revisions {
		require.NoError(t, d.write(t.Context(), strconv.Itoa(i), strings.Repeat("text", 100)))
	}
	main, err := os.ReadFile(path)
	require.NoError(t, err)
	wal, err := os.ReadFile(path + "-wal")
	require.NoError(t, err)
	require.NoError(t, d.Close())

	seen := map[uint64]bool{}
	for i := range 60 {
		length := len(wal) * i / 59
		image := append([]byte(nil), wal[:length]...)
		if length > 0 && i%2 == 1 {
			image[length-1] ^= 0xff // and the last sector was written badly
		}
		torn := filepath.Join(dir, fmt.Sprint("torn", i))
		require.NoError(t, os.WriteFile(torn, main, 0o600))
		require.NoError(t, os.WriteFile(torn+"-wal", image, 0o600))
		e, err := sqlite.Open(torn)
		require.NoError(t, err)
		d := newDiary(e)
		require.NoError(t, d.Open(t.Context()))
		revision := d.Snapshot().Revision()
		seen[revision] = true
		require.EqualValues(t, revision, d.notes.Count(d.Snapshot(), nil))
		require.NoError(t, d.write(t.Context(), "after", "the crash"))
		require.NoError(t, d.Close())
	}
	require.Greater(t, len(seen), 20, "the cuts fell on many revisions")
	require.True(t, seen[revisions] || seen[revisions-1])
}

func TestASecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	cmd, lines := spawn(t, path)
	require.True(t, lines.Scan()) // it has the file open
	_, err := sqlite.Open(path)
	require.ErrorIs(t, err, fault.Conflict)
	require.Equal(t, fmt.Sprintf("the state file %s is in use by process %d", path, cmd.Process.Pid), fault.Public(err))
	require.NoError(t, cmd.Process.Kill())
	for lines.Scan() {
	}
	_ = cmd.Wait() // it says that it was killed
	e, err := sqlite.Open(path)
	require.NoError(t, err, "the lock went with the process")
	_, err = sqlite.Open(path)
	require.ErrorIs(t, err, fault.Conflict)
	require.NoError(t, e.Close())
}

func TestDiskFull(t *testing.T) {
	e, err := sqlite.Open(filepath.Join(t.TempDir(), "state.db"))
	require.NoError(t, err)
	d := newDiary(e)
	require.NoError(t, d.Open(t.Context()))
	require.NoError(t, d.write(t.Context(), "first", "x"))
	big := strings.Repeat("x", 1<<20)
	mend := fillDisk(t, e)
	for range 3 {
		err = d.write(t.Context(), "big", big)
		require.ErrorIs(t, err, fault.Unavailable)
		require.ErrorContains(t, err, "full")
		require.NotContains(t, fault.Public(err), "disk")
	}
	require.EqualValues(t, 1, d.Snapshot().Revision())
	mend()
	require.NoError(t, d.write(t.Context(), "big", big))
	require.EqualValues(t, 2, d.Snapshot().Revision())
	require.NoError(t, d.Close())
}

// The kernel refuses writes, some of them half done.
func TestFileLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	cmd, lines := spawn(t, path, childLimited+"=1")
	require.True(t, lines.Scan())
	var refused, notes int
	_, err := fmt.Sscanf(lines.Text(), "refused %d %d", &refused, &notes)
	require.NoError(t, err, lines.Text())
	require.False(t, lines.Scan())
	require.NoError(t, cmd.Wait())
	require.Greater(t, refused, 10)
	require.Equal(t, 60-refused, notes)
	d := openDiary(t, path)
	require.Equal(t, notes, d.notes.Count(d.Snapshot(), nil))
	require.EqualValues(t, notes, d.Snapshot().Revision())
	require.NoError(t, d.Close())
}

func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	e, err := sqlite.Open(path)
	require.NoError(t, err)
	d := newDiary(e)
	require.NoError(t, d.Open(t.Context()))
	require.NoError(t, sqlite.Set(e, "query_only = 1"))
	require.ErrorIs(t, d.write(t.Context(), "a", "x"), fault.Unavailable)
	require.NoError(t, sqlite.Set(e, "query_only = 0"))
	require.NoError(t, d.write(t.Context(), "a", "x"))
	require.NoError(t, d.Close())
}
