package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/backups"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/stretchr/testify/require"
)

// This file kills the server in the middle of copies: no half file is ever taken for a
// whole one, and what was acknowledged is done again.

// appears waits until there is a file in a directory tree, of some size.
func appears(t *testing.T, dir string, size int64) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, path := range filesBelow(t, dir) {
			info, err := os.Stat(path)
			if err == nil && info.Size() >= size {
				return true
			}
		}
		return false
	}, wait, time.Millisecond, "a file in %s", dir)
}

// trickle gives half of a content, and the rest only after it is released.
type trickle struct {
	first, rest io.Reader
	released    chan struct{}
}

func trickleOf(content []byte) *trickle {
	half := len(content) / 2
	return &trickle{bytes.NewReader(content[:half]), bytes.NewReader(content[half:]), make(chan struct{})}
}

func (r *trickle) Read(p []byte) (int, error) {
	if n, err := r.first.Read(p); !errors.Is(err, io.EOF) {
		return n, err
	}
	<-r.released
	return r.rest.Read(p)
}

// TestUploadCutOff kills the server in the middle of an upload and of a download.
func TestUploadCutOff(t *testing.T) {
	s := startServer(t, "memory")
	content := contentOf(&entry{name: "cut"})
	img, err := images.Create(s.ctx(), s.image, images.CreateOpts{Name: "cut", DiskFormat: "raw", ContainerFormat: "bare"}).Extract()
	require.NoError(t, err)
	dir := filepath.Join(s.o.state, "images")

	body, answer := trickleOf(content), make(chan error, 1)
	go func() { answer <- imagedata.Upload(s.ctx(), s.image, img.ID, body).ExtractErr() }()
	appears(t, dir, 1<<20)
	s.kill()
	close(body.released)
	require.Error(t, <-answer)
	s.start()
	got, err := images.Get(s.ctx(), s.image, img.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, images.ImageStatusQueued, got.Status)
	require.Empty(t, filesBelow(t, dir), "the half file is gone")
	require.NoError(t, imagedata.Upload(s.ctx(), s.image, img.ID, bytes.NewReader(content)).ExtractErr())

	reader, err := imagedata.Download(s.ctx(), s.image, img.ID).Extract()
	require.NoError(t, err)
	defer reader.Close()
	_, err = io.CopyN(io.Discard, reader, 1000)
	require.NoError(t, err)
	s.kill()
	_, err = io.Copy(io.Discard, reader)
	require.Error(t, err, "a download that was cut off is not taken for a whole one")
	s.start()
	require.Equal(t, digest(content), digest(s.read(img.ID)))
	s.requireClean()
}

// TestCopiesCutOff kills the server in the middle of making a volume of an image, a clone
// of it, a backup, a volume of the backup, and an image of a volume.
func TestCopiesCutOff(t *testing.T) {
	s := startServer(t, "memory")
	s.volume.Microversion = "3.47" // the first that makes volumes of backups
	content := bytes.Repeat(contentOf(&entry{name: "copies"}), 10)
	imageID := s.upload("content", "raw", bytes.NewReader(content))
	file := func(id string) string { return filepath.Join(s.o.state, "volumes/volumes", id) }
	// volume makes one, and kills the server when there is a part of it.
	volume := func(o volumes.CreateOpts, dir string) string {
		o.Size = 1
		v, err := volumes.Create(s.ctx(), s.volume, o, nil).Extract()
		require.NoError(t, err)
		s.cutOff(dir)
		s.volumeBecomes(v.ID, "available")
		requireContent(t, file(v.ID), content)
		return v.ID
	}
	first := volume(volumes.CreateOpts{ImageID: imageID}, "volumes/tmp")
	volume(volumes.CreateOpts{SourceVolID: first}, "volumes/tmp")

	b, err := backups.Create(s.ctx(), s.volume, backups.CreateOpts{VolumeID: first, Name: "backup"}).Extract()
	require.NoError(t, err)
	s.cutOff("backups")
	require.Eventually(t, func() bool {
		got, err := backups.Get(s.ctx(), s.volume, b.ID).Extract()
		return err == nil && got.Status == "available"
	}, 2*wait, 100*time.Millisecond)
	require.Equal(t, []string{filepath.Join(s.o.state, "backups", b.ID)}, filesBelow(t, filepath.Join(s.o.state, "backups")))
	volume(volumes.CreateOpts{BackupID: b.ID}, "volumes/volumes/")

	made, err := volumes.UploadImage(s.ctx(), s.volume, first, volumes.UploadImageOpts{
		ImageName: "of-volume", DiskFormat: "qcow2", ContainerFormat: "bare",
	}).Extract()
	require.NoError(t, err)
	s.cutOff("volumes/tmp")
	s.imageBecomesActive(made.ImageID)
	s.volumeBecomes(first, "available")
	require.Empty(t, filesBelow(t, filepath.Join(s.o.state, "volumes/tmp")))
	for _, path := range filesBelow(t, filepath.Join(s.o.state, "images")) {
		require.False(t, strings.HasSuffix(path, ".part"))
	}
	s.requireClean()
}

// cutOff kills the server when there is something in a directory of its state, and
// starts it again.
func (s *server) cutOff(dir string) {
	s.t.Helper()
	appears(s.t, filepath.Join(s.o.state, dir), 4096)
	s.kill()
	s.start()
}

// requireContent checks what a file begins with.
func requireContent(t *testing.T, path string, want []byte) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	got := make([]byte, len(want))
	_, err = io.ReadFull(f, got)
	require.NoError(t, err)
	require.Equal(t, digest(want), digest(got))
}
