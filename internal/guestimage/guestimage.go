// Package guestimage builds the small bootable disk image that tests and the
// demonstration run in guests.
//
// The image boots by BIOS in some seconds, also under emulation, takes its address
// by DHCP, asks the metadata service or the config drive who it is, installs the SSH
// key for root and debian, runs user data that is a script, starts an SSH server,
// shuts down at the press of the power button, and says what it does on its serial
// console:
//
//	welkin-guest: address 10.0.0.5 by DHCP
//	welkin-guest: hostname web-1 from metadata
//	welkin-guest: ssh key installed
//	welkin-guest: user data: a line that the script printed
//	welkin-guest: ready
//
// It is made by build.sh from installed packages of Debian 12, once for each state
// of the script and of the packages.
package guestimage

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Ready is what the guest prints when it has booted and done what the cloud wants.
const Ready = "welkin-guest: ready"

// Format is the disk format of the image.
const Format = "qcow2"

//go:embed build.sh debian.sh rootfs
var files embed.FS

// The scripts, by the names of the images that they build.
const (
	guestScript  = "build.sh"
	debianScript = "debian.sh"
)

// buildTimeout bounds one build: some seconds, or a minute or two for Debian.
const buildTimeout = 10 * time.Minute

// Path returns the image's path, and builds it if this machine does not have it.
func Path(t testing.TB) string {
	t.Helper()
	path, err := Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// DebianPath returns the path of an image of Debian 12 with the real cloud-init,
// and builds it from the mirrors of this machine's apt if this machine does not have
// it. Guests need 512 MiB.
func DebianPath(t testing.TB) string {
	t.Helper()
	path, err := build(t.Context(), "debian", debianScript)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Build returns the path of the image in the user's cache folder. Processes that
// want it at the same time build it once. The file must not be changed: make an
// overlay or a copy.
func Build(ctx context.Context) (string, error) { return build(ctx, "guest", guestScript) }

// build returns the path of the image that a script builds.
func build(ctx context.Context, name, script string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = filepath.Join(os.TempDir(), "cache")
	}
	cache = filepath.Join(cache, "welkin")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp("", "guestimage-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if err := os.CopyFS(work, files); err != nil {
		return "", err
	}
	key, err := key(ctx, work, script)
	if err != nil {
		return "", fmt.Errorf("guestimage: %w", err)
	}
	path := filepath.Join(cache, name+"-"+key+".qcow2")
	unlock, err := lock(ctx, path+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if _, err := output(ctx, "sh", filepath.Join(work, script), path); err != nil {
		return "", fmt.Errorf("guestimage: %w", err)
	}
	return path, nil
}

// key names what the image is made of: the files and the versions of the packages.
func key(ctx context.Context, dir, script string) (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".sh") && path != script {
			return err
		}
		content, err := files.ReadFile(path)
		fmt.Fprintf(sum, "%s %d\n%s\n", path, len(content), content)
		return err
	})
	if err != nil {
		return "", err
	}
	packages, err := output(ctx, "sh", filepath.Join(dir, script), "--packages")
	if err != nil {
		return "", err
	}
	args := append([]string{"-W", "-f", "${Package} ${Version} ${db:Status-Status}\n"}, strings.Fields(packages)...)
	versions, err := output(ctx, "dpkg-query", args...)
	if err != nil || strings.Contains(versions, "not-installed") {
		return "", fmt.Errorf("install %s: %w", strings.TrimSpace(packages), err)
	}
	fmt.Fprint(sum, versions)
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}

// output runs a command and returns what it prints.
func output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return string(out), err
}

// lock waits for a file's lock.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			f.Close()
			return nil, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		}
	}
}
