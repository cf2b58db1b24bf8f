package httpapi

import (
	"net/http"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Nova renders errors as the compute service does: a fault named by its status,
// {"itemNotFound": {"code": 404, "message": …}}.
type Nova struct{}

// Status gives the HTTP status of an error; a quota that is exceeded is 403.
func (Nova) Status(err error) int { return statusOf(err, nil) }

// Body gives the fault.
func (d Nova) Body(status int, err error, _ string) (string, []byte) {
	return jsonType, namedFault(status, Text(d, status, err))
}

// words are those of the service.
func (Nova) words() *words {
	return &words{
		missing: func(resource, id string) string {
			switch resource {
			case "server":
				resource = "instance"
			case "server group":
				resource = "instance group"
			case "keypair":
				return "Keypair " + id + " not found."
			}
			return couldNotBeFound(resource, id)
		},
		internal: "Unexpected API Error. Please give the request id to the operator of this cloud.",
	}
}

// Cinder renders errors as the block-storage service does: as Nova, but a quota that
// is exceeded is 413 and what cannot be done 400.
type Cinder struct{}

// Status gives the HTTP status of an error.
func (Cinder) Status(err error) int {
	return statusOf(err, map[fault.Kind]int{
		fault.QuotaExceeded: http.StatusRequestEntityTooLarge,
		fault.Unsupported:   http.StatusBadRequest,
	})
}

// Body gives the fault.
func (d Cinder) Body(status int, err error, _ string) (string, []byte) {
	return jsonType, namedFault(status, Text(d, status, err))
}

// words are those of the service.
func (Cinder) words() *words {
	return &words{
		missing: func(resource, id string) string {
			if resource == "attachment" {
				return "Volume attachment could not be found with filter: attachment_id = " + id + "."
			}
			return couldNotBeFound(resource, id)
		},
		internal: "The server met an unexpected error. Please give the request id to the operator of this cloud.",
	}
}

// namedFault is the error body of Nova and Cinder. Who is not authenticated is
// answered by the middleware in front of them, in Keystone's form.
func namedFault(status int, text string) []byte {
	if status == http.StatusUnauthorized {
		return titledBody(status, text)
	}
	type inner struct {
		Code       int    `json:"code"`
		Message    string `json:"message"`
		RetryAfter string `json:"retryAfter,omitempty"`
	}
	f := inner{Code: status, Message: text}
	if status == http.StatusRequestEntityTooLarge || status == http.StatusTooManyRequests {
		f.RetryAfter = "0"
	}
	return rawJSON(faultName(status), f)
}

// faultName names a fault by its status.
func faultName(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "badRequest"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusNotFound:
		return "itemNotFound"
	case http.StatusMethodNotAllowed:
		return "badMethod"
	case http.StatusConflict:
		return "conflictingRequest"
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		return "overLimit"
	case http.StatusUnsupportedMediaType:
		return "badMediaType"
	case http.StatusNotImplemented:
		return "notImplemented"
	case http.StatusServiceUnavailable:
		return "serviceUnavailable"
	}
	return "computeFault"
}
