package libvirt

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/welkin-cloud/cloud/compute/driver"
)

// capabilities is the part of libvirt's host description that is shown.
type capabilities struct {
	CPU struct {
		Arch     string `xml:"arch"`
		Model    string `xml:"model"`
		Vendor   string `xml:"vendor"`
		Topology struct {
			Sockets string `xml:"sockets,attr"`
			Cores   string `xml:"cores,attr"`
			Threads string `xml:"threads,attr"`
		} `xml:"topology"`
	} `xml:"host>cpu"`
}

// gather asks libvirt for the host's numbers. The first time it takes libvirtd
// seconds to look at QEMU.
func (h *Hypervisor) gather(ctx context.Context) error {
	disk, err := diskGiB(h.cfg.Dir)
	if err != nil {
		return err
	}
	var caps capabilities
	var memory, version uint64
	var cpus int32
	err = h.rpc.call(ctx, func(l *link) error {
		text, err := l.ConnectGetCapabilities()
		if err != nil {
			return err
		}
		if err := xml.Unmarshal([]byte(text), &caps); err != nil {
			return err
		}
		if _, memory, cpus, _, _, _, _, _, err = l.NodeGetInfo(); err != nil {
			return err
		}
		version, err = l.ConnectGetVersion()
		return err
	})
	if err != nil {
		return err
	}
	h.host = driver.Host{
		Name: h.cfg.HostName, Type: "QEMU", Version: int(version), VirtType: h.virt, Arch: caps.CPU.Arch,
		VCPUs: int(cpus), MemoryMiB: int(memory >> 10), DiskGiB: disk,
		CPUInfo: map[string]string{
			"arch": caps.CPU.Arch, "model": caps.CPU.Model, "vendor": caps.CPU.Vendor,
			"sockets": caps.CPU.Topology.Sockets, "cores": caps.CPU.Topology.Cores, "threads": caps.CPU.Topology.Threads,
		},
		Traits: []string{
			"COMPUTE_IMAGE_TYPE_QCOW2", "COMPUTE_IMAGE_TYPE_RAW", "COMPUTE_NET_ATTACH_INTERFACE",
			"COMPUTE_NET_VIF_MODEL_VIRTIO", "COMPUTE_STORAGE_BUS_VIRTIO", "COMPUTE_VOLUME_EXTEND",
		},
		Capability: []string{"suspend", "watch"},
	}
	return nil
}

// cleanUp removes what calls that were cut off left behind. Folders of guests
// without a domain stay: their disks may be somebody's only copy, and Destroy or
// Create of that guest removes them.
func (h *Hypervisor) cleanUp(ctx context.Context) error {
	all, err := h.domains(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		if !all[i].isActive() {
			continue
		}
		err := unless(driver.NotFound, h.abortBackup(ctx, &all[i]))
		var refused golibvirt.Error
		switch {
		case errors.As(err, &refused):
			// A libvirtd that was killed as a backup began has lost it. Copies of this
			// guest are refused until it is hard rebooted; all else goes on.
			h.log.WarnContext(ctx, "a guest's copy cannot be ended", "guest", all[i].id, "error", err)
		case err != nil:
			return fmt.Errorf("guest %s: %w", all[i].id, err)
		}
	}
	exports := filepath.Join(h.cfg.Dir, "exports")
	err = errors.Join(removeIn(exports, func(string) bool { return true }),
		removeIn(filepath.Join(h.cfg.Dir, "images"), func(n string) bool { return strings.HasPrefix(n, ".new-") }),
		removeIn(filepath.Join(h.cfg.Dir, "guests"), func(n string) bool { return strings.HasSuffix(n, ".new") }))
	return err
}

// removeIn removes the entries of a folder whose names match.
func removeIn(dir string, match func(name string) bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if match(e.Name()) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// escape makes a text fit for an attribute in quotes.
func escape(text string) string {
	var b strings.Builder
	// Writing to a Builder does not fail.
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}
