package libvirt

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/welkin-cloud/cloud/compute/driver"
)

// record is what a domain's metadata keeps of a guest.
type record struct {
	Spec   driver.Spec // ConfigDrive is in a file
	Config bool        // whether there is one
}

// tcgCacheMiB bounds the memory that QEMU takes for translated code: by default it
// is as large as the guest.
const tcgCacheMiB = 128

var (
	idPattern     = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	namePattern   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$`)
	devicePattern = regexp.MustCompile(`^vd[a-z]{1,2}$`)
	tapPattern    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$`)
)

// check tells whether the specification can be a domain.
func check(spec *driver.Spec) error {
	if !idPattern.MatchString(spec.ID) {
		return driver.Errorf(driver.Invalid, "guest ID %q is not a UUID", spec.ID)
	}
	if spec.VCPUs < 1 || spec.MemoryMiB < 1 {
		return driver.Errorf(driver.Invalid, "a guest needs a vCPU and memory")
	}
	if r := spec.Root; r != nil && (!namePattern.MatchString(r.ImageID) || checkFormat(r.Format) != nil) {
		return driver.Errorf(driver.Invalid, "the root disk's image cannot be used")
	}
	for i := range spec.Disks {
		if err := checkDisk(&spec.Disks[i]); err != nil {
			return err
		}
	}
	for i := range spec.NICs {
		if err := checkNIC(&spec.NICs[i]); err != nil {
			return err
		}
	}
	return nil
}

func checkDisk(d *driver.Disk) error {
	if !namePattern.MatchString(d.ID) || !filepath.IsAbs(d.Path) {
		return driver.Errorf(driver.Invalid, "disk %q needs an ID and an absolute path", d.ID)
	}
	return checkFormat(d.Format)
}

func checkNIC(n *driver.NIC) error {
	if !namePattern.MatchString(n.PortID) || !tapPattern.MatchString(n.Tap) {
		return driver.Errorf(driver.Invalid, "network interface %q needs a port ID and a tap", n.PortID)
	}
	return nil
}

func checkFormat(format string) error {
	if format != "qcow2" && format != "raw" {
		return driver.Errorf(driver.Unsupported, "disk format %q is not supported by this hypervisor", format)
	}
	return nil
}

// define returns the XML of a guest's domain.
func (h *Hypervisor) define(r *record) (string, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	s := &r.Spec
	d := xmlDomain{
		Type: h.virt, Name: h.domainName(s.ID), UUID: s.ID, Title: title(s.Name),
		Metadata: xmlMetadata{Guest: xmlGuest{Prefix: h.cfg.Prefix, Record: string(text)}},
		Memory:   xmlMemory{Unit: "MiB", Value: s.MemoryMiB},
		VCPU:     s.VCPUs,
		// cloud-init looks for an OpenStack cloud by these names.
		Sysinfo: xmlSysinfo{Type: "smbios", System: []xmlEntry{
			{"manufacturer", "OpenStack Foundation"}, {"product", "OpenStack Nova"},
			{"version", "welkin"}, {"serial", s.ID}, {"uuid", s.ID}, {"family", "Virtual Machine"},
		}},
		OS:       xmlOS{Type: xmlOSType{Arch: "x86_64", Machine: "pc", Value: "hvm"}},
		CPU:      h.cpu(),
		Clock:    xmlClock{Offset: "utc"},
		PowerOff: "destroy", Reboot: "restart", Crash: "destroy",
	}
	d.OS.SMBIOS.Mode = "sysinfo"
	if h.virt == "qemu" {
		d.Features.TCG = &xmlTCG{Cache: xmlMemory{Unit: "MiB", Value: tcgCacheMiB}}
	}
	d.Devices = h.devices(r)
	return marshal(d)
}

// cpu returns the guest's CPU: the host's own under KVM, and under emulation an old
// one that QEMU emulates in full and that today's systems still accept.
func (h *Hypervisor) cpu() *xmlCPU {
	model := h.cfg.CPUModel
	if model == "" && h.virt == "kvm" {
		return &xmlCPU{Mode: "host-passthrough", Check: "none"}
	}
	if model == "" {
		model = "Nehalem"
	}
	return &xmlCPU{Mode: "custom", Match: "exact", Check: "none", Model: &xmlModel{Fallback: "allow", Value: model}}
}

