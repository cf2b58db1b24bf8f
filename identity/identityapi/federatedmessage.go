package identityapi

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// messageType is that of the messages of SAML's enhanced clients, exactly: they compare
// it.
const messageType = "application/vnd.paos+xml"

// federatedPath is where a protocol of a provider gives tokens.
func federatedPath(r *httpapi.Request, provider, protocol string) string {
	return r.BaseURL + "/v3/OS-FEDERATION/identity_providers/" + url.PathEscape(provider) +
		"/protocols/" + url.PathEscape(protocol) + "/auth"
}

// wantsMessage reports whether a client offers to carry messages, and shows nothing that
// it could log in with.
func wantsMessage(r *httpapi.Request) bool {
	h := r.HTTP.Header
	return h.Get("PAOS") != "" && strings.Contains(h.Get("Accept"), messageType) && h.Get("Authorization") == ""
}

// bringsMessage reports whether a client brings the answer of a provider.
func bringsMessage(r *httpapi.Request) bool {
	kind, _, err := mime.ParseMediaType(r.HTTP.Header.Get("Content-Type"))
	return err == nil && kind == messageType && r.HTTP.Method == http.MethodPost
}

// beginMessage answers with the message that a client is to carry to the provider.
func (a *api) beginMessage(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	provider, protocol := r.Path("idp_id"), r.Path("protocol_id")
	message, err := a.svc.BeginMessage(ctx, provider, protocol, federatedPath(r, provider, protocol))
	if err != nil {
		return unauthorized(r, err)
	}
	return &httpapi.Response{
		Status: http.StatusOK, Stream: io.NopCloser(bytes.NewReader(message)), Size: int64(len(message)), Type: messageType,
		Header: http.Header{"Cache-Control": {"no-store"}},
	}, nil
}

// finishMessage gives an unscoped token for the answer of a provider.
func (a *api) finishMessage(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	answer, err := io.ReadAll(io.LimitReader(r.Raw(), maxPosted+1))
	if err != nil {
		return nil, fault.New(fault.Invalid, "The request body could not be read.").Because(err)
	}
	if len(answer) > maxPosted {
		return nil, &httpapi.StatusError{Status: http.StatusRequestEntityTooLarge, Message: "The message is too large."}
	}
	token, t, err := a.svc.FinishMessage(ctx, r.Path("idp_id"), r.Path("protocol_id"), answer)
	if err != nil {
		return unauthorized(r, err)
	}
	resp := a.tokenResponse(ctx, r, token, t)
	resp.Status = http.StatusCreated
	return resp, nil
}
