package compute_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync"

	"github.com/welkin-cloud/cloud/image"
	imagedriver "github.com/welkin-cloud/cloud/image/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/inject"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/network"
	"github.com/welkin-cloud/cloud/volume"
	volumedriver "github.com/welkin-cloud/cloud/volume/driver"
)

// faults lets a test make a fake fail: it is asked before the effect of a call, and
// after it with "/after".
type faults struct{ points *inject.Points }

func newFaults() faults { return faults{inject.New(nil, nil, nil)} }

func (f *faults) set(fail inject.Fault) { f.points.SetFault(fail) }

// do runs a call with its faults.
func (f *faults) do(ctx context.Context, op, id string, effect func() error) error {
	return f.points.Call(ctx, op, id, unlocked{}, effect)
}

// unlocked is for effects that lock what they need.
type unlocked struct{}

func (unlocked) Lock()   {}
func (unlocked) Unlock() {}

// fakeNetworks has one network "net" with addresses in 10.0.0.0/16.
type fakeNetworks struct {
	faults
	mu       sync.Mutex
	networks []network.Network
	ports    map[string]network.Port
	order    []string
	next     int
}

func newFakeNetworks() *fakeNetworks {
	n := network.Network{AdminStateUp: true, MTU: 1450}
	n.ID, n.Name, n.ProjectID = "net", "private", project
	return &fakeNetworks{faults: newFaults(), ports: map[string]network.Port{}, networks: []network.Network{n}}
}

func (f *fakeNetworks) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.ports)
}

func (f *fakeNetworks) plugged() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, p := range f.ports {
		if p.Plugged {
			n++
		}
	}
	return n
}

func (f *fakeNetworks) CreatePort(ctx context.Context, projectID string, o network.CreatePortOptions) (p network.Port, err error) {
	err = f.do(ctx, "CreatePort", o.ID, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if old, ok := f.ports[o.ID]; ok {
			p = old
			return nil
		}
		f.next++
		p = network.Port{
			NetworkID: o.NetworkID, MAC: fmt.Sprintf("fa:16:3e:00:%02x:%02x", f.next/256, f.next%256),
			DeviceID: o.DeviceID, DeviceOwner: o.DeviceOwner, Status: network.Down, AdminStateUp: true,
			FixedIPs: []network.FixedIP{{SubnetID: "sub", Address: netip.AddrFrom4([4]byte{10, 0, byte(f.next / 256), byte(f.next % 256)})}},
		}
		p.ID, p.ProjectID = o.ID, projectID
		if len(o.FixedIPs) > 0 {
			p.FixedIPs[0].Address = o.FixedIPs[0].Address
		}
		f.ports[p.ID] = p
		f.order = append(f.order, p.ID)
		return nil
	})
	return p, err
}

func (f *fakeNetworks) GetPort(_ context.Context, id string) (network.Port, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.ports[id]
	if !ok {
		return p, fault.Missing("port", id)
	}
	return p, nil
}

func (f *fakeNetworks) PortsOf(_ context.Context, device string) ([]network.Port, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ports []network.Port
	for _, id := range f.order {
		if p, ok := f.ports[id]; ok && p.DeviceID == device {
			ports = append(ports, p)
		}
	}
	return ports, nil
}

func (f *fakeNetworks) BindPort(ctx context.Context, id string, b network.Binding) (at network.Attachment, err error) {
	err = f.do(ctx, "BindPort", id, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		p, ok := f.ports[id]
		if !ok {
			return fault.Missing("port", id)
		}
		if p.DeviceID != "" && p.DeviceID != b.DeviceID {
			return fault.New(fault.Conflict, "port %s is in use", id)
		}
		p.DeviceID, p.DeviceOwner, p.Host, p.Plugged, p.Status = b.DeviceID, b.DeviceOwner, b.Host, true, network.Active
		f.ports[id] = p
		at = network.Attachment{Tap: "tap" + id[:min(11, len(id))], MTU: 1450}
		return nil
	})
	return at, err
}

func (f *fakeNetworks) UnbindPort(ctx context.Context, id, device string) error {
	return f.do(ctx, "UnbindPort", id, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		p, ok := f.ports[id]
		if !ok || p.DeviceID != device {
			return nil
		}
		p.DeviceID, p.Host, p.Plugged, p.Status = "", "", false, network.Down
		f.ports[id] = p
		return nil
	})
}

func (f *fakeNetworks) UpdatePort(_ context.Context, id string, o network.UpdatePortOptions) (network.Port, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.ports[id]
	if !ok {
		return p, fault.Missing("port", id)
	}
	if o.SecurityGroups != nil {
		p.SecurityGroups = *o.SecurityGroups
	}
	f.ports[id] = p
	return p, nil
}

func (f *fakeNetworks) DeletePort(ctx context.Context, id string) error {
	return f.do(ctx, "DeletePort", id, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if _, ok := f.ports[id]; !ok {
			return fault.Missing("port", id)
		}
		delete(f.ports, id)
		return nil
	})
}

