package cloudtest

import (
	"net/http"

	"github.com/welkin-cloud/cloud/image/driver"
)

// The routes of images' content.
const (
	imageDownload = "GET /image/v2/images/{id}/file"
	imageUpload   = "PUT /image/v2/images/{id}/file"
)

// ImageDownloadCut ends the connection in the middle of an image's content.
//
// In the field: a proxy's timeout, a restart of the image service.
//
// A client sees: half of the bytes that Content-Length promises, then an unexpected end.
//
// Welkin: the image is not concerned; the next download is whole.
func ImageDownloadCut() Fault { return onRequest("ImageDownloadCut", cutsAnswer, imageDownload) }

// ImageUploadCut ends the connection in the middle of the content that a client sends.
//
// In the field: the client's link breaks, a proxy limits the time or the size.
//
// A client sees: a broken connection; the image is queued again.
//
// Welkin: drops what has arrived; the upload can be repeated.
func ImageUploadCut() Fault {
	return onRequest("ImageUploadCut", func(_ *Injection, w http.ResponseWriter, r *http.Request, next http.Handler) {
		r = r.Clone(r.Context())
		body := &cutBody{ReadCloser: r.Body, left: 1 << 10}
		if r.ContentLength >= 0 {
			body.left = r.ContentLength / 2
		}
		r.Body = body
		next.ServeHTTP(unheard{http.Header{}}, r)
		reset(w)
	}, imageUpload)
}

// ImageStoreFull lets the image store have no room.
//
// In the field: the file system or the object store behind the image service is full.
//
// A client sees: the upload is refused with 413, the image is queued again; a snapshot of
// a server disappears.
//
// Welkin: drops what has arrived.
func ImageStoreFull() Fault {
	return onCall("ImageStoreFull", fails(driver.Errorf(driver.Exhausted, "The image store has no space left.")), "image.Put")
}

// ImageStoreDown takes the image store down.
//
// In the field: the object store behind the image service does not answer.
//
// A client sees: uploads and downloads end with 503; a deleted image is gone at once.
//
// Welkin: boots on hosts that have the image already go on; content of deleted images is
// removed when the store is back.
func ImageStoreDown() Fault {
	return onCall("ImageStoreDown", fails(driver.Errorf(driver.Unavailable, "The image store does not answer.")), "image.*")
}
