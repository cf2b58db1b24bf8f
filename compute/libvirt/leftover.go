package libvirt

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/welkin-cloud/cloud/compute/driver"
)

// duplicateNode is what QEMU says when it has a part of a disk already: a libvirtd that
// died while it attached one left the part there, and the next libvirtd, which does not
// know it, gives its name again.
var duplicateNode = regexp.MustCompile(`Duplicate nodes with node-name='([^']+)'`)

// plugDisk adds a disk to a running guest. If parts of one that libvirtd lost are in its
// way, it removes them and answers Unavailable: the next try finds the way free.
func (h *Hypervisor) plugDisk(ctx context.Context, d *domain, disk *driver.Disk, xml xmlDisk) error {
	err := h.plug(ctx, d, xml)
	var e golibvirt.Error
	if !errors.As(err, &e) {
		return err
	}
	found := duplicateNode.FindStringSubmatch(e.Message)
	if found == nil {
		return err
	}
	h.log.WarnContext(ctx, "removing parts of a disk that libvirtd lost", "guest", d.id, "node", found[1])
	h.dropParts(ctx, d, alias(diskKind, disk.ID).Name, strings.TrimSuffix(found[1], "-storage"))
	return wrap(driver.Unavailable, "the attachment of the disk was cut off", err)
}

// dropParts removes the device and the nodes of a disk, as far as they are there and
// the guest has let go of them.
func (h *Hypervisor) dropParts(ctx context.Context, d *domain, device, node string) {
	for _, command := range []struct{ name, key, value string }{
		{"device_del", "id", device},
		{"blockdev-del", "node-name", node + "-format"},
		{"blockdev-del", "node-name", node + "-storage"},
	} {
		text, err := json.Marshal(map[string]any{
			"execute": command.name, "arguments": map[string]string{command.key: command.value},
		})
		if err == nil {
			err = h.rpc.call(ctx, func(l *link) error {
				_, err := l.QEMUDomainMonitorCommand(d.Domain, string(text), 0)
				return err
			})
		}
		if err != nil { // that it is not there comes as an answer, not as an error
			h.log.WarnContext(ctx, "a part of a disk was not removed", "guest", d.id, "part", command.value, "error", err)
		}
	}
}
