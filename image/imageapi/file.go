package imageapi

import (
	"context"
	"mime"
	"net/http"

	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) fileRoutes() []httpapi.Route {
	const file = "/v2/images/{image_id}/file"
	return []httpapi.Route{
		{Method: "PUT", Path: file, Policy: "upload_image", Target: a.imageTarget, Status: 204, Stream: true, Handle: a.upload},
		{Method: "GET", Path: file, Policy: "download_image", Target: a.imageTarget, Handle: a.download},
	}
}

func (a *api) upload(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	kind, _, _ := mime.ParseMediaType(r.HTTP.Header.Get("Content-Type"))
	if kind != "application/octet-stream" {
		return nil, fault.New(fault.Invalid, "The content type must be application/octet-stream.").WithCode("UnsupportedMediaType")
	}
	_, err := a.svc.UploadImage(ctx, r.Path("image_id"), r.Raw())
	if fault.Of(err) == fault.Exhausted { // Glance's status for it
		err = fault.New(fault.TooLarge, "Image storage media is full: %s", fault.Public(err)).Because(err)
	}
	return httpapi.Empty(), err
}

func (a *api) download(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	img := httpapi.Kept[image.Image](r)
	if img.Status == image.Queued || img.Status == image.Saving {
		return &httpapi.Response{Status: http.StatusNoContent}, nil
	}
	c, err := a.svc.OpenImage(ctx, img.ID)
	if err != nil {
		return nil, err
	}
	h := http.Header{}
	// Glance gives the hexadecimal form, which its clients compare with.
	h.Set("Content-MD5", img.MD5)
	return &httpapi.Response{Header: h, Stream: c, Size: c.Size(), Type: "application/octet-stream"}, nil
}
