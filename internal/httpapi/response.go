package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
)

// Response is a success. The zero value is an empty body with the route's status.
type Response struct {
	Status int         // 0: the route's
	Header http.Header // may be nil
	// Body is encoded as JSON; json.RawMessage is sent as it is; nil is no body.
	Body any
	// Stream is copied and closed instead of Body, with Size as Content-Length if
	// it is not negative, and Type as Content-Type.
	Stream io.ReadCloser
	Size   int64
	Type   string
}

// OK is a response with a JSON body and the route's status.
func OK(body any) *Response { return &Response{Body: body} }

// Empty is a response without a body and with the route's status.
func Empty() *Response { return &Response{} }

// jsonType is the content type of every JSON body, exactly: clients compare it.
const jsonType = "application/json"

// jsonBuffer is a buffer with the encoder that writes to it.
type jsonBuffer struct {
	bytes.Buffer
	enc *json.Encoder
}

// newJSONBuffer makes a buffer for a server's pool.
func newJSONBuffer() any {
	b := &jsonBuffer{}
	b.enc = json.NewEncoder(b)
	b.enc.SetEscapeHTML(false)
	return b
}

// maxKept is the size over which a buffer is left to the garbage collector.
const maxKept = 1 << 20

// errWritten is an error after which the answer cannot be changed any more.
var errWritten = errors.New("the answer was cut off")

// write sends a success.
func (s *server) write(w http.ResponseWriter, r *http.Request, resp *Response, status int) error {
	if resp.Stream != nil {
		return writeStream(w, r, resp, status)
	}
	if resp.Body == nil {
		addHeader(w, resp.Header)
		w.WriteHeader(status)
		return nil
	}
	buf := s.buffers.Get().(*jsonBuffer)
	defer func() {
		if buf.Cap() <= maxKept {
			buf.Reset()
			s.buffers.Put(buf)
		}
	}()
	body, err := encode(buf, resp.Body)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	addHeader(w, resp.Header)
	h := w.Header()
	if h["Content-Type"] == nil {
		h["Content-Type"] = []string{jsonType}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body) // fails only if the client has gone
	}
	return nil
}

// encode writes a JSON body, without the encoder's final line break.
func encode(buf *jsonBuffer, body any) ([]byte, error) {
	if raw, ok := body.(json.RawMessage); ok {
		return raw, nil
	}
	if err := buf.enc.Encode(body); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte{'\n'}), nil
}

// addHeader copies a response's headers.
func addHeader(w http.ResponseWriter, from http.Header) {
	h := w.Header()
	for name, values := range from {
		h[http.CanonicalHeaderKey(name)] = values
	}
}

// writeStream sends a stream and closes it.
func writeStream(w http.ResponseWriter, r *http.Request, resp *Response, status int) error {
	defer resp.Stream.Close()
	addHeader(w, resp.Header)
	h := w.Header()
	if resp.Type != "" {
		h.Set("Content-Type", resp.Type)
	} else if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/octet-stream")
	}
	if resp.Size >= 0 {
		h.Set("Content-Length", strconv.FormatInt(resp.Size, 10))
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	var from io.Reader = resp.Stream
	if _, isFile := from.(*os.File); !isFile { // the kernel copies a file itself
		from = &contextReader{r.Context(), from}
	}
	n, err := io.Copy(w, from)
	if err == nil && resp.Size >= 0 && n != resp.Size {
		err = fmt.Errorf("the stream has %d bytes instead of %d", n, resp.Size)
	}
	if err != nil {
		return errors.Join(errWritten, err)
	}
	return nil
}

// contextReader stops reading when its context is done.
type contextReader struct {
	ctx context.Context
	io.Reader
}

// Read reads unless the context is done.
func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.Reader.Read(p)
}
