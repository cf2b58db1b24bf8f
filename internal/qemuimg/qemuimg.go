// Package qemuimg runs qemu-img, QEMU's tool for disk images, on content that is not
// trusted: formats are always given and never probed, and the process has limits on
// memory and processor time.
package qemuimg

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"strconv"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Limits of one qemu-img process: Nova's and Cinder's, for the same reason.
const (
	maxMemory  = "1073741824" // bytes of address space
	maxSeconds = "600"        // of processor time
)

// run starts qemu-img with the arguments and returns what it prints.
func run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "prlimit",
		append([]string{"--as=" + maxMemory, "--cpu=" + maxSeconds, "qemu-img"}, args...)...)
	// One heap for all threads: each of its own would reserve 64 MiB of the address space.
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "MALLOC_ARENA_MAX=1"}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		kind := fault.Internal
		if strings.Contains(errs.String(), "No space left") {
			kind = fault.Exhausted
		}
		// What qemu-img says may name files of the host: it is the cause, not the message.
		return nil, fault.New(kind, "a disk image could not be processed").
			Because(fault.New(kind, "qemu-img %s: %v: %s", args[0], err, strings.TrimSpace(errs.String())))
	}
	return out.Bytes(), nil
}

// Convert writes the image at src as dst, without any backing file. A raw dst stays
// sparse.
func Convert(ctx context.Context, srcFormat, src, dstFormat, dst string) error {
	_, err := run(ctx, "convert", "-f", srcFormat, "-O", dstFormat, "--", src, dst)
	return err
}

// CreateOverlay makes a qcow2 at path over a backing image; size in bytes, or 0 for
// the backing image's.
func CreateOverlay(ctx context.Context, path, backing, backingFormat string, size int64) error {
	args := []string{"create", "-q", "-f", "qcow2", "-b", backing, "-F", backingFormat, "--", path}
	if size > 0 {
		args = append(args, strconv.FormatInt(size, 10))
	}
	_, err := run(ctx, args...)
	return err
}

// Resize grows an image to size bytes.
func Resize(ctx context.Context, format, path string, size int64) error {
	_, err := run(ctx, "resize", "-q", "-f", format, "--", path, strconv.FormatInt(size, 10))
	return err
}

// VirtualSize returns how large the disk in an image is, in bytes. The image may be
// in use.
func VirtualSize(ctx context.Context, format, path string) (int64, error) {
	out, err := run(ctx, "info", "-U", "-f", format, "--output=json", "--", path)
	if err != nil {
		return 0, err
	}
	var info struct {
		VirtualSize int64 `json:"virtual-size"`
	}
	if err := json.Unmarshal(out, &info); err != nil {
		return 0, err
	}
	return info.VirtualSize, nil
}
