package volume

import (
	"context"
	"io"

	"github.com/welkin-cloud/cloud/image"
	imagedriver "github.com/welkin-cloud/cloud/image/driver"
)

// Images is what volumes need of the image service. *image.Service satisfies it.
type Images interface {
	GetImage(ctx context.Context, id string) (image.Image, error)
	// CanSee reports whether a project may see an image.
	CanSee(ctx context.Context, i image.Image, projectID string) bool
	// OpenImage opens the content of an active image.
	OpenImage(ctx context.Context, id string) (imagedriver.Content, error)
	// CreateImage makes an image without content; with opts.ID set, one that exists
	// already is returned as it is.
	CreateImage(ctx context.Context, projectID string, opts image.CreateOptions) (image.Image, error)
	// UploadImage stores the content of a queued image and makes it active.
	UploadImage(ctx context.Context, id string, content io.Reader) (image.Image, error)
	DeleteImage(ctx context.Context, id string) error
}
