package compute

import (
	"context"
	"maps"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// The resources that quotas limit, with Nova's names.
const (
	Instances          = "instances"
	Cores              = "cores"
	RAM                = "ram"
	MetadataItems      = "metadata_items"
	KeyPairs           = "key_pairs"
	ServerGroups       = "server_groups"
	ServerGroupMembers = "server_group_members"
	InjectedFiles      = "injected_files"
	InjectedFileBytes  = "injected_file_content_bytes"
	InjectedPathBytes  = "injected_file_path_bytes"
)

// defaultLimits are those of Nova.
var defaultLimits = map[string]int{
	Instances: 10, Cores: 20, RAM: 51200, MetadataItems: 128, KeyPairs: 100,
	ServerGroups: 10, ServerGroupMembers: 10,
	InjectedFiles: 5, InjectedFileBytes: 10240, InjectedPathBytes: 255,
	// These are limited by the network service; they are kept for clients that
	// set them here.
	"fixed_ips": -1, "floating_ips": -1, "networks": 3, "security_groups": -1, "security_group_rules": -1,
}

// Usage is what the servers of a project need in all. It is the sum over their rows
// and is changed only by writeServer, in the transaction that changes a row: a
// count of the rows would make every two creations in a project conflict over the
// whole index range.
type Usage struct {
	ProjectID string `json:"project"`
	Instances int    `json:"instances"`
	Cores     int    `json:"cores"`
	RAM       int    `json:"ram"`
}

// usageOf is a server's part in the usage of its project. A server that is being
// resized counts with the greater of its flavors.
func usageOf(s *Server) Usage {
	u := Usage{ProjectID: s.ProjectID, Instances: 1, Cores: s.Flavor.VCPUs, RAM: s.Flavor.MemoryMiB}
	if s.Resize != nil {
		u.Cores = max(s.Resize.Old.VCPUs, s.Resize.New.VCPUs)
		u.RAM = max(s.Resize.Old.MemoryMiB, s.Resize.New.MemoryMiB)
	}
	return u
}

// add changes the usage of a project by the difference of two servers' parts.
func (s *Service) addUsage(tx *state.Tx, was, is Usage) error {
	if was == is {
		return nil
	}
	project := is.ProjectID
	if project == "" {
		project = was.ProjectID
	}
	u := s.usage(tx, project)
	u.Instances += is.Instances - was.Instances
	u.Cores += is.Cores - was.Cores
	u.RAM += is.RAM - was.RAM
	return s.usages.Put(tx, u)
}

func (s *Service) usage(r state.Reader, project string) Usage {
	u, err := s.usages.Get(r, project)
	if err != nil {
		return Usage{ProjectID: project}
	}
	return u
}

// checkQuota reports whether a project may use that much more.
func (s *Service) checkQuota(r state.Reader, project string, more Usage) error {
	u := s.usage(r, project)
	for _, c := range []struct {
		resource string
		used, n  int
	}{
		{Instances, u.Instances, more.Instances},
		{Cores, u.Cores, more.Cores},
		{RAM, u.RAM, more.RAM},
	} {
		if err := s.limits.Check(r, project, c.resource, c.used, c.n); err != nil {
			return err
		}
	}
	return nil
}

// QuotaDetail is a limit and what is used of it.
type QuotaDetail struct {
	Limit, InUse int
}

// Quota returns the limits of a project with what it uses.
func (s *Service) Quota(_ context.Context, projectID string) map[string]QuotaDetail {
	r := s.core.DB.Snapshot()
	u := s.usage(r, projectID)
	used := map[string]int{
		Instances: u.Instances, Cores: u.Cores, RAM: u.RAM,
		ServerGroups: s.groups.Count(r, s.groupProjects, projectID),
	}
	details := map[string]QuotaDetail{}
	for resource, limit := range s.limits.Project(r, projectID) {
		details[resource] = QuotaDetail{Limit: limit, InUse: used[resource]}
	}
	return details
}

// DefaultQuota returns the limits of a project that has none of its own.
func (s *Service) DefaultQuota(context.Context) map[string]int {
	return s.limits.Defaults(s.core.DB.Snapshot())
}

// SetQuota changes limits of a project; of the defaults if projectID is empty. A
// limit below what is used is refused, unless force is set.
func (s *Service) SetQuota(ctx context.Context, projectID string, limits map[string]int, force bool) error {
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		u := s.usage(tx, projectID)
		used := map[string]int{Instances: u.Instances, Cores: u.Cores, RAM: u.RAM}
		for _, resource := range slices.Sorted(maps.Keys(limits)) {
			if n := limits[resource]; !force && n >= 0 && n < used[resource] {
				return fault.New(fault.Invalid, "Quota limit %d for %s must be greater than or equal to already used and reserved %d.",
					n, resource, used[resource])
			}
		}
		s.emit(ctx, tx, "compute.quota.update", "quota", projectID, projectID, nil)
		return s.limits.Set(tx, projectID, limits)
	})
	return fault.Wrap("compute.SetQuota", err)
}

// ResetQuota gives a project the default limits again.
func (s *Service) ResetQuota(ctx context.Context, projectID string) error {
	return s.core.DB.Update(ctx, func(tx *state.Tx) error {
		s.emit(ctx, tx, "compute.quota.delete", "quota", projectID, projectID, nil)
		return s.limits.Reset(tx, projectID)
	})
}
