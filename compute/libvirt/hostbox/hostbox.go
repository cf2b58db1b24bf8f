// Package hostbox runs a private libvirtd in namespaces of its own: one "compute
// host" for the reference server and for tests, on a machine without systemd and
// without touching the machine's own libvirtd.
//
// A box is a network, a mount and a UTS namespace in which virtlogd and libvirtd
// see fresh folders below one base folder as /run/libvirt, /etc/libvirt and so on.
// The daemons and the guests live on when the process that started them ends, even
// by SIGKILL; the next [Start] with the same folder finds them again. What belongs
// to a box is known by one test that cannot be fooled by re-used process ids: the
// process sees the box's run folder as its /run/libvirt.
//
// It needs root and Debian's packages iproute2, util-linux, libvirt-daemon-system,
// qemu-system-x86 and qemu-utils.
package hostbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/welkin-cloud/cloud/internal/unixsock"
)

// Config says where a box lives.
type Config struct {
	Dir       string // absolute; everything of the box is below it
	Namespace string // name of the network namespace; made if it does not exist
	Hostname  string // inside the UTS namespace; Namespace if empty
	// Cache is a folder for libvirt's knowledge of QEMU, which takes seconds to
	// gather. Boxes may share it. Below Dir if empty.
	Cache string
	Log   *slog.Logger // discarded if nil
}

// Box is a running private libvirtd. Its daemons are started again if they die,
// until Close.
type Box struct {
	cfg    Config
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

const (
	startTimeout = 20 * time.Second
	checkEvery   = 300 * time.Millisecond
)

// folders maps folders of the box to where its processes see them. The run folder is
// the last to be mounted: with it a process belongs to the box.
var folders = [...][2]string{
	{"lib", "/var/lib/libvirt"},
	{"etc", "/etc/libvirt"},
	{"log", "/var/log/libvirt"},
	{"cache", "/var/cache/libvirt"},
	{"run", "/run/libvirt"},
}

// daemons are the box's own processes, in order of their start.
var daemons = [...]string{"virtlogd", "libvirtd"}

// Start makes the box of cfg.Dir run, or finds it running, and returns when
// libvirtd answers.
func Start(ctx context.Context, cfg Config) (*Box, error) {
	switch {
	case !filepath.IsAbs(cfg.Dir):
		return nil, fmt.Errorf("hostbox: Dir %q is not absolute", cfg.Dir)
	case cfg.Namespace == "":
		return nil, errors.New("hostbox: Namespace is empty")
	}
	if cfg.Hostname == "" {
		cfg.Hostname = cfg.Namespace
	}
	if cfg.Cache == "" {
		cfg.Cache = filepath.Join(cfg.Dir, "cache")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b := &Box{cfg: cfg, cancel: cancel}
	if err := b.prepare(ctx); err != nil {
		cancel()
		return nil, fmt.Errorf("hostbox: %w", err)
	}
	if err := b.ensure(ctx); err != nil {
		cancel()
		return nil, fmt.Errorf("hostbox: %w", err)
	}
	b.wg.Go(func() { b.supervise(life) })
	return b, nil
}

// Socket returns libvirtd's unix socket as seen from outside the box. It may be
// longer than the kernel allows: dial it with package unixsock.
func (b *Box) Socket() string { return filepath.Join(b.cfg.Dir, "run", "libvirt-sock") }

// Namespace returns the name of the network namespace that guests' taps are in.
func (b *Box) Namespace() string { return b.cfg.Namespace }

// Close stops supervising. The daemons and the guests go on.
func (b *Box) Close() error {
	b.cancel()
	b.wg.Wait()
	return nil
}

// Teardown ends the guests and the daemons at once and removes the network
// namespace if the box made it. The folders stay, without their mounts.
func (b *Box) Teardown(ctx context.Context) error {
	if err := b.Close(); err != nil {
		return err
	}
	unlock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := killMembers(ctx, b.runDir()); err != nil {
		return fmt.Errorf("hostbox: %w", err)
	}
	made := filepath.Join(b.cfg.Dir, "made-namespace")
	if _, err := os.Stat(made); err == nil {
		if err := run(ctx, "ip", "netns", "delete", b.cfg.Namespace); err != nil && namespaceExists(b.cfg.Namespace) {
			return fmt.Errorf("hostbox: %w", err)
		}
		return os.Remove(made)
	}
	return nil
}

func (b *Box) runDir() string { return filepath.Join(b.cfg.Dir, "run") }

// lock keeps two processes from starting the daemons of one box at once.
func (b *Box) lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(b.cfg.Dir, "lock"), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
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
		if err := pause(ctx, checkEvery); err != nil {
			f.Close()
			return nil, err
		}
	}
}

