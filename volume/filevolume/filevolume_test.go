package filevolume_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/volume/drivertest"
	"github.com/welkin-cloud/cloud/volume/filevolume"
)

func open(t *testing.T, dir string) *filevolume.Backend {
	b, err := filevolume.Open(filevolume.Config{Dir: dir, CapacityGiB: 100})
	require.NoError(t, err)
	return b
}

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Harness {
		return drivertest.Harness{Backend: open(t, t.TempDir())}
	})
}

func TestOpenRemovesWhatIsUnfinished(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	require.NoError(t, b.Create(t.Context(), "a", 1))
	left := filepath.Join(dir, "tmp", "v-1")
	require.NoError(t, os.WriteFile(left, []byte("half"), 0o600))
	b = open(t, dir)
	require.NoFileExists(t, left)
	list, err := b.Volumes(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
}

func TestVolumesAreSparse(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	require.NoError(t, b.Create(t.Context(), "a", 50))
	require.NoError(t, b.Clone(t.Context(), "b", 50, "a"), "a copy of 50 GiB of holes takes no time")
}
