package compute

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// CreateServerOptions describe servers to be made.
type CreateServerOptions struct {
	Name        string // required
	Description string
	Hostname    string // empty: made from the name
	FlavorID    string // required
	ImageID     string // required unless a block device boots
	KeyName     string // of the caller's user
	Metadata    map[string]string
	Tags        []string
	UserData    string // base64, as guests get it decoded
	ConfigDrive bool
	DiskConfig  string // "AUTO" or "MANUAL"; empty means "AUTO"
	AccessIPv4  string
	AccessIPv6  string
	Zone        string // availability zone; empty: any
	Host        string // empty: the scheduler chooses
	// SecurityGroups are names or ids, for the ports that are made; nil means the
	// project's default group.
	SecurityGroups []string
	Networking     NetworkMode
	Networks       []NetworkRequest // with Networking NetworksGiven
	BlockDevices   []BlockDevice
	GroupID        string // server group
	SameHost       []string
	DifferentHost  []string
	Files          []File
	// MinCount and MaxCount bound how many servers are made at once; 0 means 1.
	MinCount, MaxCount int
}

// NetworkMode says what networks a new server gets.
type NetworkMode string

// The network modes.
const (
	// NetworksDefault is the project's only network, none if it has none, and a
	// fault.Conflict if it has several.
	NetworksDefault NetworkMode = ""
	NetworksAuto    NetworkMode = "auto" // as NetworksDefault, but one must be there
	NetworksNone    NetworkMode = "none"
	NetworksGiven   NetworkMode = "given" // those of CreateServerOptions.Networks
)

// NetworkRequest asks for an interface: on a network, or with a given port.
type NetworkRequest struct {
	NetworkID string
	PortID    string
	FixedIP   string // with NetworkID; empty: any
	Tag       string
}

// CreateServer makes one server. It is being built when CreateServer returns; see
// WaitServer.
func (s *Service) CreateServer(ctx context.Context, projectID string, opts CreateServerOptions) (Server, error) {
	opts.MinCount, opts.MaxCount = 1, 1
	servers, err := s.CreateServers(ctx, projectID, opts)
	if err != nil {
		return Server{}, err
	}
	return servers[0], nil
}

// CreateServers makes several servers alike: as many as the project's quota allows
// between MinCount and MaxCount.
func (s *Service) CreateServers(ctx context.Context, projectID string, opts CreateServerOptions) ([]Server, error) {
	const op = "compute.CreateServers"
	if err := opts.check(); err != nil {
		return nil, fault.Wrap(op, err)
	}
	template, err := s.template(ctx, projectID, &opts)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	var servers []Server
	err = s.core.DB.Update(ctx, func(tx *state.Tx) error {
		count, err := s.affordable(tx, &template, &opts)
		if err != nil {
			return err
		}
		servers = servers[:0]
		for i := range count {
			server := s.stamp(template, i, count, &opts)
			if err := s.writeServer(tx, nil, &server); err != nil {
				return err
			}
			s.emitServer(ctx, tx, &server, "create.start")
			if err := s.startSaga(ctx, tx, &server, task{saga: sagaCreate, action: "create"}); err != nil {
				return err
			}
			servers = append(servers, server)
		}
		return nil
	})
	return servers, fault.Wrap(op, err)
}

// check looks at what needs no other resource.
func (o *CreateServerOptions) check() error {
	o.MinCount = max(o.MinCount, 1)
	o.MaxCount = max(o.MaxCount, o.MinCount)
	if o.DiskConfig == "" {
		o.DiskConfig = "AUTO"
	}
	switch {
	case o.Name == "" || len(o.Name) > 255:
		return fault.New(fault.Invalid, "a server's name has 1 to 255 characters")
	case len(o.Description) > 255:
		return fault.New(fault.Invalid, "a server's description has at most 255 characters")
	case len(o.UserData) > 65535:
		return fault.New(fault.Invalid, "User data too large. User data must be no larger than 65535 bytes once base64 encoded. Your data is %d bytes", len(o.UserData))
	case o.MaxCount > 1000:
		return fault.New(fault.Invalid, "at most 1000 servers can be made at once")
	}
	if _, err := base64.StdEncoding.DecodeString(o.UserData); err != nil {
		return fault.New(fault.Invalid, "User data is not valid base64.")
	}
	if err := checkTags(o.Tags); err != nil {
		return err
	}
	return checkMetadata(o.Metadata)
}

