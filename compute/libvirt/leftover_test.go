package libvirt_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute/driver"
)

// testHalfAttached attaches a disk whose nodes are in QEMU already, as a libvirtd leaves
// them that is killed in the middle of it.
func testHalfAttached(t *testing.T, b *bench) {
	spec := b.guest(t, "#!/bin/sh\necho up\n")
	require.NoError(t, b.hv.Start(t.Context(), spec.ID))
	disk := b.disk(t, 4<<20)
	for n := range 8 { // one of them is the next that libvirtd uses
		for _, node := range []string{
			fmt.Sprintf(`"driver": "file", "filename": %q, "node-name": "libvirt-%d-storage"`, disk.Path, n),
			fmt.Sprintf(`"driver": "raw", "file": "libvirt-%d-storage", "node-name": "libvirt-%[1]d-format"`, n),
		} {
			b.virsh(t, "qemu-monitor-command", "welkin-"+spec.ID, `{"execute": "blockdev-add", "arguments": {`+node+`}}`)
		}
	}
	var tries int
	require.Eventually(t, func() bool {
		tries++
		err := b.hv.AttachDisk(t.Context(), spec.ID, disk)
		require.True(t, err == nil || errors.Is(err, driver.Unavailable), "%v", err)
		return err == nil
	}, time.Minute, 100*time.Millisecond)
	require.Greater(t, tries, 1, "the nodes were in the way")
	guest, err := b.hv.Get(t.Context(), spec.ID)
	require.NoError(t, err)
	require.Equal(t, driver.Running, guest.Power)
}
