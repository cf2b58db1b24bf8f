package unixsock_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/unixsock"
)

func TestDialShortAndLongPaths(t *testing.T) {
	for _, name := range []string{"s", strings.Repeat("long", 40)} {
		dir := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.Mkdir(dir, 0o700))
		// Only a relative path is short enough to listen on.
		t.Chdir(dir)
		ln, err := net.Listen("unix", "sock")
		require.NoError(t, err)
		conn, err := unixsock.Dial(t.Context(), filepath.Join(dir, "sock"))
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		require.NoError(t, ln.Close())
	}
	_, err := unixsock.Dial(t.Context(), filepath.Join(t.TempDir(), strings.Repeat("x", 120), "sock"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