// template resolves everything that the servers have in common.
func (s *Service) template(ctx context.Context, projectID string, o *CreateServerOptions) (Server, error) {
	r := s.core.DB.Snapshot()
	user := caller.From(ctx).UserID
	t := Server{
		Description: o.Description, ProjectID: projectID, UserID: user,
		Metadata: maps.Clone(o.Metadata), Tags: slices.Compact(slices.Sorted(slices.Values(o.Tags))), UserData: o.UserData,
		ConfigDrive: o.ConfigDrive, DiskConfig: o.DiskConfig, AccessIPv4: canonical(o.AccessIPv4), AccessIPv6: canonical(o.AccessIPv6),
		RequestedZone: o.Zone, GroupID: o.GroupID, Files: o.Files, ReservationID: s.reservationID(),
		VMState: Building, TaskState: Scheduling, CreatedAt: s.core.Clock.Now(),
	}
	flavor, err := s.flavors.Get(r, o.FlavorID)
	if err != nil || !isAdmin(ctx) && !flavor.VisibleTo(projectID) {
		return t, fault.New(fault.Invalid, "Flavor %s could not be found.", o.FlavorID)
	}
	t.Flavor = flavor.forServer()
	if err := s.hints(r, &t, o); err != nil {
		return t, err
	}
	if o.KeyName != "" {
		k, err := s.keypair(r, user, o.KeyName)
		if err != nil {
			return t, fault.New(fault.Invalid, "Invalid key_name provided.")
		}
		t.KeyName, t.KeyType, t.PublicKey = k.Name, k.Type, k.PublicKey
	}
	if err := s.rootOf(ctx, &t, o); err != nil {
		return t, err
	}
	if err := s.networksOf(ctx, &t, o); err != nil {
		return t, err
	}
	return t, nil
}

// hints resolves the wishes about where the server goes.
func (s *Service) hints(r state.Reader, t *Server, o *CreateServerOptions) error {
	if o.Zone != "" && !s.zoneExists(r, o.Zone) {
		return fault.New(fault.Invalid, "The requested availability zone is not available")
	}
	if o.GroupID != "" {
		g, err := s.groups.Get(r, o.GroupID)
		if err != nil || g.ProjectID != t.ProjectID {
			return fault.New(fault.Invalid, "Instance group %s could not be found.", o.GroupID)
		}
	}
	t.Hints = map[string][]string{}
	if o.Host != "" {
		if !s.hosts.Has(r, o.Host) {
			return fault.New(fault.Invalid, "Compute host %s could not be found.", o.Host)
		}
		t.Hints[hintHost] = []string{o.Host}
	}
	if len(o.SameHost) > 0 {
		t.Hints["same_host"] = o.SameHost
	}
	if len(o.DifferentHost) > 0 {
		t.Hints["different_host"] = o.DifferentHost
	}
	return nil
}

func (s *Service) zoneExists(r state.Reader, zone string) bool {
	zones := s.zones(r)
	for h := range s.hosts.All(r) {
		if s.zone(zones, h.Name) == zone {
			return true
		}
	}
	return false
}

// rootOf resolves what the servers boot from, and their other block devices.
func (s *Service) rootOf(ctx context.Context, t *Server, o *CreateServerOptions) error {
	if err := s.blockDevices(ctx, t, o); err != nil {
		return err
	}
	if t.bootVolume() != nil {
		return nil
	}
	if o.ImageID == "" {
		return fault.New(fault.Invalid, "Invalid image identifier or unable to use it as the root of the server: give an image or a boot volume")
	}
	img, err := s.usableImage(ctx, t.ProjectID, o.ImageID)
	if err != nil {
		return err
	}
	if err := fits(img, t.Flavor, t.Flavor.DiskGiB); err != nil {
		return err
	}
	t.ImageID, t.Image = img.ID, img.Properties
	return nil
}

// usableImage returns an image that a server of the project can be made from.
func (s *Service) usableImage(ctx context.Context, projectID, id string) (image.Image, error) {
	if s.cfg.Images == nil {
		return image.Image{}, fault.New(fault.Unsupported, "this cloud has no image service")
	}
	img, err := s.cfg.Images.GetImage(ctx, id)
	if err != nil || !isAdmin(ctx) && !s.cfg.Images.CanSee(ctx, img, projectID) {
		return image.Image{}, fault.New(fault.Invalid, "Image %s could not be found.", id).Because(err)
	}
	if img.Status != image.Active {
		return image.Image{}, fault.New(fault.Invalid, "Image %s is not active.", id)
	}
	return img, nil
}

