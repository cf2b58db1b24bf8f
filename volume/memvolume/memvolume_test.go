package memvolume_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/volume/driver"
	"github.com/welkin-cloud/cloud/volume/drivertest"
	"github.com/welkin-cloud/cloud/volume/memvolume"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(*testing.T) drivertest.Harness {
		return drivertest.Harness{Backend: memvolume.New(memvolume.Config{CapacityGiB: 100}), CopiesInUse: true}
	})
}

func TestFault(t *testing.T) {
	b := memvolume.New(memvolume.Config{})
	b.SetFault(func(_ context.Context, op, id string) error {
		return driver.Errorf(driver.Unavailable, "%s of %s fails", op, id)
	})
	require.ErrorIs(t, b.Create(t.Context(), "a", 1), driver.Unavailable)
	b.SetFault(nil)
	require.NoError(t, b.Create(t.Context(), "a", 1))
}

func TestExportedQcow2IsOneForQEMUToo(t *testing.T) {
	b := memvolume.New(memvolume.Config{})
	require.NoError(t, b.Create(t.Context(), "a", 3))
	r, err := b.Export(t.Context(), "a", "qcow2")
	require.NoError(t, err)
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "a.qcow2")
	require.NoError(t, os.WriteFile(file, content, 0o600))
	out, err := exec.Command("qemu-img", "check", "-f", "qcow2", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
