package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/diskfault"
)

// This file has the storage fail below a running server: it refuses what it cannot keep,
// goes on with what it has, and recovers.

// mountDisk mounts a file system in memory of so many MiB on a directory, which it makes.
func mountDisk(t *testing.T, dir string, mib int) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o700))
	mount(t, "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", mib), "tmpfs", dir)
	t.Cleanup(func() {
		out, err := exec.Command("umount", "-l", dir).CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
}

func mount(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("mount", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// fill takes all that is free on a disk, and returns the function that gives it back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	for block := 1 << 20; block > 0; block /= 16 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, block))
		}
		require.ErrorContains(t, err, "no space left")
	}
	return func() { require.NoError(t, os.Remove(path)) }
}

// tryKey makes a keypair and returns what the server says.
func (s *server) tryKey(name string) error {
	return keypairs.Create(s.ctx(), s.compute, keypairs.CreateOpts{Name: name}).Err
}

func (s *server) keys() []string {
	s.t.Helper()
	page, err := keypairs.List(s.compute, nil).AllPages(s.ctx())
	require.NoError(s.t, err)
	all, err := keypairs.ExtractKeyPairs(page)
	require.NoError(s.t, err)
	names := make([]string, len(all))
	for i, k := range all {
		names[i] = k.Name
	}
	return names
}

// requireRefused checks that an error is the status, in a body that says nothing of the
// machine.
func requireRefused(t *testing.T, err error, status int) {
	t.Helper()
	var code gophercloud.ErrUnexpectedResponseCode
	require.ErrorAs(t, err, &code)
	require.Equal(t, status, code.Actual, "%s", code.Body)
	for _, secret := range []string{"sqlite", "disk I/O", "/state", "on device", "input/output"} {
		require.NotContains(t, string(code.Body), secret)
	}
}

// requireWritesRefused checks that no service changes anything, and that all answer.
func (s *server) requireWritesRefused(opts servers.CreateOpts) {
	s.t.Helper()
	before := []int{len(s.servers()), len(s.volumes()), len(s.keys())}
	requireRefused(s.t, s.tryKey("refused"), http.StatusServiceUnavailable)
	_, err := servers.Create(s.ctx(), s.compute, opts, nil).Extract()
	requireRefused(s.t, err, http.StatusServiceUnavailable)
	_, err = volumes.Create(s.ctx(), s.volume, volumes.CreateOpts{Size: 1}, nil).Extract()
	requireRefused(s.t, err, http.StatusServiceUnavailable)
	_, err = networks.Create(s.ctx(), s.network, networks.CreateOpts{Name: "refused"}).Extract()
	requireRefused(s.t, err, http.StatusServiceUnavailable)
	_, err = images.Create(s.ctx(), s.image, images.CreateOpts{Name: "refused"}).Extract()
	requireRefused(s.t, err, http.StatusServiceUnavailable)
	require.Equal(s.t, before, []int{len(s.servers()), len(s.volumes()), len(s.keys())}, "nothing was changed")
}

// TestStateDiskFull fills the disk of the state.
func TestStateDiskFull(t *testing.T) {
	s := newServer(t, "memory")
	disk := filepath.Dir(s.o.state)
	mountDisk(t, disk, 48)
	s.start()
	s.login()
	w := townOf(s)
	id := s.boot(w.opts, "")

	free := fill(t, disk)
	var kept []string
	var err error
	for i := 0; err == nil && i < 3000; i++ { // what is in the log already can be written again
		name := fmt.Sprint("key-", i)
		if err = s.tryKey(name); err == nil {
			kept = append(kept, name)
		}
		if i%90 == 80 { // less than the quota
			for _, name := range kept {
				err = keypairs.Delete(s.ctx(), s.compute, name, nil).ExtractErr()
			}
			kept = kept[:0]
		}
	}
	requireRefused(t, err, http.StatusServiceUnavailable)
	s.requireWritesRefused(w.opts)
	s.becomes(id, "ACTIVE")

	free()
	require.NoError(t, s.tryKey("again"))
	second := s.boot(w.opts, "")
	s.kill()
	s.start()
	require.Subset(t, s.keys(), append(kept, "again"))
	require.NotContains(t, s.keys(), "refused")
	s.becomes(second, "ACTIVE")
	s.deleteServers(id, second)
	s.requireClean()
}

