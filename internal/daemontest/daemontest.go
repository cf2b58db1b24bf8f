// Package daemontest runs the servers of others that tests talk to, on the loopback
// interface. None outlives the process of the tests.
package daemontest

import (
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Daemon is a server that can be run, killed and run again. The zero value does not run.
type Daemon struct{ cmd *exec.Cmd }

// Run starts the program and waits until it is ready. If it does not get so, it is
// killed, and Run returns false.
func (d *Daemon) Run(t testing.TB, cmd *exec.Cmd, ready func() bool) bool {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	d.cmd = cmd
	if Wait(ready) {
		return true
	}
	d.Kill()
	return false
}

// Kill ends the server as a crash does, if it runs.
func (d *Daemon) Kill() {
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Kill() // it may have ended by itself
	_ = d.cmd.Wait()
	d.cmd = nil
}

// Process is that of a server that runs.
func (d *Daemon) Process() *os.Process { return d.cmd.Process }

// Wait waits for a condition for as long as a busy machine may take, and tells whether
// it came true.
func Wait(f func() bool) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); <-tick.C {
		if f() {
			return true
		}
	}
	return false
}

// FreeAddress returns an address of the loopback interface that nobody listens on.
func FreeAddress(t testing.TB) *net.TCPAddr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().(*net.TCPAddr)
}
