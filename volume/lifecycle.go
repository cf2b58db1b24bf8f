package volume

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/volume/driver"
)

// The sagas of volumes.
const (
	sagaCreate = "volume.create"
	sagaDelete = "volume.delete"
	sagaExtend = "volume.extend"
)

// attempts is how often a step is tried when a backend is away for a while.
const attempts = 5

type idParams struct {
	ID string `json:"id"`
}

type createParams struct {
	ID       string `json:"id"`
	BackupID string `json:"backup,omitempty"`
}

type extendParams struct {
	ID      string `json:"id"`
	SizeGiB int    `json:"size"`
}

func (s *Service) volumeSagas() []saga.Definition {
	return []saga.Definition{
		{
			Name: sagaCreate,
			Steps: []saga.Step{
				{Name: "schedule", Do: s.pickBackend},
				{Name: "make", Do: s.makeVolume, Undo: s.unmakeVolume, Attempts: attempts},
				{Name: "restore backup", Do: s.fillFromBackup, Attempts: attempts, Skip: noBackup},
			},
			Finished: s.settleVolume("create.end", Available),
			Failed:   s.failVolume("create.error", Error),
			Stuck:    s.failVolume("create.error", Error),
		},
		{
			Name:     sagaDelete,
			Steps:    []saga.Step{{Name: "delete", Do: s.unmakeVolume, Attempts: attempts}},
			Finished: s.dropVolume,
			Failed:   s.failVolume("delete.error", ErrorDeleting),
		},
		{
			Name:     sagaExtend,
			Steps:    []saga.Step{{Name: "extend", Do: s.growVolume, Attempts: attempts}},
			Finished: s.settleVolume("resize.end", Available),
			Failed:   s.failVolume("resize.error", ErrorExtending),
		},
	}
}

// pickBackend chooses where the volume goes: with its source, or where most is free.
func (s *Service) pickBackend(ctx context.Context, r *saga.Run) error {
	v, err := s.volumeOf(r)
	if err != nil || v.Backend != "" {
		return err
	}
	states := s.Backends(ctx)
	slices.SortStableFunc(states, func(a, b BackendState) int { return cmp.Compare(b.FreeGiB, a.FreeGiB) })
	why := ""
	for _, b := range states {
		if b.Err == nil && b.FreeGiB >= v.SizeGiB {
			r.Commit(func(tx *state.Tx) error {
				return s.volumes.Change(tx, v.ID, func(v *Volume) error { v.Backend = b.Name; return nil })
			})
			return nil
		}
		if b.Err != nil {
			why += " " + b.Name + ": it does not answer."
		} else {
			why += " " + b.Name + ": " + decimal(v.SizeGiB) + " GiB needed, " + decimal(b.FreeGiB) + " free."
		}
	}
	return fault.New(fault.Exhausted, "No valid backend was found.%s", why)
}

func (s *Service) makeVolume(ctx context.Context, r *saga.Run) error {
	v, b, err := s.volumeAndBackend(r)
	if err != nil {
		return err
	}
	return s.late(ctx, s.makeIn(ctx, b, v), func(r state.Reader) bool {
		now, err := s.volumes.Get(r, v.ID)
		return err == nil && now.Status != Deleting
	}, func(ctx context.Context) error { return b.Delete(ctx, v.ID) })
}

// makeIn has a backend make a volume of its source.
func (s *Service) makeIn(ctx context.Context, b driver.Backend, v Volume) error {
	switch {
	case v.SnapshotID != "":
		return b.Restore(ctx, v.ID, v.SizeGiB, v.SnapshotID)
	case v.SourceID != "":
		return b.Clone(ctx, v.ID, v.SizeGiB, v.SourceID)
	case v.ImageID != "":
		return s.importImage(ctx, v, b)
	}
	return b.Create(ctx, v.ID, v.SizeGiB)
}

func (s *Service) importImage(ctx context.Context, v Volume, b driver.Backend) error {
	img, err := s.cfg.Images.GetImage(ctx, v.ImageID)
	if err != nil {
		return err
	}
	content, err := s.cfg.Images.OpenImage(ctx, v.ImageID)
	if err != nil {
		return err
	}
	defer content.Close()
	return b.Import(ctx, v.ID, v.SizeGiB, img.DiskFormat, content)
}

// unmakeVolume removes what a backend keeps of the volume: the undo of making it, and
// the whole of deleting it. A volume that never got to a backend needs nothing.
func (s *Service) unmakeVolume(ctx context.Context, r *saga.Run) error {
	v, err := s.volumeOf(r)
	if err != nil {
		if fault.Of(err) == fault.NotFound {
			return nil
		}
		return err
	}
	if v.Backend == "" {
		return nil
	}
	b, err := s.backend(v.Backend)
	if err != nil {
		return err
	}
	err = b.Delete(ctx, v.ID)
	if fault.Of(err) == fault.Conflict {
		// Its snapshots are being deleted by sagas of their own.
		return fault.New(fault.Unavailable, "the volume still has snapshots").Because(err)
	}
	return err
}

