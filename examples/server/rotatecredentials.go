package main

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/welkin-cloud/cloud"
)

// rotateCredentials is the path of the command on the control socket.
const rotateCredentials = "/rotate-credential-keys"

// rotateCredentialKeys has the server that runs on a state directory rotate the keys of
// stored credentials, and encrypt the credentials anew.
func rotateCredentialKeys(ctx context.Context, args []string) error {
	return order(ctx, args, rotateCredentials)
}

func answerRotateCredentials(w http.ResponseWriter, r *http.Request, c *cloud.Cloud, log *slog.Logger) {
	n, err := renewCredentials(r.Context(), c)
	if err != nil {
		log.WarnContext(r.Context(), "the keys of credentials were not rotated", "error", err)
		http.Error(w, "the keys of credentials were not rotated", http.StatusServiceUnavailable)
		return
	}
	log.InfoContext(r.Context(), "the keys of credentials were rotated", "encrypted", n)
}

// renewCredentials rotates the keys. What an earlier call was cut off from is done first.
func renewCredentials(ctx context.Context, c *cloud.Cloud) (int, error) {
	if _, err := c.Identity.MigrateCredentials(ctx); err != nil {
		return 0, err
	}
	if err := c.Identity.RotateCredentialKeys(ctx); err != nil {
		return 0, err
	}
	return c.Identity.MigrateCredentials(ctx)
}
