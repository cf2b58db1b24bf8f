package volume

import (
	"compress/gzip"
	"context"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/volume/driver"
)

// Backup is the record of a copy of a volume's content in the backup store.
type Backup struct {
	ID          string            `json:"id"`
	VolumeID    string            `json:"volume"`
	SnapshotID  string            `json:"snapshot,omitempty"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	ProjectID   string            `json:"project"`
	UserID      string            `json:"user"`
	SizeGiB     int               `json:"size"` // of the volume
	Container   string            `json:"container,omitempty"`
	Status      Status            `json:"status"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Fault       string            `json:"fault,omitempty"`
	CreatedAt   time.Time         `json:"created"`
	UpdatedAt   time.Time         `json:"updated"`
}

// CreateBackupOptions of CreateBackup.
type CreateBackupOptions struct {
	VolumeID    string
	Zone        string // empty, or the service's
	SnapshotID  string // back up this snapshot of the volume instead
	Name        string
	Description string
	Container   string // kept on record; the store has only one place
	Force       bool   // also of a volume in use
	Metadata    map[string]string
}

// The sagas of backups.
const (
	sagaBackup        = "volume.backup"
	sagaBackupRestore = "volume.backup_restore"
	sagaBackupDelete  = "volume.backup_delete"
)

type backupParams struct {
	ID     string `json:"id"`     // of the backup
	Volume string `json:"volume"` // that is backed up or written to
	// Snapshot is what is backed up instead of the volume as it is, and Copy the id of
	// a volume made of it for the while, which the backend alone knows.
	Snapshot string `json:"snapshot,omitempty"`
	Copy     string `json:"copy,omitempty"`
}

// CreateBackup starts to copy a volume's content to the backup store and returns its
// record in status Creating.
//
// Errors: NotFound; Invalid if the volume is not available, or not in use with Force;
// Unsupported without a backup store; QuotaExceeded.
func (s *Service) CreateBackup(ctx context.Context, projectID string, opts CreateBackupOptions) (Backup, error) {
	const op = "volume.CreateBackup"
	if s.cfg.Backups == nil {
		return Backup{}, fault.Wrap(op, fault.New(fault.Unsupported, "this cloud has no backup store"))
	}
	if err := checkTexts(opts.Name, opts.Description, opts.Metadata); err != nil {
		return Backup{}, fault.Wrap(op, err)
	}
	if opts.Zone != "" && opts.Zone != s.cfg.Zone {
		return Backup{}, fault.Wrap(op, fault.New(fault.Invalid, "Availability zone '%s' is invalid.", opts.Zone))
	}
	who := caller.From(ctx)
	b := Backup{
		ID: s.core.IDs.UUID(), VolumeID: opts.VolumeID, SnapshotID: opts.SnapshotID, Name: opts.Name,
		Description: opts.Description, ProjectID: projectID, UserID: who.UserID, Container: opts.Container,
		Status: Creating, Metadata: maps.Clone(opts.Metadata), CreatedAt: s.now(), UpdatedAt: s.now(),
	}
	_, err := s.changeVolume(ctx, opts.VolumeID, "backup.start", func(tx *state.Tx, v *Volume) error {
		was := v.Status
		if was != Available && !(opts.Force && was == InUse) {
			return fault.New(fault.Invalid, "Invalid volume: The volume to be backed up must be available or in-use with force, but the current status is %q.", was)
		}
		if opts.SnapshotID != "" {
			snap, err := s.snapshots.Get(tx, opts.SnapshotID)
			if err != nil || snap.VolumeID != v.ID {
				return fault.Missing("snapshot", opts.SnapshotID)
			}
			if snap.Status != Available {
				return fault.New(fault.Invalid, "Invalid snapshot: The snapshot to be backed up must be available, but the current status is %q.", snap.Status)
			}
		}
		b.SizeGiB = v.SizeGiB
		if err := s.checkBackupQuota(tx, projectID, 1, v.SizeGiB); err != nil {
			return err
		}
		v.Status = BackingUp
		s.emitBackup(who, tx, "create.start", b)
		if err := s.backups.Insert(tx, b); err != nil {
			return err
		}
		return s.start(who, tx, sagaBackup, resource(v.ID), projectID, backupParams{
			ID: b.ID, Volume: v.ID, Snapshot: opts.SnapshotID, Copy: s.core.IDs.UUID(),
		})
	})
	return b, fault.Wrap(op, err)
}

