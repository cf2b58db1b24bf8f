package identityapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// webSSOPath is the part of the API that browsers visit.
const webSSOPath = "/v3/auth/OS-FEDERATION"

// webSSORoutes log in with a browser: from a dashboard to the identity provider, back
// to the callback, and with a token to the dashboard.
func (a *api) webSSORoutes() []httpapi.Route {
	const path = webSSOPath + "/identity_providers/{idp_id}/protocols/{protocol_id}"
	public := func(method, path string, handle httpapi.Handler) httpapi.Route {
		return httpapi.Route{Method: method, Path: path, Public: true, Handle: handle}
	}
	return []httpapi.Route{
		public("GET", webSSOPath+"/websso/{protocol_id}", a.beginWebSSO),
		public("POST", webSSOPath+"/websso/{protocol_id}", a.beginWebSSO),
		public("GET", path+"/websso", a.beginWebSSO),
		public("POST", path+"/websso", a.beginWebSSO),
		// Keystone documents this form of the path as well.
		public("GET", webSSOPath+"/identity_providers/{idp_id}/protocol/{protocol_id}/websso", a.beginWebSSO),
		public("GET", path+"/callback", a.finishWebSSO),
		public("POST", path+"/callback", a.finishPosted),
		public("GET", path+"/metadata", a.federationMetadata),
	}
}

// beginWebSSO sends the browser to the identity provider.
func (a *api) beginWebSSO(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	provider, protocol := r.Path("idp_id"), r.Path("protocol_id")
	if provider == "" {
		var err error
		if provider, err = a.svc.WebSSOProvider(ctx, protocol); err != nil {
			return nil, err
		}
	}
	started, err := a.svc.BeginWebSSO(ctx, identity.WebSSOOptions{
		ProviderID: provider, ProtocolID: protocol, Origin: r.Query().Get("origin"),
		Redirect: callback(r, provider, protocol),
	})
	if err != nil {
		return unauthorized(r, err)
	}
	return &httpapi.Response{Status: http.StatusFound, Header: http.Header{
		"Location":      {started.URL},
		"Set-Cookie":    {webSSOCookie(r, started.State, started.Sealed, 600, started.Posts)},
		"Cache-Control": {"no-store"}, "Referrer-Policy": {"no-referrer"},
	}}, nil
}

// isSecure reports whether the browser speaks TLS.
func isSecure(r *httpapi.Request) bool { return strings.HasPrefix(r.BaseURL, "https:") }

// cookieName is that of the cookie of one log-in: a browser may have several under way.
// With TLS it has the prefix of cookies that only this host can have set: another one of
// its domain must not have somebody end a log-in that a stranger has begun.
func cookieName(r *httpapi.Request, state string) string {
	sum := sha256.Sum256([]byte(state))
	name := "websso-" + hex.EncodeToString(sum[:8])
	if isSecure(r) {
		return "__Host-" + name
	}
	return name
}

// webSSOCookie keeps a log-in in the browser that began it. The provider sends the
// browser back from another site, which is why the cookie is lax. A form that is posted
// from there brings no lax cookies: with https the cookie has no such rule then, and
// without it the browser's own, which lets forms pass for a few minutes at most.
func webSSOCookie(r *httpapi.Request, state, sealed string, seconds int, posts bool) string {
	path := webSSOPath
	secure, site := isSecure(r), http.SameSiteLaxMode
	if base, err := url.Parse(r.BaseURL); err == nil {
		path = base.Path + webSSOPath
	}
	if secure {
		path = "/" // browsers take the prefix with no other
	}
	switch {
	case posts && secure:
		site = http.SameSiteNoneMode
	case posts:
		site = 0
	}
	return (&http.Cookie{
		Name: cookieName(r, state), Value: sealed, Path: path, MaxAge: seconds,
		HttpOnly: true, Secure: secure, SameSite: site,
	}).String()
}

// finishWebSSO ends a log-in whose browser was sent back with a query.
func (a *api) finishWebSSO(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.finish(ctx, r, r.Query())
}

// finish answers with a page that hands the token to the dashboard.
func (a *api) finish(ctx context.Context, r *httpapi.Request, answer url.Values) (*httpapi.Response, error) {
	state, sealed := answer.Get("state"), ""
	if cookie, err := r.HTTP.Cookie(cookieName(r, state)); err == nil {
		sealed = cookie.Value
	}
	token, origin, err := a.svc.FinishWebSSO(ctx, r.Path("idp_id"), r.Path("protocol_id"), sealed, answer)
	if err != nil {
		return unauthorized(r, err)
	}
	var b [16]byte
	rand.Read(b[:]) // never fails
	nonce := base64.RawURLEncoding.EncodeToString(b[:])
	var page bytes.Buffer
	if err := handOver.Execute(&page, map[string]string{"Origin": origin, "Token": token, "Nonce": nonce}); err != nil {
		return nil, err
	}
	return &httpapi.Response{
		Status: http.StatusOK, Stream: io.NopCloser(&page), Size: int64(page.Len()), Type: "text/html; charset=utf-8",
		Header: http.Header{
			"Set-Cookie":              {webSSOCookie(r, state, "", -1, false)},
			"Content-Security-Policy": {"default-src 'none'; script-src 'nonce-" + nonce + "'; frame-ancestors 'none'; base-uri 'none'"},
			"Cache-Control":           {"no-store"}, "Referrer-Policy": {"no-referrer"}, "X-Content-Type-Options": {"nosniff"},
		},
	}, nil
}

// handOver posts a token to a dashboard, by itself where scripts may run.
var handOver = template.Must(template.New("websso").Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Logging in</title></head>
<body>
<form id="sso" action="{{.Origin}}" method="post">
<input type="hidden" name="token" value="{{.Token}}">
<noscript><input type="submit" value="Continue"></noscript>
</form>
<script nonce="{{.Nonce}}">document.getElementById("sso").submit();</script>
</body>
</html>
`))