// fits reports whether an image can be the root of a server with that much disk; 0
// GiB of disk means as much as the image has.
func fits(img image.Image, f ServerFlavor, diskGiB int) error {
	switch {
	case img.MinRAMMiB > f.MemoryMiB:
		return fault.New(fault.Invalid, "Flavor's memory is too small for requested image.")
	case diskGiB > 0 && img.MinDiskGiB > diskGiB:
		return fault.New(fault.Invalid, "Flavor's disk is too small for requested image. Flavor disk is %d bytes, minimum size is %d bytes.",
			int64(diskGiB)<<30, int64(img.MinDiskGiB)<<30)
	case diskGiB > 0 && max(img.Size, img.VirtualSize) > int64(diskGiB)<<30:
		return fault.New(fault.Invalid, "Flavor's disk is too small for requested image. Flavor disk is %d bytes, image is %d bytes.",
			int64(diskGiB)<<30, max(img.Size, img.VirtualSize))
	}
	return nil
}

// affordable returns how many of the servers the quota allows.
func (s *Service) affordable(tx *state.Tx, t *Server, o *CreateServerOptions) (int, error) {
	if limit := s.limits.Limit(tx, t.ProjectID, MetadataItems); limit >= 0 && len(t.Metadata) > limit {
		return 0, fault.New(fault.QuotaExceeded, "Maximum number of metadata items exceeds %d", limit)
	}
	if err := s.checkFiles(tx, t); err != nil {
		return 0, err
	}
	if o.GroupID != "" {
		members := s.servers.Count(tx, s.serverBy.group, o.GroupID)
		if err := s.limits.Check(tx, t.ProjectID, ServerGroupMembers, members, o.MinCount); err != nil {
			return 0, fault.New(fault.QuotaExceeded, "Quota exceeded, too many servers in group")
		}
	}
	one := usageOf(t)
	var err error
	for n := o.MaxCount; n >= o.MinCount; n-- {
		err = s.checkQuota(tx, t.ProjectID, Usage{Instances: n, Cores: n * one.Cores, RAM: n * one.RAM})
		if err == nil {
			return n, nil
		}
	}
	return 0, err
}

// checkFiles holds the injected files to the project's quota.
func (s *Service) checkFiles(r state.Reader, t *Server) error {
	limits := s.limits.Project(r, t.ProjectID)
	over := func(n int, resource string) bool { return limits[resource] >= 0 && n > limits[resource] }
	if over(len(t.Files), InjectedFiles) {
		return fault.New(fault.QuotaExceeded, "Personality file limit exceeded")
	}
	for _, f := range t.Files {
		if over(len(f.Path), InjectedPathBytes) {
			return fault.New(fault.QuotaExceeded, "Personality file path exceeds maximum length")
		}
		if over(len(f.Content), InjectedFileBytes) {
			return fault.New(fault.QuotaExceeded, "Personality file content exceeds maximum length")
		}
	}
	return nil
}

// stamp makes the i-th of count servers from what they have in common, with its
// own identifiers.
func (s *Service) stamp(t Server, i, count int, o *CreateServerOptions) Server {
	server := t.copyOf()
	server.ID, server.Name, server.LaunchIndex = s.core.IDs.UUID(), o.Name, i
	// One after the other, so that lists have an order.
	server.CreatedAt = t.CreatedAt.Add(time.Duration(i) * time.Microsecond)
	server.Hostname = o.Hostname
	if count > 1 {
		server.Name = o.Name + "-" + strconv.Itoa(i+1)
		if o.Hostname != "" {
			server.Hostname = o.Hostname + "-" + strconv.Itoa(i+1)
		}
	}
	if server.Hostname == "" {
		server.Hostname = hostname(server.Name, server.ID)
	}
	for n := range server.NICs {
		if server.NICs[n].Owned {
			server.NICs[n].PortID = s.core.IDs.UUID()
		}
	}
	for n := range server.Volumes {
		v := &server.Volumes[n]
		v.AttachmentID = s.core.IDs.UUID()
		if v.Create != nil {
			v.VolumeID = s.core.IDs.UUID()
		}
	}
	return server
}

func (s *Service) reservationID() string {
	return fmt.Sprintf("r-%08x", s.core.IDs.Int64N(1<<32))
}

// hostname makes a valid host name of a server's name.
func hostname(name, id string) string {
	h := strings.Map(func(c rune) rune {
		switch {
		case c == ' ' || c == '_':
			return '-'
		case c < unicode.MaxASCII && (unicode.IsLetter(c) || unicode.IsDigit(c)) || c == '-' || c == '.':
			return unicode.ToLower(c)
		}
		return -1
	}, name)
	h = strings.Trim(h, "-.")
	if len(h) > 63 {
		h = strings.Trim(h[:63], "-.")
	}
	if h == "" {
		return "server-" + id
	}
	return h
}

// canonical writes an address in its shortest form; what is none stays as it is.
func canonical(address string) string {
	if a, err := netip.ParseAddr(address); err == nil {
		return a.String()
	}
	return address
}
