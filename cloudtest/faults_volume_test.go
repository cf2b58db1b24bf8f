package cloudtest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/snapshots"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/cloudtest"
)

// TestVolumesThatAreNotMade: error, nothing on the backend, and it can be deleted.
func TestVolumesThatAreNotMade(t *testing.T) {
	for _, fault := range []cloudtest.Fault{
		cloudtest.VolumeCreateFails(), cloudtest.VolumeBackendFull(), cloudtest.VolumeBackendDown(),
	} {
		t.Run(fault.String(), func(t *testing.T) {
			s := newSite(t)
			broken := s.Inject(fault)
			id := s.volume()
			require.Equal(t, "error", s.volumeStatus(id))
			require.Positive(t, broken.Hits())
			broken.End()
			s.CheckClean()
			require.NoError(t, volumes.Delete(t.Context(), s.volumes, id, nil).ExtractErr())
			s.pass(time.Second)
			require.Equal(t, "available", s.volumeStatus(s.volume()))
			s.CheckClean()
		})
	}
}

func TestVolumeBackendFullLeavesVolumesAsTheyWere(t *testing.T) {
	s := newSite(t)
	id := s.volume()
	full := s.Inject(cloudtest.VolumeBackendFull().For(id))
	require.NoError(t, volumes.ExtendSize(t.Context(), s.volumes, id, volumes.ExtendSizeOpts{NewSize: 2}).ExtractErr())
	s.pass(3 * time.Second)
	require.Equal(t, "error_extending", s.volumeStatus(id))
	require.Equal(t, 1, full.Hits())
	v, err := volumes.Get(t.Context(), s.volumes, id).Extract()
	require.NoError(t, err)
	require.Equal(t, 1, v.Size)
	s.CheckClean()
}

func TestVolumeAttachFails(t *testing.T) {
	s := newSite(t)
	server, data := s.boot("web"), s.volume()
	broken := s.Inject(cloudtest.VolumeAttachFails().For(data))
	s.attach(server, data)
	s.pass(5 * time.Second)
	require.Equal(t, "available", s.volumeStatus(data))
	require.Equal(t, "ACTIVE", s.server(server).Status)
	s.CheckClean()
	broken.End()
	s.attach(server, data)
	s.pass(time.Second)
	require.Equal(t, "in-use", s.volumeStatus(data))
	s.CheckClean()
}

func TestVolumesThatHang(t *testing.T) {
	for _, c := range []struct {
		name     string
		attached bool // before it hangs
		fault    cloudtest.Fault
		during   string
		after    string
	}{
		{"attach", false, cloudtest.VolumeAttachHangs(), "attaching", "in-use"},
		{"detach", true, cloudtest.VolumeDetachHangs(), "detaching", "available"},
	} {
		for _, deleted := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				s := newSite(t)
				server, data := s.boot("web"), s.volume()
				if c.attached {
					s.attach(server, data)
					s.pass(time.Second)
				}
				hung := s.Inject(c.fault.For(data))
				if c.attached {
					s.detach(server, data)
				} else {
					s.attach(server, data)
				}
				s.pass(time.Minute)
				require.Equal(t, 1, hung.Hits())
				require.Equal(t, c.during, s.volumeStatus(data))
				if deleted {
					s.remove(server)
					require.Equal(t, "available", s.volumeStatus(data))
					return
				}
				hung.End()
				s.WaitIdle()
				require.Equal(t, c.after, s.volumeStatus(data))
				s.CheckClean()
			})
		}
	}
}

func TestVolumeDetachFails(t *testing.T) {
	for times, want := range map[int]string{0: "in-use", 1: "available"} {
		s := newSite(t)
		server, data := s.boot("web"), s.volume()
		s.attach(server, data)
		s.pass(time.Second)
		s.Inject(cloudtest.VolumeDetachFails().For(server).Times(times))
		s.detach(server, data)
		s.WaitIdle()
		require.Equal(t, "detaching", s.volumeStatus(data))
		s.pass(5 * time.Second)
		require.Equal(t, want, s.volumeStatus(data))
		require.Equal(t, "ACTIVE", s.server(server).Status)
		s.CheckClean()
	}
}