// devices returns the guest's devices, in the order in which it finds them.
func (h *Hypervisor) devices(r *record) xmlDevices {
	dir := h.guestDir(r.Spec.ID)
	d := xmlDevices{
		Serial:  &xmlSerial{Type: "pty", Log: xmlLog{File: filepath.Join(dir, logFile), Append: "on"}},
		Inputs:  []xmlInput{{Type: "tablet", Bus: "usb"}},
		RNG:     &xmlRNG{Model: "virtio"},
		Balloon: &xmlBalloon{Model: "virtio"},
		Video:   &xmlVideo{},
	}
	d.RNG.Backend.Model, d.RNG.Backend.Path = "random", "/dev/urandom"
	d.Video.Model.Type = "vga"
	d.Graphics = &xmlGraphics{Type: "vnc", AutoPort: "yes", Listen: "127.0.0.1"}
	if h.cfg.VNCDir != "" {
		d.Graphics = &xmlGraphics{Type: "vnc", Socket: filepath.Join(h.cfg.VNCDir, r.Spec.ID+".vnc")}
	}
	if r.Spec.Root != nil {
		d.Disks = append(d.Disks, h.rootXML(&r.Spec))
	}
	names := newDeviceNames(&r.Spec)
	for i := range r.Spec.Disks {
		d.Disks = append(d.Disks, diskXML(&r.Spec.Disks[i], names.take(r.Spec.Disks[i].Device), r.Spec.Root == nil))
	}
	if r.Config {
		d.Disks = append(d.Disks, configXML(filepath.Join(dir, configFile)))
	}
	for i := range r.Spec.NICs {
		d.Interfaces = append(d.Interfaces, nicXML(&r.Spec.NICs[i]))
	}
	return d
}

// rootXML returns the root disk with its image as backing file.
func (h *Hypervisor) rootXML(s *driver.Spec) xmlDisk {
	path := filepath.Join(h.guestDir(s.ID), rootFile)
	return xmlDisk{
		Type: "file", Device: "disk",
		Driver: xmlDriver{Name: "qemu", Type: "qcow2", Cache: cacheMode(path), Discard: "unmap"},
		Source: &xmlSource{File: path},
		Backing: &xmlBacking{
			Type: "file", Format: &xmlFormat{Type: s.Root.Format},
			Source:  &xmlSource{File: h.imagePath(s.Root.ImageID, s.Root.Format)},
			Backing: &xmlBacking{},
		},
		Target: xmlTarget{Dev: "vda", Bus: "virtio"},
		Boot:   &xmlBoot{Order: 1},
		Alias:  alias(diskKind, "root"),
	}
}

// diskXML returns a volume. It may be the disk that the guest boots from.
func diskXML(d *driver.Disk, device string, mayBoot bool) xmlDisk {
	x := xmlDisk{
		Type: "file", Device: "disk",
		Driver: xmlDriver{Name: "qemu", Type: d.Format, Cache: cacheMode(d.Path), Discard: "unmap"},
		Source: &xmlSource{File: d.Path},
		Target: xmlTarget{Dev: device, Bus: "virtio"},
		Serial: d.ID[:min(20, len(d.ID))],
		Alias:  alias(diskKind, d.ID),
	}
	if st, err := os.Stat(d.Path); err == nil && st.Mode()&os.ModeDevice != 0 {
		x.Type, x.Source = "block", &xmlSource{Dev: d.Path}
		x.Driver.Cache = "none"
	}
	if d.ReadOnly {
		x.ReadOnly = &struct{}{}
	}
	if mayBoot && d.Boot {
		x.Boot = &xmlBoot{Order: 1}
	}
	return x
}

func configXML(path string) xmlDisk {
	return xmlDisk{
		Type: "file", Device: "cdrom",
		Driver: xmlDriver{Name: "qemu", Type: "raw"}, Source: &xmlSource{File: path},
		Target: xmlTarget{Dev: "hda", Bus: "ide"}, ReadOnly: &struct{}{},
		Alias: alias(diskKind, "config"),
	}
}

func nicXML(n *driver.NIC) xmlInterface {
	x := xmlInterface{Type: "ethernet", Target: xmlTarget{Dev: n.Tap, Managed: "no"}, Alias: alias(nicKind, n.PortID)}
	x.MAC.Address = n.MAC
	x.Model.Type = "virtio"
	if n.MTU > 0 {
		x.MTU = &xmlMTU{Size: n.MTU}
	}
	return x
}

// domainName returns the name of a guest's domain.
func (h *Hypervisor) domainName(id string) string { return h.cfg.Prefix + "-" + id }

// title makes a server's name fit for a title: one line.
func title(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == '\ufffd' || r >= 0xfffe && r <= 0xffff {
			return '_'
		}
		return r
	}, name)
}

// deviceNames gives each disk a name of its own.
type deviceNames map[string]bool

// newDeviceNames keeps the root's name.
func newDeviceNames(s *driver.Spec) deviceNames {
	if s.Root != nil {
		return deviceNames{"vda": true}
	}
	return deviceNames{}
}

// take returns the wanted name if it is a free one, or the next free one.
func (n deviceNames) take(want string) string {
	if !devicePattern.MatchString(want) || n[want] {
		for i := 0; ; i++ {
			if want = deviceName(i); !n[want] {
				break
			}
		}
	}
	n[want] = true
	return want
}

// deviceName returns the name of the i-th disk: vda … vdz, vdaa ….
func deviceName(i int) string {
	if i < 26 {
		return fmt.Sprintf("vd%c", 'a'+i)
	}
	return fmt.Sprintf("vd%c%c", 'a'+i/26-1, 'a'+i%26)
}

// cacheMode returns "none", which leaves the host's page cache to others, if the
// file's file system can do it.
func cacheMode(path string) string {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		return "writeback"
	}
	unix.Close(fd)
	return "none"
}