// GetBackup returns a backup: NotFound if there is none.
func (s *Service) GetBackup(_ context.Context, id string) (Backup, error) {
	b, err := s.backups.Get(s.core.DB.Snapshot(), id)
	return b, fault.Wrap("volume.GetBackup", err)
}

// ListBackups returns the backups of a project, or all with an empty project.
func (s *Service) ListBackups(_ context.Context, projectID string) []Backup {
	r := s.core.DB.Snapshot()
	if projectID == "" {
		return slices.Collect(s.backups.All(r))
	}
	return slices.Collect(s.backups.Where(r, s.backByProj, projectID))
}

// UpdateBackup changes the name, description and metadata of a backup.
func (s *Service) UpdateBackup(ctx context.Context, id string, opts UpdateOptions) (Backup, error) {
	var out Backup
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		return s.changeBackup(caller.From(ctx), tx, id, "update.end", func(b *Backup) error {
			set(&b.Name, opts.Name)
			set(&b.Description, opts.Description)
			if err := opts.apply(&b.Metadata); err != nil {
				return err
			}
			out = *b
			return checkTexts(b.Name, b.Description, b.Metadata)
		})
	})
	return out, fault.Wrap("volume.UpdateBackup", err)
}

// RestoreBackup starts to write a backup's content over a volume; with an empty
// volumeID a new volume of that name is made from it. It returns the volume.
//
// Errors: NotFound; Invalid if backup or volume are not available, or the volume is
// smaller than the backup.
func (s *Service) RestoreBackup(ctx context.Context, id, volumeID, name string) (Volume, error) {
	const op = "volume.RestoreBackup"
	if volumeID == "" {
		b, err := s.GetBackup(ctx, id)
		if err != nil {
			return Volume{}, err
		}
		if name == "" {
			name = "restore_backup_" + id
		}
		return s.CreateVolume(ctx, b.ProjectID, CreateOptions{Name: name, BackupID: id})
	}
	v, err := s.changeVolume(ctx, volumeID, "restore.start", func(tx *state.Tx, v *Volume) error {
		b, err := s.backups.Get(tx, id)
		if err != nil {
			return err
		}
		if b.Status != Available {
			return fault.New(fault.Invalid, "Invalid backup: Backup status must be available")
		}
		if v.Status != Available {
			return fault.New(fault.Invalid, "Invalid volume: Volume to be restored to must be available")
		}
		if v.SizeGiB < b.SizeGiB {
			return fault.New(fault.Invalid, "Invalid volume: volume size %d is too small to restore backup of size %d.", v.SizeGiB, b.SizeGiB)
		}
		v.Status = RestoringBack
		who := caller.From(ctx)
		if err := s.changeBackup(who, tx, id, "restore.start", func(b *Backup) error { b.Status = Restoring; return nil }); err != nil {
			return err
		}
		return s.start(who, tx, sagaBackupRestore, resource(v.ID), v.ProjectID, backupParams{ID: id, Volume: v.ID})
	})
	return v, fault.Wrap(op, err)
}

// DeleteBackup starts to remove a backup.
//
// Errors: NotFound; Invalid if it is being made or restored.
func (s *Service) DeleteBackup(ctx context.Context, id string) error {
	return fault.Wrap("volume.DeleteBackup", s.deleteBackup(ctx, id, false))
}

func (s *Service) deleteBackup(ctx context.Context, id string, force bool) error {
	who := caller.From(ctx)
	return s.core.DB.Update(ctx, func(tx *state.Tx) error {
		return s.changeBackup(who, tx, id, "delete.start", func(b *Backup) error {
			switch b.Status {
			case Deleting:
				return nil
			case Available, Error, ErrorDeleting:
			default:
				if force {
					break
				}
				return fault.New(fault.Invalid, "Invalid backup: Backup status must be available or error")
			}
			b.Status = Deleting
			return s.start(who, tx, sagaBackupDelete, "backup/"+id, b.ProjectID, backupParams{ID: id})
		})
	})
}

