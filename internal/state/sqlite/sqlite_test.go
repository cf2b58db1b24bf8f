package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/enginetest"
	"github.com/welkin-cloud/cloud/internal/state/sqlite"
)

func TestEngine(t *testing.T) {
	enginetest.Run(t, func(t *testing.T) enginetest.Harness {
		path := filepath.Join(t.TempDir(), "state.db")
		var last state.Engine
		return enginetest.Harness{
			Open: func() (state.Engine, error) {
				e, err := sqlite.Open(path)
				if err == nil {
					last = e
				}
				return e, err
			},
			Retained: sqlite.Retained,
			Break:    func() func() { return fillDisk(t, last) },
		}
	})
}

// fillDisk lets the file grow no more, until mend is called.
func fillDisk(t *testing.T, e state.Engine) (mend func()) {
	pages, err := sqlite.Pragma(e, "page_count")
	require.NoError(t, err)
	_, err = sqlite.Pragma(e, fmt.Sprintf("max_page_count = %d", pages))
	require.NoError(t, err)
	return func() {
		_, err := sqlite.Pragma(e, "max_page_count = 1000000")
		require.NoError(t, err)
	}
}