func (f *fakeNetworks) GetNetwork(_ context.Context, id string) (network.Network, error) {
	for _, n := range f.networks {
		if n.ID == id {
			return n, nil
		}
	}
	return network.Network{}, fault.Missing("network", id)
}

func (f *fakeNetworks) GetSubnet(_ context.Context, id string) (network.Subnet, error) {
	s := network.Subnet{
		NetworkID: "net", CIDR: netip.MustParsePrefix("10.0.0.0/16"), Gateway: netip.MustParseAddr("10.0.0.1"),
		EnableDHCP: true, DNS: []netip.Addr{netip.MustParseAddr("192.0.2.53")},
	}
	s.ID = id
	return s, nil
}

func (f *fakeNetworks) VisibleNetworks(context.Context, string) ([]network.Network, error) {
	return f.networks, nil
}

func (f *fakeNetworks) FindSecurityGroup(_ context.Context, _, name string) (network.SecurityGroup, error) {
	if name != "default" && name != "web" {
		return network.SecurityGroup{}, fault.Missing("security group", name)
	}
	g := network.SecurityGroup{}
	g.ID, g.Name = "sg-"+name, name
	return g, nil
}

func (f *fakeNetworks) Addresses(_ context.Context, devices ...string) (map[string][]network.Address, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[string][]network.Address{}
	for _, id := range f.order {
		p, ok := f.ports[id]
		if ok && slices.Contains(devices, p.DeviceID) {
			all[p.DeviceID] = append(all[p.DeviceID], network.Address{
				NetworkID: "net", NetworkName: "private", PortID: id, MAC: p.MAC, IP: p.FixedIPs[0].Address.String(),
			})
		}
	}
	return all, nil
}

func (f *fakeNetworks) PortAt(_ context.Context, networkID, address string) (network.Port, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.ports {
		if p.NetworkID == networkID && p.FixedIPs[0].Address.String() == address {
			return p, nil
		}
	}
	return network.Port{}, fault.Missing("port", address)
}

// fakeImages keeps images in memory; "cirros" is there.
type fakeImages struct {
	faults
	mu     sync.Mutex
	images map[string]image.Image
	data   map[string][]byte
}

func newFakeImages() *fakeImages {
	content := bytes.Repeat([]byte("x"), 4096)
	return &fakeImages{
		faults: newFaults(),
		images: map[string]image.Image{"cirros": {
			ID: "cirros", Name: "cirros", Status: image.Active, DiskFormat: "raw", ContainerFormat: "bare",
			Size: int64(len(content)), Visibility: image.Public,
		}},
		data: map[string][]byte{"cirros": content},
	}
}

func (f *fakeImages) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.images)
}

func (f *fakeImages) GetImage(_ context.Context, id string) (image.Image, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i, ok := f.images[id]
	if !ok {
		return i, fault.Missing("image", id)
	}
	return i, nil
}

func (f *fakeImages) CanSee(_ context.Context, i image.Image, projectID string) bool {
	return i.Visibility == image.Public || i.ProjectID == projectID
}

type content struct{ *bytes.Reader }

func (content) Close() error { return nil }

func (f *fakeImages) OpenImage(ctx context.Context, id string) (c imagedriver.Content, err error) {
	err = f.do(ctx, "OpenImage", id, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		data, ok := f.data[id]
		if !ok {
			return fault.Missing("image", id)
		}
		c = content{bytes.NewReader(data)}
		return nil
	})
	return c, err
}

func (f *fakeImages) CreateImageIn(ctx context.Context, _ *state.Tx, projectID string, o image.CreateOptions) (image.Image, error) {
	return f.CreateImage(ctx, projectID, o)
}

func (f *fakeImages) CreateImage(ctx context.Context, projectID string, o image.CreateOptions) (i image.Image, err error) {
	err = f.do(ctx, "CreateImage", o.ID, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if old, ok := f.images[o.ID]; ok {
			i = old
			return nil
		}
		i = image.Image{
			ID: o.ID, Name: o.Name, ProjectID: projectID, Status: image.Queued, DiskFormat: o.DiskFormat,
			Properties: o.Properties, Visibility: o.Visibility,
		}
		f.images[o.ID] = i
		return nil
	})
	return i, err
}

func (f *fakeImages) UploadImage(ctx context.Context, id string, r io.Reader) (i image.Image, err error) {
	err = f.do(ctx, "UploadImage", id, func() error {
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		i = f.images[id]
		i.Status, i.Size = image.Active, int64(len(data))
		f.images[id], f.data[id] = i, data
		return nil
	})
	return i, err
}

func (f *fakeImages) DeleteImage(ctx context.Context, id string) error {
	return f.do(ctx, "DeleteImage", id, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if _, ok := f.images[id]; !ok {
			return fault.Missing("image", id)
		}
		delete(f.images, id)
		return nil
	})
}

// fakeVolumes keeps volumes in memory.
type fakeVolumes struct {
	faults
	mu          sync.Mutex
	volumes     map[string]volume.Volume
	attachments map[string]volume.Attachment
	snapshots   map[string]volume.Snapshot
}

