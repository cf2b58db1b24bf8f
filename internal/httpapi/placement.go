package httpapi

import (
	"errors"
	"net/http"
	"strings"
)

// Placement renders errors as the placement service does, after the guideline of the
// OpenStack API group: {"errors": [{status, title, detail, code, request_id}]}.
type Placement struct{}

// Status gives the HTTP status of an error.
func (Placement) Status(err error) int { return statusOf(err, nil) }

// Body gives the list of the one error.
func (d Placement) Body(status int, err error, requestID string) (string, []byte) {
	type inner struct {
		Status     int    `json:"status"`
		Title      string `json:"title"`
		Detail     string `json:"detail"`
		Code       string `json:"code"`
		RequestID  string `json:"request_id"`
		MaxVersion string `json:"max_version,omitempty"`
		MinVersion string `json:"min_version,omitempty"`
	}
	e := inner{
		Status: status, Title: http.StatusText(status), Detail: Text(d, status, err),
		Code: "placement.undefined_code", RequestID: requestID,
	}
	if code := codeOf(err); strings.HasPrefix(code, "placement.") {
		e.Code = code
	}
	var version *UnsupportedVersion
	if errors.As(err, &version) {
		e.MinVersion, e.MaxVersion = version.Min.String(), version.Max.String()
	}
	return jsonType, rawJSON("errors", []inner{e})
}

// words are those of the service.
func (Placement) words() *words {
	return &words{
		missing: func(resource, id string) string {
			switch {
			case resource == "resource provider" && id != "":
				return "No resource provider with uuid " + id + " found"
			case id != "":
				return "No such " + resource + ": " + id
			}
			return couldNotBeFound(resource, id)
		},
		invalid:   func(e *InvalidBody) string { return "JSON does not validate: " + e.Reason },
		malformed: func(reason string) string { return "Malformed JSON: " + reason },
	}
}
