package simulate

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"github.com/welkin-cloud/cloud/volume"
)

// watchful is a log that notices panics: no step may have one, whatever happens.
type watchful struct {
	slog.Handler
	world *world
	mu    sync.Mutex
}

// Handle passes a record on.
func (h *watchful) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "panic") {
		h.mu.Lock()
		h.world.complain("%s", r.Message)
		h.mu.Unlock()
	}
	return h.Handler.Handle(ctx, r)
}

func (r *run) attachments(c *controller) []volume.Attachment {
	return c.cloud.Volumes.ListAttachments(r.ctx, volume.AttachmentFilter{})
}
