package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/diskfault"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// childObeys makes a child write the notes whose ids it reads on its standard input.
const childObeys = "STATE_SQLITE_TEST_OBEYS"

// obeyingChild answers "ok ID" or "failed ID", and "is ID" or "no ID" to "?ID".
func obeyingChild(path string) error {
	d, err := openInChild(path)
	if err != nil {
		return err
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		id := in.Text()
		if asked, question := strings.CutPrefix(id, "?"); question {
			fmt.Println(map[bool]string{true: "is", false: "no"}[d.notes.Has(d.Snapshot(), asked)], asked)
			continue
		}
		switch err := d.write(context.Background(), id, strings.Repeat(id, 300)); {
		case err == nil:
			fmt.Println("ok", id)
		case fault.Of(err) == fault.Unavailable && !strings.Contains(fault.Public(err), "disk"):
			fmt.Println("failed", id)
		default:
			return err
		}
	}
	return in.Err()
}

// clerk is a child that writes what it is told, on a disk that may fail.
type clerk struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.Writer
	lines *bufio.Scanner
}

func newClerk(t *testing.T, path string, disk *diskfault.Disk) *clerk {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childPath+"="+path, childObeys+"=1"), disk.Env()...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // for a test that failed meanwhile
	return &clerk{t, cmd, in, bufio.NewScanner(out)}
}

// say returns the first word of the answer.
func (c *clerk) say(line string) string {
	c.t.Helper()
	_, err := fmt.Fprintln(c.in, line)
	require.NoError(c.t, err)
	require.True(c.t, c.lines.Scan(), "no answer to %s", line)
	word, _, _ := strings.Cut(c.lines.Text(), " ")
	return word
}

func (c *clerk) kill() {
	require.NoError(c.t, c.cmd.Process.Kill())
	for c.lines.Scan() {
	}
	_ = c.cmd.Wait() // it says that it was killed
}

// requireNotes checks that exactly those notes are in the file.
func requireNotes(t *testing.T, path string, want []string) {
	t.Helper()
	d := openDiary(t, path)
	var got []string
	for n := range d.notes.All(d.Snapshot()) {
		require.Equal(t, strings.Repeat(n.ID, 300), n.Text)
		got = append(got, n.ID)
	}
	require.ElementsMatch(t, want, got)
	require.EqualValues(t, len(want), d.Snapshot().Revision(), "each revision wrote one note")
	require.NoError(t, d.Close())
}

// TestDiskFails has a disk fail below commits: they are refused, change nothing, not even
// after a crash, and work again when the disk does.
func TestDiskFails(t *testing.T) {
	for _, f := range []diskfault.Fault{diskfault.Sync, diskfault.Write, diskfault.Short, diskfault.Full} {
		t.Run(string(f), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			disk := diskfault.New(t, path)
			c := newClerk(t, path, disk)
			require.Equal(t, "ok", c.say("a"))
			disk.Fail(f)
			for _, id := range []string{"b", "c"} {
				require.Equal(t, "failed", c.say(id))
				require.Equal(t, "no", c.say("?"+id))
				require.Equal(t, "is", c.say("?a"), "it goes on reading")
			}
			disk.Heal()
			require.Equal(t, "ok", c.say("d"))
			disk.Fail(f)
			require.Equal(t, "failed", c.say("e"))
			c.kill()
			requireNotes(t, path, []string{"a", "d"})
		})
	}
}

// TestDiskFailsAtTimes has a disk fail again and again while the log is written to the
// file, with crashes between.
func TestDiskFailsAtTimes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("the seed is %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	faults := []diskfault.Fault{diskfault.Sync, diskfault.Write, diskfault.Short, diskfault.Full}
	path := filepath.Join(t.TempDir(), "state.db")
	disk := diskfault.New(t, path)
	var written []string
	failed := 0
	for round := range 3 {
		c := newClerk(t, path, disk)
		for i := range 200 {
			if i%20 == 10 {
				disk.Fail(faults[rng.IntN(len(faults))])
			} else if i%20 == 13 {
				disk.Heal()
			}
			id := fmt.Sprintf("%d-%d", round, i)
			if c.say(id) == "ok" {
				written = append(written, id)
			} else {
				failed++
			}
		}
		c.kill()
		disk.Heal()
		requireNotes(t, path, written)
	}
	require.Greater(t, failed, 50)
}