func (s *Service) growVolume(ctx context.Context, r *saga.Run) error {
	v, b, err := s.volumeAndBackend(r)
	if err != nil {
		return err
	}
	var p extendParams
	if err := r.Params(&p); err != nil {
		return err
	}
	if err := b.Extend(ctx, v.ID, p.SizeGiB); err != nil {
		return err
	}
	r.Commit(func(tx *state.Tx) error {
		return s.volumes.Change(tx, v.ID, func(v *Volume) error { v.SizeGiB = p.SizeGiB; return nil })
	})
	return nil
}

// volumeOf reads the volume that the saga works on.
func (s *Service) volumeOf(r *saga.Run) (Volume, error) {
	var p idParams
	if err := r.Params(&p); err != nil {
		return Volume{}, err
	}
	return s.volumes.Get(r.Snapshot(), p.ID)
}

func (s *Service) volumeAndBackend(r *saga.Run) (Volume, driver.Backend, error) {
	v, err := s.volumeOf(r)
	if err != nil {
		return v, nil, err
	}
	b, err := s.backend(v.Backend)
	return v, b, err
}

// settleVolume ends a saga well.
func (s *Service) settleVolume(event string, to Status) func(*state.Tx, *saga.Run) error {
	return func(tx *state.Tx, r *saga.Run) error {
		var p idParams
		if err := r.Params(&p); err != nil {
			return err
		}
		return s.changeVolumeIn(starter(r), tx, p.ID, event, func(v *Volume) error {
			if v.Fault = ""; v.Status != Deleting { // that was asked for as this one ended
				v.Status = to
			}
			return nil
		})
	}
}

// failVolume ends a saga badly: the volume says why. A volume that is being deleted
// meanwhile stays so.
func (s *Service) failVolume(event string, to Status) func(*state.Tx, *saga.Run, error) error {
	return func(tx *state.Tx, r *saga.Run, cause error) error {
		var p idParams
		if err := r.Params(&p); err != nil {
			return err
		}
		err := s.changeVolumeIn(starter(r), tx, p.ID, event, func(v *Volume) error {
			v.Fault = fault.Public(cause)
			if v.Status != Deleting || to == ErrorDeleting {
				v.Status = to
			}
			return nil
		})
		if fault.Of(err) == fault.NotFound {
			return nil
		}
		return err
	}
}

// dropVolume removes the record of a deleted volume, with what hangs on it.
func (s *Service) dropVolume(tx *state.Tx, r *saga.Run) error {
	v, err := s.volumeOf(r)
	if err != nil {
		if fault.Of(err) == fault.NotFound {
			return nil
		}
		return err
	}
	for a := range s.attachments.Where(tx, s.attByVol, v.ID) {
		if err := s.attachments.Delete(tx, a.ID); err != nil {
			return err
		}
	}
	// A backend deletes no volume that has snapshots: what is still recorded of them is
	// what their deletion could not say any more.
	for snap := range s.snapshots.Where(tx, s.snapByVol, v.ID) {
		s.emitSnapshot(starter(r), tx, "delete.end", snap)
		if err := s.snapshots.Delete(tx, snap.ID); err != nil {
			return err
		}
	}
	if t, ok := s.transfers.Find(tx, s.transByVol, v.ID); ok {
		if err := s.transfers.Delete(tx, t.ID); err != nil {
			return err
		}
	}
	s.emitVolume(starter(r), tx, "delete.end", v)
	return s.volumes.Delete(tx, v.ID)
}

func decimal(n int) string { return strconv.Itoa(n) }

// ceilGiB is how many GiB hold so many bytes.
func ceilGiB(bytes int64) int { return int((bytes + driver.GiB - 1) / driver.GiB) }

// snapshotBehind returns the snapshot of the volume that a server was started from, for
// an image of such a server: the image has no content of its own.
func snapshotBehind(img image.Image) string {
	if img.Size != 0 {
		return ""
	}
	var devices []struct {
		SourceType string `json:"source_type"`
		SnapshotID string `json:"snapshot_id"`
		BootIndex  *int   `json:"boot_index"`
	}
	if json.Unmarshal([]byte(img.Properties["block_device_mapping"]), &devices) != nil {
		return ""
	}
	for _, d := range devices {
		if d.SourceType == "snapshot" && d.BootIndex != nil && *d.BootIndex == 0 {
			return d.SnapshotID
		}
	}
	return ""
}

// imageFacts are the base facts of an image that a volume made from it shows.
func imageFacts(id, name, md5, disk, container string, size int64, minDisk, minRAM int) map[string]string {
	return map[string]string{
		"image_id": id, "image_name": name, "checksum": md5, "disk_format": disk, "container_format": container,
		"size": strconv.FormatInt(size, 10), "min_disk": decimal(minDisk), "min_ram": decimal(minRAM),
	}
}
