// Package drivertest is the conformance suite for hypervisors: what the comments of
// package compute/driver demand, as tests. An implementer calls [Run] from a test.
package drivertest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute/driver"
)

// Harness is a hypervisor to be tested, with what its guests need.
type Harness struct {
	Hypervisor driver.Hypervisor
	// Image is the content of a disk image that boots, writes to its serial port,
	// shuts down and lets go of devices when it is asked to. It is of ImageFormat
	// and at most 1 GiB large.
	Image       []byte
	ImageFormat string
	// Booted waits until a guest that was started listens to such requests; nil if
	// it always does.
	Booted func(t *testing.T, id string)
	// Disk makes a volume of the given size in bytes, with everything but Device.
	Disk func(t *testing.T, size int64) driver.Disk
	// NIC makes a network interface with its tap.
	NIC func(t *testing.T) driver.NIC
	// PowerOff makes a running guest end as if from within.
	PowerOff func(t *testing.T, id string)
	// Again returns a second driver for the same host, as after a restart of the
	// controller.
	Again func(t *testing.T) driver.Hypervisor
}

// Grace is how long the suite lets guests take for what they are asked.
const Grace = time.Minute

// Run runs the suite. It calls harness once for each test; the host may be the same
// each time and may have other guests and images.
func Run(t *testing.T, harness func(t *testing.T) Harness) {
	tests := []struct {
		name string
		run  func(*suite)
	}{
		{"Host", (*suite).testHost},
		{"PutImage", (*suite).testPutImage},
		{"PutImageThatFailsLeavesNothing", (*suite).testPutImageFails},
		{"DropImage", (*suite).testDropImage},
		{"Create", (*suite).testCreate},
		{"CreateThatFailsLeavesNothing", (*suite).testCreateFails},
		{"CreateAgain", (*suite).testCreateAgain},
		{"Destroy", (*suite).testDestroy},
		{"PowerOfAbsentGuest", (*suite).testAbsent},
		{"StartStop", (*suite).testStartStop},
		{"StopGracefully", (*suite).testStopGracefully},
		{"Reboot", (*suite).testReboot},
		{"Pause", (*suite).testPause},
		{"Suspend", (*suite).testSuspend},
		{"DisksOfGuestThatIsOff", (*suite).testDisksOff},
		{"DisksOfRunningGuest", (*suite).testDisksRunning},
		{"NICs", (*suite).testNICs},
		{"Console", (*suite).testConsole},
		{"Export", (*suite).testExport},
		{"Resize", (*suite).testResize},
		{"Watch", (*suite).testWatch},
		{"AnotherController", (*suite).testAgain},
		{"ConcurrentCalls", (*suite).testConcurrent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := harness(t)
			tt.run(&suite{T: t, Harness: h, hv: h.Hypervisor, ctx: t.Context()})
		})
	}
}

// suite is one test with its harness.
type suite struct {
	*testing.T
	Harness
	hv  driver.Hypervisor
	ctx context.Context
}

// image puts the harness's image on the host under a fresh id.
func (s *suite) image() string {
	id := uuid.NewString()
	require.NoError(s, s.hv.PutImage(s.ctx, id, s.ImageFormat, bytes.NewReader(s.Image)))
	s.Cleanup(func() { _ = s.hv.DropImage(context.WithoutCancel(s.ctx), id) })
	return id
}

// spec returns a small guest with a root of a fresh image.
func (s *suite) spec() driver.Spec {
	id := uuid.NewString()
	root := &driver.Root{ImageID: s.image(), Format: s.ImageFormat, SizeGiB: 1}
	s.Cleanup(func() { _ = s.hv.Destroy(context.WithoutCancel(s.ctx), id) })
	return driver.Spec{ID: id, Name: "suite <&> test", VCPUs: 1, MemoryMiB: 128, Root: root, ProjectID: "p", UserID: "u"}
}

// created makes a guest that is off.
func (s *suite) created() driver.Spec {
	spec := s.spec()
	require.NoError(s, s.hv.Create(s.ctx, spec))
	return spec
}

// running makes a guest that runs but need not have booted.
func (s *suite) running() driver.Spec {
	spec := s.created()
	require.NoError(s, s.hv.Start(s.ctx, spec.ID))
	return spec
}

// booted makes a guest that listens.
func (s *suite) booted(spec driver.Spec) driver.Spec {
	require.NoError(s, s.hv.Start(s.ctx, spec.ID))
	s.wait(spec.ID)
	return spec
}

