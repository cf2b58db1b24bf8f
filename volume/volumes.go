package volume

import (
	"context"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// resource is how sagas name a volume: those of one volume run one after another.
func resource(id string) string { return "volume/" + id }

// CreateVolume starts to make a volume and returns its record in status Creating. With
// opts.ID set, one of that id that the project owns already is returned as it is.
//
// Errors: Invalid for a bad option or a source that does not fit; NotFound for a
// source that is not there; QuotaExceeded.
func (s *Service) CreateVolume(ctx context.Context, projectID string, opts CreateOptions) (Volume, error) {
	const op = "volume.CreateVolume"
	if err := checkTexts(opts.Name, opts.Description, opts.Metadata); err != nil {
		return Volume{}, fault.Wrap(op, err)
	}
	v := Volume{
		ID: opts.ID, Name: opts.Name, Description: opts.Description, ProjectID: projectID,
		UserID: caller.From(ctx).UserID, SizeGiB: opts.SizeGiB, Status: Creating, Zone: opts.Zone,
		MultiAttach: opts.MultiAttach, Metadata: maps.Clone(opts.Metadata),
		SnapshotID: opts.SnapshotID, SourceID: opts.SourceID, ImageID: opts.ImageID,
		CreatedAt: s.now(), UpdatedAt: s.now(),
	}
	if v.ID == "" {
		v.ID = s.core.IDs.UUID()
	} else if uuid.Validate(v.ID) != nil {
		return Volume{}, fault.Wrap(op, fault.New(fault.Invalid, "a volume's id must be a UUID"))
	}
	if v.Zone == "" {
		v.Zone = s.cfg.Zone
	} else if v.Zone != s.cfg.Zone {
		return Volume{}, fault.Wrap(op, fault.New(fault.Invalid, "Availability zone '%s' is invalid.", v.Zone))
	}
	if err := s.fromImage(ctx, &v); err != nil {
		return Volume{}, fault.Wrap(op, err)
	}
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		if old, err := s.volumes.Get(tx, v.ID); err == nil && opts.ID != "" && old.ProjectID == projectID {
			v = old
			return nil
		}
		return s.insertVolume(caller.From(ctx), tx, &v, opts)
	})
	return v, fault.Wrap(op, err)
}

// insertVolume checks what depends on the state and adds the row with its saga.
func (s *Service) insertVolume(who caller.Info, tx *state.Tx, v *Volume, opts CreateOptions) error {
	if err := s.fromState(tx, v, opts); err != nil {
		return err
	}
	if v.SizeGiB <= 0 || v.SizeGiB > s.cfg.MaxSizeGiB {
		return fault.New(fault.Invalid, "Invalid input received: volume size '%d' must be an integer between 1 and %d.", v.SizeGiB, s.cfg.MaxSizeGiB)
	}
	t, err := s.typeFor(tx, v.ProjectID, opts.Type)
	if err != nil {
		return err
	}
	v.Type = t.ID
	if err := t.allows(v.Zone); err != nil {
		return err
	}
	v.MultiAttach = v.MultiAttach || t.multiAttach()
	if err := s.checkVolumeQuota(tx, v.ProjectID, 1, v.SizeGiB, v.SizeGiB); err != nil {
		return err
	}
	if err := s.volumes.Insert(tx, *v); err != nil {
		return err
	}
	s.emitVolume(who, tx, "create.start", *v)
	return s.start(who, tx, sagaCreate, resource(v.ID), v.ProjectID, createParams{ID: v.ID, BackupID: opts.BackupID})
}

