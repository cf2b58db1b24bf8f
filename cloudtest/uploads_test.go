package cloudtest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/cloudtest"
)

// TestAnUploadThatTheDatabaseForgetsIsUndone: neither that the image is whole nor that it
// is queued again can be stored; the cloud makes it queued as soon as it can.
func TestAnUploadThatTheDatabaseForgetsIsUndone(t *testing.T) {
	for after := range 2 { // the commits that begin and that end an upload
		s := newSite(t, cloudtest.Model{Dir: t.TempDir()})
		id := s.queued()
		s.WaitIdle()
		down := s.Inject(cloudtest.DatabaseReadOnly().After(after))
		require.Equal(t, http.StatusServiceUnavailable, status(s.upload(id, "lost")))
		down.End()
		s.pass(5 * time.Second)
		require.Equal(t, "queued", s.imageStatus(id))
		s.CheckClean()
		require.NoError(t, s.upload(id, "kept"))
		require.Equal(t, "active", s.imageStatus(id))
		s.CheckClean()
	}
}
