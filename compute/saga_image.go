package compute

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/volume"
)

const sagaSnapshot = "compute.snapshot"

// snapshotParams name the image that is made of a server, and the snapshots of its
// volumes if it boots from one.
type snapshotParams struct {
	ImageID   string   `json:"image"`
	Name      string   `json:"name"`
	Snapshots []string `json:"snapshots,omitempty"` // one for each volume of the server
}

// CreateImage begins to make an image of a server's root disk, and returns the id
// of the image, which is queued then. Of a server that boots from a volume, the
// volumes are snapshotted and the image names the snapshots.
func (s *Service) CreateImage(ctx context.Context, id, name string, properties map[string]string) (string, error) {
	const op = "compute.CreateImage"
	server, err := s.GetServer(ctx, id)
	if err != nil {
		return "", fault.Wrap(op, err)
	}
	if err := VerbCreateImage.allows(&server); err != nil {
		return "", fault.Wrap(op, err)
	}
	if err := checkMetadata(properties); err != nil {
		return "", fault.Wrap(op, err)
	}
	p := snapshotParams{ImageID: s.core.IDs.UUID(), Name: name}
	if server.bootVolume() != nil {
		for range server.Volumes {
			p.Snapshots = append(p.Snapshots, s.core.IDs.UUID())
		}
	}
	opts, err := s.imageOf(&server, p, properties)
	if err != nil {
		return "", fault.Wrap(op, err)
	}
	_, err = s.begin(ctx, id, task{
		op: op, verb: VerbCreateImage, saga: sagaSnapshot, action: "createImage", state: ImageSnapshot, params: p,
		prepare: func(tx *state.Tx, server *Server) error {
			_, err := s.cfg.Images.CreateImageIn(ctx, tx, server.ProjectID, opts)
			return err
		},
	})
	if err != nil {
		return "", err
	}
	return p.ImageID, nil
}

// queueImage makes the record of the image.
func (s *Service) queueImage(ctx context.Context, server *Server, p snapshotParams, properties map[string]string) error {
	opts, err := s.imageOf(server, p, properties)
	if err == nil {
		_, err = s.cfg.Images.CreateImage(ctx, server.ProjectID, opts)
	}
	return err
}

// imageOf says what the record of the image is.
func (s *Service) imageOf(server *Server, p snapshotParams, properties map[string]string) (image.CreateOptions, error) {
	if s.cfg.Images == nil {
		return image.CreateOptions{}, fault.New(fault.Unsupported, "this cloud has no image service")
	}
	all := maps.Clone(server.Image)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, properties)
	maps.Copy(all, map[string]string{
		"image_type": "snapshot", "instance_uuid": server.ID, "user_id": server.UserID, "image_location": "snapshot",
	})
	if server.ImageID != "" {
		all["base_image_ref"] = server.ImageID
	}
	format := "qcow2"
	if len(p.Snapshots) > 0 {
		mapping, err := mappingOf(server, p.Snapshots)
		if err != nil {
			return image.CreateOptions{}, err
		}
		all["block_device_mapping"], all["bdm_v2"], all["root_device_name"] = mapping, "True", server.RootDevice()
	}
	return image.CreateOptions{
		ID: p.ImageID, Name: p.Name, Visibility: image.Private, DiskFormat: format, ContainerFormat: "bare",
		MinDiskGiB: server.Flavor.DiskGiB, Properties: all,
	}, nil
}

// mappingOf is the block device mapping that boots from snapshots of a server's
// volumes, as images keep it.
func mappingOf(server *Server, snapshots []string) (string, error) {
	type entry struct {
		BootIndex           *int   `json:"boot_index"`
		SourceType          string `json:"source_type"`
		DestinationType     string `json:"destination_type"`
		SnapshotID          string `json:"snapshot_id"`
		DeviceName          string `json:"device_name"`
		DeleteOnTermination bool   `json:"delete_on_termination"`
	}
	var entries []entry
	for i, v := range server.Volumes {
		e := entry{
			SourceType: "snapshot", DestinationType: "volume", SnapshotID: snapshots[i], DeviceName: v.Device,
			DeleteOnTermination: v.DeleteOnTermination,
		}
		if v.Boot {
			e.BootIndex = new(int)
		}
		entries = append(entries, e)
	}
	text, err := json.Marshal(entries)
	return string(text), err
}

// snapshotSaga copies the root disk into the queued image. A failure removes the
// image; the server goes on as it was.
func (s *Service) snapshotSaga() saga.Definition {
	return saga.Definition{
		Name: sagaSnapshot,
		Steps: []saga.Step{{
			Name: "compute_snapshot", Do: s.snapshot, Undo: s.unsnapshot,
		}},
		Finished: s.finished(func(*saga.Run, *Server) {}),
		Failed:   s.failed(nil),
		Stuck:    s.failed(nil),
	}
}

func (s *Service) snapshot(ctx context.Context, r *saga.Run) error {
	var p snapshotParams
	if err := r.Params(&p); err != nil {
		return err
	}
	return s.onHost(r, func(server *Server, hv driver.Hypervisor) error {
		if len(p.Snapshots) > 0 {
			return s.snapshotVolumes(ctx, server, p)
		}
		return s.export(ctx, hv, server.ID, p.ImageID)
	})
}

// export copies a guest's root disk into an image, unless it is there.
func (s *Service) export(ctx context.Context, hv driver.Hypervisor, serverID, imageID string) error {
	img, err := s.cfg.Images.GetImage(ctx, imageID)
	if err != nil || img.Status == image.Active {
		return err
	}
	content, err := hv.Export(ctx, serverID, "qcow2")
	if err != nil {
		return err
	}
	defer content.Close()
	_, err = s.cfg.Images.UploadImage(ctx, imageID, content)
	return err
}

// snapshotVolumes takes a snapshot of each volume; the image itself stays empty.
func (s *Service) snapshotVolumes(ctx context.Context, server *Server, p snapshotParams) error {
	for i, v := range server.Volumes {
		if i >= len(p.Snapshots) {
			break
		}
		_, err := s.cfg.Volumes.CreateSnapshot(ctx, server.ProjectID, volume.CreateSnapshotOptions{
			ID: p.Snapshots[i], VolumeID: v.VolumeID, Name: "snapshot for " + p.Name, Force: true,
		})
		if err != nil {
			return err
		}
	}
	img, err := s.cfg.Images.GetImage(ctx, p.ImageID)
	if err != nil || img.Status == image.Active {
		return err
	}
	_, err = s.cfg.Images.UploadImage(ctx, p.ImageID, bytes.NewReader(nil))
	return err
}

func (s *Service) unsnapshot(ctx context.Context, r *saga.Run) error {
	var p snapshotParams
	if err := r.Params(&p); err != nil {
		return err
	}
	return s.dropImage(ctx, p.ImageID)
}

// dropImage deletes an image that the service made; nil if it is gone.
func (s *Service) dropImage(ctx context.Context, id string) error {
	err := s.cfg.Images.DeleteImage(ctx, id)
	if fault.Of(err) == fault.NotFound {
		return nil
	}
	return err
}
