package compute

import (
	"context"
	"encoding/base64"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

const sagaRebuild = "compute.rebuild"

// RebuildOptions say what a rebuilt server is like; nil leaves a field as it is.
type RebuildOptions struct {
	ImageID                string // required
	Name, Description      *string
	Hostname               *string
	AccessIPv4, AccessIPv6 *string
	DiskConfig             *string
	Metadata               map[string]string // nil: as it is
	KeyName                *string           // empty: no key
	UserData               *string           // empty: none
	Files                  []File            // nil: as they are
}

// rebuildParams carry what the row does not say.
type rebuildParams struct {
	Stopped bool `json:"stopped,omitempty"` // it was off, and is to be so again
}

// RebuildServer begins to make a server's root disk anew from an image. Its id, its
// interfaces, addresses and volumes stay.
func (s *Service) RebuildServer(ctx context.Context, id string, opts RebuildOptions) (Server, error) {
	const op = "compute.RebuildServer"
	server, err := s.GetServer(ctx, id)
	if err != nil {
		return Server{}, fault.Wrap(op, err)
	}
	img, err := s.usableImage(ctx, server.ProjectID, opts.ImageID)
	if err != nil {
		return Server{}, fault.Wrap(op, err)
	}
	if err := opts.check(); err != nil {
		return Server{}, fault.Wrap(op, err)
	}
	params := &rebuildParams{}
	return s.begin(ctx, id, task{
		op: op, verb: VerbRebuild, saga: sagaRebuild, action: "rebuild", state: Rebuilding, params: params,
		prepare: func(tx *state.Tx, server *Server) error {
			switch {
			case server.Host == "":
				return fault.New(fault.Conflict, "Cannot 'rebuild' instance %s while it is in vm_state %s", id, server.VMState)
			case server.bootVolume() != nil:
				return fault.New(fault.Invalid, "Unable to rebuild with a different image for a volume-backed server.")
			}
			if err := fits(img, server.Flavor, server.Flavor.DiskGiB); err != nil {
				return err
			}
			params.Stopped = server.VMState == Stopped
			server.ImageID, server.Image = img.ID, img.Properties
			return s.applyRebuild(tx, server, opts)
		},
	})
}

func (o *RebuildOptions) check() error {
	if o.Name != nil && (*o.Name == "" || len(*o.Name) > 255) {
		return fault.New(fault.Invalid, "a server's name has 1 to 255 characters")
	}
	if o.UserData != nil {
		if _, err := base64.StdEncoding.DecodeString(*o.UserData); err != nil || len(*o.UserData) > 65535 {
			return fault.New(fault.Invalid, "User data is not valid base64, or too large.")
		}
	}
	return checkMetadata(o.Metadata)
}

func (s *Service) applyRebuild(tx *state.Tx, server *Server, o RebuildOptions) error {
	for _, f := range []struct{ field, value *string }{
		{&server.Name, o.Name}, {&server.Description, o.Description}, {&server.Hostname, o.Hostname},
		{&server.AccessIPv4, o.AccessIPv4}, {&server.AccessIPv6, o.AccessIPv6},
		{&server.DiskConfig, o.DiskConfig}, {&server.UserData, o.UserData},
	} {
		if f.value != nil {
			*f.field = *f.value
		}
	}
	server.AccessIPv4, server.AccessIPv6 = canonical(server.AccessIPv4), canonical(server.AccessIPv6)
	if o.Metadata != nil {
		if limit := s.limits.Limit(tx, server.ProjectID, MetadataItems); limit >= 0 && len(o.Metadata) > limit {
			return fault.New(fault.QuotaExceeded, "Maximum number of metadata items exceeds %d", limit)
		}
		server.Metadata = o.Metadata
	}
	if o.Files != nil {
		server.Files = o.Files
		if err := s.checkFiles(tx, server); err != nil {
			return err
		}
	}
	if o.KeyName == nil {
		return nil
	}
	server.KeyName, server.KeyType, server.PublicKey = "", "", ""
	if *o.KeyName == "" {
		return nil
	}
	k, err := s.keypair(tx, server.UserID, *o.KeyName)
	if err != nil {
		return fault.New(fault.Invalid, "Invalid key_name provided.")
	}
	server.KeyName, server.KeyType, server.PublicKey = k.Name, k.Type, k.PublicKey
	return nil
}

// rebuildSaga replaces the guest. The old disk cannot come back: after a failure
// the server is in error and may be rebuilt again.
func (s *Service) rebuildSaga() saga.Definition {
	return saga.Definition{
		Name: sagaRebuild,
		Steps: []saga.Step{
			{Name: "compute_image", Do: s.createImageOnHost, Attempts: driverAttempts},
			{Name: "compute_destroy", Do: s.rebuildDestroy, Attempts: driverAttempts},
			{Name: "compute_spawn", Do: s.rebuildSpawn, Attempts: driverAttempts},
		},
		Finished: s.finished(func(r *saga.Run, server *Server) {
			to, power := Active, PowerRunning
			var p rebuildParams
			if r.Params(&p) == nil && p.Stopped {
				to, power = Stopped, PowerShutdown
			}
			server.LaunchedAt, server.PowerState = s.core.Clock.Now(), power
			server.turn(to)
		}),
		Failed: s.broken(),
		Stuck:  s.broken(),
	}
}

func (s *Service) rebuildDestroy(ctx context.Context, r *saga.Run) error {
	return s.onHost(r, func(server *Server, hv driver.Hypervisor) error {
		s.progress(r, RebuildSpawning)
		return hv.Destroy(ctx, server.ID)
	})
}

func (s *Service) rebuildSpawn(ctx context.Context, r *saga.Run) error {
	var p rebuildParams
	if err := r.Params(&p); err != nil {
		return err
	}
	return s.onHost(r, func(server *Server, hv driver.Hypervisor) error {
		if err := s.respawn(ctx, server, server.ImageID); err != nil || p.Stopped {
			return err
		}
		return hv.Start(ctx, server.ID)
	})
}

// respawn makes the guest of a server that has its ports and volumes already.
func (s *Service) respawn(ctx context.Context, server *Server, rootImage string) error {
	nics, err := s.plug(ctx, server, server.NICs)
	if err != nil {
		return err
	}
	disks, err := s.reconnect(ctx, server)
	if err != nil {
		return err
	}
	return s.spawn(ctx, server, rootImage, disks, nics)
}

// reconnect readies volumes that are attached already on the server's host.
func (s *Service) reconnect(ctx context.Context, server *Server) ([]driver.Disk, error) {
	disks := make([]driver.Disk, 0, len(server.Volumes))
	for _, v := range server.Volumes {
		c, err := s.cfg.Volumes.Connect(ctx, v.AttachmentID, server.Host)
		if err != nil {
			return nil, err
		}
		disks = append(disks, diskOfVolume(v, c.Path, c.Format))
	}
	return disks, nil
}
