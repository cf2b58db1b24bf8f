package volume

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

// sagaRevert gives a volume the content of its latest snapshot again.
const sagaRevert = "volume.revert"

type revertParams struct {
	ID       string `json:"id"`
	Snapshot string `json:"snapshot"`
	Copy     string `json:"copy"` // id of a volume for the while, known to the backend alone
}

// RevertVolume starts to give an available volume the content of its latest snapshot.
//
// Errors: NotFound; Invalid if the volume or the snapshot is not available, if the
// snapshot is not the volume's latest, or if the volume has been extended since.
func (s *Service) RevertVolume(ctx context.Context, id, snapshotID string) error {
	who := caller.From(ctx)
	_, err := s.changeVolume(ctx, id, "revert.start", func(tx *state.Tx, v *Volume) error {
		snap, err := s.snapshots.Get(tx, snapshotID)
		if err != nil {
			return err
		}
		if v.Status != Available {
			return fault.New(fault.Invalid, "Invalid volume: Cannot revert volume %s: its status must be available, currently %s.", id, v.Status)
		}
		if snap.VolumeID != id || !s.latestOf(tx, snap) {
			return fault.New(fault.Invalid, "Invalid snapshot: Snapshot %s is not the latest one of volume %s.", snapshotID, id)
		}
		if snap.Status != Available {
			return fault.New(fault.Invalid, "Invalid snapshot: Snapshot %s must be available to revert to, currently %s.", snapshotID, snap.Status)
		}
		if snap.SizeGiB != v.SizeGiB {
			return fault.New(fault.Invalid, "Invalid volume: Cannot revert volume %s to a snapshot of another size: it was extended.", id)
		}
		v.Status = Reverting
		err = s.changeSnapshot(who, tx, snapshotID, "revert.start", func(snap *Snapshot) error { snap.Status = Restoring; return nil })
		if err != nil {
			return err
		}
		return s.start(who, tx, sagaRevert, resource(id), v.ProjectID, revertParams{id, snapshotID, s.core.IDs.UUID()})
	})
	return fault.Wrap("volume.RevertVolume", err)
}

// latestOf reports whether a snapshot is the youngest of its volume.
func (s *Service) latestOf(r state.Reader, snap Snapshot) bool {
	for other := range s.snapshots.Where(r, s.snapByVol, snap.VolumeID) {
		if other.CreatedAt.After(snap.CreatedAt) {
			return false
		}
	}
	return true
}

func (s *Service) revertSagas() []saga.Definition {
	return []saga.Definition{{
		Name: sagaRevert,
		Steps: []saga.Step{
			{Name: "unpack", Do: s.unpackSnapshot, Undo: s.dropCopy, Attempts: attempts},
			{Name: "copy", Do: s.copyBack, Attempts: attempts},
			{Name: "tidy", Do: s.dropCopy, Attempts: attempts},
		},
		Finished: func(tx *state.Tx, r *saga.Run) error { return s.endRevert(tx, r, "revert.end", Available, "") },
		Failed: func(tx *state.Tx, r *saga.Run, cause error) error {
			return s.endRevert(tx, r, "revert.error", Error, fault.Public(cause))
		},
		Stuck: func(tx *state.Tx, r *saga.Run, cause error) error {
			return s.endRevert(tx, r, "revert.error", Error, fault.Public(cause))
		},
	}}
}

// unpackSnapshot makes a volume of the snapshot: backends read volumes only.
func (s *Service) unpackSnapshot(ctx context.Context, r *saga.Run) error {
	var p revertParams
	if err := r.Params(&p); err != nil {
		return err
	}
	v, b, err := s.volumeAndBackend(r)
	if err != nil {
		return err
	}
	return s.unpack(ctx, r, b, p.Copy, v.SizeGiB, p.Snapshot)
}

func (s *Service) copyBack(ctx context.Context, r *saga.Run) error {
	var p revertParams
	if err := r.Params(&p); err != nil {
		return err
	}
	v, b, err := s.volumeAndBackend(r)
	if err != nil {
		return err
	}
	content, err := b.Export(ctx, p.Copy, "raw")
	if err != nil {
		return err
	}
	defer content.Close()
	return b.Overwrite(ctx, v.ID, content)
}

func (s *Service) dropCopy(ctx context.Context, r *saga.Run) error {
	var p revertParams
	if err := r.Params(&p); err != nil {
		return err
	}
	_, b, err := s.volumeAndBackend(r)
	if err != nil {
		return err
	}
	return b.Delete(ctx, p.Copy)
}

func (s *Service) endRevert(tx *state.Tx, r *saga.Run, event string, to Status, why string) error {
	var p revertParams
	if err := r.Params(&p); err != nil {
		return err
	}
	err := s.changeVolumeIn(starter(r), tx, p.ID, event, func(v *Volume) error {
		if v.Status == Reverting {
			v.Status, v.Fault = to, why
		}
		return nil
	})
	if err != nil && fault.Of(err) != fault.NotFound {
		return err
	}
	err = s.changeSnapshot(starter(r), tx, p.Snapshot, event, func(snap *Snapshot) error {
		if snap.Status == Restoring {
			snap.Status = Available
		}
		return nil
	})
	if fault.Of(err) == fault.NotFound {
		return nil
	}
	return err
}
