package image

import (
	"context"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// MemberStatus is what a project says of an image that is shared with it.
type MemberStatus string

// The statuses of a member.
const (
	Pending  MemberStatus = "pending"  // not answered: readable by id, not listed
	Accepted MemberStatus = "accepted" // listed
	Rejected MemberStatus = "rejected" // readable by id, not listed
)

// Member is a project with which an image is shared.
type Member struct {
	ImageID   string       `json:"image"`
	ProjectID string       `json:"project"`
	Status    MemberStatus `json:"status"`
	CreatedAt time.Time    `json:"created"`
	UpdatedAt time.Time    `json:"updated"`
}

// maxMembers is how many projects an image may be shared with.
const maxMembers = 128

// AddMember shares an image with a project.
//
// Errors: NotFound; Forbidden if the image's visibility is not Shared;
// AlreadyExists; TooLarge beyond 128 members.
func (s *Service) AddMember(ctx context.Context, imageID, projectID string) (Member, error) {
	const op = "image.AddMember"
	if err := text("member", projectID, maxName); err != nil || projectID == "" {
		return Member{}, fault.Wrap(op, fault.New(fault.Invalid, "Invalid member id"))
	}
	now := s.core.Clock.Now()
	m := Member{ImageID: imageID, ProjectID: projectID, Status: Pending, CreatedAt: now, UpdatedAt: now}
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		img, err := s.images.Get(tx, imageID)
		if err != nil {
			return err
		}
		if img.Visibility != Shared {
			return fault.New(fault.Forbidden, "Only shared images have members.")
		}
		if len(s.membersOf(tx, imageID)) >= maxMembers {
			return fault.New(fault.TooLarge, "The limit of %d members has been reached for this image.", maxMembers)
		}
		s.emit(ctx, tx, "member.create", img)
		return s.members.Insert(tx, m)
	})
	return m, fault.Wrap(op, err)
}

// GetMember returns one member of an image.
func (s *Service) GetMember(_ context.Context, imageID, projectID string) (Member, error) {
	m, err := s.members.Get(s.core.DB.Snapshot(), state.Key(imageID, projectID))
	if err != nil {
		err = fault.Missing("image member", projectID)
	}
	return m, fault.Wrap("image.GetMember", err)
}

// ListMembers returns the members of an image, ordered by project.
func (s *Service) ListMembers(_ context.Context, imageID string) ([]Member, error) {
	r := s.core.DB.Snapshot()
	if _, err := s.images.Get(r, imageID); err != nil {
		return nil, fault.Wrap("image.ListMembers", err)
	}
	return s.membersOf(r, imageID), nil
}

// UpdateMember sets what a member says of the image.
func (s *Service) UpdateMember(ctx context.Context, imageID, projectID string, status MemberStatus) (Member, error) {
	const op = "image.UpdateMember"
	if !slices.Contains([]MemberStatus{Pending, Accepted, Rejected}, status) {
		return Member{}, fault.Wrap(op, fault.New(fault.Invalid, "Invalid member status: %s", status))
	}
	var out Member
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		img, err := s.images.Get(tx, imageID)
		if err != nil {
			return err
		}
		s.emit(ctx, tx, "member.update", img)
		return s.members.Change(tx, state.Key(imageID, projectID), func(m *Member) error {
			m.Status, m.UpdatedAt = status, s.core.Clock.Now()
			out = *m
			return nil
		})
	})
	return out, fault.Wrap(op, err)
}

// DeleteMember ends the sharing of an image with a project.
func (s *Service) DeleteMember(ctx context.Context, imageID, projectID string) error {
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		img, err := s.images.Get(tx, imageID)
		if err != nil {
			return err
		}
		if !s.members.Has(tx, state.Key(imageID, projectID)) {
			return fault.Missing("image member", projectID)
		}
		s.emit(ctx, tx, "member.delete", img)
		return s.members.Delete(tx, state.Key(imageID, projectID))
	})
	return fault.Wrap("image.DeleteMember", err)
}

// membersOf collects the members of one image.
func (s *Service) membersOf(r state.Reader, imageID string) []Member {
	return slices.Collect(s.members.Where(r, s.byImage, imageID))
}
