package image

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Limits of what an image may carry, as Glance has them.
const (
	maxName       = 255
	maxProperties = 128
	maxTags       = 128
	maxTag        = 255
	maxValue      = 65535
)

// Formats that an image may be declared as.
var (
	diskFormats      = []string{"ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "ploop", "iso"}
	containerFormats = []string{"ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"}
)

// DiskFormats lists the disk formats that an image may have.
func DiskFormats() []string { return slices.Clone(diskFormats) }

// ContainerFormats lists the container formats that an image may have.
func ContainerFormats() []string { return slices.Clone(containerFormats) }

// CreateImage makes an image without content. With opts.ID set, one of that id that
// the project owns already is returned as it is.
//
// Errors: Invalid for a bad option, AlreadyExists for an id of another project or of an
// image whose content is still being deleted, QuotaExceeded beyond Config.MaxImages.
func (s *Service) CreateImage(ctx context.Context, projectID string, opts CreateOptions) (img Image, err error) {
	err = s.core.DB.Update(ctx, func(tx *state.Tx) error {
		img, err = s.CreateImageIn(ctx, tx, projectID, opts)
		return err
	})
	return img, err
}

// CreateImageIn is CreateImage in the transaction of a caller, who begins to fill the
// image in it: a crash then leaves both or neither.
func (s *Service) CreateImageIn(ctx context.Context, tx *state.Tx, projectID string, opts CreateOptions) (Image, error) {
	const op = "image.CreateImage"
	now := s.core.Clock.Now()
	img := Image{
		ID: opts.ID, Name: opts.Name, ProjectID: projectID, Status: Queued,
		Visibility: opts.Visibility, Protected: opts.Protected, Hidden: opts.Hidden,
		DiskFormat: opts.DiskFormat, ContainerFormat: opts.ContainerFormat,
		MinDiskGiB: opts.MinDiskGiB, MinRAMMiB: opts.MinRAMMiB,
		Properties: maps.Clone(opts.Properties), Tags: tagSet(opts.Tags),
		CreatedAt: now, UpdatedAt: now,
	}
	if img.ID == "" {
		img.ID = s.core.IDs.UUID()
	}
	if img.Visibility == "" {
		img.Visibility = Shared
	}
	if err := validate(&img); err != nil {
		return Image{}, fault.Wrap(op, err)
	}
	if old, err := s.images.Get(tx, img.ID); err == nil && opts.ID != "" && old.ProjectID == projectID {
		return old, nil
	}
	if len(s.core.Sagas.Active(tx, "image/"+img.ID)) > 0 { // it would remove the content of this one too
		return Image{}, fault.Wrap(op, fault.New(fault.AlreadyExists, "Image ID %s is that of an image that is being deleted.", img.ID))
	}
	if n := s.images.Count(tx, s.byOwner, projectID); n >= s.cfg.MaxImages {
		return Image{}, fault.Wrap(op, fault.New(fault.QuotaExceeded, "The project owns %d images, which is its limit.", n))
	}
	s.emit(ctx, tx, "create", img)
	return img, fault.Wrap(op, s.images.Insert(tx, img))
}

// GetImage returns an image: NotFound if there is none.
func (s *Service) GetImage(_ context.Context, id string) (Image, error) {
	img, err := s.images.Get(s.core.DB.Snapshot(), id)
	return img, fault.Wrap("image.GetImage", err)
}

// UpdateOptions of UpdateImage: nil fields stay.
type UpdateOptions struct {
	Name            *string
	Visibility      *Visibility
	Protected       *bool
	Hidden          *bool
	DiskFormat      *string // only while queued
	ContainerFormat *string // only while queued
	MinDiskGiB      *int
	MinRAMMiB       *int
	Properties      map[string]*string // set, or removed where nil
	Tags            *[]string
	ProjectID       *string
}

// UpdateImage changes the record of an image.
//
// Errors: NotFound; Invalid; Forbidden for formats of an image that has content.
func (s *Service) UpdateImage(ctx context.Context, id string, opts UpdateOptions) (Image, error) {
	img, err := s.change(ctx, id, "update", func(_ *state.Tx, i *Image) error { return opts.apply(i) })
	return img, fault.Wrap("image.UpdateImage", err)
}

func (o *UpdateOptions) apply(i *Image) error {
	if (o.DiskFormat != nil || o.ContainerFormat != nil) && i.Status != Queued {
		return fault.New(fault.Forbidden, "Attribute 'disk_format' or 'container_format' can be replaced only for a queued image.")
	}
	set(&i.Name, o.Name)
	set(&i.Visibility, o.Visibility)
	set(&i.Protected, o.Protected)
	set(&i.Hidden, o.Hidden)
	set(&i.DiskFormat, o.DiskFormat)
	set(&i.ContainerFormat, o.ContainerFormat)
	set(&i.MinDiskGiB, o.MinDiskGiB)
	set(&i.MinRAMMiB, o.MinRAMMiB)
	set(&i.ProjectID, o.ProjectID)
	if o.Tags != nil {
		i.Tags = tagSet(*o.Tags)
	}
	if len(o.Properties) > 0 {
		props := maps.Clone(i.Properties)
		if props == nil {
			props = map[string]string{}
		}
		for k, v := range o.Properties {
			if v == nil {
				delete(props, k)
			} else {
				props[k] = *v
			}
		}
		i.Properties = props
	}
	return validate(i)
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// DeleteImage removes an image and, soon after, its content.
//
// Errors: NotFound; Forbidden if it is protected.
func (s *Service) DeleteImage(ctx context.Context, id string) error {
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		img, err := s.images.Get(tx, id)
		if err != nil {
			return err
		}
		if img.Protected {
			return fault.New(fault.Forbidden, "Image %s is protected and cannot be deleted.", id)
		}
		return s.remove(ctx, tx, img)
	})
	return fault.Wrap("image.DeleteImage", err)
}

