package volume

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// This file is for clients that attach volumes themselves, without this cloud's
// compute service. What the compute service attached only it may detach: the guest
// would lose its disk under its feet.

// AttachOptions of Attach.
type AttachOptions struct {
	ServerID string
	HostName string // instead of a server
	Device   string
	ReadOnly bool
}

// ReserveVolume keeps a volume for somebody who is going to attach it.
//
// Errors: NotFound; Invalid if the volume is not available.
func (s *Service) ReserveVolume(ctx context.Context, id string) error {
	_, err := s.changeVolume(ctx, id, "attach.start", func(_ *state.Tx, v *Volume) error {
		if v.Status != Available && !(v.MultiAttach && v.Status == InUse) {
			return fault.New(fault.Invalid, "Invalid volume: Volume status must be available to reserve, but the current status is %s.", v.Status)
		}
		v.Status = Attaching
		return nil
	})
	return fault.Wrap("volume.ReserveVolume", err)
}

// UnreserveVolume takes ReserveVolume back. A volume that is not being attached stays
// as it is.
func (s *Service) UnreserveVolume(ctx context.Context, id string) error {
	_, err := s.changeVolume(ctx, id, "update.end", func(tx *state.Tx, v *Volume) error {
		if v.Status == Attaching {
			s.settleAttached(tx, v)
		}
		return nil
	})
	return fault.Wrap("volume.UnreserveVolume", err)
}

// settleAttached gives a volume the status that its attachments make.
func (s *Service) settleAttached(tx *state.Tx, v *Volume) {
	v.Status = Available
	for a := range s.attachments.Where(tx, s.attByVol, v.ID) {
		v.Status = a.Status
		if a.Status == InUse {
			return
		}
	}
}

// Attach records that somebody uses a volume, which is available or reserved.
//
// Errors: NotFound; Invalid if it is neither, or if the volume is read-only and the use
// is not.
func (s *Service) Attach(ctx context.Context, id string, opts AttachOptions) (Attachment, error) {
	a := Attachment{
		ID: s.core.IDs.UUID(), VolumeID: id, ServerID: opts.ServerID, Host: "", HostName: opts.HostName, Device: opts.Device,
		ReadOnly: opts.ReadOnly, Status: InUse, External: true, AttachedAt: s.now(),
	}
	_, err := s.changeVolume(ctx, id, "attach.end", func(tx *state.Tx, v *Volume) error {
		if v.Status != Available && v.Status != Attaching && !(v.MultiAttach && v.Status == InUse) {
			return fault.New(fault.Invalid, "Invalid volume: Volume status must be available or attaching to attach, but the current status is %s.", v.Status)
		}
		for other := range s.attachments.Where(tx, s.attByVol, id) {
			if !v.MultiAttach || other.ServerID == opts.ServerID && opts.ServerID != "" {
				return fault.New(fault.Invalid, "Invalid volume: volume is already attached or being attached")
			}
		}
		if v.IsReadOnly() && !opts.ReadOnly {
			return fault.New(fault.Invalid, "Invalid volume: Unable to attach a read-only volume in the mode rw.")
		}
		v.Status = InUse
		return s.attachments.Insert(tx, a)
	})
	return a, fault.Wrap("volume.Attach", err)
}

// DetachVolume ends an attachment of a volume: with an empty attachmentID the only one.
// A volume without any becomes available.
//
// Errors: NotFound; Invalid if there are several; Conflict for one of the compute
// service.
func (s *Service) DetachVolume(ctx context.Context, id, attachmentID string) error {
	const op = "volume.DetachVolume"
	if attachmentID == "" {
		if _, err := s.GetVolume(ctx, id); err != nil {
			return err
		}
		all := s.ListAttachments(ctx, AttachmentFilter{VolumeID: id})
		if len(all) == 0 {
			return s.UnreserveVolume(ctx, id)
		}
		if len(all) > 1 {
			return fault.Wrap(op, fault.New(fault.Invalid, "Invalid volume: Detach volume failed: more than one attachment, but no attachment_id provided."))
		}
		attachmentID = all[0].ID
	}
	a, err := s.GetAttachment(ctx, attachmentID)
	if err != nil {
		return err
	}
	if a.VolumeID != id {
		return fault.Wrap(op, fault.Missing("attachment", attachmentID))
	}
	return s.Detach(ctx, attachmentID)
}

// Detach is Release for those who are not the compute service.
//
// Errors: NotFound; Conflict for an attachment of the compute service.
func (s *Service) Detach(ctx context.Context, attachmentID string) error {
	a, err := s.GetAttachment(ctx, attachmentID)
	if err != nil {
		return err
	}
	if err := a.CheckExternal(); err != nil {
		return fault.Wrap("volume.Detach", err)
	}
	return s.Release(ctx, attachmentID)
}

// CheckExternal refuses, as a Conflict, an attachment of the compute service.
func (a Attachment) CheckExternal() error {
	if a.External {
		return nil
	}
	return fault.New(fault.Conflict, "Detach volume from instance %s using the Compute API", a.ServerID)
}

// BeginDetaching shows a volume that is in use as detaching, with all its attachments.
//
// Errors: NotFound; Invalid if it is not in use.
func (s *Service) BeginDetaching(ctx context.Context, id string) error {
	err := s.turnAttachments(ctx, id, InUse, Detaching, "detach.start")
	return fault.Wrap("volume.BeginDetaching", err)
}

// RollDetaching takes BeginDetaching back. A volume that is not being detached stays as
// it is.
func (s *Service) RollDetaching(ctx context.Context, id string) error {
	err := s.turnAttachments(ctx, id, Detaching, InUse, "update.end")
	return fault.Wrap("volume.RollDetaching", err)
}

// turnAttachments moves a volume and its attachments from one status to another.
func (s *Service) turnAttachments(ctx context.Context, id string, from, to Status, event string) error {
	return s.core.DB.Update(ctx, func(tx *state.Tx) error {
		v, err := s.volumes.Get(tx, id)
		if err != nil {
			return err
		}
		if v.Status != from {
			if from == Detaching {
				return nil
			}
			return fault.New(fault.Invalid, "Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.")
		}
		var turned []Attachment
		for a := range s.attachments.Where(tx, s.attByVol, id) {
			if a.Status == from {
				a.Status = to
				turned = append(turned, a)
			}
		}
		for _, a := range turned {
			if err := s.attachments.Put(tx, a); err != nil {
				return err
			}
		}
		return s.changeVolumeIn(caller.From(ctx), tx, id, event, func(v *Volume) error { v.Status = to; return nil })
	})
}
