package memvolume_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/volume/driver"
	"github.com/welkin-cloud/cloud/volume/memvolume"
)

func TestBaseIsThereWithoutBeingMade(t *testing.T) {
	ctx := t.Context()
	b := memvolume.New(memvolume.Config{CapacityGiB: 5, Base: memvolume.Base{
		Volume: func(id string) (memvolume.Volume, bool) {
			return memvolume.Volume{SizeGiB: 100, Hosts: []string{"h1"}}, id == "old"
		},
		Snapshot: func(id string) (memvolume.Snapshot, bool) {
			return memvolume.Snapshot{VolumeID: "old", SizeGiB: 1}, id == "snap"
		},
		Volumes:   func() []string { return []string{"old"} },
		Snapshots: func() []string { return []string{"snap"} },
	}})
	require.Equal(t, []string{"h1"}, b.Connected("old"))
	room, err := b.Capacity(ctx)
	require.NoError(t, err)
	require.Equal(t, 5, room.FreeGiB, "the base takes no room")
	require.NoError(t, b.Extend(ctx, "old", 200))
	require.NoError(t, b.Restore(ctx, "new", 3, "snap"))
	require.ErrorIs(t, b.Create(ctx, "more", 3), driver.Exhausted)
	require.ErrorIs(t, b.Delete(ctx, "old"), driver.Conflict, "it has a snapshot")
	require.NoError(t, b.DeleteSnapshot(ctx, "snap"))
	require.NoError(t, b.Disconnect(ctx, "old", "h1"))
	r, err := b.Export(ctx, "old", "raw")
	require.NoError(t, err)
	head := make([]byte, 10)
	_, err = io.ReadFull(r, head)
	require.NoError(t, err)
	require.Equal(t, make([]byte, 10), head)
	require.NoError(t, b.Delete(ctx, "old"))
	all, err := b.Volumes(ctx)
	require.NoError(t, err)
	require.Equal(t, []driver.Volume{{ID: "new", SizeGiB: 3}}, all, "what was deleted does not come back")
}