func (s *suite) wait(id string) {
	if s.Booted != nil {
		s.Booted(s.T, id)
	}
}

// power demands a power state.
func (s *suite) power(id string, want driver.Power) {
	s.Helper()
	g, err := s.hv.Get(s.ctx, id)
	require.NoError(s, err)
	require.Equal(s, id, g.ID)
	require.Equal(s, want, g.Power)
}

// twice demands that a call may be repeated.
func (s *suite) twice(call func() error) {
	s.Helper()
	require.NoError(s, call())
	require.NoError(s, call(), "repeated")
}

func (s *suite) testHost() {
	first, err := s.hv.Host(s.ctx)
	require.NoError(s, err)
	require.NotEmpty(s, first.Name)
	require.NotEmpty(s, first.Type)
	require.NotEmpty(s, first.VirtType)
	require.NotEmpty(s, first.Arch)
	require.Positive(s, first.Version)
	require.Positive(s, first.VCPUs)
	require.Positive(s, first.MemoryMiB)
	require.Positive(s, first.DiskGiB)

	s.running()
	begin := time.Now()
	again, err := s.hv.Host(s.ctx)
	require.NoError(s, err)
	require.Less(s, time.Since(begin), 10*time.Millisecond, "must answer from a cache")
	require.Equal(s, first, again, "must not depend on running guests")
}

func (s *suite) testPutImage() {
	id := uuid.NewString()
	has, err := s.hv.HasImage(s.ctx, id)
	require.NoError(s, err)
	require.False(s, has)

	for range 2 { // a host that has it already must not be changed
		content := bytes.NewReader(s.Image)
		require.NoError(s, s.hv.PutImage(s.ctx, id, s.ImageFormat, content))
		require.Zero(s, content.Len(), "must be read to its end")
	}
	has, err = s.hv.HasImage(s.ctx, id)
	require.NoError(s, err)
	require.True(s, has)
	ids, err := s.hv.ListImages(s.ctx)
	require.NoError(s, err)
	require.Contains(s, ids, id)
	s.twice(func() error { return s.hv.DropImage(s.ctx, id) })
}

func (s *suite) testPutImageFails() {
	id, broken := uuid.NewString(), errors.New("broken")
	content := io.MultiReader(bytes.NewReader(s.Image[:100]), iotest.ErrReader(broken))
	require.ErrorIs(s, s.hv.PutImage(s.ctx, id, s.ImageFormat, content), broken)
	has, err := s.hv.HasImage(s.ctx, id)
	require.NoError(s, err)
	require.False(s, has)
	ids, err := s.hv.ListImages(s.ctx)
	require.NoError(s, err)
	require.NotContains(s, ids, id)

	err = s.hv.PutImage(s.ctx, id, "vmdk", strings.NewReader("x"))
	require.ErrorIs(s, err, driver.Unsupported)
}

func (s *suite) testDropImage() {
	spec := s.created()
	require.ErrorIs(s, s.hv.DropImage(s.ctx, spec.Root.ImageID), driver.Conflict)
	require.NoError(s, s.hv.Destroy(s.ctx, spec.ID))
	require.NoError(s, s.hv.DropImage(s.ctx, spec.Root.ImageID))
	has, err := s.hv.HasImage(s.ctx, spec.Root.ImageID)
	require.NoError(s, err)
	require.False(s, has)
}

func (s *suite) testCreate() {
	spec := s.spec()
	disk, nic := s.Disk(s.T, 4<<20), s.NIC(s.T)
	disk.Device = "vdb"
	spec.Disks, spec.NICs = []driver.Disk{disk}, []driver.NIC{nic}
	spec.ConfigDrive = make([]byte, 64<<10)
	require.NoError(s, s.hv.Create(s.ctx, spec))
	want := driver.Guest{ID: spec.ID, Power: driver.Shutdown, Disks: []string{disk.ID}, NICs: []string{nic.PortID}}
	got, err := s.hv.Get(s.ctx, spec.ID)
	require.NoError(s, err)
	require.Equal(s, want, got)
	all, err := s.hv.List(s.ctx)
	require.NoError(s, err)
	require.Contains(s, all, want)

	require.NoError(s, s.hv.Start(s.ctx, spec.ID), "must be a guest that starts")
	want.Power = driver.Running
	got, err = s.hv.Get(s.ctx, spec.ID)
	require.NoError(s, err)
	require.Equal(s, want, got)

	// Booted from a volume: no root, no image.
	spec.ID, spec.Root, spec.NICs = uuid.NewString(), nil, nil
	boot := s.Disk(s.T, 4<<20)
	boot.Boot, boot.Device = true, "vda"
	spec.Disks = []driver.Disk{boot}
	s.Cleanup(func() { _ = s.hv.Destroy(context.WithoutCancel(s.ctx), spec.ID) })
	require.NoError(s, s.hv.Create(s.ctx, spec))
	require.NoError(s, s.hv.Start(s.ctx, spec.ID))
	_, err = s.hv.Export(s.ctx, spec.ID, "qcow2")
	require.ErrorIs(s, err, driver.Invalid)
}