// fromImage fills in what an image says of the volume that is made from it.
func (s *Service) fromImage(ctx context.Context, v *Volume) error {
	if v.ImageID == "" {
		return nil
	}
	if s.cfg.Images == nil {
		return fault.New(fault.Unsupported, "this cloud makes no volumes from images")
	}
	img, err := s.cfg.Images.GetImage(ctx, v.ImageID)
	if fault.Of(err) == fault.NotFound {
		return fault.New(fault.Invalid, "Invalid image identifier or unable to access requested image.")
	}
	if err != nil {
		return err
	}
	if img.Status != "active" {
		return fault.New(fault.Invalid, "Image %s is not active.", img.ID)
	}
	if id := snapshotBehind(img); id != "" {
		v.ImageID, v.SnapshotID = "", id
		return nil
	}
	need := max(img.MinDiskGiB, ceilGiB(max(img.Size, img.VirtualSize)))
	if v.SizeGiB < need {
		return fault.New(fault.Invalid, "Volume size %dGB cannot be smaller than the image's size or minDisk, %dGB.", v.SizeGiB, need)
	}
	v.Bootable = true
	v.ImageMetadata = maps.Clone(img.Properties)
	if v.ImageMetadata == nil {
		v.ImageMetadata = map[string]string{}
	}
	maps.Copy(v.ImageMetadata, imageFacts(img.ID, img.Name, img.MD5, img.DiskFormat, img.ContainerFormat, img.Size, img.MinDiskGiB, img.MinRAMMiB))
	return nil
}

// fromState fills in what a snapshot, volume or backup says of the new volume.
func (s *Service) fromState(tx *state.Tx, v *Volume, opts CreateOptions) error {
	sources := 0
	if v.SnapshotID != "" {
		opts.SnapshotID, opts.ImageID = v.SnapshotID, v.ImageID
	}
	for _, id := range []string{opts.SnapshotID, opts.SourceID, opts.ImageID, opts.BackupID} {
		if id != "" {
			sources++
		}
	}
	if sources > 1 {
		return fault.New(fault.Invalid, "A volume is made from one source at most.")
	}
	size := 0
	switch {
	case opts.SnapshotID != "":
		snap, err := s.snapshots.Get(tx, opts.SnapshotID)
		if err != nil {
			return err
		}
		if snap.Status != Available {
			return fault.New(fault.Invalid, "Invalid snapshot: Originating snapshot status must be one of 'available' values")
		}
		from, err := s.volumes.Get(tx, snap.VolumeID)
		if err != nil {
			return err
		}
		size, v.Backend, v.Bootable, v.ImageMetadata = snap.SizeGiB, from.Backend, from.Bootable, from.ImageMetadata
	case opts.SourceID != "":
		src, err := s.volumes.Get(tx, opts.SourceID)
		if err != nil {
			return err
		}
		if src.Status != Available && src.Status != InUse {
			return fault.New(fault.Invalid, "Invalid volume: source volume must be available or in-use, not %s", src.Status)
		}
		size, v.Backend, v.Bootable, v.ImageMetadata = src.SizeGiB, src.Backend, src.Bootable, src.ImageMetadata
	case opts.BackupID != "":
		b, err := s.backups.Get(tx, opts.BackupID)
		if err != nil {
			return err
		}
		if b.Status != Available {
			return fault.New(fault.Invalid, "Invalid backup: Backup status must be available and not %s.", b.Status)
		}
		size = b.SizeGiB
	}
	if v.SizeGiB == 0 {
		v.SizeGiB = size
	}
	if v.SizeGiB < size {
		return fault.New(fault.Invalid, "Volume size '%d'GB cannot be smaller than the source's size %dGB.", v.SizeGiB, size)
	}
	return nil
}

// GetVolume returns a volume: NotFound if there is none.
func (s *Service) GetVolume(_ context.Context, id string) (Volume, error) {
	v, err := s.volumes.Get(s.core.DB.Snapshot(), id)
	return v, fault.Wrap("volume.GetVolume", err)
}

// ListVolumes returns the volumes of a project, or of all with an empty project, in
// order of their ids.
func (s *Service) ListVolumes(_ context.Context, projectID string) []Volume {
	r := s.core.DB.Snapshot()
	if projectID == "" {
		return slices.Collect(s.volumes.All(r))
	}
	return slices.Collect(s.volumes.Where(r, s.volByProj, projectID))
}

