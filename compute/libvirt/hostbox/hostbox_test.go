package hostbox_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute/libvirt/hostbox"
	"github.com/welkin-cloud/cloud/internal/unixsock"
)

// start starts a box that ends with the test.
func start(t *testing.T, dir string) *hostbox.Box {
	t.Helper()
	b, err := hostbox.Start(t.Context(), config(dir))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Teardown(context.WithoutCancel(t.Context()))) })
	return b
}

func config(dir string) hostbox.Config {
	return hostbox.Config{Dir: dir, Namespace: fmt.Sprintf("wkbox%d", os.Getpid()), Hostname: "box-1"}
}

// hostname asks libvirtd for the name of its host.
func hostname(b *hostbox.Box) (string, error) {
	out, err := exec.Command("virsh", "-c", "qemu:///system?socket="+b.Socket(), "hostname").Output()
	return string(bytes.TrimSpace(out)), err
}

// daemon returns the process id that a daemon wrote.
func daemon(t *testing.T, dir, name string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "run", name+".pid"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	return pid
}

func TestBoxIsFoundAgainAndMendedAndTornDown(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir)
	name, err := hostname(b)
	require.NoError(t, err)
	require.Equal(t, "box-1", name)
	pid := daemon(t, dir, "libvirtd")

	// The controller goes and comes again: same daemon.
	require.NoError(t, b.Close())
	b = start(t, dir)
	require.Equal(t, pid, daemon(t, dir, "libvirtd"))

	// The daemons die: new ones in the same namespaces.
	for _, d := range []string{"libvirtd", "virtlogd"} {
		old := daemon(t, dir, d)
		ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", old))
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(old, syscall.SIGKILL))
		require.Eventually(t, func() bool {
			text, err := os.ReadFile(filepath.Join(dir, "run", d+".pid"))
			if err != nil || strings.TrimSpace(string(text)) == strconv.Itoa(old) {
				return false
			}
			_, err = hostname(b)
			return err == nil
		}, 20*time.Second, 50*time.Millisecond, d)
		again, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", daemon(t, dir, d)))
		require.NoError(t, err)
		require.Equal(t, ns, again, d)
	}

	pid = daemon(t, dir, "libvirtd")
	require.NoError(t, b.Teardown(t.Context()))
	_, err = os.Stat(fmt.Sprintf("/proc/%d/root/run", pid))
	require.Error(t, err)
	_, err = os.Stat(filepath.Join("/run/netns", b.Namespace()))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestLongFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long-", 30))
	b := start(t, dir)
	require.Greater(t, len(b.Socket()), 108)
	conn, err := unixsock.Dial(t.Context(), b.Socket())
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}

func TestBadConfig(t *testing.T) {
	for _, cfg := range []hostbox.Config{{Dir: "relative", Namespace: "x"}, {Dir: t.TempDir()}} {
		_, err := hostbox.Start(t.Context(), cfg)
		require.Error(t, err)
	}
}
