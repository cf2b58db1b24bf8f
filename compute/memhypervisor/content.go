package memhypervisor

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/welkin-cloud/cloud/compute/driver"
)

// maxText bounds what WriteConsole keeps for a guest.
const maxText = 64 << 10

// Console returns the end of a boot log that is made up when it is asked for.
func (h *Hypervisor) Console(ctx context.Context, id string, max int) ([]byte, error) {
	if err := h.points.Before(ctx, "Console", id); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.guest(id)
	if g == nil {
		return nil, missing(id)
	}
	var log []byte
	// A boot is some hundred bytes, so the last boots are enough for max.
	for boot := g.boots; boot > 0 && len(log) < max; boot-- {
		text := bootLog(g, boot)
		if boot == g.boots {
			text += g.text
		}
		log = append([]byte(text), log...)
	}
	if len(log) > max {
		log = log[len(log)-max:]
	}
	return log, nil
}

// WriteConsole adds text to what the guest wrote to its console since it booted. It
// reports whether there is such a guest.
func (h *Hypervisor) WriteConsole(id, text string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.guest(id)
	if g == nil {
		return false
	}
	g.text += text
	if len(g.text) > maxText {
		g.text = g.text[len(g.text)-maxText:]
	}
	return true
}

// bootLog is what a guest prints when it boots.
func bootLog(g *guest, boot int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[    0.000000] Linux version 6.1.0 (memhypervisor) boot %d\n", boot)
	fmt.Fprintf(&b, "[    0.000000] DMI: OpenStack Foundation OpenStack Nova, UUID %s\n", g.spec.ID)
	fmt.Fprintf(&b, "[    0.010000] Memory: %dK available\n", g.spec.MemoryMiB<<10)
	fmt.Fprintf(&b, "[    0.020000] smp: Brought up 1 node, %d CPUs\n", g.spec.VCPUs)
	for i, nic := range g.spec.NICs {
		fmt.Fprintf(&b, "[    0.100000] virtio_net: eth%d %s\n", i, nic.MAC)
	}
	fmt.Fprintf(&b, "\n%s login: ", strings.ReplaceAll(strings.ToLower(g.spec.Name), " ", "-"))
	return b.String() + "\n"
}

// Export returns a small valid image: a qcow2 of the root's size without data, or
// some raw sectors.
func (h *Hypervisor) Export(ctx context.Context, id, format string) (io.ReadCloser, error) {
	if err := h.points.Before(ctx, "Export", id); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.guest(id)
	switch {
	case g == nil:
		return nil, missing(id)
	case g.spec.Root == nil:
		return nil, driver.Errorf(driver.Invalid, "guest %s has no root disk of its own", id)
	}
	switch format {
	case "qcow2":
		return io.NopCloser(bytes.NewReader(emptyQcow2(h.rootSize(g)))), nil
	case "raw":
		return io.NopCloser(strings.NewReader(strings.Repeat("\x00", 64<<10))), nil
	}
	return nil, driver.Errorf(driver.Unsupported, "disk format %q is not supported by this hypervisor", format)
}

// rootSize returns the size of the root disk in bytes.
func (h *Hypervisor) rootSize(g *guest) int64 {
	if g.spec.Root.SizeGiB > 0 {
		return int64(g.spec.Root.SizeGiB) << 30
	}
	return h.image(g.spec.Root.ImageID).VirtualSize
}

// emptyQcow2 returns a version 2 image without data: header, refcount table, one
// refcount block and the L1 table, one cluster each but the last.
func emptyQcow2(size int64) []byte {
	const bits = 16
	const cluster = 1 << bits
	entries := (size + cluster*cluster/8 - 1) / (cluster * cluster / 8)
	tables := (entries*8 + cluster - 1) / cluster
	img := make([]byte, 3*cluster+entries*8)
	put32, put64 := binary.BigEndian.PutUint32, binary.BigEndian.PutUint64
	copy(img, "QFI\xfb")
	put32(img[4:], 2)
	put32(img[20:], bits)
	put64(img[24:], uint64(size))
	put32(img[36:], uint32(entries))
	put64(img[40:], 3*cluster) // L1 table
	put64(img[48:], cluster)   // refcount table
	put32(img[56:], 1)
	put64(img[cluster:], 2*cluster)
	for i := range 3 + tables {
		binary.BigEndian.PutUint16(img[2*cluster+2*i:], 1)
	}
	return img
}
