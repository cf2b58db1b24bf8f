package compute

import (
	"context"
	"sync"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/network"
	"github.com/welkin-cloud/cloud/volume"
)

// This file holds what several sagas do with a server's guest: its interfaces, its
// volumes, its image, its definition. Everything may be done twice.

// plug makes the ports of a server's interfaces, if it owns them, and binds them to
// its host.
func (s *Service) plug(ctx context.Context, server *Server, nics []NIC) ([]driver.NIC, error) {
	plugged := make([]driver.NIC, 0, len(nics))
	for _, n := range nics {
		nic, err := s.plugOne(ctx, server, n)
		if err != nil {
			return nil, err
		}
		plugged = append(plugged, nic)
	}
	return plugged, nil
}

func (s *Service) plugOne(ctx context.Context, server *Server, n NIC) (driver.NIC, error) {
	var port network.Port
	var err error
	if n.Owned {
		port, err = s.cfg.Networks.CreatePort(ctx, server.ProjectID, server.portOptions(n))
	} else {
		port, err = s.cfg.Networks.GetPort(ctx, n.PortID)
	}
	if err != nil {
		return driver.NIC{}, err
	}
	at, err := s.cfg.Networks.BindPort(ctx, n.PortID, network.Binding{
		Host: server.Host, DeviceID: server.ID, DeviceOwner: deviceOwner, Hostname: server.Hostname,
	})
	if err != nil {
		return driver.NIC{}, err
	}
	return driver.NIC{PortID: n.PortID, MAC: port.MAC, Tap: at.Tap, MTU: at.MTU, Model: "virtio"}, nil
}

// unplug takes the ports from the server and deletes those that it owns.
func (s *Service) unplug(ctx context.Context, server *Server, nics []NIC) error {
	for _, n := range nics {
		if err := s.cfg.Networks.UnbindPort(ctx, n.PortID, server.ID); err != nil {
			return err
		}
		if !n.Owned {
			continue
		}
		if err := s.cfg.Networks.DeletePort(ctx, n.PortID); err != nil && fault.Of(err) != fault.NotFound {
			return err
		}
	}
	return nil
}

// connect makes the volumes of a server that are its own, attaches them all and
// readies them on its host.
func (s *Service) connect(ctx context.Context, server *Server, volumes []AttachedVolume) ([]driver.Disk, error) {
	disks := make([]driver.Disk, 0, len(volumes))
	for _, v := range volumes {
		if err := s.makeVolume(ctx, server, v); err != nil {
			return nil, err
		}
		disk, err := s.attach(ctx, server, v)
		if err != nil {
			return nil, err
		}
		disks = append(disks, disk)
	}
	return disks, nil
}

// makeVolume makes a volume that comes with the server.
func (s *Service) makeVolume(ctx context.Context, server *Server, v AttachedVolume) error {
	if v.Create == nil {
		return nil
	}
	_, err := s.cfg.Volumes.CreateVolume(ctx, server.ProjectID, volume.CreateOptions{
		ID: v.VolumeID, SizeGiB: v.Create.SizeGiB, ImageID: v.Create.ImageID, SnapshotID: v.Create.SnapshotID,
		Type: v.Create.Type,
	})
	if err != nil {
		return err
	}
	vol, err := s.cfg.Volumes.WaitVolume(ctx, v.VolumeID)
	if err != nil {
		return err
	}
	if vol.Status == volume.Error {
		return fault.New(fault.Internal, "Volume %s did not finish being created: %s", vol.ID, vol.Fault)
	}
	return nil
}

// attach reserves a volume, if it is not yet, connects it to the server's host and
// shows it as in use.
func (s *Service) attach(ctx context.Context, server *Server, v AttachedVolume) (driver.Disk, error) {
	_, err := s.cfg.Volumes.Reserve(ctx, volume.ReserveOptions{
		ID: v.AttachmentID, VolumeID: v.VolumeID, ServerID: server.ID, Device: v.Device,
	})
	if err != nil {
		return driver.Disk{}, err
	}
	c, err := s.cfg.Volumes.Connect(ctx, v.AttachmentID, server.Host)
	if err != nil {
		return driver.Disk{}, err
	}
	if err := s.cfg.Volumes.Complete(ctx, v.AttachmentID, v.Device); err != nil {
		return driver.Disk{}, err
	}
	return diskOfVolume(v, c.Path, c.Format), nil
}

func diskOfVolume(v AttachedVolume, path, format string) driver.Disk {
	return driver.Disk{
		ID: v.VolumeID, Path: path, Format: format, Bus: "virtio", Device: deviceName(v.Device), Boot: v.Boot,
	}
}

// deviceName is a device without its directory: "vdb".
func deviceName(device string) string {
	const dev = "/dev/"
	if len(device) > len(dev) && device[:len(dev)] == dev {
		return device[len(dev):]
	}
	return device
}

// release ends the attachments of volumes and deletes those that go with the
// server.
func (s *Service) release(ctx context.Context, volumes []AttachedVolume) error {
	return s.releaseIf(ctx, volumes, func(v AttachedVolume) bool { return v.DeleteOnTermination })
}

// releaseNew ends the attachments of volumes and deletes those that were made for
// the server, when its boot is undone.
func (s *Service) releaseNew(ctx context.Context, volumes []AttachedVolume) error {
	return s.releaseIf(ctx, volumes, func(v AttachedVolume) bool { return v.Create != nil })
}

