package cloudtest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/cloudtest"
	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/volume"
)

// A volume that was to go with its server and has a snapshot stays; the server goes.
func TestAVolumeWithSnapshotsHoldsNoServer(t *testing.T) {
	c := cloudtest.New(t)
	p := c.Projects[0]
	s, err := c.Compute.CreateServer(t.Context(), p.ID, compute.CreateServerOptions{
		Name: "web", FlavorID: c.Flavors[0].ID, ImageID: c.PublicImages[0].ID,
		BlockDevices: []compute.BlockDevice{{Source: "blank", Destination: "volume", SizeGiB: 1, DeleteOnTermination: true}},
	})
	require.NoError(t, err)
	s, err = c.Compute.WaitServer(t.Context(), s.ID)
	require.NoError(t, err)
	v := s.Volumes[0].VolumeID
	snap, err := c.Volumes.CreateSnapshot(t.Context(), p.ID, volume.CreateSnapshotOptions{VolumeID: v, Force: true})
	require.NoError(t, err)
	c.WaitIdle()
	require.NoError(t, c.Compute.DeleteServer(t.Context(), s.ID))
	c.WaitIdle()
	_, err = c.Compute.GetServer(t.Context(), s.ID)
	require.ErrorIs(t, err, cloud.NotFound)
	left, err := c.Volumes.GetVolume(t.Context(), v)
	require.NoError(t, err)
	require.Equal(t, volume.Available, left.Status)
	_, err = c.Volumes.GetSnapshot(t.Context(), snap.ID)
	require.NoError(t, err)
	c.CheckClean()
}
