package cloud

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"math"

	"github.com/welkin-cloud/cloud/compute"
	hypervisor "github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/image/memstore"
	"github.com/welkin-cloud/cloud/internal/fleet"
	"github.com/welkin-cloud/cloud/network"
	mechanism "github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/memnetwork"
	"github.com/welkin-cloud/cloud/volume"
	"github.com/welkin-cloud/cloud/volume/memvolume"
)

// Fakes are the drivers of a fork. They hold what the record says, which they learn when
// it is touched.
type Fakes struct {
	Images  *memstore.Store
	Backups *memstore.Store               // nil if the cloud has none
	Volumes map[string]*memvolume.Backend // by name

	clock       Clock
	hypervisors *fleet.Fleet[hypervisor.Hypervisor]
	mechanisms  *fleet.Fleet[mechanism.Mechanism]
	metadata    mechanism.MetadataHandler

	compute  *compute.Recorded
	images   *image.Recorded
	networks *network.Recorded
	volumes  *volume.Recorded
}

// Hypervisor returns the fake of a compute host, and whether there is such a host.
func (f *Fakes) Hypervisor(host string) (*memhypervisor.Hypervisor, bool) {
	h, ok := f.hypervisors.Get(host)
	if !ok {
		return nil, false
	}
	return h.(*memhypervisor.Hypervisor), true
}

// Network returns the fake of a host's networks, and whether there is such a host.
func (f *Fakes) Network(host string) (*memnetwork.Mechanism, bool) {
	m, ok := f.mechanisms.Get(host)
	if !ok {
		return nil, false
	}
	return m.(*memnetwork.Mechanism), true
}

// Hosts returns the names of the compute hosts, sorted.
func (f *Fakes) Hosts() []string { return append([]string(nil), f.hypervisors.Hosts()...) }

// world is which drivers a cloud has.
type world struct {
	hypervisors *fleet.Fleet[hypervisor.Hypervisor]
	mechanisms  *fleet.Fleet[mechanism.Mechanism]
	backends    []string
	backups     bool
}

func worldOf(c *Cloud) world {
	return world{c.Compute.Hypervisors(), c.Networks.Hosts(), c.Volumes.BackendNames(), c.Volumes.HasBackups()}
}

// newFakes makes the drivers of a world and puts them into p.
func newFakes(clk Clock, p *parts, w world) *Fakes {
	f := &Fakes{clock: clk, Volumes: make(map[string]*memvolume.Backend, len(w.backends))}
	f.hypervisors, f.mechanisms = w.hypervisors.Fork(f.newHypervisor), w.mechanisms.Fork(f.newMechanism)
	f.Images = memstore.New(memstore.Config{Clock: clk, Base: memstore.Base{
		Content: f.imageContent, IDs: func() []string { return f.images.Contents() },
	}})
	if p.volumes.Backups = nil; w.backups {
		f.Backups = memstore.New(memstore.Config{Clock: clk, Base: memstore.Base{
			Content: f.backupContent, IDs: func() []string { return f.volumes.Backups() },
		}})
		p.volumes.Backups = f.Backups
	}
	p.volumes.Backends = nil
	for _, name := range w.backends {
		b := f.newBackend(name)
		f.Volumes[name] = b
		p.volumes.Backends = append(p.volumes.Backends, b)
	}
	p.images.Store = f.Images
	p.networks.Mechanisms, p.networks.Hosts = nil, f.mechanisms
	p.compute.Hypervisors, p.compute.Hosts = nil, f.hypervisors
	return f
}

// record notes what is recorded now: what the fakes hold.
func (f *Fakes) record(c *Cloud) {
	f.metadata = c.Compute
	f.compute, f.images = c.Compute.Recorded(), c.Images.Recorded()
	f.networks, f.volumes = c.Networks.Recorded(), c.Volumes.Recorded()
}

func (f *Fakes) newHypervisor(host string) hypervisor.Hypervisor {
	base := memhypervisor.Base{
		Guest:  func(id string) (hypervisor.Spec, hypervisor.Power, bool) { return f.guest(host, id) },
		Guests: func() []string { return f.compute.Guests(host) },
		Image:  f.image,
	}
	if about, known := f.compute.Host(host); known {
		base.Host = &about
	}
	return memhypervisor.New(memhypervisor.Config{Name: host, Clock: f.clock, Base: base})
}

