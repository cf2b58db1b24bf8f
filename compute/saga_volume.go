package compute

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/volume"
)

const (
	sagaAttachVolume = "compute.attach_volume"
	sagaDetachVolume = "compute.detach_volume"
)

// volumeParams name the volume that is attached or detached.
type volumeParams struct {
	Volume AttachedVolume `json:"volume"`
}

// AttachVolumeOptions say how a volume is attached.
type AttachVolumeOptions struct {
	VolumeID            string
	Device              string // "/dev/vdb"; empty: the next
	Tag                 string
	DeleteOnTermination bool
}

// AttachVolume begins to attach a volume to a server. The volume is reserved when it
// returns.
func (s *Service) AttachVolume(ctx context.Context, id string, opts AttachVolumeOptions) (AttachedVolume, error) {
	const op = "compute.AttachVolume"
	v, err := s.newAttachment(ctx, id, opts)
	if err != nil {
		return AttachedVolume{}, fault.Wrap(op, err)
	}
	_, err = s.begin(ctx, id, task{
		op: op, verb: VerbAttachVolume, saga: sagaAttachVolume, action: "attach_volume", params: volumeParams{v},
		prepare: func(tx *state.Tx, server *Server) error {
			if err := checkNewVolume(server, v); err != nil {
				return err
			}
			_, err := s.cfg.Volumes.ReserveIn(ctx, tx, volume.ReserveOptions{
				ID: v.AttachmentID, VolumeID: v.VolumeID, ServerID: id, Device: v.Device,
			})
			return err
		},
	})
	if err != nil {
		return AttachedVolume{}, err
	}
	return v, nil
}

// newAttachment checks that a volume can be attached and names the attachment.
func (s *Service) newAttachment(ctx context.Context, id string, opts AttachVolumeOptions) (AttachedVolume, error) {
	var v AttachedVolume
	if s.cfg.Volumes == nil {
		return v, fault.New(fault.Unsupported, "this cloud has no volume service")
	}
	server, err := s.GetServer(ctx, id)
	if err != nil {
		return v, err
	}
	if err := checkLock(ctx, &server); err != nil {
		return v, err
	}
	if err := VerbAttachVolume.allows(&server); err != nil {
		return v, err
	}
	vol, err := s.cfg.Volumes.GetVolume(ctx, opts.VolumeID)
	if err != nil || vol.ProjectID != server.ProjectID {
		return v, fault.New(fault.NotFound, "Volume %s could not be found.", opts.VolumeID)
	}
	if server.volume(vol.ID) >= 0 {
		return v, fault.New(fault.Invalid, "Invalid volume: volume %s already attached", vol.ID)
	}
	if vol.Status != volume.Available && !(vol.MultiAttach && vol.Status == volume.InUse) {
		return v, fault.New(fault.Invalid, "Invalid volume: volume '%s' status must be 'available' or 'in-use' (multi-attach). Currently in '%s' status.", vol.ID, vol.Status)
	}
	device, err := deviceFor(&server, opts.Device)
	return AttachedVolume{
		AttachmentID: s.core.IDs.UUID(), VolumeID: vol.ID, Device: device, Tag: opts.Tag,
		DeleteOnTermination: opts.DeleteOnTermination,
	}, err
}

func deviceFor(server *Server, wanted string) (string, error) {
	taken := map[string]bool{server.RootDevice(): true}
	for _, v := range server.Volumes {
		taken[v.Device] = true
	}
	if wanted != "" && !strings.HasPrefix(wanted, "/dev/") {
		wanted = "/dev/" + wanted
	}
	if wanted == "" || !strings.HasPrefix(wanted, "/dev/vd") || taken[wanted] {
		return freeDevice(taken)
	}
	return wanted, nil
}

func checkNewVolume(server *Server, v AttachedVolume) error {
	if server.volume(v.VolumeID) >= 0 {
		return fault.New(fault.Invalid, "Invalid volume: volume %s already attached", v.VolumeID)
	}
	return nil
}

