package httpapi

import (
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// bodyTimeout is how long a JSON body may take to arrive. It is the connection's
// deadline, which goes by the machine's clock.
const bodyTimeout = 30 * time.Second

// firstRead is how many bytes of a body are read before memory is taken for more.
const firstRead = 16 << 10

// negotiate settles the microversion and says so in the answer.
func (x *exchange) negotiate() error {
	m := x.api.Microversions
	if m == nil {
		return nil
	}
	v, err := m.negotiate(x.http.Header)
	if err != nil {
		return err
	}
	x.request.Version = v
	m.echo(x.w.Header(), v)
	return nil
}

// choose picks among an endpoint's routes by microversion and, where there are
// actions, by the one key of the body; then it reads and validates the body.
func (x *exchange) choose(e *endpoint) (*boundRoute, error) {
	var action string
	var body any
	if e.acts {
		var err error
		if body, err = x.readJSON(); err != nil {
			return nil, err
		}
		if action, err = actionOf(body); err != nil {
			return nil, err
		}
	}
	route, known := e.choose(x.request.Version, action)
	switch {
	case route == nil && known:
		return nil, &versionNotFound{x.request.Version}
	case route == nil && e.acts:
		return nil, &actionError{action}
	case route == nil:
		return nil, errNoRoute
	}
	schema := route.schemaAt(x.request.Version)
	if schema == nil {
		return route, nil
	}
	if !e.acts {
		var err error
		if body, err = x.readJSON(); err != nil {
			return nil, err
		}
	}
	return route, schema.validate(body)
}

// schemaAt gives the schema that holds at a version, or nil.
func (r *boundRoute) schemaAt(v Version) *boundSchema {
	for i := range r.schemas {
		min := r.schemas[i].min
		if v == (Version{}) || v.AtLeast(min.Major, min.Minor) {
			return &r.schemas[i]
		}
	}
	return nil
}

// actionOf gives the key of an action's body.
func actionOf(body any) (string, error) {
	object, ok := body.(map[string]any)
	switch {
	case !ok || len(object) == 0:
		return "", &malformedBody{"the body holds no action"}
	case len(object) > 1:
		return "", &malformedBody{"too many body keys"}
	}
	return slices.Collect(maps.Keys(object))[0], nil
}

// readJSON reads, bounds and parses the body.
func (x *exchange) readJSON() (any, error) {
	if err := checkContentType(x.http.Header.Get("Content-Type")); err != nil {
		return nil, err
	}
	body, err := x.readBody()
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		return nil, &malformedBody{"the body is empty"}
	}
	v, err := parseJSON(body)
	if err != nil {
		return nil, err
	}
	x.request.body = body
	return v, nil
}

// limitBodyTime sets or lifts the deadline of what is still to come of the body. It
// holds for a body that nobody reads as well: the server would wait for its end
// before it answers. A writer that is no connection has no deadline and needs none.
func (x *exchange) limitBodyTime(on bool) {
	if x.http.ContentLength == 0 {
		return
	}
	var until time.Time
	if on {
		until = time.Now().Add(bodyTimeout)
	}
	http.NewResponseController(x.w).SetReadDeadline(until)
}

// readBody reads the body into memory if it is not over the limit.
func (x *exchange) readBody() ([]byte, error) {
	limit := x.api.MaxBody
	if x.http.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	body, err := readAll(x.w, x.http.Body, x.http.ContentLength, limit)
	switch over := (*http.MaxBytesError)(nil); {
	case err == nil:
		x.limitBodyTime(false)
		return body, nil
	case errors.As(err, &over):
		return nil, tooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &StatusError{Status: http.StatusRequestTimeout, Message: "The request body did not arrive in time."}
	}
	return nil, fault.New(fault.Invalid, "The request body could not be read.").Because(err)
}

// readAll reads a body whose length is known, or negative if it is not. One that goes
// over the limit is answered at once, without a wait for its end.
func readAll(w http.ResponseWriter, from io.ReadCloser, length, limit int64) ([]byte, error) {
	if length < 0 {
		return io.ReadAll(http.MaxBytesReader(w, from, limit))
	}
	// Memory is taken as bytes come: a promise of many is no reason for it.
	body := make([]byte, min(length, firstRead))
	n, err := io.ReadFull(from, body)
	for err == nil && int64(len(body)) < length {
		body = append(body, make([]byte, min(length-int64(n), int64(n)))...)
		var more int
		more, err = io.ReadFull(from, body[n:])
		n += more
	}
	return body, err
}

// tooLarge is the error of a body over the limit.
func tooLarge(limit int64) error {
	return fault.New(fault.TooLarge, "The request body is larger than %d bytes.", limit)
}

// checkContentType refuses what does not claim to be JSON; saying nothing is fine.
func checkContentType(header string) error {
	if header == "" || header == jsonType {
		return nil
	}
	media, _, err := mime.ParseMediaType(header)
	if err != nil || !strings.Contains(media, "json") {
		return errMediaType
	}
	return nil
}