func (s *Service) backupSagas() []saga.Definition {
	return []saga.Definition{
		{
			Name: sagaBackup,
			Steps: []saga.Step{
				{Name: "unpack", Do: s.unpackForBackup, Undo: s.dropUnpacked, Attempts: attempts, Skip: ofVolume},
				{Name: "copy", Do: s.copyToBackup, Undo: s.eraseBackup, Attempts: attempts},
				{Name: "tidy", Do: s.dropUnpacked, Attempts: attempts, Skip: ofVolume},
			},
			Finished: s.endBackup("create.end", Available),
			Failed:   s.failBackup("create.error", Error, ""),
			Stuck:    s.failBackup("create.error", Error, ""),
		},
		{
			Name:     sagaBackupRestore,
			Steps:    []saga.Step{{Name: "copy", Do: s.restoreOver, Attempts: attempts}},
			Finished: s.endBackup("restore.end", Available),
			Failed:   s.failBackup("restore.error", Available, ErrorRestoring),
		},
		{
			Name:  sagaBackupDelete,
			Steps: []saga.Step{{Name: "erase", Do: s.eraseBackup, Attempts: attempts}},
			Finished: func(tx *state.Tx, r *saga.Run) error {
				b, err := s.backupOf(r)
				if err != nil {
					return err
				}
				s.emitBackup(starter(r), tx, "delete.end", b)
				return s.backups.Delete(tx, b.ID)
			},
			Failed: s.failBackup("delete.error", ErrorDeleting, ""),
		},
	}
}

func (s *Service) backupOf(r *saga.Run) (Backup, error) {
	var p backupParams
	if err := r.Params(&p); err != nil {
		return Backup{}, err
	}
	return s.backups.Get(r.Snapshot(), p.ID)
}

// ofVolume skips what only the backup of a snapshot needs.
func ofVolume(r *saga.Run) bool {
	var p backupParams
	return r.Params(&p) != nil || p.Snapshot == ""
}

// unpackForBackup makes a volume of the snapshot: backends read volumes only.
func (s *Service) unpackForBackup(ctx context.Context, r *saga.Run) error {
	p, v, b, err := s.backedUp(r)
	if err != nil {
		return err
	}
	return s.unpack(ctx, r, b, p.Copy, v.SizeGiB, p.Snapshot)
}

func (s *Service) dropUnpacked(ctx context.Context, r *saga.Run) error {
	p, _, b, err := s.backedUp(r)
	if err != nil {
		return err
	}
	return b.Delete(ctx, p.Copy)
}

// backedUp reads what the saga backs up.
func (s *Service) backedUp(r *saga.Run) (p backupParams, v Volume, b driver.Backend, err error) {
	if err = r.Params(&p); err != nil {
		return p, v, b, err
	}
	if v, err = s.volumes.Get(r.Snapshot(), p.Volume); err != nil {
		return p, v, b, err
	}
	b, err = s.backend(v.Backend)
	return p, v, b, err
}

// copyToBackup streams the volume, compressed, into the backup store. What an earlier try
// has put there is whole, and stays: a deletion that took effect late, of a controller
// that stood still, would destroy what another one has put there since.
func (s *Service) copyToBackup(ctx context.Context, r *saga.Run) error {
	p, v, b, err := s.backedUp(r)
	if err != nil {
		return err
	}
	switch done, err := s.cfg.Backups.Open(ctx, p.ID); {
	case err == nil:
		return done.Close()
	case fault.Of(err) != fault.NotFound:
		return err
	}
	from := v.ID
	if p.Snapshot != "" {
		from = p.Copy
	}
	content, err := b.Export(ctx, from, "raw")
	if err != nil {
		return err
	}
	defer content.Close()
	packed := compress(content)
	defer packed.Close()
	_, err = s.cfg.Backups.Put(ctx, p.ID, packed)
	return err
}

// compress reads r as gzip. Closing the result ends its goroutine.
func compress(r io.Reader) io.ReadCloser {
	pr, pw := io.Pipe()
	go func() {
		z, err := gzip.NewWriterLevel(pw, gzip.BestSpeed)
		if err == nil {
			_, err = io.Copy(z, r)
		}
		if err == nil {
			err = z.Close()
		}
		pw.CloseWithError(err)
	}()
	return pr
}