// attachVolumeSaga connects a volume to the server's host and gives it to the guest.
func (s *Service) attachVolumeSaga() saga.Definition {
	return saga.Definition{
		Name: sagaAttachVolume,
		Steps: []saga.Step{
			{Name: "compute_connect_volume", Do: s.volumeConnect, Undo: s.volumeRelease, Attempts: driverAttempts},
			{Name: "compute_attach_volume", Do: s.volumeAttach, Undo: s.volumeDetach, Attempts: driverAttempts},
			{Name: "compute_complete_volume", Do: s.volumeComplete, Attempts: driverAttempts},
		},
		Finished: s.finished(func(r *saga.Run, server *Server) {
			var p volumeParams
			if r.Params(&p) == nil && server.volume(p.Volume.VolumeID) < 0 {
				server.Volumes = append(server.copyOf().Volumes, p.Volume)
			}
		}),
		Failed: s.failed(nil),
		Stuck:  s.broken(),
	}
}

// withVolume calls f with the volume of the saga and its server's host.
func (s *Service) withVolume(r *saga.Run, f func(server *Server, hv driver.Hypervisor, v AttachedVolume) error) error {
	var p volumeParams
	if err := r.Params(&p); err != nil {
		return err
	}
	return s.onHost(r, func(server *Server, hv driver.Hypervisor) error { return f(server, hv, p.Volume) })
}

func (s *Service) volumeConnect(ctx context.Context, r *saga.Run) error {
	return s.withVolume(r, func(server *Server, _ driver.Hypervisor, v AttachedVolume) error {
		_, err := s.cfg.Volumes.Reserve(ctx, volume.ReserveOptions{
			ID: v.AttachmentID, VolumeID: v.VolumeID, ServerID: server.ID, Device: v.Device,
		})
		if err != nil {
			return err
		}
		c, err := s.cfg.Volumes.Connect(ctx, v.AttachmentID, server.Host)
		if err != nil {
			return err
		}
		r.Set(varDisks, diskOfVolume(v, c.Path, c.Format))
		return nil
	})
}

func (s *Service) volumeRelease(ctx context.Context, r *saga.Run) error {
	var p volumeParams
	if err := r.Params(&p); err != nil {
		return err
	}
	return s.cfg.Volumes.Release(ctx, p.Volume.AttachmentID)
}

func (s *Service) volumeAttach(ctx context.Context, r *saga.Run) error {
	return s.withVolume(r, func(server *Server, hv driver.Hypervisor, _ AttachedVolume) error {
		var disk driver.Disk
		r.Load(varDisks, &disk)
		return hv.AttachDisk(ctx, server.ID, disk)
	})
}

func (s *Service) volumeDetach(ctx context.Context, r *saga.Run) error {
	var p volumeParams
	if err := r.Params(&p); err != nil {
		return err
	}
	return s.onGuest(ctx, r, func(ctx context.Context, server *Server, hv driver.Hypervisor) error {
		return hv.DetachDisk(ctx, server.ID, p.Volume.VolumeID)
	})
}

// volumeComplete records the attachment. A guest that its host lost after the step
// before was made again from the record, without the volume: so it gets it once more.
func (s *Service) volumeComplete(ctx context.Context, r *saga.Run) error {
	if err := s.volumeAttach(ctx, r); err != nil {
		return err
	}
	return s.withVolume(r, func(_ *Server, _ driver.Hypervisor, v AttachedVolume) error {
		return s.cfg.Volumes.Complete(ctx, v.AttachmentID, v.Device)
	})
}

// volumeLetGo releases the volume. A guest that its host lost after the step before was
// made again from the record, and has the volume: it is taken from it once more.
func (s *Service) volumeLetGo(ctx context.Context, r *saga.Run) error {
	if err := s.volumeDetach(ctx, r); err != nil {
		return err
	}
	return s.volumeRelease(ctx, r)
}

