package volume

import (
	"context"

	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

// sagaUpload makes an image of a volume.
const sagaUpload = "volume.upload"

// UploadOptions of UploadToImage.
type UploadOptions struct {
	Name       string
	DiskFormat string // "raw" or "qcow2"; default raw
	Visibility image.Visibility
	Protected  bool
	Force      bool // also of a volume in use
}

type uploadParams struct {
	ID     string            `json:"id"` // of the volume
	Format string            `json:"format"`
	Image  createdImage      `json:"image"`
	Facts  map[string]string `json:"facts,omitempty"`
}

// createdImage is what the saga needs to make the image again after a crash.
type createdImage struct {
	ID         string           `json:"id"`
	Name       string           `json:"name"`
	ProjectID  string           `json:"project"`
	Visibility image.Visibility `json:"visibility,omitempty"`
	Protected  bool             `json:"protected,omitempty"`
}

// CanSeeImage reports whether a project may make volumes of an image.
func (s *Service) CanSeeImage(ctx context.Context, imageID, projectID string) bool {
	if s.cfg.Images == nil {
		return true // CreateVolume refuses it
	}
	img, err := s.cfg.Images.GetImage(ctx, imageID)
	return err == nil && s.cfg.Images.CanSee(ctx, img, projectID)
}

// UploadToImage starts to make an image of a volume and returns the image's id.
//
// Errors: NotFound; Invalid for a bad format, or if the volume is not available, or not
// in use with Force; Unsupported without an image service.
func (s *Service) UploadToImage(ctx context.Context, id, projectID string, opts UploadOptions) (imageID string, err error) {
	const op = "volume.UploadToImage"
	if s.cfg.Images == nil {
		return "", fault.Wrap(op, fault.New(fault.Unsupported, "this cloud has no image service"))
	}
	if opts.DiskFormat == "" {
		opts.DiskFormat = "raw"
	}
	if opts.DiskFormat != "raw" && opts.DiskFormat != "qcow2" {
		return "", fault.Wrap(op, fault.New(fault.Invalid, "Invalid input received: a volume becomes a raw or a qcow2 image."))
	}
	imageID = s.core.IDs.UUID()
	_, err = s.changeVolume(ctx, id, "upload.start", func(tx *state.Tx, v *Volume) error {
		was := v.Status
		if was != Available && !(opts.Force && was == InUse) {
			return fault.New(fault.Invalid, "Invalid volume: Volume %s status must be available or in-use, but current status is: %s.", id, was)
		}
		v.Status = Uploading
		return s.start(caller.From(ctx), tx, sagaUpload, resource(id), v.ProjectID, uploadParams{
			ID: id, Format: opts.DiskFormat, Facts: v.ImageMetadata,
			Image: createdImage{imageID, opts.Name, projectID, opts.Visibility, opts.Protected},
		})
	})
	return imageID, fault.Wrap(op, err)
}

func (s *Service) uploadSagas() []saga.Definition {
	end := func(tx *state.Tx, r *saga.Run) error {
		var p uploadParams
		if err := r.Params(&p); err != nil {
			return err
		}
		return s.changeVolumeIn(starter(r), tx, p.ID, "upload.end", func(v *Volume) error {
			if v.Status == Uploading {
				v.Status = Available // unless it is attached: it may have been detached meanwhile
				v.Status = s.statusOf(tx, v)
			}
			return nil
		})
	}
	return []saga.Definition{{
		Name: sagaUpload,
		Steps: []saga.Step{
			{Name: "image", Do: s.makeImage, Undo: s.unmakeImage, Attempts: attempts},
			{Name: "upload", Do: s.fillImage, Attempts: attempts},
		},
		Finished: end,
		Failed:   func(tx *state.Tx, r *saga.Run, _ error) error { return end(tx, r) },
	}}
}

// baseFacts are not the user's own properties of an image.
var baseFacts = [...]string{"image_id", "image_name", "checksum", "disk_format", "container_format", "size", "min_disk", "min_ram"}

func (s *Service) makeImage(ctx context.Context, r *saga.Run) error {
	var p uploadParams
	if err := r.Params(&p); err != nil {
		return err
	}
	for _, k := range baseFacts {
		delete(p.Facts, k)
	}
	_, err := s.cfg.Images.CreateImage(ctx, p.Image.ProjectID, image.CreateOptions{
		ID: p.Image.ID, Name: p.Image.Name, Visibility: p.Image.Visibility, Protected: p.Image.Protected,
		DiskFormat: p.Format, ContainerFormat: "bare", Properties: p.Facts,
	})
	return err
}

func (s *Service) unmakeImage(ctx context.Context, r *saga.Run) error {
	var p uploadParams
	if err := r.Params(&p); err != nil {
		return err
	}
	err := s.cfg.Images.DeleteImage(ctx, p.Image.ID)
	if fault.Of(err) == fault.NotFound {
		return nil
	}
	return err
}

func (s *Service) fillImage(ctx context.Context, r *saga.Run) error {
	var p uploadParams
	if err := r.Params(&p); err != nil {
		return err
	}
	if img, err := s.cfg.Images.GetImage(ctx, p.Image.ID); err == nil && img.Status == image.Active {
		return nil // a crash came after the upload and before its record
	}
	v, b, err := s.volumeAndBackend(r)
	if err != nil {
		return err
	}
	content, err := b.Export(ctx, v.ID, p.Format)
	if err != nil {
		return err
	}
	defer content.Close()
	_, err = s.cfg.Images.UploadImage(ctx, p.Image.ID, content)
	return err
}
