package filestore_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/image/driver"
	"github.com/welkin-cloud/cloud/image/drivertest"
	"github.com/welkin-cloud/cloud/image/filestore"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) driver.Store {
		s, err := filestore.Open(filepath.Join(t.TempDir(), "images"))
		require.NoError(t, err)
		return s
	})
}

func TestOpenRemovesUnfinishedUploads(t *testing.T) {
	dir := t.TempDir()
	s, err := filestore.Open(dir)
	require.NoError(t, err)
	_, err = s.Put(t.Context(), "whole", bytes.NewReader([]byte("x")))
	require.NoError(t, err)
	left := filepath.Join(dir, "torn.123.part")
	require.NoError(t, os.WriteFile(left, []byte("half"), 0o600))

	s, err = filestore.Open(dir)
	require.NoError(t, err)
	require.NoFileExists(t, left)
	names, err := s.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"whole"}, names)
}
