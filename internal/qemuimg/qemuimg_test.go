package qemuimg_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/qemuimg"
)

func TestOverlayOfARawDiskReadsAsTheDisk(t *testing.T) {
	dir := t.TempDir()
	base, over, flat := filepath.Join(dir, "base"), filepath.Join(dir, "over"), filepath.Join(dir, "flat")
	want := make([]byte, 1<<20)
	copy(want[4096:], "hello")
	require.NoError(t, os.WriteFile(base, want, 0o600))

	require.NoError(t, qemuimg.CreateOverlay(t.Context(), over, base, "raw", 2<<20))
	size, err := qemuimg.VirtualSize(t.Context(), "qcow2", over)
	require.NoError(t, err)
	require.EqualValues(t, 2<<20, size)

	require.NoError(t, qemuimg.Resize(t.Context(), "qcow2", over, 3<<20))
	require.NoError(t, qemuimg.Convert(t.Context(), "qcow2", over, "raw", flat))
	got, err := os.ReadFile(flat)
	require.NoError(t, err)
	require.Len(t, got, 3<<20)
	require.Equal(t, want, got[:len(want)])
}

func TestFormatIsNotProbed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x")
	require.NoError(t, os.WriteFile(file, []byte("QFI\xfb is only text here"), 0o600))
	_, err := qemuimg.VirtualSize(t.Context(), "qcow2", file)
	require.Error(t, err)
	require.NotContains(t, fault.Public(err), file, "the host's paths are not for API users")
	size, err := qemuimg.VirtualSize(t.Context(), "raw", file)
	require.NoError(t, err)
	require.EqualValues(t, 512, size)
}
