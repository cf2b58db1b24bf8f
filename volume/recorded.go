package volume

import (
	"slices"

	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/volume/driver"
)

// Recorded is what the backends hold if they hold exactly what was recorded at one
// moment, the journals of work under way included. It is safe for concurrent use and
// never changes.
type Recorded struct {
	s    *Service
	snap *state.Snapshot
}

// Recorded returns what is recorded now.
func (s *Service) Recorded() *Recorded { return &Recorded{s, s.core.DB.Snapshot()} }

// Volume returns the size of a volume of a backend, and the hosts that it is connected
// to.
func (w *Recorded) Volume(backend, id string) (v driver.Volume, hosts []string, ok bool) {
	row, err := w.s.volumes.Get(w.snap, id)
	if err != nil {
		v, ok = w.copy(backend, id)
		return v, nil, ok
	}
	if row.Backend != backend || !w.made(&row) {
		return driver.Volume{}, nil, false
	}
	for a := range w.s.attachments.Where(w.snap, w.s.attByVol, id) {
		if a.Host != "" && !a.External && !slices.Contains(hosts, a.Host) {
			hosts = append(hosts, a.Host)
		}
	}
	return driver.Volume{ID: id, SizeGiB: row.SizeGiB}, hosts, true
}

// made reports whether a volume has been made, and not been removed again because that
// failed.
func (w *Recorded) made(v *Volume) bool {
	switch v.Status {
	case Creating, Downloading:
		return w.did(resource(v.ID), sagaCreate, "make")
	case Error:
		return v.Fault == ""
	}
	return true
}

// did reports whether a step of a saga under way has been done.
func (w *Recorded) did(resource, name, step string) bool {
	for _, sg := range w.s.core.Sagas.Active(w.snap, resource) {
		if sg.Name == name && sg.Did(step) {
			return true
		}
	}
	return false
}

// Volumes returns the ids of the volumes of a backend.
func (w *Recorded) Volumes(backend string) []string {
	var ids []string
	for v := range w.s.volumes.All(w.snap) {
		if v.Backend == backend && w.made(&v) {
			ids = append(ids, v.ID)
		}
	}
	for id, v := range w.copies() {
		if v.Backend == backend {
			ids = append(ids, id)
		}
	}
	return ids
}

// Snapshot returns a snapshot of a backend and the size of its content.
func (w *Recorded) Snapshot(backend, id string) (snap driver.Snapshot, sizeGiB int, ok bool) {
	row, err := w.s.snapshots.Get(w.snap, id)
	if err != nil || !w.taken(backend, &row) {
		return driver.Snapshot{}, 0, false
	}
	return driver.Snapshot{ID: id, VolumeID: row.VolumeID}, row.SizeGiB, true
}

// taken reports whether a backend has a snapshot.
func (w *Recorded) taken(backend string, s *Snapshot) bool {
	v, err := w.s.volumes.Get(w.snap, s.VolumeID)
	switch {
	case err != nil || v.Backend != backend || s.Status == Creating:
		return false
	case s.Status == Error:
		return s.Fault == ""
	}
	return true
}

// Snapshots returns the ids of the snapshots of a backend.
func (w *Recorded) Snapshots(backend string) []string {
	var ids []string
	for s := range w.s.snapshots.All(w.snap) {
		if w.taken(backend, &s) {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// Connection is how a volume is reached on a host; zero if it is not connected there.
func (w *Recorded) Connection(volumeID, host string) driver.Connection {
	for a := range w.s.attachments.Where(w.snap, w.s.attByVol, volumeID) {
		if a.Host == host {
			return a.Connection
		}
	}
	return driver.Connection{}
}

// HasBackup reports whether the backup store has the content of a backup.
func (w *Recorded) HasBackup(id string) bool {
	b, err := w.s.backups.Get(w.snap, id)
	return err == nil && w.backedUp(&b)
}

// Backups returns the ids of the backups whose content is in the store.
func (w *Recorded) Backups() []string {
	var ids []string
	for b := range w.s.backups.All(w.snap) {
		if w.backedUp(&b) {
			ids = append(ids, b.ID)
		}
	}
	return ids
}

func (w *Recorded) backedUp(b *Backup) bool {
	switch b.Status {
	case Creating:
		return w.did(resource(b.VolumeID), sagaBackup, "copy")
	case Error:
		return b.Fault == ""
	}
	return true
}

// copy returns a volume that was made of a snapshot for the while, see copies.
func (w *Recorded) copy(backend, id string) (driver.Volume, bool) {
	v, ok := w.copies()[id]
	return driver.Volume{ID: id, SizeGiB: v.SizeGiB}, ok && v.Backend == backend
}

// copies are the volumes that backups and reverts under way have made of snapshots: the
// backend alone knows them. Each is given by its id with the volume that it is for.
func (w *Recorded) copies() map[string]Volume {
	found := map[string]Volume{}
	for sg := range w.s.core.Sagas.Unfinished(w.snap) {
		if sg.Name != sagaRevert && sg.Name != sagaBackup || !sg.Did("unpack") || sg.Did("tidy") {
			continue
		}
		if id, of := unpacked(&sg); id != "" {
			if v, err := w.s.volumes.Get(w.snap, of); err == nil {
				found[id] = v
			}
		}
	}
	return found
}

// unpacked returns the id of a saga's copy and that of its volume.
func unpacked(sg *saga.Saga) (id, of string) {
	if sg.Name == sagaRevert {
		var p revertParams
		if sg.Decode(&p) != nil {
			return "", ""
		}
		return p.Copy, p.ID
	}
	var p backupParams
	if sg.Decode(&p) != nil {
		return "", ""
	}
	return p.Copy, p.Volume
}