func newFakeVolumes() *fakeVolumes {
	return &fakeVolumes{
		faults:  newFaults(),
		volumes: map[string]volume.Volume{}, attachments: map[string]volume.Attachment{},
		snapshots: map[string]volume.Snapshot{},
	}
}

func (f *fakeVolumes) status(id string) volume.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.volumes[id].Status
}

func (f *fakeVolumes) counts() (volumes, attachments int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.volumes), len(f.attachments)
}

func (f *fakeVolumes) GetVolume(_ context.Context, id string) (volume.Volume, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.volumes[id]
	if !ok {
		return v, fault.Missing("volume", id)
	}
	return v, nil
}

func (f *fakeVolumes) GetSnapshot(_ context.Context, id string) (volume.Snapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.snapshots[id]
	if !ok {
		return v, fault.Missing("snapshot", id)
	}
	return v, nil
}

func (f *fakeVolumes) CreateVolume(ctx context.Context, projectID string, o volume.CreateOptions) (v volume.Volume, err error) {
	err = f.do(ctx, "CreateVolume", o.ID, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if old, ok := f.volumes[o.ID]; ok {
			v = old
			return nil
		}
		v = volume.Volume{
			ID: o.ID, ProjectID: projectID, SizeGiB: o.SizeGiB, Status: volume.Available, ImageID: o.ImageID,
			Bootable: o.ImageID != "",
		}
		f.volumes[o.ID] = v
		return nil
	})
	return v, err
}

func (f *fakeVolumes) WaitVolume(ctx context.Context, id string) (volume.Volume, error) {
	return f.GetVolume(ctx, id)
}

func (f *fakeVolumes) DeleteVolume(ctx context.Context, id string) error {
	return f.do(ctx, "DeleteVolume", id, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		v, ok := f.volumes[id]
		if !ok {
			return fault.Missing("volume", id)
		}
		if v.Status == volume.InUse {
			return fault.New(fault.Conflict, "volume %s is in use", id)
		}
		delete(f.volumes, id)
		return nil
	})
}

func (f *fakeVolumes) Reserve(ctx context.Context, o volume.ReserveOptions) (a volume.Attachment, err error) {
	err = f.do(ctx, "Reserve", o.VolumeID, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if old, ok := f.attachments[o.ID]; ok {
			a = old
			return nil
		}
		v, ok := f.volumes[o.VolumeID]
		if !ok {
			return fault.Missing("volume", o.VolumeID)
		}
		if v.Status != volume.Available {
			return fault.New(fault.Invalid, "volume %s is %s", v.ID, v.Status)
		}
		a = volume.Attachment{ID: o.ID, VolumeID: o.VolumeID, ServerID: o.ServerID, Device: o.Device, Status: volume.Attaching}
		f.attachments[o.ID] = a
		v.Status = volume.Attaching
		f.volumes[v.ID] = v
		return nil
	})
	return a, err
}

func (f *fakeVolumes) Connect(ctx context.Context, id, host string) (c volumedriver.Connection, err error) {
	err = f.do(ctx, "Connect", id, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		a, ok := f.attachments[id]
		if !ok {
			return fault.Missing("attachment", id)
		}
		a.Host = host
		f.attachments[id] = a
		c = volumedriver.Connection{Type: "file", Path: "/volumes/" + a.VolumeID, Format: "raw"}
		return nil
	})
	return c, err
}

func (f *fakeVolumes) setStatus(ctx context.Context, op, id string, to volume.Status) error {
	return f.do(ctx, op, id, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		a, ok := f.attachments[id]
		if !ok {
			return fault.Missing("attachment", id)
		}
		a.Status = to
		f.attachments[id] = a
		v := f.volumes[a.VolumeID]
		v.Status = to
		f.volumes[v.ID] = v
		return nil
	})
}

func (f *fakeVolumes) Complete(ctx context.Context, id, _ string) error {
	return f.setStatus(ctx, "Complete", id, volume.InUse)
}

func (f *fakeVolumes) ReserveIn(ctx context.Context, _ *state.Tx, o volume.ReserveOptions) (volume.Attachment, error) {
	return f.Reserve(ctx, o)
}

func (f *fakeVolumes) BeginDetachIn(ctx context.Context, _ *state.Tx, id string) error {
	return f.setStatus(ctx, "BeginDetach", id, volume.Detaching)
}

func (f *fakeVolumes) Release(ctx context.Context, id string) error {
	return f.do(ctx, "Release", id, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		a, ok := f.attachments[id]
		if !ok {
			return nil
		}
		delete(f.attachments, id)
		v := f.volumes[a.VolumeID]
		v.Status = volume.Available
		f.volumes[v.ID] = v
		return nil
	})
}

func (f *fakeVolumes) CreateSnapshot(ctx context.Context, projectID string, o volume.CreateSnapshotOptions) (s volume.Snapshot, err error) {
	err = f.do(ctx, "CreateSnapshot", o.ID, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		s = volume.Snapshot{ID: o.ID, VolumeID: o.VolumeID, ProjectID: projectID, SizeGiB: f.volumes[o.VolumeID].SizeGiB, Status: volume.Available}
		f.snapshots[o.ID] = s
		return nil
	})
	return s, err
}