// UpdateOptions of UpdateVolume and its like: nil fields stay.
type UpdateOptions struct {
	Name        *string
	Description *string
	Metadata    map[string]string // replaces all, where not nil
	// EditMetadata, where not nil, gets a copy of the metadata and returns what
	// replaces it, without a change of somebody else between.
	EditMetadata func(all map[string]string) (map[string]string, error)
	Bootable     *bool // of a volume
	ReadOnly     *bool // of a volume
	// EditImageMetadata is EditMetadata for what the image said of a volume.
	EditImageMetadata func(all map[string]string) (map[string]string, error)
}

// UpdateVolume changes the record of a volume.
func (s *Service) UpdateVolume(ctx context.Context, id string, opts UpdateOptions) (Volume, error) {
	v, err := s.changeVolume(ctx, id, "update.end", func(_ *state.Tx, v *Volume) error {
		set(&v.Name, opts.Name)
		set(&v.Description, opts.Description)
		set(&v.Bootable, opts.Bootable)
		if opts.ReadOnly != nil {
			v.ReadOnly = opts.ReadOnly
		}
		if err := opts.apply(&v.Metadata); err != nil {
			return err
		}
		if err := edit(&v.ImageMetadata, opts.EditImageMetadata); err != nil {
			return err
		}
		return checkTexts(v.Name, v.Description, v.Metadata)
	})
	return v, fault.Wrap("volume.UpdateVolume", err)
}

// apply changes metadata.
func (o *UpdateOptions) apply(metadata *map[string]string) error {
	if o.Metadata != nil {
		*metadata = maps.Clone(o.Metadata)
	}
	return edit(metadata, o.EditMetadata)
}

// edit replaces a map by what f makes of a copy of it; f may be nil.
func edit(m *map[string]string, f func(all map[string]string) (map[string]string, error)) error {
	if f == nil {
		return nil
	}
	now := map[string]string{}
	maps.Copy(now, *m)
	now, err := f(now)
	if err == nil {
		*m = now
	}
	return err
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// DeleteVolume starts to remove a volume, also one that is still being made. With
// cascade its snapshots go too.
//
// Errors: NotFound; Invalid if it is in use, or has snapshots and not cascade.
func (s *Service) DeleteVolume(ctx context.Context, id string) error {
	return s.deleteVolume(ctx, id, false, false)
}

// DeleteVolumeCascade is DeleteVolume with its snapshots.
func (s *Service) DeleteVolumeCascade(ctx context.Context, id string) error {
	return s.deleteVolume(ctx, id, true, false)
}

// ForceDeleteVolume is DeleteVolume whatever the volume's status: for administrators.
func (s *Service) ForceDeleteVolume(ctx context.Context, id string) error {
	return s.deleteVolume(ctx, id, true, true)
}

// deletable are the statuses in which a volume may be deleted.
var deletable = [...]Status{Available, Creating, Downloading, Error, ErrorDeleting, ErrorExtending, ErrorRestoring}

func (s *Service) deleteVolume(ctx context.Context, id string, cascade, force bool) error {
	who := caller.From(ctx)
	_, err := s.changeVolume(ctx, id, "delete.start", func(tx *state.Tx, v *Volume) error {
		if v.Status == Deleting {
			return nil
		}
		if !force && !slices.Contains(deletable[:], v.Status) {
			return fault.New(fault.Invalid, "Invalid volume: Volume status must be available or error or error_restoring or error_extending or error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.")
		}
		snaps := slices.Collect(s.snapshots.Where(tx, s.snapByVol, id))
		if len(snaps) > 0 && !cascade {
			return fault.New(fault.Invalid, "Invalid volume: Volume %s still has %d dependent snapshots.", id, len(snaps))
		}
		if err := s.core.Sagas.Cancel(tx, resource(id)); err != nil {
			return err
		}
		for _, snap := range snaps {
			if snap.ProjectID != v.ProjectID && !force {
				return fault.New(fault.Invalid, "Invalid volume: Volume %s must be disassociated from snapshots after volume transfer.", id)
			}
			// Also one that is being deleted: that work was just cancelled.
			if err := s.startSnapshotDelete(who, tx, snap); err != nil {
				return err
			}
		}
		v.Status = Deleting
		return s.start(who, tx, sagaDelete, resource(id), v.ProjectID, idParams{id})
	})
	return fault.Wrap("volume.DeleteVolume", err)
}

// ExtendVolume starts to grow a volume that is available.
//
// Errors: NotFound; Invalid if it is not available or the size is not larger;
// QuotaExceeded.
func (s *Service) ExtendVolume(ctx context.Context, id string, sizeGiB int) error {
	_, err := s.changeVolume(ctx, id, "resize.start", func(tx *state.Tx, v *Volume) error {
		if v.Status != Available {
			return fault.New(fault.Invalid, "Invalid volume: Volume %s status must be 'available' to extend, currently %s.", id, v.Status)
		}
		if sizeGiB <= v.SizeGiB || sizeGiB > s.cfg.MaxSizeGiB {
			return fault.New(fault.Invalid, "Invalid input received: New size for extend must be greater than current size. (current: %d, extended: %d).", v.SizeGiB, sizeGiB)
		}
		if err := s.checkVolumeQuota(tx, v.ProjectID, 0, sizeGiB-v.SizeGiB, sizeGiB); err != nil {
			return err
		}
		v.Status = Extending
		return s.start(caller.From(ctx), tx, sagaExtend, resource(id), v.ProjectID, extendParams{id, sizeGiB})
	})
	return fault.Wrap("volume.ExtendVolume", err)
}

// WaitVolume returns when a volume is no longer being made or changed.
//
// Errors: NotFound if it is gone; Internal with its fault if it is in error; ctx's.
func (s *Service) WaitVolume(ctx context.Context, id string) (Volume, error) {
	const op = "volume.WaitVolume"
	for {
		r := s.core.DB.Snapshot()
		active := s.core.Sagas.Active(r, resource(id))
		if len(active) == 0 {
			v, err := s.volumes.Get(r, id)
			if err == nil && v.Status == Error {
				err = fault.New(fault.Internal, "Volume %s did not finish being created: %s", id, v.Fault)
			}
			return v, fault.Wrap(op, err)
		}
		// What the saga ended in is read from the row.
		_ = s.core.Sagas.Wait(ctx, active[0].ID)
		if err := ctx.Err(); err != nil {
			return Volume{}, fault.Wrap(op, err)
		}
	}
}

// changeVolume alters a volume in a transaction and emits an event.
func (s *Service) changeVolume(ctx context.Context, id, event string, f func(tx *state.Tx, v *Volume) error) (Volume, error) {
	var out Volume
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		return s.changeVolumeIn(caller.From(ctx), tx, id, event, func(v *Volume) error {
			if err := f(tx, v); err != nil {
				return err
			}
			out = *v
			return nil
		})
	})
	return out, err
}

