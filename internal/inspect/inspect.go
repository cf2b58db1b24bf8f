// Package inspect reads the head of a disk image to learn what it is, without
// trusting it: an image may name a file of the host as its backing or data file, and
// whoever opens it then reads that file.
//
// An image is accepted only as the format that its owner declared. Nothing is ever
// probed: raw content that happens to look like another format is refused, since a
// hypervisor that guesses would be misled by it.
package inspect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Info is what the head of an image says.
type Info struct {
	Format      string // "qcow2", "raw", …: the declared format, verified
	VirtualSize int64  // of the disk inside, in bytes; 0 where the format does not tell
}

// headSize is enough for every header that is looked at, header extensions of qcow2
// included.
const headSize = 64 << 10

// signatures of formats that must not pass as raw.
var signatures = []struct {
	format string
	offset int
	magic  string
}{
	{"qcow2", 0, "QFI\xfb"},
	{"vmdk", 0, "KDMV"},
	{"vmdk", 0, "# Disk DescriptorFile"},
	{"vdi", 64, "\x7f\x10\xda\xbe"},
	{"vhdx", 0, "vhdxfile"},
	{"vhd", 0, "conectix"},
	{"qed", 0, "QED\x00"},
	{"luks", 0, "LUKS\xba\xbe"},
}

// Image checks content of the given size against the declared disk format and
// returns what it holds. Errors are of kind fault.Invalid and say what is wrong;
// errors of reading are returned as they are.
func Image(declared string, content io.ReaderAt, size int64) (Info, error) {
	if size == 0 {
		// Clients store empty images to fill them in later some other way; nothing
		// boots from one, and nothing can be hidden in it.
		return Info{Format: declared}, known(declared)
	}
	head := make([]byte, min(size, headSize))
	if _, err := content.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return Info{}, err
	}
	found := sniff(head)
	switch declared {
	case "qcow2":
		if found != "qcow2" {
			return Info{}, refuse("the image is declared as qcow2 but does not begin as one")
		}
		return qcow2(head)
	case "raw":
		if found != "" {
			return Info{}, refuse("the image is declared as raw but is a " + found + " image")
		}
		return Info{Format: "raw", VirtualSize: size}, nil
	case "iso", "ami", "ari", "aki":
		if found != "" {
			return Info{}, refuse("the image is declared as " + declared + " but is a " + found + " image")
		}
		return Info{Format: declared, VirtualSize: size}, nil
	case "vhd", "vhdx", "vmdk", "vdi", "ploop":
		// Kept for their owners, but no hypervisor of this cloud opens them.
		return Info{Format: declared}, nil
	}
	return Info{}, known(declared)
}

// known refuses a format that no image may have.
func known(declared string) error {
	switch declared {
	case "qcow2", "raw", "iso", "ami", "ari", "aki", "vhd", "vhdx", "vmdk", "vdi", "ploop":
		return nil
	}
	return refuse("the disk format " + declared + " is not known")
}

func refuse(why string) error { return fault.New(fault.Invalid, "Image rejected: %s", why) }

func sniff(head []byte) string {
	for _, s := range signatures {
		if len(head) >= s.offset+len(s.magic) && bytes.HasPrefix(head[s.offset:], []byte(s.magic)) {
			return s.format
		}
	}
	return ""
}

// Fields of the qcow2 header (docs/interop/qcow2.txt of QEMU), all big endian.
const (
	qcowVersion       = 4
	qcowBackingOffset = 8
	qcowClusterBits   = 20
	qcowSize          = 24
	qcowCrypt         = 32
	qcowIncompatible  = 72
	qcowHeaderLength  = 100

	qcowDataFile     = 1 << 2 // incompatible feature: external data file
	qcowKnownFeature = 1<<0 | 1<<1 | 1<<3 | 1<<4
	qcowExtDataFile  = 0x44415441
	qcowExtBacking   = 0xe2792aca

	maxVirtualSize = 64 << 40 // beyond what a cloud would serve: 64 TiB
)

func qcow2(head []byte) (Info, error) {
	be := binary.BigEndian
	if len(head) < 72 {
		return Info{}, refuse("the qcow2 header is cut off")
	}
	version := be.Uint32(head[qcowVersion:])
	if version != 2 && version != 3 {
		return Info{}, refuse("this version of qcow2 is not known")
	}
	if be.Uint64(head[qcowBackingOffset:]) != 0 {
		return Info{}, refuse("it has a backing file")
	}
	if bits := be.Uint32(head[qcowClusterBits:]); bits < 9 || bits > 21 {
		return Info{}, refuse("its cluster size is out of range")
	}
	if be.Uint32(head[qcowCrypt:]) != 0 {
		return Info{}, refuse("it is encrypted by qcow2")
	}
	size := be.Uint64(head[qcowSize:])
	if size > maxVirtualSize {
		return Info{}, refuse("its virtual size is out of range")
	}
	length := 72
	if version == 3 {
		if len(head) < 104 {
			return Info{}, refuse("the qcow2 header is cut off")
		}
		features := be.Uint64(head[qcowIncompatible:])
		if features&qcowDataFile != 0 {
			return Info{}, refuse("it has an external data file")
		}
		if features&^uint64(qcowKnownFeature) != 0 {
			return Info{}, refuse("it has features that are not known")
		}
		length = int(be.Uint32(head[qcowHeaderLength:]))
	}
	if err := extensions(head, length); err != nil {
		return Info{}, err
	}
	return Info{Format: "qcow2", VirtualSize: int64(size)}, nil
}

// extensions walks the header extensions: one may name a data or a backing file even
// where the header does not.
func extensions(head []byte, at int) error {
	be := binary.BigEndian
	for {
		if at < 72 || at+8 > len(head) {
			return refuse("its header extensions are cut off")
		}
		kind, n := be.Uint32(head[at:]), be.Uint32(head[at+4:])
		switch {
		case kind == 0:
			return nil
		case kind == qcowExtDataFile || kind == qcowExtBacking:
			return refuse("its header names another file")
		case n > headSize:
			return refuse("its header extensions are out of range")
		}
		at += 8 + (int(n)+7)&^7
	}
}