func (s *suite) testCreateFails() {
	good := s.spec()
	for name, tt := range map[string]struct {
		spoil func(*driver.Spec)
		want  error
	}{
		"no such image": {func(spec *driver.Spec) { spec.Root = &driver.Root{ImageID: uuid.NewString(), Format: "raw"} }, driver.NotFound},
		"no vCPU":       {func(spec *driver.Spec) { spec.VCPUs = 0 }, driver.Invalid},
		"no memory":     {func(spec *driver.Spec) { spec.MemoryMiB = 0 }, driver.Invalid},
	} {
		spec := good
		tt.spoil(&spec)
		require.ErrorIs(s, s.hv.Create(s.ctx, spec), tt.want, name)
		_, err := s.hv.Get(s.ctx, spec.ID)
		require.ErrorIs(s, err, driver.NotFound, name)
	}
	require.NoError(s, s.hv.Create(s.ctx, good))
}

func (s *suite) testCreateAgain() {
	spec := s.created()
	disk := s.Disk(s.T, 1<<20)
	disk.Device = "vdb"
	spec.Disks = []driver.Disk{disk}
	require.NoError(s, s.hv.Create(s.ctx, spec))
	g, err := s.hv.Get(s.ctx, spec.ID)
	require.NoError(s, err)
	require.Equal(s, []string{disk.ID}, g.Disks, "must be brought to the spec if it is shut down")

	require.NoError(s, s.hv.Start(s.ctx, spec.ID))
	spec.Disks = nil
	require.NoError(s, s.hv.Create(s.ctx, spec))
	g, err = s.hv.Get(s.ctx, spec.ID)
	require.NoError(s, err)
	require.Equal(s, driver.Running, g.Power)
	require.Equal(s, []string{disk.ID}, g.Disks, "must be left as it is if it runs")
}

func (s *suite) testDestroy() {
	spec := s.running()
	s.twice(func() error { return s.hv.Destroy(s.ctx, spec.ID) })
	_, err := s.hv.Get(s.ctx, spec.ID)
	require.ErrorIs(s, err, driver.NotFound)
	all, err := s.hv.List(s.ctx)
	require.NoError(s, err)
	require.False(s, slices.ContainsFunc(all, func(g driver.Guest) bool { return g.ID == spec.ID }))
}

func (s *suite) testAbsent() {
	id := uuid.NewString()
	for name, call := range map[string]func() error{
		"Start":      func() error { return s.hv.Start(s.ctx, id) },
		"Stop":       func() error { return s.hv.Stop(s.ctx, id, 0) },
		"Reboot":     func() error { return s.hv.Reboot(s.ctx, id, true) },
		"Pause":      func() error { return s.hv.Pause(s.ctx, id) },
		"Unpause":    func() error { return s.hv.Unpause(s.ctx, id) },
		"Get":        func() error { _, err := s.hv.Get(s.ctx, id); return err },
		"AttachDisk": func() error { return s.hv.AttachDisk(s.ctx, id, s.Disk(s.T, 1<<20)) },
		"ResizeDisk": func() error { return s.hv.ResizeDisk(s.ctx, id, "x", 1<<20) },
		"Console":    func() error { _, err := s.hv.Console(s.ctx, id, 10); return err },
		"Export":     func() error { _, err := s.hv.Export(s.ctx, id, "raw"); return err },
		"Resize":     func() error { return s.hv.Resize(s.ctx, id, 1, 64, 1) },
	} {
		require.ErrorIs(s, call(), driver.NotFound, name)
	}
	require.NoError(s, s.hv.DetachDisk(s.ctx, id, "x"))
	require.NoError(s, s.hv.DetachNIC(s.ctx, id, "x"))
	require.NoError(s, s.hv.Destroy(s.ctx, id))
}
