package volume

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

// The sagas of snapshots.
const (
	sagaSnapshot       = "volume.snapshot"
	sagaSnapshotDelete = "volume.snapshot_delete"
)

// CreateSnapshot starts to keep the present content of a volume and returns its record
// in status Creating. With opts.ID set, the snapshot of that id that exists already is
// returned as it is.
//
// Errors: NotFound; Invalid if the volume is not available, or not in use with Force;
// QuotaExceeded.
func (s *Service) CreateSnapshot(ctx context.Context, projectID string, opts CreateSnapshotOptions) (Snapshot, error) {
	const op = "volume.CreateSnapshot"
	if err := checkTexts(opts.Name, opts.Description, opts.Metadata); err != nil {
		return Snapshot{}, fault.Wrap(op, err)
	}
	who := caller.From(ctx)
	snap := Snapshot{
		ID: opts.ID, VolumeID: opts.VolumeID, Name: opts.Name, Description: opts.Description,
		ProjectID: projectID, UserID: who.UserID, Status: Creating, Metadata: maps.Clone(opts.Metadata),
		CreatedAt: s.now(), UpdatedAt: s.now(),
	}
	if snap.ID == "" {
		snap.ID = s.core.IDs.UUID()
	} else if uuid.Validate(snap.ID) != nil {
		return Snapshot{}, fault.Wrap(op, fault.New(fault.Invalid, "a snapshot's id must be a UUID"))
	}
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		if old, err := s.snapshots.Get(tx, snap.ID); err == nil && opts.ID != "" && old.ProjectID == projectID {
			snap = old
			return nil
		}
		v, err := s.volumes.Get(tx, opts.VolumeID)
		if err != nil {
			return err
		}
		if v.Status != Available && !(opts.Force && v.Status == InUse) {
			return fault.New(fault.Invalid, "Invalid volume: Volume %s status must be available, but current status is: %s.", v.ID, v.Status)
		}
		snap.SizeGiB = v.SizeGiB
		if err := s.checkSnapshotQuota(tx, projectID, 1, v.SizeGiB); err != nil {
			return err
		}
		if err := s.snapshots.Insert(tx, snap); err != nil {
			return err
		}
		s.emitSnapshot(who, tx, "create.start", snap)
		return s.start(who, tx, sagaSnapshot, resource(v.ID), projectID, idParams{snap.ID})
	})
	return snap, fault.Wrap(op, err)
}

// GetSnapshot returns a snapshot: NotFound if there is none.
func (s *Service) GetSnapshot(_ context.Context, id string) (Snapshot, error) {
	snap, err := s.snapshots.Get(s.core.DB.Snapshot(), id)
	return snap, fault.Wrap("volume.GetSnapshot", err)
}

// ListSnapshots returns the snapshots of a project, or of all with an empty project, in
// order of their ids.
func (s *Service) ListSnapshots(_ context.Context, projectID string) []Snapshot {
	r := s.core.DB.Snapshot()
	if projectID == "" {
		return slices.Collect(s.snapshots.All(r))
	}
	return slices.Collect(s.snapshots.Where(r, s.snapByProj, projectID))
}

// UpdateSnapshot changes the name, description and metadata of a snapshot.
func (s *Service) UpdateSnapshot(ctx context.Context, id string, opts UpdateOptions) (Snapshot, error) {
	var out Snapshot
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		return s.changeSnapshot(caller.From(ctx), tx, id, "update.end", func(snap *Snapshot) error {
			set(&snap.Name, opts.Name)
			set(&snap.Description, opts.Description)
			if err := opts.apply(&snap.Metadata); err != nil {
				return err
			}
			out = *snap
			return checkTexts(snap.Name, snap.Description, snap.Metadata)
		})
	})
	return out, fault.Wrap("volume.UpdateSnapshot", err)
}

// DeleteSnapshot starts to remove a snapshot.
//
// Errors: NotFound; Invalid if it is being made or used.
func (s *Service) DeleteSnapshot(ctx context.Context, id string) error {
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		snap, err := s.snapshots.Get(tx, id)
		if err != nil {
			return err
		}
		switch snap.Status {
		case Available, Error, ErrorDeleting, Deleting:
		default:
			return fault.New(fault.Invalid, "Invalid snapshot: Snapshot status must be available or error, and must not be part of a group.")
		}
		for v := range s.volumes.Where(tx, s.volBySnap, id) {
			if v.Status == Creating {
				return fault.New(fault.Invalid, "Invalid snapshot: volume %s is being made from it.", v.ID)
			}
		}
		if snap.Status == Deleting {
			return nil
		}
		return s.startSnapshotDelete(caller.From(ctx), tx, snap)
	})
	return fault.Wrap("volume.DeleteSnapshot", err)
}

