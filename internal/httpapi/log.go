package httpapi

import (
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// globalID is the form of a request id that a caller may bring along.
var globalID = regexp.MustCompile(`^req-[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// log writes the line of a request: a success is for debugging, an error of the
// client for information, and one of the server an error, with its cause. Neither
// query nor headers nor body are in it, since they may hold secrets.
func (x *exchange) log(start time.Time) {
	level := slog.LevelDebug
	switch {
	case x.http.Context().Err() != nil && fault.Of(x.err) == fault.Cancelled:
		level = slog.LevelInfo // the client has gone
	case x.status >= http.StatusInternalServerError:
		level = slog.LevelError
	case x.status >= http.StatusBadRequest, x.err != nil: // or an answer cut off
		level = slog.LevelInfo
	}
	ctx := x.http.Context()
	if !x.opts.Log.Enabled(ctx, level) {
		return
	}
	took := x.opts.Clock.Now().Sub(start)
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs,
		slog.String("service", x.api.Service),
		slog.String("method", x.http.Method),
		slog.String("path", clip(x.prefix+x.path, 512)),
		slog.Int("status", x.status),
		slog.Float64("ms", float64(took.Microseconds())/1000),
		slog.String("request_id", x.request.ID),
	)
	if p := x.request.Principal; p != nil {
		attrs = append(attrs, slog.String("user_id", p.UserID), slog.String("project_id", p.ProjectID))
	}
	if id := x.http.Header.Get("X-Openstack-Request-Id"); id != "" && globalID.MatchString(id) {
		attrs = append(attrs, slog.String("global_request_id", id))
	}
	if x.err != nil && (x.status < http.StatusBadRequest || level == slog.LevelError) {
		attrs = append(attrs, slog.String("error", x.err.Error()))
	}
	x.opts.Log.LogAttrs(ctx, level, "request", attrs...)
}
