// Package diskfault makes the disk of a child process fail, for tests: calls of libc on
// files below a directory, while a fault is switched on. What a Go program does itself
// does not go through libc; SQLite does.
package diskfault

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Fault is a way in which a disk fails.
type Fault string

// The faults.
const (
	Sync  Fault = "sync"  // fsync answers EIO: what was written may be lost
	Write Fault = "write" // write answers EIO and writes nothing
	Short Fault = "short" // write answers EIO and has written half
	Full  Fault = "full"  // write answers ENOSPC
)

//go:embed testdata/shim.c
var source []byte

// Disk is what a child process may find failing.
type Disk struct {
	t                     testing.TB
	shim, below, switches string
}

// New builds a disk that is good. It fails for files whose paths begin with below.
func New(t testing.TB, below string) *Disk {
	t.Helper()
	dir := t.TempDir()
	d := &Disk{t: t, shim: filepath.Join(dir, "shim.so"), below: below, switches: filepath.Join(dir, "switches")}
	code := filepath.Join(dir, "shim.c")
	require.NoError(t, os.WriteFile(code, source, 0o600))
	require.NoError(t, os.Mkdir(d.switches, 0o700))
	out, err := exec.CommandContext(t.Context(), "cc", "-shared", "-fPIC", "-O1", "-w", "-o", d.shim, code, "-ldl").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return d
}

// Env is what the environment of the child needs.
func (d *Disk) Env() []string {
	return []string{"LD_PRELOAD=" + d.shim, "DISKFAULT_BELOW=" + d.below, "DISKFAULT_SWITCHES=" + d.switches}
}

// Fail switches a fault on.
func (d *Disk) Fail(f Fault) {
	d.t.Helper()
	require.NoError(d.t, os.WriteFile(filepath.Join(d.switches, string(f)), nil, 0o600))
}

// Heal switches all faults off.
func (d *Disk) Heal() {
	d.t.Helper()
	for _, f := range []Fault{Sync, Write, Short, Full} {
		if err := os.Remove(filepath.Join(d.switches, string(f))); err != nil {
			require.ErrorIs(d.t, err, os.ErrNotExist)
		}
	}
}