func (s *Service) startSnapshotDelete(who caller.Info, tx *state.Tx, snap Snapshot) error {
	snap.Status, snap.UpdatedAt = Deleting, s.now()
	if err := s.snapshots.Put(tx, snap); err != nil {
		return err
	}
	s.emitSnapshot(who, tx, "delete.start", snap)
	return s.start(who, tx, sagaSnapshotDelete, resource(snap.VolumeID), snap.ProjectID, idParams{snap.ID})
}

// snapshotSagas run in the queue of the volume: a snapshot is never taken of, or
// removed from, a volume that another saga is changing.
func (s *Service) snapshotSagas() []saga.Definition {
	return []saga.Definition{
		{
			Name:     sagaSnapshot,
			Steps:    []saga.Step{{Name: "snapshot", Do: s.takeSnapshot, Undo: s.removeSnapshot, Attempts: attempts}},
			Finished: s.settleSnapshot,
			Failed:   s.failSnapshot("create.error", Error),
			Stuck:    s.failSnapshot("create.error", Error),
		},
		{
			Name:     sagaSnapshotDelete,
			Steps:    []saga.Step{{Name: "delete", Do: s.removeSnapshot, Attempts: attempts}},
			Finished: s.dropSnapshot,
			Failed:   s.failSnapshot("delete.error", ErrorDeleting),
		},
	}
}

// snapshotOf reads the snapshot that the saga works on.
func (s *Service) snapshotOf(r *saga.Run) (Snapshot, error) {
	var p idParams
	if err := r.Params(&p); err != nil {
		return Snapshot{}, err
	}
	return s.snapshots.Get(r.Snapshot(), p.ID)
}

func (s *Service) takeSnapshot(ctx context.Context, r *saga.Run) error {
	snap, err := s.snapshotOf(r)
	if err != nil {
		return err
	}
	v, err := s.volumes.Get(r.Snapshot(), snap.VolumeID)
	if err != nil {
		return err
	}
	b, err := s.backend(v.Backend)
	if err != nil {
		return err
	}
	return s.late(ctx, b.Snapshot(ctx, v.ID, snap.ID), func(r state.Reader) bool {
		now, err := s.snapshots.Get(r, snap.ID)
		return err == nil && now.Status != Deleting
	}, func(ctx context.Context) error { return b.DeleteSnapshot(ctx, snap.ID) })
}

func (s *Service) removeSnapshot(ctx context.Context, r *saga.Run) error {
	snap, err := s.snapshotOf(r)
	if fault.Of(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	v, err := s.volumes.Get(r.Snapshot(), snap.VolumeID)
	if err != nil || v.Backend == "" {
		return nil // without a volume there is no backend that holds it
	}
	b, err := s.backend(v.Backend)
	if err != nil {
		return err
	}
	return b.DeleteSnapshot(ctx, snap.ID)
}

func (s *Service) settleSnapshot(tx *state.Tx, r *saga.Run) error {
	var p idParams
	if err := r.Params(&p); err != nil {
		return err
	}
	return s.changeSnapshot(starter(r), tx, p.ID, "create.end", func(snap *Snapshot) error {
		if snap.Status != Deleting { // that was asked for as this one ended
			snap.Status = Available
		}
		return nil
	})
}

func (s *Service) failSnapshot(event string, to Status) func(*state.Tx, *saga.Run, error) error {
	return func(tx *state.Tx, r *saga.Run, cause error) error {
		var p idParams
		if err := r.Params(&p); err != nil {
			return err
		}
		err := s.changeSnapshot(starter(r), tx, p.ID, event, func(snap *Snapshot) error {
			snap.Fault = fault.Public(cause)
			if snap.Status != Deleting || to == ErrorDeleting {
				snap.Status = to
			}
			return nil
		})
		if fault.Of(err) == fault.NotFound {
			return nil
		}
		return err
	}
}

func (s *Service) dropSnapshot(tx *state.Tx, r *saga.Run) error {
	snap, err := s.snapshotOf(r)
	if err != nil {
		if fault.Of(err) == fault.NotFound {
			return nil
		}
		return err
	}
	s.emitSnapshot(starter(r), tx, "delete.end", snap)
	return s.snapshots.Delete(tx, snap.ID)
}

func (s *Service) changeSnapshot(who caller.Info, tx *state.Tx, id, event string, f func(*Snapshot) error) error {
	return s.snapshots.Change(tx, id, func(snap *Snapshot) error {
		if err := f(snap); err != nil {
			return err
		}
		snap.UpdatedAt = s.now()
		s.emitSnapshot(who, tx, event, *snap)
		return nil
	})
}

func (s *Service) emitSnapshot(who caller.Info, tx *state.Tx, what string, snap Snapshot) {
	s.emit(who, tx, "snapshot."+what, "snapshot", snap.ID, snap.ProjectID, map[string]string{
		"name": snap.Name, "status": string(snap.Status), "volume": snap.VolumeID, "size": decimal(snap.SizeGiB),
	})
}