// prepare writes the folders and the daemons' configuration.
func (b *Box) prepare(ctx context.Context) error {
	for _, f := range folders {
		dir := filepath.Join(b.cfg.Dir, f[0])
		if f[0] == "cache" {
			dir = b.cfg.Cache
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := os.MkdirAll(f[1], 0o755); err != nil {
			return err
		}
	}
	hostUUID := uuid.NewSHA1(uuid.NameSpaceURL, []byte("hostbox:"+b.cfg.Hostname+":"+b.cfg.Dir))
	files := map[string]string{
		"libvirtd.conf": `listen_tls = 0
listen_tcp = 0
auth_unix_rw = "none"
auth_unix_ro = "none"
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
max_clients = 100
max_client_requests = 50
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
host_uuid = "` + hostUUID.String() + `"
`,
		"qemu.conf": `user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "logd"
vnc_listen = "127.0.0.1"
`,
		"virtlogd.conf": `max_size = 1048576
max_backups = 1
log_outputs = "3:file:/var/log/libvirt/virtlogd.log"
`,
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(b.cfg.Dir, "etc", name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if namespaceExists(b.cfg.Namespace) {
		return nil
	}
	if err := os.WriteFile(filepath.Join(b.cfg.Dir, "made-namespace"), nil, 0o644); err != nil {
		return err
	}
	if err := run(ctx, "ip", "netns", "add", b.cfg.Namespace); err != nil {
		return err
	}
	return run(ctx, "ip", "-n", b.cfg.Namespace, "link", "set", "lo", "up")
}

// ensure starts what does not run and waits until libvirtd answers.
func (b *Box) ensure(ctx context.Context) error {
	unlock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	all, err := members(b.runDir())
	if err != nil {
		return err
	}
	if len(all) == 0 {
		err = b.startAll(ctx)
	} else {
		err = b.startMissing(ctx, all)
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		conn, err := unixsock.Dial(ctx, b.Socket())
		if err == nil {
			return conn.Close()
		}
		if pause(ctx, checkEvery/10) != nil {
			return fmt.Errorf("libvirtd does not answer: %w", err)
		}
	}
}

// startAll makes the namespaces and starts the daemons in them. What was left in
// the run folder is of processes that are gone.
func (b *Box) startAll(ctx context.Context) error {
	if err := empty(b.runDir()); err != nil {
		return err
	}
	script := `set -e
echo "$1" > /proc/sys/kernel/hostname
shift
mount --make-rslave /
while [ $# -gt 0 ]; do mount --bind "$1" "$2"; shift 2; done
`
	for _, d := range daemons {
		script += startLine(d) + "\n"
	}
	args := []string{"netns", "exec", b.cfg.Namespace, "unshare", "--mount", "--uts", "sh", "-c", script, "sh", b.cfg.Hostname}
	for _, f := range folders {
		dir := filepath.Join(b.cfg.Dir, f[0])
		if f[0] == "cache" {
			dir = b.cfg.Cache
		}
		args = append(args, dir, f[1])
	}
	return run(ctx, "ip", args...)
}

// startMissing starts the daemons that died, in the namespaces of any process of
// the box that is left.
func (b *Box) startMissing(ctx context.Context, all []member) error {
	for _, d := range daemons {
		if running(all, d) {
			continue
		}
		b.cfg.Log.WarnContext(ctx, "starting a daemon of a host again", "daemon", d, "host", b.cfg.Hostname)
		err := run(ctx, "nsenter", "--target", strconv.Itoa(all[0].pid), "--mount", "--net", "--uts", "sh", "-c", startLine(d))
		if err != nil {
			return err
		}
	}
	return nil
}

// startLine is the shell command that starts a daemon in the background, in a
// session of its own.
func startLine(daemon string) string {
	return fmt.Sprintf("rm -f /run/libvirt/%[1]s.pid; %[1]s -d -f /etc/libvirt/%[1]s.conf -p /run/libvirt/%[1]s.pid", daemon)
}

// supervise starts daemons again when they die.
func (b *Box) supervise(ctx context.Context) {
	for pause(ctx, checkEvery) == nil {
		all, err := members(b.runDir())
		if err == nil && running(all, daemons[0]) && running(all, daemons[1]) {
			continue
		}
		if err == nil {
			err = b.ensure(ctx)
		}
		if err != nil && ctx.Err() == nil {
			b.cfg.Log.ErrorContext(ctx, "a host's libvirtd cannot be started", "host", b.cfg.Hostname, "error", err)
		}
	}
}

func namespaceExists(name string) bool {
	_, err := os.Stat(filepath.Join("/run/netns", name))
	return err == nil
}

// run runs a command without input and gives its output with an error.
func run(ctx context.Context, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	// The daemons close their output when they go to the background, but a
	// process that does not must not hold this call.
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// empty removes all that is in a folder.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// pause waits unless ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
