// Package volume gives servers durable disks: volumes, snapshots, backups and their
// attachments. It does what OpenStack's Cinder does.
//
// A [Service] is what applications hold. Where the bytes live is a driver: see package
// volume/driver, and filevolume and memvolume for two of them. Everything that takes
// a backend's time is a saga: the call returns as soon as the record says "creating",
// "deleting" or the like, and the work survives a crash.
package volume

import (
	"context"
	"errors"
	"slices"
	"time"

	imagedriver "github.com/welkin-cloud/cloud/image/driver"
	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/volume/driver"
)

// Config of New.
type Config struct {
	// Backends keep the volumes; a new volume goes to the one with most room.
	// Required; their owner closes them, after the sagas.
	Backends []driver.Backend
	// Images is where volumes are made from images, and images from volumes. May
	// be nil: such volumes are then refused.
	Images Images
	// Backups keeps the content of backups. May be nil: backups are then refused.
	Backups imagedriver.Store
	// Zone is the availability zone of all backends; default "nova".
	Zone string
	// MaxSizeGiB is how large one volume may be; default 65,536.
	MaxSizeGiB int
}

// Quotas of a project, with Cinder's names and defaults.
var defaultQuotas = map[string]int{
	"volumes": 10, "snapshots": 10, "gigabytes": 1000, "per_volume_gigabytes": quota.Unlimited,
	"backups": 10, "backup_gigabytes": 1000, "groups": 10,
}

// Service is the block storage of one cloud. It is safe for concurrent use.
type Service struct {
	core     *core.Core
	cfg      Config
	backends map[string]driver.Backend
	names    []string // of the backends, in order
	quotas   *quota.Limits
	tables
}

// tables are the collections of the service.
type tables struct {
	volumes      *state.Collection[Volume]
	volByProj    *state.Index[Volume]
	volBySnap    *state.Index[Volume]
	snapshots    *state.Collection[Snapshot]
	snapByProj   *state.Index[Snapshot]
	snapByVol    *state.Index[Snapshot]
	attachments  *state.Collection[Attachment]
	attByVol     *state.Index[Attachment]
	attByServer  *state.Index[Attachment]
	backups      *state.Collection[Backup]
	backByProj   *state.Index[Backup]
	backByVol    *state.Index[Backup]
	projectTypes *state.Collection[ProjectType]
	types        *state.Collection[Type]
	typeByName   *state.Index[Type]
	transfers    *state.Collection[Transfer]
	transByVol   *state.Index[Transfer]
}

// New returns a service over c, whose state is not open yet.
func New(c *core.Core, cfg Config) (*Service, error) {
	if len(cfg.Backends) == 0 {
		return nil, errors.New("volume: Config.Backends is required")
	}
	if cfg.Zone == "" {
		cfg.Zone = "nova"
	}
	if cfg.MaxSizeGiB == 0 {
		cfg.MaxSizeGiB = 65_536
	}
	s := &Service{
		core: c, cfg: cfg, tables: define(c.DB), backends: map[string]driver.Backend{},
		quotas: c.Quotas.Service("volume", defaultQuotas),
	}
	for _, sagas := range [][]saga.Definition{s.volumeSagas(), s.snapshotSagas(), s.backupSagas(), s.uploadSagas(), s.revertSagas()} {
		for _, d := range sagas {
			c.Sagas.Define(d)
		}
	}
	return s, nil
}

