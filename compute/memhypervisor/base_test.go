package memhypervisor_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
)

func TestBaseIsThereWithoutBeingMade(t *testing.T) {
	ctx := t.Context()
	asked := 0
	h := memhypervisor.New(memhypervisor.Config{Base: memhypervisor.Base{
		Host: &driver.Host{Name: "old", VCPUs: 3},
		Guest: func(id string) (driver.Spec, driver.Power, bool) {
			asked++
			spec := driver.Spec{
				ID: id, VCPUs: 1, MemoryMiB: 64, Root: &driver.Root{ImageID: "img", SizeGiB: 1},
				NICs: []driver.NIC{{PortID: "port"}}, Disks: []driver.Disk{{ID: "vol"}},
			}
			return spec, driver.Running, id == "a" || id == "b"
		},
		Guests: func() []string { return []string{"a", "b"} },
		Image:  func(id string) (memhypervisor.Image, bool) { return memhypervisor.Image{ID: id}, id != "none" },
	}})
	about, err := h.Host(ctx)
	require.NoError(t, err)
	require.Equal(t, driver.Host{Name: "old", VCPUs: 3}, about)
	require.Zero(t, asked)

	g, err := h.Get(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, driver.Guest{ID: "a", Power: driver.Running, Disks: []string{"vol"}, NICs: []string{"port"}}, g)
	require.NoError(t, h.DetachDisk(ctx, "a", "vol"))
	require.NoError(t, h.Stop(ctx, "a", 0))
	require.NoError(t, h.Resize(ctx, "a", 2, 128, 2))
	require.Equal(t, 1, asked, "only what is touched is asked for, once")

	require.NoError(t, h.Destroy(ctx, "b"))
	_, err = h.Get(ctx, "b")
	require.ErrorIs(t, err, driver.NotFound, "what was destroyed does not come back")
	all, err := h.List(ctx)
	require.NoError(t, err)
	require.Equal(t, []driver.Guest{{ID: "a", Power: driver.Shutdown, NICs: []string{"port"}, Disks: nil}}, all)

	has, err := h.HasImage(ctx, "other")
	require.NoError(t, err)
	require.True(t, has)
	require.ErrorIs(t, h.DropImage(ctx, "img"), driver.Conflict, "a guest of the base uses it")
	require.NoError(t, h.Destroy(ctx, "a"))
	require.NoError(t, h.DropImage(ctx, "img"))
	images, err := h.ListImages(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"other"}, images)
	require.ErrorIs(t, h.Create(ctx, driver.Spec{ID: "c", VCPUs: 1, MemoryMiB: 1, Root: &driver.Root{ImageID: "none"}}), driver.NotFound)
}
