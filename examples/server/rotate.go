package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"syscall"

	"github.com/welkin-cloud/cloud"
)

// rotateKeys has the server that runs on a state directory rotate its token keys.
func rotateKeys(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	answer, err := command(ctx, o.state, "/rotate-keys")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no server runs on %s", o.state)
	}
	if err != nil {
		return err
	}
	return answer.Close()
}

func answerRotate(w http.ResponseWriter, r *http.Request, c *cloud.Cloud, log *slog.Logger) {
	if err := c.Identity.RotateKeys(r.Context()); err != nil {
		log.WarnContext(r.Context(), "the keys were not rotated", "error", err)
		http.Error(w, "the keys were not rotated", http.StatusServiceUnavailable)
		return
	}
	log.InfoContext(r.Context(), "the keys of tokens were rotated")
}