func (s *Service) eraseBackup(ctx context.Context, r *saga.Run) error {
	var p backupParams
	if err := r.Params(&p); err != nil {
		return err
	}
	return s.cfg.Backups.Delete(ctx, p.ID)
}

func (s *Service) restoreOver(ctx context.Context, r *saga.Run) error {
	var p backupParams
	if err := r.Params(&p); err != nil {
		return err
	}
	return s.writeBackup(ctx, r.Snapshot(), p.ID, p.Volume)
}

// fillFromBackup is the step of a volume's creation that gives it a backup's content.
func (s *Service) fillFromBackup(ctx context.Context, r *saga.Run) error {
	var p createParams
	if err := r.Params(&p); err != nil {
		return err
	}
	return s.writeBackup(ctx, r.Snapshot(), p.BackupID, p.ID)
}

func noBackup(r *saga.Run) bool {
	var p createParams
	return r.Params(&p) != nil || p.BackupID == ""
}

func (s *Service) writeBackup(ctx context.Context, r state.Reader, backupID, volumeID string) error {
	v, err := s.volumes.Get(r, volumeID)
	if err != nil {
		return err
	}
	b, err := s.backend(v.Backend)
	if err != nil {
		return err
	}
	packed, err := s.cfg.Backups.Open(ctx, backupID)
	if err != nil {
		return err
	}
	defer packed.Close()
	content, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	return b.Overwrite(ctx, volumeID, content)
}

// endBackup settles backup and volume after a copy in either direction.
func (s *Service) endBackup(event string, to Status) func(*state.Tx, *saga.Run) error {
	return func(tx *state.Tx, r *saga.Run) error {
		var p backupParams
		if err := r.Params(&p); err != nil {
			return err
		}
		err := s.changeBackup(starter(r), tx, p.ID, event, func(b *Backup) error { b.Status, b.Fault = to, ""; return nil })
		if err != nil {
			return err
		}
		return s.giveBack(tx, r, p, "")
	}
}

// failBackup settles both after a failure; volumeTo, if set, is what the volume becomes.
func (s *Service) failBackup(event string, to, volumeTo Status) func(*state.Tx, *saga.Run, error) error {
	return func(tx *state.Tx, r *saga.Run, cause error) error {
		var p backupParams
		if err := r.Params(&p); err != nil {
			return err
		}
		err := s.changeBackup(starter(r), tx, p.ID, event, func(b *Backup) error {
			b.Status, b.Fault = to, fault.Public(cause)
			return nil
		})
		if err != nil && fault.Of(err) != fault.NotFound {
			return err
		}
		return s.giveBack(tx, r, p, volumeTo)
	}
}

// giveBack ends the volume's part in a backup or a restore.
func (s *Service) giveBack(tx *state.Tx, r *saga.Run, p backupParams, to Status) error {
	if p.Volume == "" {
		return nil
	}
	err := s.changeVolumeIn(starter(r), tx, p.Volume, "update.end", func(v *Volume) error {
		switch {
		case v.Status != BackingUp && v.Status != RestoringBack:
		case to != "":
			v.Status = to
		default:
			v.Status = Available // unless it is attached: it may have been detached meanwhile
			v.Status = s.statusOf(tx, v)
		}
		return nil
	})
	if fault.Of(err) == fault.NotFound {
		return nil
	}
	return err
}

func (s *Service) changeBackup(who caller.Info, tx *state.Tx, id, event string, f func(*Backup) error) error {
	return s.backups.Change(tx, id, func(b *Backup) error {
		if err := f(b); err != nil {
			return err
		}
		b.UpdatedAt = s.now()
		s.emitBackup(who, tx, event, *b)
		return nil
	})
}

func (s *Service) emitBackup(who caller.Info, tx *state.Tx, what string, b Backup) {
	s.emit(who, tx, "backup."+what, "backup", b.ID, b.ProjectID, map[string]string{
		"name": b.Name, "status": string(b.Status), "volume": b.VolumeID, "size": decimal(b.SizeGiB),
	})
}
