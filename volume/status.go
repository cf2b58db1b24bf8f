package volume

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// This file is for administrators: what sets records right by hand.

// ResetStatus sets the status of a volume, when reality and record differ.
func (s *Service) ResetStatus(ctx context.Context, id string, status Status) error {
	_, err := s.changeVolume(ctx, id, "update.end", func(_ *state.Tx, v *Volume) error {
		v.Status = status
		return nil
	})
	return fault.Wrap("volume.ResetStatus", err)
}

// ResetSnapshotStatus is ResetStatus for a snapshot.
func (s *Service) ResetSnapshotStatus(ctx context.Context, id string, status Status) error {
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		return s.changeSnapshot(caller.From(ctx), tx, id, "reset_status.end", func(snap *Snapshot) error {
			snap.Status = status
			return nil
		})
	})
	return fault.Wrap("volume.ResetSnapshotStatus", err)
}

// ResetBackupStatus is ResetStatus for a backup.
func (s *Service) ResetBackupStatus(ctx context.Context, id string, status Status) error {
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		return s.changeBackup(caller.From(ctx), tx, id, "reset_status.end", func(b *Backup) error {
			b.Status = status
			return nil
		})
	})
	return fault.Wrap("volume.ResetBackupStatus", err)
}

// ForceDeleteSnapshot is DeleteSnapshot whatever the snapshot's status.
func (s *Service) ForceDeleteSnapshot(ctx context.Context, id string) error {
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		snap, err := s.snapshots.Get(tx, id)
		if err != nil {
			return err
		}
		return s.startSnapshotDelete(caller.From(ctx), tx, snap)
	})
	return fault.Wrap("volume.ForceDeleteSnapshot", err)
}

// ForceDeleteBackup is DeleteBackup whatever the backup's status.
func (s *Service) ForceDeleteBackup(ctx context.Context, id string) error {
	return fault.Wrap("volume.ForceDeleteBackup", s.deleteBackup(ctx, id, true))
}
