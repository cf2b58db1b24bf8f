package volume

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/welkin-cloud/cloud/internal/check"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/volume/driver"
)

// backendChecks are about what is stored. What nobody knows of is told and never
// removed: it may be all that is left of somebody's data.
func (s *Service) backendChecks() []check.Check {
	return []check.Check{
		{
			Name: "volume.stored", Run: s.checkStored,
			Doc: "The backends have every volume and snapshot that is recorded, of the recorded size, and no others.",
		},
		{
			Name: "volume.connected", Run: s.checkConnected,
			Doc: "A volume is connected to the hosts that its attachments name, and to no others.",
		},
		{
			Name: "volume.backup", Run: s.checkBackups,
			Doc: "The backup store has the content of every available backup, and no others.",
		},
	}
}

func (s *Service) checkStored(ctx context.Context, l *check.Look) error {
	ours := s.copies(l.State())
	for _, name := range s.names {
		volumes, err := s.backends[name].Volumes(ctx)
		if err == nil {
			s.compareVolumes(l, name, volumes, ours)
			var snapshots []driver.Snapshot
			if snapshots, err = s.backends[name].Snapshots(ctx); err == nil {
				s.compareSnapshots(l, name, snapshots)
			}
		}
		if err != nil {
			l.Unanswered("volume-backend/"+name, err)
		}
	}
	return nil
}

const (
	lost  = "Restore it from a backup or a snapshot, or delete it."
	stray = "Look whose it is, and remove it from the backend by hand."
)

func (s *Service) compareVolumes(l *check.Look, backend string, have []driver.Volume, ours map[string]bool) {
	sizes := make(map[string]int, len(have))
	for _, v := range have {
		sizes[v.ID] = v.SizeGiB
		row, err := s.volumes.Get(l.State(), v.ID)
		if (err != nil || row.Backend != backend) && !ours[v.ID] && !l.Busy("volume", v.ID) {
			l.Found("volume/"+v.ID, fmt.Sprintf("is kept by backend %s, but is not recorded there.", backend), stray)
		}
	}
	for v := range s.volumes.All(l.State()) {
		if v.Backend != backend || l.Busy("volume", v.ID) {
			continue
		}
		switch size, there := sizes[v.ID]; {
		case v.Status == Error || v.Status == ErrorDeleting: // what is left of it is not known
		case !there:
			l.Found("volume/"+v.ID, fmt.Sprintf("is recorded, but backend %s does not have it.", backend), lost)
		case size != v.SizeGiB && v.Status != ErrorExtending:
			l.Found("volume/"+v.ID, fmt.Sprintf("has %d GiB on record, but %d on backend %s.", v.SizeGiB, size, backend),
				"Extend the volume to the larger size.")
		}
	}
}

func (s *Service) compareSnapshots(l *check.Look, backend string, have []driver.Snapshot) {
	there := make(map[string]bool, len(have))
	for _, snap := range have {
		there[snap.ID] = true
		row, err := s.snapshots.Get(l.State(), snap.ID)
		switch {
		case l.Busy("volume", snap.VolumeID):
		case err != nil:
			l.Found("snapshot/"+snap.ID, fmt.Sprintf("is kept by backend %s, but is not recorded.", backend), stray)
		case row.VolumeID != snap.VolumeID:
			l.Found("snapshot/"+snap.ID, fmt.Sprintf("is of volume %s on record, but of %s on backend %s.", row.VolumeID, snap.VolumeID, backend), stray)
		}
	}
	for snap := range s.snapshots.All(l.State()) {
		v, err := s.volumes.Get(l.State(), snap.VolumeID)
		if err != nil || v.Backend != backend || there[snap.ID] || l.Busy("volume", v.ID) ||
			snap.Status == Error || snap.Status == ErrorDeleting {
			continue
		}
		l.Found("snapshot/"+snap.ID, fmt.Sprintf("is recorded, but backend %s does not have it.", backend), lost)
	}
}

// paramsOf reads what is the same in the parameters of this service's sagas.
func paramsOf(sg *saga.Saga) (p backupParams) {
	_ = json.Unmarshal(sg.Params, &p) // those of other services have other fields
	return p
}

// copies are the volumes that sagas have made for themselves.
func (s *Service) copies(r state.Reader) map[string]bool {
	ids := map[string]bool{}
	for sg := range s.core.Sagas.Unfinished(r) {
		if sg.Name == sagaBackup || sg.Name == sagaRevert {
			ids[paramsOf(&sg).Copy] = true
		}
	}
	return ids
}

func (s *Service) checkConnected(ctx context.Context, l *check.Look) error {
	want := s.connections(l.State())
	for _, name := range s.names {
		lister, ok := s.backends[name].(driver.ConnectionLister)
		if !ok {
			continue
		}
		have, err := lister.Connections(ctx)
		if err != nil {
			l.Unanswered("volume-backend/"+name, err)
			continue
		}
		s.compareConnections(l, name, want, have)
	}
	return nil
}

// connections are what attachments say is connected.
func (s *Service) connections(r state.Reader) map[driver.Connected]string {
	want := map[driver.Connected]string{}
	for a := range s.attachments.All(r) {
		if a.Host != "" {
			want[driver.Connected{VolumeID: a.VolumeID, Host: a.Host}] = a.ServerID
		}
	}
	return want
}

func (s *Service) compareConnections(l *check.Look, backend string, want map[driver.Connected]string, have []driver.Connected) {
	there := make(map[driver.Connected]bool, len(have))
	for _, c := range have {
		there[c] = true
		if _, wanted := want[c]; wanted || l.Busy("volume", c.VolumeID) {
			continue
		}
		l.FoundMendable("volume/"+c.VolumeID, fmt.Sprintf("is connected to host %s, but nobody has attached it there.", c.Host),
			fmt.Sprintf("Disconnect it from host %s.", c.Host),
			func(ctx context.Context) error { return s.dropConnection(ctx, backend, c) })
	}
	for c, server := range want {
		v, err := s.volumes.Get(l.State(), c.VolumeID)
		if err != nil || v.Backend != backend || there[c] || l.Busy("server", server) || l.Busy("volume", c.VolumeID) {
			continue
		}
		l.Found("volume/"+c.VolumeID, fmt.Sprintf("is attached to server %s, but not connected to its host %s.", server, c.Host),
			"Detach it from the server, and attach it again.")
	}
}

// dropConnection ends a connection unless an attachment has got it meanwhile: those
// are recorded before the backend is asked.
func (s *Service) dropConnection(ctx context.Context, backend string, c driver.Connected) error {
	for a := range s.attachments.Where(s.core.DB.Snapshot(), s.attByVol, c.VolumeID) {
		if a.Host == c.Host {
			return nil
		}
	}
	return s.backends[backend].Disconnect(ctx, c.VolumeID, c.Host)
}

func (s *Service) checkBackups(ctx context.Context, l *check.Look) error {
	if s.cfg.Backups == nil {
		return nil
	}
	stored, err := s.cfg.Backups.List(ctx)
	if err != nil {
		l.Unanswered("backup-store/"+s.cfg.Backups.Name(), err)
		return nil
	}
	there := make(map[string]bool, len(stored))
	for _, id := range stored {
		there[id] = true
		if !s.backups.Has(l.State(), id) {
			l.Found("backup/"+id, "is in the backup store, but is not recorded.", "Look whose it is, and remove it from the store by hand.")
		}
	}
	for b := range s.backups.All(l.State()) {
		if b.Status == Available && !there[b.ID] {
			l.Found("backup/"+b.ID, "is recorded, but its content is not in the backup store.", "Delete the backup, and make another.")
		}
	}
	return nil
}
