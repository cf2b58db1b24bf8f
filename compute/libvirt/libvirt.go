// Package libvirt is the hypervisor driver for QEMU guests, KVM or emulated, run by
// a libvirtd.
//
// Each guest is one persistent domain. Its definition carries, as metadata, the
// specification that it was made from, so the driver keeps nothing of its own: a
// controller that starts anew finds every guest in libvirt. All files are below one
// folder:
//
//	images/ID.FORMAT          images for roots, never written again
//	guests/ID/root.qcow2      the root disk, an overlay over its image
//	guests/ID/config.iso      the config drive
//	guests/ID/console.log*    what the guest wrote to its serial port
//	exports/                  copies of roots while they are read
//
// Formats of disks are always given and never probed. The network driver makes taps;
// the domains only use them.
package libvirt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/welkin-cloud/cloud/compute/driver"
)

// Config says which libvirtd to use and how.
type Config struct {
	Socket   string // libvirtd's unix socket; may be long
	Dir      string // absolute, on the host of libvirtd; see the package comment
	HostName string // of driver.Host; unique in the cloud
	// Prefix begins the names of this cloud's domains: others are not seen.
	// "welkin" if empty.
	Prefix string
	// VirtType is "kvm", "qemu" (emulation), or "auto": kvm where a guest really
	// runs with it. "auto" if empty.
	VirtType string
	// CPUModel is a model that QEMU knows; the host's own under kvm and Nehalem
	// under emulation if empty.
	CPUModel string
	// VNCDir is a folder for VNC sockets ("ID.vnc"), at most 60 bytes long; guests
	// listen on a free port of 127.0.0.1 of the host if it is empty.
	VNCDir string

	CallTimeout   time.Duration // for one call to libvirtd; 2 minutes if 0
	DetachTimeout time.Duration // for a guest to let go of a device; 30 s if 0
	RebootTimeout time.Duration // for a guest to reboot by itself; 60 s if 0

	Log *slog.Logger // discarded if nil
}

// Hypervisor is the driver. It is a driver.Hypervisor, Suspender and Watcher.
type Hypervisor struct {
	cfg    Config
	log    *slog.Logger
	rpc    *client
	life   context.Context
	cancel context.CancelFunc
	host   driver.Host
	virt   string // "kvm" or "qemu"

	events  driver.Broadcaster
	reboots signals

	guests keyLock      // one change of a guest at a time
	images sync.RWMutex // a root is made of an image; or an image is dropped
}

var (
	_ driver.Hypervisor = (*Hypervisor)(nil)
	_ driver.Suspender  = (*Hypervisor)(nil)
	_ driver.Watcher    = (*Hypervisor)(nil)
)

// New connects to libvirtd, cleans up what an earlier controller left half done and
// gathers the host's numbers. ctx bounds only New.
func New(ctx context.Context, cfg Config) (*Hypervisor, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	folders := []string{filepath.Join(cfg.Dir, "images"), filepath.Join(cfg.Dir, "guests"), filepath.Join(cfg.Dir, "exports")}
	if cfg.VNCDir != "" {
		folders = append(folders, cfg.VNCDir)
	}
	for _, dir := range folders {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return nil, fmt.Errorf("libvirt: %w", err)
		}
	}
	virt, err := virtType(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("libvirt: %w", err)
	}
	h := &Hypervisor{cfg: cfg, log: cfg.Log, virt: virt}
	h.life, h.cancel = context.WithCancel(context.WithoutCancel(ctx))
	h.rpc = newClient(h.life, cfg.Socket, cfg.CallTimeout, h.listen)
	err = h.gather(ctx)
	if err == nil {
		err = h.cleanUp(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("libvirt: %w", err), h.Close())
	}
	return h, nil
}

// complete checks the configuration and fills in what is left out.
func (cfg *Config) complete() error {
	switch {
	case cfg.Socket == "":
		return errors.New("libvirt: Socket is empty")
	case !filepath.IsAbs(cfg.Dir):
		return fmt.Errorf("libvirt: Dir %q is not absolute", cfg.Dir)
	case cfg.HostName == "":
		return errors.New("libvirt: HostName is empty")
	case len(cfg.VNCDir) > 60:
		return errors.New("libvirt: VNCDir is too long for sockets")
	}
	if cfg.Prefix == "" {
		cfg.Prefix = "welkin"
	}
	if !regexp.MustCompile(`^[a-z][a-z0-9]{0,19}$`).MatchString(cfg.Prefix) {
		return fmt.Errorf("libvirt: Prefix %q is not a short word", cfg.Prefix)
	}
	if cfg.VirtType == "" {
		cfg.VirtType = "auto"
	}
	if cfg.CallTimeout == 0 {
		cfg.CallTimeout = 2 * time.Minute
	}
	if cfg.DetachTimeout == 0 {
		cfg.DetachTimeout = 30 * time.Second
	}
	if cfg.RebootTimeout == 0 {
		cfg.RebootTimeout = time.Minute
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Close disconnects from libvirtd. Guests go on running.
func (h *Hypervisor) Close() error {
	h.cancel()
	h.rpc.close()
	h.events.Close()
	return nil
}

// Host describes the host; it is gathered once, in New.
func (h *Hypervisor) Host(context.Context) (driver.Host, error) { return h.host, nil }

// diskGiB returns the size of the file system that holds the files.
func diskGiB(dir string) (int, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int(st.Blocks * uint64(st.Bsize) >> 30), nil
}

// guestDir is where a guest's files are.
func (h *Hypervisor) guestDir(id string) string { return filepath.Join(h.cfg.Dir, "guests", id) }

// file names of a guest's folder
const (
	rootFile   = "root.qcow2"
	configFile = "config.iso"
	logFile    = "console.log"
)
