package oidc

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/welkin-cloud/cloud/identity/driver"
)

// maxAnswer bounds what is read of an answer of a provider.
const maxAnswer = 1 << 20

// bounded is a transport that has so many requests under way, and whose answers are
// bounded.
type bounded struct {
	http.RoundTripper
	calls chan struct{} // held by requests under way
}

// RoundTrip sends a request. What is too much of its answer is an error, and so is that
// the provider cannot answer now: neither says anything of a token.
func (b *bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	select {
	case b.calls <- struct{}{}:
	default:
		return nil, driver.Errorf(driver.Unavailable, "Too many log-ins wait for the identity provider. Try again later.")
	}
	done := sync.OnceFunc(func() { <-b.calls })
	resp, err := b.RoundTripper.RoundTrip(req)
	if err != nil {
		done()
		return nil, err
	}
	if resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests {
		_ = resp.Body.Close() // it is not read
		done()
		return nil, unreachable(errors.New("the identity provider answers " + resp.Status))
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxAnswer, done: done}
	return resp, nil
}

type boundedBody struct {
	io.ReadCloser
	left int64
	done func()
}

// Read reads what is left.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("an answer of the identity provider is larger than %d bytes", maxAnswer)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// Close ends the request.
func (b *boundedBody) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}
