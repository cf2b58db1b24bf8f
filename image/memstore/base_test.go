package memstore_test

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/image/driver"
	"github.com/welkin-cloud/cloud/image/memstore"
)

func TestBaseIsThereWithoutBeingPut(t *testing.T) {
	ctx := t.Context()
	s := memstore.New(memstore.Config{MaxBytes: 10, Base: memstore.Base{
		Content: func(id string) (int64, []byte, bool) { return 1 << 40, []byte("head"), id == "old" },
		IDs:     func() []string { return []string{"old"} },
	}})
	c, err := s.Open(ctx, "old")
	require.NoError(t, err)
	require.EqualValues(t, 1<<40, c.Size())
	part := make([]byte, 6)
	_, err = c.ReadAt(part, 2)
	require.NoError(t, err)
	require.Equal(t, "ad\x00\x00\x00\x00", string(part))
	n, err := c.ReadAt(part, 1<<40-2)
	require.Equal(t, io.EOF, err)
	require.Equal(t, 2, n)

	_, err = s.Put(ctx, "old", strings.NewReader("x"))
	require.ErrorIs(t, err, driver.Conflict)
	_, err = s.Put(ctx, "new", strings.NewReader("ten bytes!"))
	require.NoError(t, err, "the base takes no room")
	require.NoError(t, s.Delete(ctx, "old"))
	all, err := s.List(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"new"}, all)
	_, err = s.Open(ctx, "old")
	require.ErrorIs(t, err, driver.NotFound)
}
