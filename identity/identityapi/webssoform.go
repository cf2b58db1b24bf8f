package identityapi

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// maxPosted bounds the form that a provider sends a browser back with.
const maxPosted = 1 << 20

// finishPosted is finishWebSSO for providers that send the browser back with a form.
func (a *api) finishPosted(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	form, err := readForm(r)
	if err != nil {
		return nil, err
	}
	if relayed := form.Get("RelayState"); relayed != "" {
		form.Set("state", relayed)
	}
	return a.finish(ctx, r, form)
}

func readForm(r *httpapi.Request) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.HTTP.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, fault.New(fault.Invalid, "A form is expected.")
	}
	text, err := io.ReadAll(io.LimitReader(r.Raw(), maxPosted+1))
	if err != nil {
		return nil, fault.New(fault.Invalid, "The request body could not be read.").Because(err)
	}
	if len(text) > maxPosted {
		return nil, &httpapi.StatusError{Status: http.StatusRequestEntityTooLarge, Message: "The form is too large."}
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, fault.New(fault.Invalid, "A form is expected.").Because(err)
	}
	return form, nil
}

// federationMetadata answers with the document about this cloud that a provider wants.
func (a *api) federationMetadata(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	provider, protocol := r.Path("idp_id"), r.Path("protocol_id")
	text, kind, err := a.svc.FederationMetadata(ctx, provider, protocol, callback(r, provider, protocol), federatedPath(r, provider, protocol))
	if err != nil {
		return unauthorized(r, err)
	}
	return &httpapi.Response{
		Stream: io.NopCloser(bytes.NewReader(text)), Size: int64(len(text)), Type: kind,
		Header: http.Header{"X-Content-Type-Options": {"nosniff"}},
	}, nil
}

// callback is where a provider sends browsers back to.
func callback(r *httpapi.Request, provider, protocol string) string {
	return r.BaseURL + webSSOPath + "/identity_providers/" + url.PathEscape(provider) +
		"/protocols/" + url.PathEscape(protocol) + "/callback"
}
