package simulate_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var broken = flag.Int("broken", 0, "how many seeds to run of each cloud that is broken on purpose")

// breaks are places where an undo, a lease or a compare is taken out of the cloud: some
// seed must notice each. The compare of a shared state is not among them: without it two
// controllers disagree for ever about what the state is, and the histories of
// internal/state notice that.
var breaks = []struct {
	name, file, from, to string
}{
	{"the undo of a placement", "compute/saga_create.go", "Do: s.createSchedule, Undo: s.createUnschedule", "Do: s.createSchedule"},
	{"the undo of ports", "compute/saga_create.go", "Do: s.createPorts, Undo: s.createUnports", "Do: s.createPorts"},
	{"the undo of volumes", "compute/saga_create.go", "Do: s.createVolumes, Undo: s.createUnvolumes", "Do: s.createVolumes"},
	{"the undo of a connection", "compute/saga_volume.go", "Do: s.volumeConnect, Undo: s.volumeRelease", "Do: s.volumeConnect"},
	{"the undo of a resize", "compute/saga_resize.go", "Do: s.resizeClaim, Undo: s.resizeUnclaim", "Do: s.resizeClaim"},
	{"the undo of what a saga's start did", "internal/saga/engine.go", "return e.cancelBefore(d, doc)", "doc.setCause(cancelled(doc)); return doc.become(Unwinding, e.clock.Now())"},
	{"the lease of a controller", "internal/saga/lease.go", "return err == nil && c.LeaseUntil.After(e.clock.Now())", "return err != nil && c.LeaseUntil.IsZero()"},
	{"the owner of a saga's journal", "internal/saga/transition.go", "s.Owner != e.cfg.Controller || s.Status != was.Status || s.Step != was.Step", "s.Status.Terminal()"},
	{"the fence of what steps change", "internal/state/update.go", "f = fenced(ctx, f)", "_ = fenced"},
	{"the compare of a transaction", "internal/state/update.go", "return ok && !slices.ContainsFunc(", "return ok || slices.ContainsFunc("},
}

// TestTheBreaksAreThere: a break that names a text which is no longer there breaks nothing.
func TestTheBreaksAreThere(t *testing.T) {
	for _, b := range breaks {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", b.file))
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(text), b.from), "%s: %s is not once in %s", b.name, b.from, b.file)
	}
}

// TestBreakingItIsNoticed builds the cloud with each break and lets seeds run until one
// notices. It takes minutes: make broken runs it.
func TestBreakingItIsNoticed(t *testing.T) {
	if *broken == 0 {
		return
	}
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	require.NoError(t, err)
	for _, b := range breaks {
		t.Run(b.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(root, b.file)
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			changed := filepath.Join(dir, "changed.go")
			require.NoError(t, os.WriteFile(changed, []byte(strings.Replace(string(text), b.from, b.to, 1)), 0o600))
			overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{file: changed}})
			require.NoError(t, err)
			list := filepath.Join(dir, "overlay.json")
			require.NoError(t, os.WriteFile(list, overlay, 0o600))
			cmd := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-count=1", "-failfast", "-overlay", list,
				"-run", "TestSeeds", ".", "-seeds", strconv.Itoa(*broken), "-first")
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "%d seeds did not notice that %s is missing", *broken, b.name)
			_, found, noticed := strings.Cut(string(out), "WRONG: ")
			require.True(t, noticed, "it failed otherwise: %s", tail(string(out), 40))
			line, _, _ := strings.Cut(found, "\n")
			t.Logf("noticed: %s", line)
		})
	}
}

// tail is the last lines of a text.
func tail(text string, n int) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
