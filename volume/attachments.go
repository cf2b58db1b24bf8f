package volume

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/volume/driver"
)

// Reserve begins an attachment: an available volume becomes attaching, and nobody else
// can have it. With opts.ID set, the attachment of that id that exists already is
// returned as it is.
//
// Errors: NotFound; Invalid if the volume is not available (or in use and not made for
// several servers).
func (s *Service) Reserve(ctx context.Context, opts ReserveOptions) (a Attachment, err error) {
	err = s.core.DB.Update(ctx, func(tx *state.Tx) error {
		a, err = s.ReserveIn(ctx, tx, opts)
		return err
	})
	return a, err
}

// ReserveIn is Reserve in the transaction of a caller, who begins to work on the
// attachment in it: a crash then leaves both or neither.
func (s *Service) ReserveIn(ctx context.Context, tx *state.Tx, opts ReserveOptions) (Attachment, error) {
	const op = "volume.Reserve"
	a := Attachment{
		ID: opts.ID, VolumeID: opts.VolumeID, ServerID: opts.ServerID, Device: opts.Device,
		ReadOnly: opts.ReadOnly, External: opts.External, Status: Reserved,
	}
	if a.ID == "" {
		a.ID = s.core.IDs.UUID()
	} else if uuid.Validate(a.ID) != nil {
		return Attachment{}, fault.Wrap(op, fault.New(fault.Invalid, "an attachment's id must be a UUID"))
	}
	if old, err := s.attachments.Get(tx, a.ID); err == nil && old.VolumeID == a.VolumeID {
		return old, nil
	}
	if err := s.attachments.Insert(tx, a); err != nil {
		return Attachment{}, fault.Wrap(op, err)
	}
	err := s.changeVolumeIn(caller.From(ctx), tx, a.VolumeID, "attach.start", func(v *Volume) error {
		if v.Status != Available && !(v.MultiAttach && v.Status == InUse) {
			return fault.New(fault.Invalid, "Invalid volume: Volume %s status must be available or downloading to reserve, but the current status is %s.", v.ID, v.Status)
		}
		v.Status = Attaching
		return nil
	})
	return a, fault.Wrap(op, err)
}

// Connect readies the attachment's volume on a host and returns how to reach it there.
func (s *Service) Connect(ctx context.Context, attachmentID, host string) (driver.Connection, error) {
	const op = "volume.Connect"
	r := s.core.DB.Snapshot()
	a, err := s.attachments.Get(r, attachmentID)
	if err != nil {
		return driver.Connection{}, fault.Wrap(op, err)
	}
	v, err := s.volumes.Get(r, a.VolumeID)
	if err != nil {
		return driver.Connection{}, fault.Wrap(op, err)
	}
	b, err := s.backend(v.Backend)
	if err != nil {
		return driver.Connection{}, fault.Wrap(op, err)
	}
	// The host is on record before the backend knows it, so that a crash between
	// leaves nothing that Release would not end.
	if a.Host != host {
		if err := s.leaveHost(ctx, r, b, a); err != nil {
			return driver.Connection{}, fault.Wrap(op, err)
		}
		err := s.changeAttachment(ctx, attachmentID, "", func(a *Attachment, _ *Volume) error {
			a.Host = host
			if a.Status == Reserved {
				a.Status = Attaching
			}
			return nil
		})
		if err != nil {
			return driver.Connection{}, fault.Wrap(op, err)
		}
	}
	c, err := b.Connect(ctx, v.ID, host)
	connected := driver.Connected{VolumeID: v.ID, Host: host}
	err = s.late(ctx, err, func(r state.Reader) bool {
		now, err := s.attachments.Get(r, attachmentID)
		return err == nil && now.Host == host
	}, func(ctx context.Context) error { return s.dropConnection(ctx, v.Backend, connected) })
	if err != nil || c == a.Connection {
		return c, fault.Wrap(op, err)
	}
	err = s.changeAttachment(ctx, attachmentID, "", func(a *Attachment, _ *Volume) error {
		a.Connection = c
		return nil
	})
	return c, fault.Wrap(op, err)
}

// leaveHost ends the use of an attachment's volume on the host where it was before: that
// of a server which has been shelved meanwhile.
func (s *Service) leaveHost(ctx context.Context, r state.Reader, b driver.Backend, a Attachment) error {
	if a.Host == "" || s.sharesHost(r, a) {
		return nil
	}
	return b.Disconnect(ctx, a.VolumeID, a.Host)
}

// Complete ends an attachment: the volume is in use.
func (s *Service) Complete(ctx context.Context, attachmentID, device string) error {
	err := s.changeAttachment(ctx, attachmentID, "attach.end", func(a *Attachment, v *Volume) error {
		if a.Status != InUse {
			a.AttachedAt = s.now()
		}
		a.Status, v.Status = InUse, InUse
		if device != "" {
			a.Device = device
		}
		return nil
	})
	return fault.Wrap("volume.Complete", err)
}

// BeginDetach shows an attached volume as detaching.
//
// Errors: NotFound; Invalid if it is not in use.
func (s *Service) BeginDetach(ctx context.Context, attachmentID string) error {
	return s.core.DB.Update(ctx, func(tx *state.Tx) error { return s.BeginDetachIn(ctx, tx, attachmentID) })
}

