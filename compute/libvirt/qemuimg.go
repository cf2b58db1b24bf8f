package libvirt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// What qemu-img may use. Users give it files, so it gets little.
const (
	lookTimeout  = 30 * time.Second
	workTimeout  = time.Hour
	imgMemory    = 2 << 30 // bytes of address space
	lookCPU      = 30      // seconds
	workCPU      = 3600
	maxErrorText = 2000
)

// qemuImg runs qemu-img with limits and returns its output.
func qemuImg(ctx context.Context, cpu int, timeout time.Duration, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	all := append([]string{fmt.Sprintf("--as=%d", imgMemory), fmt.Sprintf("--cpu=%d", cpu), "--core=0", "--", "qemu-img"}, args...)
	cmd := exec.CommandContext(ctx, "prlimit", all...)
	cmd.WaitDelay = 5 * time.Second
	// One heap for all threads: each of its own would reserve 64 MiB of the address space.
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "MALLOC_ARENA_MAX=1"}
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		text := strings.TrimSpace(problem.String())
		return nil, fmt.Errorf("qemu-img %s: %w: %s", args[0], err, text[:min(len(text), maxErrorText)])
	}
	return out.Bytes(), nil
}

// imageInfo is what qemu-img says of a file.
type imageInfo struct {
	VirtualSize int64  `json:"virtual-size"`
	Backing     string `json:"backing-filename"`
	Specific    struct {
		Data struct {
			DataFile string `json:"data-file"`
		} `json:"data"`
	} `json:"format-specific"`
}

// inspect looks at an image without locking it.
func inspect(ctx context.Context, path, format string) (imageInfo, error) {
	var info imageInfo
	out, err := qemuImg(ctx, lookCPU, lookTimeout, "info", "-U", "-f", format, "--output=json", path)
	if err != nil {
		return info, err
	}
	return info, json.Unmarshal(out, &info)
}

// createOverlay makes a qcow2 over a backing file, of a size in bytes.
func createOverlay(ctx context.Context, path, backing, format string, size int64) error {
	_, err := qemuImg(ctx, lookCPU, lookTimeout, "create", "-q", "-f", "qcow2", "-b", backing, "-F", format, path, fmt.Sprint(size))
	return err
}

// grow makes a qcow2 larger.
func grow(ctx context.Context, path string, size int64) error {
	_, err := qemuImg(ctx, lookCPU, lookTimeout, "resize", "-q", "-f", "qcow2", path, fmt.Sprint(size))
	return err
}

// convert copies a qcow2 with all that backs it into one file.
func convert(ctx context.Context, from, to, format string) error {
	_, err := qemuImg(ctx, workCPU, workTimeout, "convert", "-q", "-f", "qcow2", "-O", format, from, to)
	return err
}