// DetachVolume begins to take a volume from a server. The volume shows that it is
// being detached when it returns.
func (s *Service) DetachVolume(ctx context.Context, id, volumeID string) error {
	const op = "compute.DetachVolume"
	server, err := s.GetServer(ctx, id)
	if err != nil {
		return fault.Wrap(op, err)
	}
	i := server.volume(volumeID)
	if i < 0 {
		return fault.Wrap(op, fault.New(fault.NotFound, "Instance %s is not attached to volume %s", id, volumeID))
	}
	v := server.Volumes[i]
	if v.Boot {
		return fault.Wrap(op, fault.New(fault.Forbidden, "Cannot detach a root device volume"))
	}
	if err := checkLock(ctx, &server); err != nil {
		return fault.Wrap(op, err)
	}
	if err := VerbDetachVolume.allows(&server); err != nil {
		return fault.Wrap(op, err)
	}
	_, err = s.begin(ctx, id, task{
		op: op, verb: VerbDetachVolume, saga: sagaDetachVolume, action: "detach_volume", params: volumeParams{v},
		prepare: func(tx *state.Tx, _ *Server) error {
			if s.detaching(tx, id, v) {
				return fault.New(fault.Invalid, "Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.")
			}
			return s.cfg.Volumes.BeginDetachIn(ctx, tx, v.AttachmentID)
		},
	})
	return err
}

// detaching reports whether a saga is about to take the volume from its server.
func (s *Service) detaching(r state.Reader, id string, v AttachedVolume) bool {
	for _, doc := range s.core.Sagas.Active(r, resource(id)) {
		var p volumeParams
		if doc.Name == sagaDetachVolume && json.Unmarshal(doc.Params, &p) == nil && p.Volume.AttachmentID == v.AttachmentID {
			return true
		}
	}
	return false
}

// detachVolumeSaga takes a volume from the guest, which must let go of it, and then
// from the host. If the guest does not, the volume is in use as before.
func (s *Service) detachVolumeSaga() saga.Definition {
	return saga.Definition{
		Name: sagaDetachVolume,
		Steps: []saga.Step{
			{Name: "compute_detach_volume", Do: s.volumeDetach, Undo: s.volumeRoll, Attempts: driverAttempts},
			{Name: "compute_release_volume", Do: s.volumeLetGo, Attempts: forwardAttempts, Insist: true},
		},
		Finished: s.finished(func(r *saga.Run, server *Server) {
			var p volumeParams
			if r.Params(&p) != nil {
				return
			}
			if i := server.volume(p.Volume.VolumeID); i >= 0 {
				volumes := server.copyOf().Volumes
				server.Volumes = append(volumes[:i], volumes[i+1:]...)
			}
		}),
		Failed: s.failed(nil),
		Stuck:  s.broken(),
	}
}

// volumeRoll gives the volume back to the guest and shows it as in use, also if the
// attachment has been released already: it is then made anew under its id. The
// deletion of a server finds the volume in its row and lets it go.
func (s *Service) volumeRoll(ctx context.Context, r *saga.Run) error {
	var p volumeParams
	if err := r.Params(&p); err != nil {
		return err
	}
	back := false
	err := s.onGuest(ctx, r, func(ctx context.Context, server *Server, hv driver.Hypervisor) error {
		back = true
		disk, err := s.attach(ctx, server, p.Volume)
		if err != nil {
			return err
		}
		return hv.AttachDisk(ctx, server.ID, disk)
	})
	if err != nil || back {
		return err
	}
	// The server is being deleted; should that fail, the volume is still its own.
	server, err := s.load(r)
	if err == nil {
		_, err = s.attach(ctx, &server, p.Volume)
	}
	if fault.Of(err) == fault.NotFound {
		return nil
	}
	return err
}

// SetVolumeTermination says whether a volume goes with its server.
func (s *Service) SetVolumeTermination(ctx context.Context, id, volumeID string, deleteIt bool) error {
	_, err := s.update(ctx, "compute.SetVolumeTermination", id, func(_ *state.Tx, server *Server) error {
		i := server.volume(volumeID)
		if i < 0 {
			return fault.New(fault.NotFound, "Instance %s is not attached to volume %s", id, volumeID)
		}
		server.Volumes = server.copyOf().Volumes
		server.Volumes[i].DeleteOnTermination = deleteIt
		return nil
	})
	return err
}
