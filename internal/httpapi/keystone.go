package httpapi

import "strings"

// Keystone renders errors as the identity service does:
// {"error": {"code": 404, "message": …, "title": "Not Found"}}.
type Keystone struct{}

// Status gives the HTTP status of an error.
func (Keystone) Status(err error) int { return statusOf(err, nil) }

// Body gives the error.
func (d Keystone) Body(status int, err error, _ string) (string, []byte) {
	return jsonType, titledBody(status, Text(d, status, err))
}

// words are those of the service.
func (Keystone) words() *words {
	return &words{
		denied: func(rule string) string {
			return "You are not authorized to perform the requested action: " + rule + "."
		},
		missing: func(resource, id string) string {
			if id == "" {
				return "Could not find " + resource + "."
			}
			return "Could not find " + resource + ": " + id + "."
		},
		invalid: func(e *InvalidBody) string {
			if len(e.Path) == 0 {
				return e.Reason
			}
			return "Invalid input for field '" + strings.Join(e.Path, "/") + "': " + e.Reason
		},
		malformed: func(reason string) string {
			return "Expecting to find valid JSON in request body: " + reason + "."
		},
		internal: "An unexpected error prevented the server from fulfilling your request.",
	}
}
