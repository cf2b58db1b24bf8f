package main

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/welkin-cloud/cloud"
)

// rotateTokens is the path of the command on the control socket.
const rotateTokens = "/rotate-keys"

// rotateKeys has the server that runs on a state directory rotate its token keys.
func rotateKeys(ctx context.Context, args []string) error {
	return order(ctx, args, rotateTokens)
}

func answerRotate(w http.ResponseWriter, r *http.Request, c *cloud.Cloud, log *slog.Logger) {
	if err := c.Identity.RotateKeys(r.Context()); err != nil {
		log.WarnContext(r.Context(), "the keys were not rotated", "error", err)
		http.Error(w, "the keys were not rotated", http.StatusServiceUnavailable)
		return
	}
	log.InfoContext(r.Context(), "the keys of tokens were rotated")
}