func define(db *state.DB) tables {
	var t tables
	t.volByProj = state.NewIndex("project", func(v *Volume) []string { return []string{state.Key(v.ProjectID)} })
	t.volBySnap = state.NewIndex("snapshot", func(v *Volume) []string { return keyIf(v.SnapshotID) })
	t.volumes = state.Define(db, state.Spec[Volume]{
		Name: "volume.volumes", Noun: "volume", Key: func(v *Volume) string { return v.ID },
		Indexes: []*state.Index[Volume]{t.volByProj, t.volBySnap},
	})
	t.snapByProj = state.NewIndex("project", func(s *Snapshot) []string { return []string{state.Key(s.ProjectID)} })
	t.snapByVol = state.NewIndex("volume", func(s *Snapshot) []string { return []string{state.Key(s.VolumeID)} })
	t.snapshots = state.Define(db, state.Spec[Snapshot]{
		Name: "volume.snapshots", Noun: "snapshot", Key: func(s *Snapshot) string { return s.ID },
		Indexes: []*state.Index[Snapshot]{t.snapByProj, t.snapByVol},
	})
	t.attByVol = state.NewIndex("volume", func(a *Attachment) []string { return []string{state.Key(a.VolumeID)} })
	t.attByServer = state.NewIndex("server", func(a *Attachment) []string { return []string{state.Key(a.ServerID)} })
	t.attachments = state.Define(db, state.Spec[Attachment]{
		Name: "volume.attachments", Noun: "attachment", Key: func(a *Attachment) string { return a.ID },
		Indexes: []*state.Index[Attachment]{t.attByVol, t.attByServer},
	})
	t.backByProj = state.NewIndex("project", func(b *Backup) []string { return []string{state.Key(b.ProjectID)} })
	t.backByVol = state.NewIndex("volume", func(b *Backup) []string { return []string{state.Key(b.VolumeID)} })
	t.backups = state.Define(db, state.Spec[Backup]{
		Name: "volume.backups", Noun: "backup", Key: func(b *Backup) string { return b.ID },
		Indexes: []*state.Index[Backup]{t.backByProj, t.backByVol},
	})
	t.typeByName = state.NewUnique("name", func(t *Type) []string { return []string{state.Key(t.Name)} })
	t.types = state.Define(db, state.Spec[Type]{
		Name: "volume.types", Noun: "volume type", Key: func(t *Type) string { return t.ID },
		Indexes: []*state.Index[Type]{t.typeByName},
	})
	t.projectTypes = state.Define(db, state.Spec[ProjectType]{
		Name: "volume.project_types", Noun: "default volume type", Key: func(p *ProjectType) string { return p.ProjectID },
	})
	t.transByVol = state.NewUnique("volume", func(x *Transfer) []string { return []string{state.Key(x.VolumeID)} })
	t.transfers = state.Define(db, state.Spec[Transfer]{
		Name: "volume.transfers", Noun: "transfer", Key: func(x *Transfer) string { return x.ID },
		Indexes: []*state.Index[Transfer]{t.transByVol},
	})
	return t
}

func keyIf(id string) []string {
	if id == "" {
		return nil
	}
	return []string{state.Key(id)}
}

// Start learns the backends' names and makes the default volume type.
func (s *Service) Start(ctx context.Context) error {
	for _, b := range s.cfg.Backends {
		info, err := b.Info(ctx)
		if err != nil {
			return fault.Wrap("volume.Start", err)
		}
		s.backends[info.Name] = b
		s.names = append(s.names, info.Name)
	}
	if s.core.Forked {
		return nil
	}
	return fault.Wrap("volume.Start", s.ensureDefaultType(ctx))
}

// Zone is the availability zone of the volumes.
func (s *Service) Zone() string { return s.cfg.Zone }

// BackendNames are the names of the backends, in the order of the configuration.
func (s *Service) BackendNames() []string { return slices.Clone(s.names) }

// HasBackups reports whether there is a backup store.
func (s *Service) HasBackups() bool { return s.cfg.Backups != nil }

// BackendState is what a backend says of itself.
type BackendState struct {
	driver.Info
	driver.Capacity
	Err       error // why it does not answer, or nil
	CheckedAt time.Time
}

// Backends asks all backends how they are, in the order of the configuration.
func (s *Service) Backends(ctx context.Context) []BackendState {
	var out []BackendState
	for _, name := range s.names {
		st := BackendState{Info: driver.Info{Name: name}, CheckedAt: s.now()}
		if info, err := s.backends[name].Info(ctx); err == nil {
			st.Info = info
		}
		st.Capacity, st.Err = s.backends[name].Capacity(ctx)
		out = append(out, st)
	}
	return out
}

// backend returns the backend that holds a volume.
func (s *Service) backend(name string) (driver.Backend, error) {
	if b, ok := s.backends[name]; ok {
		return b, nil
	}
	return nil, fault.New(fault.Unavailable, "the storage backend of the volume is not configured")
}

func (s *Service) now() time.Time { return s.core.Clock.Now() }

// emit records what happened, with Cinder's names of notifications.
func (s *Service) emit(who caller.Info, tx *state.Tx, what, resource, id, projectID string, traits map[string]string) {
	tx.Emit(state.Event{
		Type: what, Resource: resource, ID: id, ProjectID: projectID,
		UserID: who.UserID, RequestID: who.RequestID, Time: s.now(), Traits: traits,
	})
}

// starter is who a saga was started for.
func starter(r *saga.Run) caller.Info {
	sg := r.Saga()
	return caller.Info{RequestID: sg.RequestID, UserID: sg.UserID, ProjectID: sg.ProjectID}
}

// start begins a saga on behalf of who.
func (s *Service) start(who caller.Info, tx *state.Tx, name, resource, projectID string, params any) error {
	_, err := s.core.Sagas.Start(tx, saga.Start{
		Name: name, Resource: resource, ProjectID: projectID,
		UserID: who.UserID, RequestID: who.RequestID, Params: params,
	})
	return err
}