func (s *Service) releaseIf(ctx context.Context, volumes []AttachedVolume, remove func(AttachedVolume) bool) error {
	for _, v := range volumes {
		if err := s.cfg.Volumes.Release(ctx, v.AttachmentID); err != nil {
			return err
		}
		if !remove(v) {
			continue
		}
		switch err := s.cfg.Volumes.DeleteVolume(ctx, v.VolumeID); fault.Of(err) {
		case fault.NotFound:
		case fault.Invalid, fault.Conflict:
			// It has snapshots, or is in some use: it stays, and the server goes, as in Nova.
			s.log.Warn("a volume stays although it was to go with its server", "volume", v.VolumeID, "error", err)
		default:
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// imageCache remembers which images hosts are known to hold, and lets one transfer
// of an image to a host run at a time.
type imageCache struct {
	mu    sync.Mutex
	known map[[2]string]chan struct{} // host and image; closed once it is there
}

// has reports whether the host is known to hold the image.
func (c *imageCache) has(host, id string) bool {
	c.mu.Lock()
	done := c.known[[2]string{host, id}]
	c.mu.Unlock()
	if done == nil {
		return false
	}
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// forget drops what is known of an image on a host.
func (c *imageCache) forget(host, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, [2]string{host, id})
}

// forgetEverywhere drops what is known of an image on all hosts.
func (c *imageCache) forgetEverywhere(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.known {
		if key[1] == id {
			delete(c.known, key)
		}
	}
}

// once calls put unless the host holds the image already; calls for the same image
// and host wait for each other.
func (c *imageCache) once(ctx context.Context, host, id string, put func() error) error {
	key := [2]string{host, id}
	for {
		c.mu.Lock()
		if c.known == nil {
			c.known = map[[2]string]chan struct{}{}
		}
		done, under := c.known[key]
		if !under {
			done = make(chan struct{})
			c.known[key] = done
			c.mu.Unlock()
			return c.transfer(key, done, put)
		}
		c.mu.Unlock()
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if c.has(host, id) {
			return nil
		}
	}
}

func (c *imageCache) transfer(key [2]string, done chan struct{}, put func() error) error {
	err := put()
	if err != nil {
		c.mu.Lock()
		delete(c.known, key)
		c.mu.Unlock()
	}
	close(done)
	return err
}

// fetchImage brings an image to a host, unless it is there.
func (s *Service) fetchImage(ctx context.Context, host, id string) error {
	hv, err := s.hypervisor(host)
	if err != nil {
		return err
	}
	return s.images.once(ctx, host, id, func() error {
		if has, err := hv.HasImage(ctx, id); err != nil || has {
			return err
		}
		img, err := s.cfg.Images.GetImage(ctx, id)
		if err != nil {
			return err
		}
		content, err := s.cfg.Images.OpenImage(ctx, id)
		if err != nil {
			return err
		}
		defer content.Close()
		return hv.PutImage(ctx, id, img.DiskFormat, content)
	})
}

// spec is the guest of a server as its hypervisor shall make it.
func (s *Service) spec(ctx context.Context, server *Server, rootImage string, disks []driver.Disk, nics []driver.NIC) (driver.Spec, error) {
	spec := driver.Spec{
		ID: server.ID, Name: server.Name, VCPUs: server.Flavor.VCPUs, MemoryMiB: server.Flavor.MemoryMiB,
		Disks: disks, NICs: nics, ExtraSpecs: server.Flavor.ExtraSpecs, Properties: server.Image,
		ProjectID: server.ProjectID, UserID: server.UserID,
	}
	if rootImage != "" {
		img, err := s.cfg.Images.GetImage(ctx, rootImage)
		if err != nil {
			return spec, err
		}
		spec.Root = &driver.Root{ImageID: rootImage, Format: img.DiskFormat, SizeGiB: server.Flavor.DiskGiB}
	}
	if server.ConfigDrive {
		iso, err := s.configDrive(ctx, server)
		if err != nil {
			return spec, err
		}
		spec.ConfigDrive = iso
	}
	return spec, nil
}

// spawn makes the guest of a server; its image must be on the host, and is brought
// there once more if it has gone.
func (s *Service) spawn(ctx context.Context, server *Server, rootImage string, disks []driver.Disk, nics []driver.NIC) error {
	hv, err := s.hypervisor(server.Host)
	if err != nil {
		return err
	}
	spec, err := s.spec(ctx, server, rootImage, disks, nics)
	if err != nil {
		return err
	}
	err = hv.Create(ctx, spec)
	if fault.Of(err) == fault.NotFound && rootImage != "" {
		s.images.forget(server.Host, rootImage)
		if err := s.fetchImage(ctx, server.Host, rootImage); err != nil {
			return err
		}
		err = hv.Create(ctx, spec)
	}
	return err
}

// destroy removes the guest of a server from a host; an empty host has none.
func (s *Service) destroy(ctx context.Context, host, serverID string) error {
	if host == "" {
		return nil
	}
	hv, err := s.hypervisor(host)
	if err != nil {
		return err
	}
	return hv.Destroy(ctx, serverID)
}

// onHost calls f with the hypervisor of the saga's server.
func (s *Service) onHost(r *saga.Run, f func(server *Server, hv driver.Hypervisor) error) error {
	server, err := s.load(r)
	if err != nil {
		return err
	}
	hv, err := s.hypervisor(server.Host)
	if err != nil {
		return err
	}
	r.OnHost(server.Host)
	return f(&server, hv)
}
