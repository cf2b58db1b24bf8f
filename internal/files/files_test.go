package files_test

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/files"
)

func TestKind(t *testing.T) {
	for cause, want := range map[error]fault.Kind{
		os.ErrNotExist: fault.NotFound, os.ErrExist: fault.Conflict,
		syscall.ENOSPC: fault.Exhausted, syscall.EDQUOT: fault.Exhausted,
		syscall.EROFS: fault.Unavailable, syscall.EIO: fault.Unavailable,
		io.ErrUnexpectedEOF: fault.Internal,
	} {
		err := files.Kind(fmt.Errorf("write /secret/path: %w", cause), "the image", "the store")
		require.Equal(t, want, fault.Of(err), cause)
		require.NotContains(t, fault.Public(err), "/secret/path")
	}
	require.NoError(t, files.Kind(nil, "x", "y"))
}