// TestStateDiskFails has writes and syncs of the state fail.
func TestStateDiskFails(t *testing.T) {
	for _, f := range []diskfault.Fault{diskfault.Sync, diskfault.Write, diskfault.Full} {
		t.Run(string(f), func(t *testing.T) {
			s := newServer(t, "memory")
			disk := diskfault.New(t, filepath.Join(s.o.state, "state.db"))
			s.env = disk.Env()
			s.start()
			s.login()
			w := townOf(s)
			id := s.boot(w.opts, "")
			disk.Fail(f)
			s.requireWritesRefused(w.opts)
			s.becomes(id, "ACTIVE")
			disk.Heal()
			require.NoError(t, s.tryKey("after"))
			disk.Fail(f)
			requireRefused(t, s.tryKey("refused"), http.StatusServiceUnavailable)
			s.kill()
			disk.Heal()
			s.start()
			require.Equal(t, []string{"after"}, s.keys())
			s.becomes(id, "ACTIVE")
			s.deleteServers(id)
			s.requireClean()
		})
	}
}

// TestReadOnlyState starts on a disk that can only be read: the server says so and ends.
func TestReadOnlyState(t *testing.T) {
	s := newServer(t, "memory")
	mountDisk(t, s.o.state, 48)
	s.start()
	s.login()
	require.NoError(t, s.tryKey("kept"))
	s.kill()
	mount(t, "-o", "remount,ro", s.o.state)
	out, err := s.command().CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "read-only file system")
	require.Contains(t, string(out), s.o.state, "it says which")
	require.Less(t, strings.Count(string(out), "\n"), 5)
	mount(t, "-o", "remount,rw", s.o.state)
	s.start()
	require.Equal(t, []string{"kept"}, s.keys())
}

// TestImageDiskFails has the disks of images and volumes full, and then read-only.
func TestImageDiskFails(t *testing.T) {
	s := newServer(t, "memory")
	for _, dir := range []string{"images", "volumes"} {
		mountDisk(t, filepath.Join(s.o.state, dir), 16)
	}
	s.start()
	s.login()
	content := bytes.Repeat([]byte("image"), 1<<19)
	kept := s.upload("kept", "raw", bytes.NewReader(content))
	img, err := images.Create(s.ctx(), s.image, images.CreateOpts{Name: "next", DiskFormat: "raw", ContainerFormat: "bare"}).Extract()
	require.NoError(t, err)
	dir := filepath.Join(s.o.state, "images")
	again := func() error {
		return imagedata.Upload(s.ctx(), s.image, img.ID, bytes.NewReader(content)).ExtractErr()
	}
	for _, fault := range []struct {
		begin  func() (end func())
		status int
	}{
		{func() func() { return fill(t, dir) }, http.StatusRequestEntityTooLarge},
		{func() func() {
			mount(t, "-o", "remount,ro", dir)
			return func() { mount(t, "-o", "remount,rw", dir) }
		}, http.StatusServiceUnavailable},
	} {
		end := fault.begin()
		requireRefused(t, again(), fault.status)
		end()
		require.Eventually(t, func() bool {
			got, err := images.Get(s.ctx(), s.image, img.ID).Extract()
			return err == nil && got.Status == images.ImageStatusQueued
		}, wait, 100*time.Millisecond)
		require.Equal(t, []string{filepath.Join(dir, kept)}, filesBelow(t, dir), "nothing is left of it")
	}
	require.NoError(t, again())
	for _, id := range []string{kept, img.ID} {
		require.Equal(t, digest(content), digest(s.read(id)))
	}
	s.requireClean()
}

// read downloads an image.
func (s *server) read(id string) []byte {
	s.t.Helper()
	body, err := imagedata.Download(s.ctx(), s.image, id).Extract()
	require.NoError(s.t, err)
	defer body.Close()
	got, err := io.ReadAll(body)
	require.NoError(s.t, err)
	return got
}

// requireClean checks that the server finds nothing wrong with itself.
func (s *server) requireClean() {
	s.t.Helper()
	report, _, err := findWrong(s.ctx(), []string{"-state", s.o.state})
	require.NoError(s.t, err)
	require.True(s.t, report.Clean(), "%s", report)
}
