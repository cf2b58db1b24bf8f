package compute

import (
	"context"
	"fmt"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/volume"
)

// BlockDevice asks for a disk of a new server, in the terms of Nova's
// block_device_mapping_v2.
type BlockDevice struct {
	Source      string // "image", "volume", "snapshot" or "blank"
	Destination string // "volume" or "local"; empty: "local" for images and blanks, else "volume"
	ID          string // of the source
	SizeGiB     int
	Boot        bool   // the server boots from it
	Device      string // "vdb" or "/dev/vdb"; empty: the next
	Type        string // volume type
	Tag         string
	// DeleteOnTermination lets the volume go with the server.
	DeleteOnTermination bool
}

// blockDevices resolves the disks of the servers that are to be made.
func (s *Service) blockDevices(ctx context.Context, t *Server, o *CreateServerOptions) error {
	for _, bd := range o.BlockDevices {
		if bd.local() {
			if err := o.localDisk(bd); err != nil {
				return err
			}
			continue
		}
		if s.cfg.Volumes == nil {
			return fault.New(fault.Unsupported, "this cloud has no volume service")
		}
		v, err := s.volumeDisk(ctx, t, o, bd)
		if err != nil {
			return err
		}
		if bd.Boot && t.bootVolume() != nil {
			return badMapping("Boot sequence for the instance and image/block device mapping combination is not valid.")
		}
		t.Volumes = append(t.Volumes, v)
	}
	return nameDevices(t)
}

func badMapping(format string, args ...any) error {
	return fault.New(fault.Invalid, "Block Device Mapping is Invalid: "+format, args...)
}

func (bd BlockDevice) local() bool {
	return bd.Destination == "local" || bd.Destination == "" && (bd.Source == "image" || bd.Source == "blank")
}

// localDisk takes a mapping that is the image itself; other disks on the host come
// with the flavor.
func (o *CreateServerOptions) localDisk(bd BlockDevice) error {
	if bd.Source != "image" {
		return nil
	}
	if o.ImageID != "" && bd.ID != o.ImageID {
		return badMapping("the mapping's image is not the server's.")
	}
	o.ImageID = bd.ID
	return nil
}

// volumeDisk resolves a mapping to a volume: one that is there, or one to be made.
func (s *Service) volumeDisk(ctx context.Context, t *Server, o *CreateServerOptions, bd BlockDevice) (AttachedVolume, error) {
	v := AttachedVolume{Device: bd.Device, Boot: bd.Boot, Tag: bd.Tag, DeleteOnTermination: bd.DeleteOnTermination}
	source := &VolumeSource{SizeGiB: bd.SizeGiB, Type: bd.Type}
	switch bd.Source {
	case "volume":
		if o.MaxCount > 1 {
			return v, fault.New(fault.Invalid, "Cannot attach one or more volumes to multiple instances")
		}
		return v, s.existing(ctx, t, &v, bd)
	case "snapshot":
		snap, err := s.cfg.Volumes.GetSnapshot(ctx, bd.ID)
		if err != nil || snap.ProjectID != t.ProjectID {
			return v, badMapping("failed to get snapshot %s.", bd.ID)
		}
		source.SnapshotID = bd.ID
		if source.SizeGiB == 0 {
			source.SizeGiB = snap.SizeGiB
		}
	case "image":
		img, err := s.usableImage(ctx, t.ProjectID, bd.ID)
		if err != nil {
			return v, err
		}
		source.ImageID = bd.ID
		if source.SizeGiB == 0 {
			source.SizeGiB = max(img.MinDiskGiB, t.Flavor.DiskGiB)
		}
		if bd.Boot {
			if err := fits(img, t.Flavor, source.SizeGiB); err != nil {
				return v, err
			}
			t.Image = img.Properties
		}
	case "blank":
	default:
		return v, badMapping("unknown source type %q.", bd.Source)
	}
	if source.SizeGiB <= 0 {
		return v, badMapping("a volume that is to be made needs a size.")
	}
	v.Create = source
	return v, nil
}

// existing resolves a volume that is there already.
func (s *Service) existing(ctx context.Context, t *Server, v *AttachedVolume, bd BlockDevice) error {
	vol, err := s.cfg.Volumes.GetVolume(ctx, bd.ID)
	if err != nil || vol.ProjectID != t.ProjectID {
		return badMapping("failed to get volume %s.", bd.ID)
	}
	if vol.Status != volume.Available && !vol.MultiAttach {
		return fault.New(fault.Invalid, "Invalid volume: volume '%s' status must be 'available'. Currently in '%s'", vol.ID, vol.Status)
	}
	if bd.Boot && !vol.Bootable {
		return badMapping("volume %s is not bootable.", vol.ID)
	}
	if bd.Boot {
		t.Image = vol.ImageMetadata
	}
	v.VolumeID = vol.ID
	return nil
}

// nameDevices gives each volume a device name of its own. The root disk is vda.
func nameDevices(t *Server) error {
	taken := map[string]bool{t.RootDevice(): true}
	for i := range t.Volumes {
		v := &t.Volumes[i]
		switch {
		case v.Boot:
			v.Device = t.RootDevice()
			continue
		case v.Device == "":
			continue
		case !strings.HasPrefix(v.Device, "/dev/"):
			v.Device = "/dev/" + v.Device
		}
		if taken[v.Device] {
			v.Device = "" // Nova, too, takes the name as a hint only
		}
		taken[v.Device] = v.Device != ""
	}
	for i := range t.Volumes {
		if t.Volumes[i].Device == "" {
			name, err := freeDevice(taken)
			if err != nil {
				return err
			}
			t.Volumes[i].Device, taken[name] = name, true
		}
	}
	return nil
}

// freeDevice returns the first device name that is not taken.
func freeDevice(taken map[string]bool) (string, error) {
	for c := 'b'; c <= 'z'; c++ {
		if name := fmt.Sprintf("/dev/vd%c", c); !taken[name] {
			return name, nil
		}
	}
	return "", fault.New(fault.Invalid, "the server has no free device name left")
}
