package drivertest

import (
	"encoding/binary"
	"io"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute/driver"
)

// disks demands the attached volumes.
func (s *suite) disks(id string, want ...string) {
	s.Helper()
	g, err := s.hv.Get(s.ctx, id)
	require.NoError(s, err)
	require.ElementsMatch(s, want, g.Disks)
}

func (s *suite) testDisksOff() {
	id := s.created().ID
	disk := s.Disk(s.T, 1<<20)
	disk.Device = "vdb"
	s.twice(func() error { return s.hv.AttachDisk(s.ctx, id, disk) })
	s.disks(id, disk.ID)
	require.NoError(s, s.hv.ResizeDisk(s.ctx, id, disk.ID, 2<<20))
	require.ErrorIs(s, s.hv.ResizeDisk(s.ctx, id, "other", 2<<20), driver.NotFound)
	s.twice(func() error { return s.hv.DetachDisk(s.ctx, id, disk.ID) })
	s.disks(id)
}

func (s *suite) testDisksRunning() {
	id := s.booted(s.created()).ID
	first, second := s.Disk(s.T, 1<<20), s.Disk(s.T, 1<<20)
	first.Device, second.Device = "vdb", "vdc"
	s.twice(func() error { return s.hv.AttachDisk(s.ctx, id, first) })
	require.NoError(s, s.hv.AttachDisk(s.ctx, id, second))
	s.disks(id, first.ID, second.ID)
	require.NoError(s, s.hv.ResizeDisk(s.ctx, id, first.ID, 1<<20))
	s.twice(func() error { return s.hv.DetachDisk(s.ctx, id, first.ID) })
	s.disks(id, second.ID)

	// It is in the definition too.
	require.NoError(s, s.hv.Reboot(s.ctx, id, true))
	s.disks(id, second.ID)
	require.NoError(s, s.hv.Stop(s.ctx, id, 0))
	s.disks(id, second.ID)
}

func (s *suite) testNICs() {
	id := s.created().ID
	first, second := s.NIC(s.T), s.NIC(s.T)
	nics := func(want ...string) {
		s.Helper()
		g, err := s.hv.Get(s.ctx, id)
		require.NoError(s, err)
		require.ElementsMatch(s, want, g.NICs)
	}
	s.twice(func() error { return s.hv.AttachNIC(s.ctx, id, first) })
	nics(first.PortID)
	s.booted(driver.Spec{ID: id})
	s.twice(func() error { return s.hv.AttachNIC(s.ctx, id, second) })
	nics(first.PortID, second.PortID)
	s.twice(func() error { return s.hv.DetachNIC(s.ctx, id, first.PortID) })
	nics(second.PortID)
	require.NoError(s, s.hv.Stop(s.ctx, id, 0))
	nics(second.PortID)
	s.twice(func() error { return s.hv.DetachNIC(s.ctx, id, second.PortID) })
	nics()
}

// export reads the whole of an export.
func (s *suite) export(id, format string) []byte {
	r, err := s.hv.Export(s.ctx, id, format)
	require.NoError(s, err)
	defer r.Close()
	content, err := io.ReadAll(r)
	require.NoError(s, err)
	return content
}

func (s *suite) testExport() {
	id := s.created().ID
	check := func() {
		content := s.export(id, "qcow2")
		require.Equal(s, "QFI\xfb", string(content[:4]))
		require.Zero(s, binary.BigEndian.Uint64(content[8:]), "without backing file")
		require.EqualValues(s, 1<<30, binary.BigEndian.Uint64(content[24:]), "of the root's size")
	}
	check()
	_, err := s.hv.Export(s.ctx, id, "vmdk")
	require.ErrorIs(s, err, driver.Unsupported)
	require.NoError(s, s.hv.Start(s.ctx, id))
	check()
	s.power(id, driver.Running)
	require.NoError(s, s.hv.Pause(s.ctx, id))
	check()
	s.power(id, driver.Paused)
	require.NotEmpty(s, s.export(id, "raw"))
}

func (s *suite) testResize() {
	id := s.created().ID
	require.NoError(s, s.hv.Resize(s.ctx, id, 2, 192, 2))
	require.NoError(s, s.hv.Resize(s.ctx, id, 1, 160, 0))
	require.ErrorIs(s, s.hv.Resize(s.ctx, id, 1, 160, 1), driver.Invalid, "must not shrink")
	require.ErrorIs(s, s.hv.Resize(s.ctx, id, 0, 160, 2), driver.Invalid)
	content := s.export(id, "qcow2")
	require.EqualValues(s, 2<<30, binary.BigEndian.Uint64(content[24:]))
	require.NoError(s, s.hv.Start(s.ctx, id))
	require.ErrorIs(s, s.hv.Resize(s.ctx, id, 1, 128, 2), driver.Conflict)
}