// BeginDetachIn is BeginDetach in the transaction of a caller, who begins to work on
// the detachment in it: a crash then leaves both or neither.
func (s *Service) BeginDetachIn(ctx context.Context, tx *state.Tx, attachmentID string) error {
	err := s.changeAttachmentIn(ctx, tx, attachmentID, "detach.start", func(a *Attachment, v *Volume) error {
		if a.Status != InUse && a.Status != Detaching {
			return fault.New(fault.Invalid, "Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.")
		}
		a.Status, v.Status = Detaching, Detaching
		return nil
	})
	return fault.Wrap("volume.BeginDetach", err)
}

// RollDetach shows a volume that could not be detached as in use again.
func (s *Service) RollDetach(ctx context.Context, attachmentID string) error {
	err := s.changeAttachment(ctx, attachmentID, "", func(a *Attachment, v *Volume) error {
		if a.Status == Detaching {
			a.Status, v.Status = InUse, InUse
		}
		return nil
	})
	return fault.Wrap("volume.RollDetach", err)
}

// Release ends an attachment in whatever state: the volume is disconnected from its
// host, and available again if nobody else has it. nil if the attachment is gone.
func (s *Service) Release(ctx context.Context, attachmentID string) error {
	const op = "volume.Release"
	r := s.core.DB.Snapshot()
	a, err := s.attachments.Get(r, attachmentID)
	if err != nil {
		return nil
	}
	v, err := s.volumes.Get(r, a.VolumeID)
	if err == nil && a.Host != "" {
		b, err := s.backend(v.Backend)
		if err == nil {
			err = s.leaveHost(ctx, r, b, a)
		}
		if err != nil {
			return fault.Wrap(op, err)
		}
	}
	err = s.core.DB.Update(ctx, func(tx *state.Tx) error { return s.drop(ctx, tx, attachmentID) })
	return fault.Wrap(op, err)
}

// sharesHost reports whether another attachment has the same volume on the same host.
func (s *Service) sharesHost(r state.Reader, a Attachment) bool {
	for other := range s.attachments.Where(r, s.attByVol, a.VolumeID) {
		if other.ID != a.ID && other.Host == a.Host {
			return true
		}
	}
	return false
}

// drop removes the record of an attachment and settles its volume's status.
func (s *Service) drop(ctx context.Context, tx *state.Tx, id string) error {
	a, err := s.attachments.Get(tx, id)
	if err != nil {
		return nil
	}
	if err := s.attachments.Delete(tx, id); err != nil {
		return err
	}
	left := slices.Collect(s.attachments.Where(tx, s.attByVol, a.VolumeID))
	err = s.changeVolumeIn(caller.From(ctx), tx, a.VolumeID, "detach.end", func(v *Volume) error {
		switch {
		case v.Status != Attaching && v.Status != InUse && v.Status != Detaching && v.Status != Reserved:
		case len(left) == 0:
			v.Status = Available
		default:
			v.Status = left[0].Status
		}
		return nil
	})
	if fault.Of(err) == fault.NotFound {
		return nil
	}
	return err
}

// GetAttachment returns an attachment: NotFound if there is none.
func (s *Service) GetAttachment(_ context.Context, id string) (Attachment, error) {
	a, err := s.attachments.Get(s.core.DB.Snapshot(), id)
	return a, fault.Wrap("volume.GetAttachment", err)
}

// AttachmentFilter picks attachments; empty fields pick all.
type AttachmentFilter struct{ VolumeID, ServerID, ProjectID string }

// ListAttachments returns the attachments that the filter picks, ordered by id.
func (s *Service) ListAttachments(_ context.Context, f AttachmentFilter) []Attachment {
	r := s.core.DB.Snapshot()
	seq := s.attachments.All(r)
	switch {
	case f.VolumeID != "":
		seq = s.attachments.Where(r, s.attByVol, f.VolumeID)
	case f.ServerID != "":
		seq = s.attachments.Where(r, s.attByServer, f.ServerID)
	}
	var out []Attachment
	for a := range seq {
		if f.ServerID != "" && a.ServerID != f.ServerID {
			continue
		}
		if f.ProjectID != "" {
			if v, err := s.volumes.Get(r, a.VolumeID); err != nil || v.ProjectID != f.ProjectID {
				continue
			}
		}
		out = append(out, a)
	}
	return out
}

// changeAttachment alters an attachment with its volume; an event is emitted for the
// volume if it is named.
func (s *Service) changeAttachment(ctx context.Context, id, event string, f func(a *Attachment, v *Volume) error) error {
	return s.core.DB.Update(ctx, func(tx *state.Tx) error { return s.changeAttachmentIn(ctx, tx, id, event, f) })
}

func (s *Service) changeAttachmentIn(ctx context.Context, tx *state.Tx, id, event string, f func(a *Attachment, v *Volume) error) error {
	a, err := s.attachments.Get(tx, id)
	if err != nil {
		return err
	}
	v, err := s.volumes.Get(tx, a.VolumeID)
	if err != nil {
		return err
	}
	if err := f(&a, &v); err != nil {
		return err
	}
	v.UpdatedAt = s.now()
	if event != "" {
		s.emitVolume(caller.From(ctx), tx, event, v)
	}
	if err := s.volumes.Put(tx, v); err != nil {
		return err
	}
	return s.attachments.Put(tx, a)
}
