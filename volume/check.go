package volume

import (
	"context"
	"fmt"
	"slices"

	"github.com/welkin-cloud/cloud/internal/check"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Checks are the invariants of volumes, and of what the backends have of them.
func (s *Service) Checks() []check.Check {
	return slices.Concat(s.recordChecks(), s.backendChecks())
}

func (s *Service) recordChecks() []check.Check {
	return []check.Check{
		{
			Name: "volume.refers", Run: s.checkRefers,
			Doc: "The volumes, types and backends that records of the volume service name exist.",
		},
		{
			Name: "volume.status", Run: s.checkStatus,
			Doc: "A volume is in-use if and only if somebody has attached it, and awaits a transfer if and only if there is one.",
		},
		{
			Name: "volume.work", Run: s.checkWork,
			Doc: "A volume, snapshot or backup is in a status that will pass only while a saga works on it.",
		},
		{
			Name: "volume.stuck", Run: s.checkStuck,
			Doc: "A volume whose saga got stuck is in error.",
		},
	}
}

func (s *Service) checkRefers(_ context.Context, l *check.Look) error {
	r := l.State()
	for v := range s.volumes.All(r) {
		if v.Type != "" && !s.types.Has(r, v.Type) {
			l.Found("volume/"+v.ID, fmt.Sprintf("has the type %s, which does not exist.", v.Type), "Give the volume another type.")
		}
		if _, known := s.backends[v.Backend]; v.Backend != "" && !known {
			l.Found("volume/"+v.ID, fmt.Sprintf("is kept by the backend %q, which is not configured.", v.Backend),
				"Configure the backend.")
		}
	}
	for snap := range s.snapshots.All(r) {
		if !s.volumes.Has(r, snap.VolumeID) {
			l.Found("snapshot/"+snap.ID, fmt.Sprintf("is of volume %s, which does not exist.", snap.VolumeID), "Delete the snapshot.")
		}
	}
	for a := range s.attachments.All(r) {
		if !s.volumes.Has(r, a.VolumeID) {
			l.FoundMendable("attachment/"+a.ID, fmt.Sprintf("is of volume %s, which does not exist.", a.VolumeID),
				"Remove the attachment.", s.mendIn(func(tx *state.Tx) error {
					if s.volumes.Has(tx, a.VolumeID) || !s.attachments.Has(tx, a.ID) {
						return nil
					}
					return s.attachments.Delete(tx, a.ID)
				}))
		}
	}
	for t := range s.transfers.All(r) {
		if !s.volumes.Has(r, t.VolumeID) {
			l.FoundMendable("transfer/"+t.ID, fmt.Sprintf("offers volume %s, which does not exist.", t.VolumeID),
				"Delete the transfer.", s.mendIn(func(tx *state.Tx) error {
					if s.volumes.Has(tx, t.VolumeID) || !s.transfers.Has(tx, t.ID) {
						return nil
					}
					return s.transfers.Delete(tx, t.ID)
				}))
		}
	}
	for p := range s.projectTypes.All(r) {
		if !s.types.Has(r, p.TypeID) {
			l.Found("default-volume-type/"+p.ProjectID, fmt.Sprintf("is the type %s, which does not exist.", p.TypeID),
				"Set another default type for the project.")
		}
	}
	return nil
}

// mendIn gives a function that mends in a transaction.
func (s *Service) mendIn(f func(tx *state.Tx) error) func(context.Context) error {
	return func(ctx context.Context) error { return s.core.DB.Update(ctx, f) }
}

func (s *Service) checkStatus(_ context.Context, l *check.Look) error {
	for v := range s.volumes.All(l.State()) {
		if l.Busy("volume", v.ID) {
			continue
		}
		want := s.statusOf(l.State(), &v)
		if want == v.Status {
			continue
		}
		l.FoundMendable("volume/"+v.ID, fmt.Sprintf("has the status %s, but should have %s.", v.Status, want),
			"Reset the status of the volume.", s.mendIn(func(tx *state.Tx) error {
				v, err := s.volumes.Get(tx, v.ID)
				if err != nil || len(s.core.Sagas.Active(tx, resource(v.ID))) > 0 {
					return nil
				}
				v.Status = s.statusOf(tx, &v)
				return s.volumes.Put(tx, v)
			}))
	}
	return nil
}

// statusOf is the status that a volume should have by its attachments and transfers;
// its own where these say nothing about it.
func (s *Service) statusOf(r state.Reader, v *Volume) Status {
	has := map[Status]bool{}
	for a := range s.attachments.Where(r, s.attByVol, v.ID) {
		has[a.Status] = true
	}
	_, offered := s.transfers.Find(r, s.transByVol, v.ID)
	switch v.Status {
	case Available, InUse, AwaitTransfer, Detaching:
	default:
		return v.Status // work under way, an error, or somebody's reservation
	}
	switch {
	case has[v.Status]:
		return v.Status
	case has[InUse]:
		return InUse
	case has[Detaching]:
		return Detaching
	case has[Attaching], has[Reserved]:
		return Attaching
	case offered:
		return AwaitTransfer
	}
	return Available
}

// passing are the statuses of volumes that a saga ends.
var passing = [...]Status{Creating, Downloading, Deleting, Extending, Uploading, BackingUp, RestoringBack, Reverting}

func (s *Service) checkWork(_ context.Context, l *check.Look) error {
	found := func(resource string, status Status) {
		l.Found(resource, fmt.Sprintf("has the status %s, but nothing is being done with it.", status),
			"Look what became of it, and reset its status.")
	}
	for v := range s.volumes.All(l.State()) {
		if slices.Contains(passing[:], v.Status) && !l.Busy("volume", v.ID) {
			found("volume/"+v.ID, v.Status)
		}
	}
	for snap := range s.snapshots.All(l.State()) {
		switch snap.Status {
		case Creating, Deleting, Restoring:
			if !l.Busy("volume", snap.VolumeID) {
				found("snapshot/"+snap.ID, snap.Status)
			}
		}
	}
	restored := s.restored(l.State())
	for b := range s.backups.All(l.State()) {
		if b.Status == Creating && !l.Busy("volume", b.VolumeID) || b.Status == Deleting && !l.Busy("backup", b.ID) ||
			b.Status == Restoring && !restored[b.ID] {
			found("backup/"+b.ID, b.Status)
		}
	}
	return nil
}

// restored are the backups that sagas write to volumes.
func (s *Service) restored(r state.Reader) map[string]bool {
	ids := map[string]bool{}
	for sg := range s.core.Sagas.Unfinished(r) {
		if p := paramsOf(&sg); sg.Name == sagaBackupRestore {
			ids[p.ID] = true
		}
	}
	return ids
}

func (s *Service) checkStuck(_ context.Context, l *check.Look) error {
	for v := range s.volumes.All(l.State()) {
		switch v.Status {
		case Error, ErrorDeleting, ErrorExtending, ErrorRestoring:
			continue
		}
		if s.core.Sagas.IsStuck(l.State(), resource(v.ID)) && v.Fault == "" {
			l.Found("volume/"+v.ID, fmt.Sprintf("has the status %s, but its last work could neither be done nor undone.", v.Status),
				"Look at the volume, and reset its status to error.")
		}
	}
	return nil
}