// guest is a guest as recorded, with what the other services know of its devices.
func (f *Fakes) guest(host, id string) (hypervisor.Spec, hypervisor.Power, bool) {
	spec, power, there := f.compute.Guest(host, id)
	if spec.Root != nil {
		img, _ := f.images.Image(spec.Root.ImageID)
		spec.Root.Format = img.DiskFormat
	}
	for i := range spec.NICs {
		nic := &spec.NICs[i]
		nic.MAC, nic.MTU = f.networks.Interface(nic.PortID)
		nic.Tap = "tap" + nic.PortID[:min(11, len(nic.PortID))]
	}
	for i := range spec.Disks {
		at := f.volumes.Connection(spec.Disks[i].ID, host)
		spec.Disks[i].Path, spec.Disks[i].Format = at.Path, at.Format
	}
	return spec, power, there
}

func (f *Fakes) image(id string) (memhypervisor.Image, bool) {
	img, ok := f.images.Image(id)
	return memhypervisor.Image{ID: id, Format: img.DiskFormat, Size: img.Size, VirtualSize: img.VirtualSize}, ok
}

func (f *Fakes) newMechanism(host string) mechanism.Mechanism {
	m := memnetwork.New(memnetwork.Config{Name: host, Clock: f.clock, Base: memnetwork.Base{
		Network:  func(id string) (mechanism.Network, bool) { return f.networks.Network(host, id) },
		Port:     func(id string) (mechanism.Port, bool) { return f.networks.Port(host, id) },
		Router:   func(id string) (mechanism.Router, bool) { return f.networks.Router(host, id) },
		Networks: func() []string { return f.networks.Networks(host) },
		Ports:    func() []string { return f.networks.Ports(host) },
		Routers:  func() []string { return f.networks.Routers(host) },
	}})
	m.Serve(f.metadata)
	return m
}

func (f *Fakes) newBackend(name string) *memvolume.Backend {
	return memvolume.New(memvolume.Config{
		Name: name, CapacityGiB: math.MaxInt32, Clock: f.clock,
		Base: memvolume.Base{
			Volume: func(id string) (memvolume.Volume, bool) {
				v, hosts, ok := f.volumes.Volume(name, id)
				return memvolume.Volume{SizeGiB: v.SizeGiB, Hosts: hosts}, ok
			},
			Snapshot: func(id string) (memvolume.Snapshot, bool) {
				s, gib, ok := f.volumes.Snapshot(name, id)
				return memvolume.Snapshot{VolumeID: s.VolumeID, SizeGiB: gib}, ok
			},
			Volumes:   func() []string { return f.volumes.Volumes(name) },
			Snapshots: func() []string { return f.volumes.Snapshots(name) },
		},
	})
}

// imageContent is zeros, behind a header where the format needs one.
func (f *Fakes) imageContent(name string) (size int64, head []byte, ok bool) {
	img, ok := f.images.Content(name)
	if img.DiskFormat == "qcow2" {
		head = qcow2Header(img.VirtualSize)
	}
	return img.Size, head, ok
}

// qcow2Header is the beginning of an image of a disk, as much as is looked at when it is
// checked.
func qcow2Header(size int64) []byte {
	head := make([]byte, 72)
	copy(head, "QFI\xfb")
	binary.BigEndian.PutUint32(head[4:], 2)
	binary.BigEndian.PutUint32(head[20:], 16)
	binary.BigEndian.PutUint64(head[24:], uint64(size))
	return head
}

// backupContent is an empty stream in the form of backups: restored, it changes nothing.
func (f *Fakes) backupContent(id string) (size int64, head []byte, ok bool) {
	if !f.volumes.HasBackup(id) {
		return 0, nil, false
	}
	var empty bytes.Buffer
	if err := gzip.NewWriter(&empty).Close(); err != nil {
		return 0, nil, false
	}
	return int64(empty.Len()), empty.Bytes(), true
}