// remove deletes the record with its members and has the content purged.
func (s *Service) remove(ctx context.Context, tx *state.Tx, img Image) error {
	for _, m := range s.membersOf(tx, img.ID) {
		if err := s.members.Delete(tx, state.Key(m.ImageID, m.ProjectID)); err != nil {
			return err
		}
	}
	if err := s.images.Delete(tx, img.ID); err != nil {
		return err
	}
	s.emit(ctx, tx, "delete", img)
	return s.purgeLater(tx, img)
}

// Deactivate forbids everybody but admins to read the content of an active image;
// Reactivate allows it again. Both do nothing if it is so already.
//
// Errors: NotFound; Forbidden for an image in another status.
func (s *Service) Deactivate(ctx context.Context, id string) (Image, error) {
	return s.switchStatus(ctx, "image.Deactivate", id, Active, Deactivated)
}

// Reactivate undoes Deactivate.
func (s *Service) Reactivate(ctx context.Context, id string) (Image, error) {
	return s.switchStatus(ctx, "image.Reactivate", id, Deactivated, Active)
}

func (s *Service) switchStatus(ctx context.Context, op, id string, from, to Status) (Image, error) {
	img, err := s.change(ctx, id, "update", func(_ *state.Tx, i *Image) error {
		if i.Status != from && i.Status != to {
			return fault.New(fault.Forbidden, "Not allowed to change an image from status %s to %s", i.Status, to)
		}
		i.Status = to
		return nil
	})
	return img, fault.Wrap(op, err)
}

// tagSet sorts tags and drops those that come twice.
func tagSet(tags []string) []string {
	t := slices.Clone(tags)
	slices.Sort(t)
	return slices.Compact(t)
}

// validate checks everything that users may set.
func validate(i *Image) error {
	bad := func(format string, args ...any) error { return fault.New(fault.Invalid, format, args...) }
	if _, err := uuid.Parse(i.ID); err != nil || len(i.ID) != 36 {
		return bad("Invalid image id format")
	}
	if err := text("name", i.Name, maxName); err != nil {
		return err
	}
	switch i.Visibility {
	case Private, Shared, Community, Public:
	default:
		return bad("Invalid visibility value: %s", i.Visibility)
	}
	if i.DiskFormat != "" && !slices.Contains(diskFormats, i.DiskFormat) {
		return bad("Invalid disk format '%s' for image.", i.DiskFormat)
	}
	if i.ContainerFormat != "" && !slices.Contains(containerFormats, i.ContainerFormat) {
		return bad("Invalid container format '%s' for image.", i.ContainerFormat)
	}
	if i.MinDiskGiB < 0 || i.MinRAMMiB < 0 || i.MinDiskGiB > 1<<31-1 || i.MinRAMMiB > 1<<31-1 {
		return bad("min_disk and min_ram must not be negative")
	}
	if len(i.Tags) > maxTags {
		return bad("An image may have %d tags at most.", maxTags)
	}
	for _, t := range i.Tags {
		if err := text("tag", t, maxTag); err != nil {
			return err
		}
	}
	if len(i.Properties) > maxProperties {
		return bad("An image may have %d properties at most.", maxProperties)
	}
	for k, v := range i.Properties {
		if k == "" {
			return bad("A property must have a name.")
		}
		if err := text("property name", k, maxName); err != nil {
			return err
		}
		if err := text("property "+k, v, maxValue); err != nil {
			return err
		}
	}
	return nil
}

func text(what, s string, limit int) error {
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return fault.New(fault.Invalid, "The %s is not valid text.", what)
	}
	if utf8.RuneCountInString(s) > limit {
		return fault.New(fault.Invalid, "The %s is longer than %d characters.", what, limit)
	}
	return nil
}
