package httpapi

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// Dialect renders errors the way one service does. The types [Nova], [Keystone],
// [Neutron], [Glance], [Cinder] and [Placement] are those of the imitated services.
type Dialect interface {
	// Status gives the HTTP status of an error (most: by its kind).
	Status(err error) int
	// Body gives content type and body.
	Body(status int, err error, requestID string) (contentType string, body []byte)
}

// words are what a service says to its users where an error brings no message of
// its own. What is empty or nil is said as the others do.
type words struct {
	denied    func(rule string) string
	missing   func(resource, id string) string
	invalid   func(e *InvalidBody) string
	malformed func(reason string) string
	noRoute   string
	badMethod string
	internal  string
}

// wordsOf gives the words of a dialect; a foreign one has the common words.
func wordsOf(d Dialect) *words {
	if w, ok := d.(interface{ words() *words }); ok {
		return w.words()
	}
	return &words{}
}

// Text gives what an API's user may read about an error in the words of a dialect
// of this package. Nothing of a cause is in it, and nothing of an internal error.
func Text(d Dialect, status int, err error) string {
	w := wordsOf(d)
	if text := w.station(err); text != "" {
		return text
	}
	if status == http.StatusInternalServerError {
		return or(w.internal, "The server met an unexpected error. Please give the request id to its operator.")
	}
	var denied *policy.Denied
	if errors.As(err, &denied) {
		if w.denied != nil {
			return w.denied(denied.Rule)
		}
		return "Policy doesn't allow " + denied.Rule + " to be performed."
	}
	var e *fault.Error
	if errors.As(err, &e) {
		if e.Message != "" {
			return e.Message
		}
		switch {
		case e.Resource == "":
		case e.Kind == fault.NotFound:
			return w.absent(e.Resource, e.ID)
		case e.Kind == fault.AlreadyExists && e.ID != "":
			return capital(e.Resource) + " " + e.ID + " already exists."
		}
	}
	return kindText(fault.Of(err))
}

// station gives the text for an error of the stations before the handler.
func (w *words) station(err error) string {
	var (
		status    *StatusError
		invalid   *InvalidBody
		malformed *malformedBody
		action    *actionError
		version   *UnsupportedVersion
		missing   *versionNotFound
	)
	switch {
	case errors.As(err, &status):
		return status.Message
	case errors.As(err, &invalid):
		if w.invalid != nil {
			return w.invalid(invalid)
		}
		return invalidField(invalid)
	case errors.As(err, &malformed):
		if w.malformed != nil {
			return w.malformed(malformed.reason)
		}
		return "Malformed message body: " + malformed.reason
	case errors.As(err, &action):
		return "There is no such action: " + clip(action.action, 64)
	case errors.As(err, &version):
		return version.Error()
	case errors.As(err, &missing):
		return missing.Error()
	case errors.Is(err, errNoRoute):
		return or(w.noRoute, "The resource could not be found.")
	case errors.Is(err, errBadMethod):
		return or(w.badMethod, "The method is not allowed for this resource.")
	case errors.Is(err, errMediaType):
		return "Unsupported Content-Type"
	}
	return ""
}

// absent says that a resource is not there.
func (w *words) absent(resource, id string) string {
	if w.missing != nil {
		return w.missing(resource, id)
	}
	return couldNotBeFound(resource, id)
}

// couldNotBeFound is what most services say of a resource that is not there.
func couldNotBeFound(resource, id string) string {
	if id != "" {
		id = " " + id
	}
	return capital(resource) + id + " could not be found."
}

// kindText is said of a kind alone.
func kindText(k fault.Kind) string {
	switch k {
	case fault.NotFound:
		return "The resource could not be found."
	case fault.AlreadyExists:
		return "It exists already."
	case fault.Conflict:
		return "The present state forbids this."
	case fault.Unauthenticated:
		return "The request you have made requires authentication."
	case fault.Forbidden:
		return "This is not allowed."
	case fault.QuotaExceeded:
		return "Quota exceeded."
	case fault.Exhausted:
		return "There is no capacity left."
	case fault.TooLarge:
		return "The request is too large."
	case fault.Unsupported:
		return "This is not supported."
	case fault.RateLimited:
		return "Too many requests. Please try again later."
	case fault.Unavailable, fault.Cancelled:
		return "The service is not available at this time. Please try again later."
	case fault.DeadlineReached:
		return "It took too long."
	}
	return "The request is not valid."
}

// invalidField is what Nova and Cinder say of a value that breaks a schema.
func invalidField(e *InvalidBody) string {
	if len(e.Path) == 0 {
		return e.Reason
	}
	return "Invalid input for field/attribute " + e.Path[len(e.Path)-1] + ". Value: " + e.Value + ". " + e.Reason
}

// capital makes the first letter upper case.
func capital(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// or gives the first text that is not empty.
func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// codeOf gives the machine-readable code of an error, if it has one.
func codeOf(err error) string {
	var e *fault.Error
	if errors.As(err, &e) {
		return e.Code
	}
	var s *StatusError
	if errors.As(err, &s) {
		return s.Code
	}
	return ""
}

// titledBody is the error of Keystone and of the middleware that guards the others:
// {"error": {"code", "message", "title"}}.
func titledBody(status int, text string) []byte {
	type inner struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Title   string `json:"title"`
	}
	return marshal(struct {
		Error inner `json:"error"`
	}{inner{status, text, http.StatusText(status)}})
}

// marshal encodes an error body, without HTML escapes; its types cannot fail.
func marshal(v any) []byte {
	b := newJSONBuffer().(*jsonBuffer)
	body, err := encode(b, v)
	if err != nil {
		panic(err)
	}
	return body
}

// writeError sends an error.
func writeError(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body) // fails only if the client has gone
	}
}

// rawJSON is a JSON object with one key that is not known before.
func rawJSON(key string, v any) []byte { return marshal(map[string]any{key: v}) }