// changeVolumeIn is changeVolume inside a transaction.
func (s *Service) changeVolumeIn(who caller.Info, tx *state.Tx, id, event string, f func(v *Volume) error) error {
	return s.volumes.Change(tx, id, func(v *Volume) error {
		if err := f(v); err != nil {
			return err
		}
		v.UpdatedAt = s.now()
		s.emitVolume(who, tx, event, *v)
		return nil
	})
}

func (s *Service) emitVolume(who caller.Info, tx *state.Tx, what string, v Volume) {
	s.emit(who, tx, "volume."+what, "volume", v.ID, v.ProjectID, map[string]string{
		"name": v.Name, "status": string(v.Status), "size": decimal(v.SizeGiB), "type": v.Type,
	})
}

// checkTexts checks what users may write freely.
func checkTexts(name, description string, metadata map[string]string) error {
	bad := func(what string) error {
		return fault.New(fault.Invalid, "Invalid input received: %s has more than 255 characters, or is not text.", what)
	}
	fits := func(s string) bool { return utf8.ValidString(s) && utf8.RuneCountInString(s) <= 255 }
	if !fits(name) {
		return bad("name")
	}
	if !fits(description) {
		return bad("description")
	}
	if len(metadata) > 128 {
		return fault.New(fault.Invalid, "Invalid input received: there may be 128 metadata items at most.")
	}
	for k, v := range metadata {
		if k == "" || !fits(k) || !fits(v) {
			return bad("metadata item " + k)
		}
	}
	return nil
}