func TestVolumeDeleteFails(t *testing.T) {
	s := newSite(t)
	data := s.volume()
	busy := s.Inject(cloudtest.VolumeDeleteFails())
	require.NoError(t, volumes.Delete(t.Context(), s.volumes, data, nil).ExtractErr())
	s.pass(time.Second)
	require.Equal(t, "error_deleting", s.volumeStatus(data))
	s.CheckClean()
	busy.End()
	require.NoError(t, volumes.Delete(t.Context(), s.volumes, data, nil).ExtractErr())
	s.pass(time.Second)
	_, err := volumes.Get(t.Context(), s.volumes, data).Extract()
	require.Equal(t, http.StatusNotFound, status(err))
	s.CheckClean()
}

func TestVolumeSnapshotFails(t *testing.T) {
	s := newSite(t)
	s.Inject(cloudtest.VolumeSnapshotFails())
	snap, err := snapshots.Create(t.Context(), s.volumes, snapshots.CreateOpts{VolumeID: s.volume()}).Extract()
	require.NoError(t, err)
	s.pass(time.Second)
	snap, err = snapshots.Get(t.Context(), s.volumes, snap.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, "error", snap.Status)
	s.CheckClean()
	require.NoError(t, snapshots.Delete(t.Context(), s.volumes, snap.ID).ExtractErr())
	s.pass(time.Second)
	s.CheckClean()
}

func TestImageDownloadCut(t *testing.T) {
	s := newSite(t)
	s.Inject(cloudtest.ImageDownloadCut().Times(1))
	download := func() (string, error) {
		body, err := imagedata.Download(t.Context(), s.images, s.PublicImages[0].ID).Extract()
		require.NoError(t, err, "it begins well")
		defer body.Close()
		content, err := io.ReadAll(body)
		return string(content), err
	}
	half, err := download()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	whole, err := download()
	require.NoError(t, err)
	require.Equal(t, whole[:len(whole)/2], half)
}

func TestImageUploads(t *testing.T) {
	const content = "the disk of a guest\n"
	for _, c := range []struct {
		fault cloudtest.Fault
		code  int // of the answer; 0 is none
	}{
		{cloudtest.ImageUploadCut(), 0},
		{cloudtest.ImageStoreFull(), http.StatusRequestEntityTooLarge},
		{cloudtest.ImageStoreDown(), http.StatusServiceUnavailable},
	} {
		t.Run(c.fault.String(), func(t *testing.T) {
			s := newSite(t)
			id := s.queued()
			broken := s.Inject(c.fault)
			err := s.upload(id, content)
			require.Error(t, err)
			require.Equal(t, c.code, status(err), "%v", err)
			require.Positive(t, broken.Hits())
			broken.End()
			s.pass(2 * time.Second)
			require.Equal(t, "queued", s.imageStatus(id))
			s.CheckClean()
			require.NoError(t, s.upload(id, content))
			require.Equal(t, "active", s.imageStatus(id))
			s.CheckClean()
		})
	}
	t.Run("of unknown length", func(t *testing.T) {
		s := newSite(t)
		id := s.queued()
		s.Inject(cloudtest.ImageUploadCut().For(id))
		unsized := io.MultiReader(strings.NewReader(content), strings.NewReader(content))
		require.Error(t, imagedata.Upload(t.Context(), s.images, id, unsized).ExtractErr())
		require.Equal(t, "queued", s.imageStatus(id))
	})
}

func TestImageStoreDownKeepsDeletedContentForLater(t *testing.T) {
	s := newSite(t)
	id := s.queued()
	require.NoError(t, s.upload(id, "content"))
	down := s.Inject(cloudtest.ImageStoreDown())
	require.NoError(t, images.Delete(t.Context(), s.images, id).ExtractErr())
	require.Error(t, imagedata.Download(t.Context(), s.images, s.PublicImages[0].ID).Err)
	s.pass(5 * time.Second)
	down.End()
	s.pass(35 * time.Second)
	s.CheckClean()
}
