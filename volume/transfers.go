package volume

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Transfer offers a volume to whoever knows its key.
type Transfer struct {
	ID        string `json:"id"`
	VolumeID  string `json:"volume"`
	Name      string `json:"name"`
	ProjectID string `json:"project"` // that offers
	// NoSnapshots leaves the volume's snapshots with the project that offers.
	NoSnapshots bool      `json:"no_snapshots,omitempty"`
	KeyHash     string    `json:"key_hash"`
	CreatedAt   time.Time `json:"created"`
}

// CreateTransferOptions of CreateTransfer.
type CreateTransferOptions struct {
	Name        string
	NoSnapshots bool
}

// CreateTransfer offers an available volume and returns the key that accepts it: it is
// not kept, and cannot be had again.
//
// Errors: NotFound; Invalid if the volume is not available.
func (s *Service) CreateTransfer(ctx context.Context, volumeID string, opts CreateTransferOptions) (t Transfer, key string, err error) {
	const op = "volume.CreateTransfer"
	if err := checkTexts(opts.Name, "", nil); err != nil {
		return Transfer{}, "", fault.Wrap(op, err)
	}
	secret := make([]byte, 16)
	s.core.IDs.Read(secret)
	key = hex.EncodeToString(secret)
	t = Transfer{
		ID: s.core.IDs.UUID(), VolumeID: volumeID, Name: opts.Name, NoSnapshots: opts.NoSnapshots,
		KeyHash: hashKey(key), CreatedAt: s.now(),
	}
	_, err = s.changeVolume(ctx, volumeID, "transfer.create", func(tx *state.Tx, v *Volume) error {
		if v.Status != Available {
			return fault.New(fault.Invalid, "Invalid volume: status must be available")
		}
		v.Status, t.ProjectID = AwaitTransfer, v.ProjectID
		return s.transfers.Insert(tx, t)
	})
	return t, key, fault.Wrap(op, err)
}

func hashKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// GetTransfer returns an offer: NotFound if there is none.
func (s *Service) GetTransfer(_ context.Context, id string) (Transfer, error) {
	t, err := s.transfers.Get(s.core.DB.Snapshot(), id)
	return t, fault.Wrap("volume.GetTransfer", err)
}

// ListTransfers returns the offers of a project, or all with an empty project.
func (s *Service) ListTransfers(_ context.Context, projectID string) []Transfer {
	list := slices.Collect(s.transfers.All(s.core.DB.Snapshot()))
	return slices.DeleteFunc(list, func(t Transfer) bool { return projectID != "" && t.ProjectID != projectID })
}

// DeleteTransfer withdraws an offer: the volume is available again.
func (s *Service) DeleteTransfer(ctx context.Context, id string) error {
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		t, err := s.transfers.Get(tx, id)
		if err != nil {
			return err
		}
		if err := s.transfers.Delete(tx, id); err != nil {
			return err
		}
		return s.changeVolumeIn(caller.From(ctx), tx, t.VolumeID, "transfer.delete", func(v *Volume) error {
			v.Status = Available
			return nil
		})
	})
	return fault.Wrap("volume.DeleteTransfer", err)
}

// takeSnapshots gives the offered volume's snapshots to a project.
func (s *Service) takeSnapshots(who caller.Info, tx *state.Tx, t Transfer, projectID string) error {
	if t.NoSnapshots {
		return nil
	}
	for _, snap := range slices.Collect(s.snapshots.Where(tx, s.snapByVol, t.VolumeID)) {
		if err := s.checkSnapshotQuota(tx, projectID, 1, snap.SizeGiB); err != nil {
			return err
		}
		err := s.changeSnapshot(who, tx, snap.ID, "transfer.accept", func(snap *Snapshot) error {
			snap.ProjectID, snap.UserID = projectID, who.UserID
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// AcceptTransfer gives the offered volume to a project.
//
// Errors: NotFound; Invalid for a wrong key; QuotaExceeded.
func (s *Service) AcceptTransfer(ctx context.Context, id, key, projectID string) (Transfer, error) {
	var t Transfer
	who := caller.From(ctx)
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		var err error
		if t, err = s.transfers.Get(tx, id); err != nil {
			return err
		}
		if subtle.ConstantTimeCompare([]byte(t.KeyHash), []byte(hashKey(key))) != 1 {
			return fault.New(fault.Invalid, "Invalid auth key: Attempt to transfer %s with invalid auth key.", id)
		}
		v, err := s.volumes.Get(tx, t.VolumeID)
		if err != nil {
			return err
		}
		if err := s.checkVolumeQuota(tx, projectID, 1, v.SizeGiB, v.SizeGiB); err != nil {
			return err
		}
		if err := s.transfers.Delete(tx, id); err != nil {
			return err
		}
		if err := s.takeSnapshots(who, tx, t, projectID); err != nil {
			return err
		}
		return s.changeVolumeIn(who, tx, t.VolumeID, "transfer.accept", func(v *Volume) error {
			v.Status, v.ProjectID, v.UserID = Available, projectID, who.UserID
			return nil
		})
	})
	return t, fault.Wrap("volume.AcceptTransfer", err)
}
