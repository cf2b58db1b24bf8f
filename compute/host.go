package compute

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/placement"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/fleet"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Host is the record of a compute host: Nova's service and hypervisor in one.
type Host struct {
	Name string `json:"name"`
	// ID is that of the hypervisor and of its resource provider; ServiceID is
	// that of the compute service; Number is both before the ids were UUIDs.
	ID             string      `json:"id"`
	ServiceID      string      `json:"service"`
	Number         int         `json:"number"`
	Disabled       bool        `json:"disabled,omitempty"` // gets no new servers
	DisabledReason string      `json:"disabled_reason,omitempty"`
	ForcedDown     bool        `json:"forced_down,omitempty"`
	Info           driver.Host `json:"info"` // what the hypervisor said at the last start
	// Offered are the inventories that its resource provider was last given. While
	// they would be the same, an admin's changes to the provider stay.
	Offered   map[string]placement.Inventory `json:"offered,omitempty"`
	CreatedAt time.Time                      `json:"created"`
	UpdatedAt time.Time                      `json:"updated"`
}

// HostStatus is a host as it is now.
type HostStatus struct {
	Host
	Up   bool
	Zone string
	// What servers have claimed of it, and how many there are.
	UsedVCPUs, UsedMemoryMiB, UsedDiskGiB, Servers int
}

// registerHosts asks each hypervisor who it is and writes its host and provider, if
// they are new or have changed.
func (s *Service) registerHosts(ctx context.Context) error {
	hypervisors := make(map[string]driver.Hypervisor, len(s.cfg.Hypervisors))
	infos := make([]driver.Host, 0, len(s.cfg.Hypervisors))
	for _, hv := range s.cfg.Hypervisors {
		info, err := hv.Host(ctx)
		if err != nil {
			return fault.Wrap("compute.Start", err)
		}
		if _, twice := hypervisors[info.Name]; twice {
			return fault.New(fault.Invalid, "two hypervisors are named %q", info.Name)
		}
		hypervisors[info.Name] = hv
		infos = append(infos, info)
	}
	s.hypervisors = fleet.New(hypervisors)
	return s.core.DB.Update(ctx, func(tx *state.Tx) error {
		for _, info := range infos {
			if err := s.registerHost(tx, info); err != nil {
				return fault.Wrap("compute.Start", err)
			}
		}
		return nil
	})
}

func (s *Service) registerHost(tx *state.Tx, info driver.Host) error {
	offered := s.inventories(info)
	h, err := s.hosts.Get(tx, info.Name)
	provider, noProvider := s.Placement.Get(tx, h.ID)
	switch {
	case err != nil:
		h = Host{
			Name: info.Name, ID: s.core.IDs.UUID(), ServiceID: s.core.IDs.UUID(),
			Number: s.hosts.Count(tx, nil) + 1, CreatedAt: s.core.Clock.Now(),
		}
	case noProvider == nil && reflect.DeepEqual(h.Info, info) && reflect.DeepEqual(h.Offered, offered):
		return nil
	}
	if noProvider != nil { // a new host's, or one that an admin deleted
		if provider, err = s.Placement.Create(tx, placement.Provider{ID: h.ID, Name: h.Name}); err != nil {
			return err
		}
	}
	h.Info, h.Offered, h.UpdatedAt = info, offered, s.core.Clock.Now()
	if err := s.hosts.Put(tx, h); err != nil {
		return err
	}
	if _, err := s.Placement.SetInventories(tx, h.ID, -1, offered); err != nil {
		return err
	}
	traits := hostTraits(info)
	for _, t := range traits {
		if err := s.Placement.KnowTrait(tx, t); err != nil {
			return err
		}
	}
	for _, t := range provider.Traits {
		if strings.HasPrefix(t, "CUSTOM_") && !slices.Contains(traits, t) {
			traits = append(traits, t) // an admin's
		}
	}
	_, err = s.Placement.SetTraits(tx, h.ID, -1, traits)
	return err
}

// inventories is what a host offers to servers.
func (s *Service) inventories(info driver.Host) map[string]placement.Inventory {
	all := map[string]placement.Inventory{}
	add := func(class string, total, reserved int, ratio float64) {
		if total > 0 {
			all[class] = placement.Inventory{
				Total: total, Reserved: min(reserved, total), MinUnit: 1, MaxUnit: total, StepSize: 1,
				AllocationRatio: ratio,
			}
		}
	}
	add(placement.VCPU, info.VCPUs, 0, s.cfg.CPURatio)
	add(placement.MemoryMB, info.MemoryMiB, s.cfg.ReservedMemoryMiB, s.cfg.RAMRatio)
	add(placement.DiskGB, info.DiskGiB, s.cfg.ReservedDiskGiB, s.cfg.DiskRatio)
	return all
}

// archTraits names the trait of each architecture.
var archTraits = map[string]string{
	"x86_64": "HW_ARCH_X86_64", "aarch64": "HW_ARCH_AARCH64", "ppc64le": "HW_ARCH_PPC64LE",
	"riscv64": "HW_ARCH_RISCV64", "s390x": "HW_ARCH_S390X",
}

func hostTraits(info driver.Host) []string {
	traits := []string{
		"COMPUTE_NODE", "COMPUTE_VOLUME_ATTACH", "COMPUTE_VOLUME_EXTEND",
		"COMPUTE_NET_ATTACH_INTERFACE", "COMPUTE_DEVICE_TAGGING", "COMPUTE_SAME_HOST_COLD_MIGRATE",
	}
	if t, ok := archTraits[info.Arch]; ok {
		traits = append(traits, t)
	}
	traits = slices.Sorted(slices.Values(append(traits, info.Traits...)))
	return slices.Compact(traits)
}

// hypervisor returns the driver of a host: fault.Unavailable if this controller has
// none.
func (s *Service) hypervisor(host string) (driver.Hypervisor, error) {
	hv, ok := s.hypervisors.Get(host)
	if !ok {
		return nil, fault.New(fault.Unavailable, "compute host %s is not available", host)
	}
	return hv, nil
}

// up reports whether a host answers.
func (s *Service) up(ctx context.Context, h *Host) bool {
	return !h.ForcedDown && s.answers(ctx, h.Name)
}

// answers reports whether a host answers. Those of a fork do until they are first
// needed.
func (s *Service) answers(ctx context.Context, host string) bool {
	hv, opened := s.hypervisors.Opened(host)
	if !opened {
		return s.hypervisors.Has(host)
	}
	_, err := hv.Host(ctx)
	return err == nil
}

// ListHosts returns all hosts by name, as they are now.
func (s *Service) ListHosts(ctx context.Context) []HostStatus {
	r := s.core.DB.Snapshot()
	zones := s.zones(r)
	var list []HostStatus
	for h := range s.hosts.All(r) {
		list = append(list, s.hostStatus(ctx, r, h, zones))
	}
	return list
}

func (s *Service) hostStatus(ctx context.Context, r state.Reader, h Host, zones map[string]string) HostStatus {
	used := s.Placement.Used(r, h.ID)
	return HostStatus{
		Host: h, Up: s.up(ctx, &h), Zone: s.zone(zones, h.Name),
		UsedVCPUs: used[placement.VCPU], UsedMemoryMiB: used[placement.MemoryMB], UsedDiskGiB: used[placement.DiskGB],
		Servers: s.servers.Count(r, s.serverBy.host, h.Name),
	}
}

// ServersOn returns the servers of a host.
func (s *Service) ServersOn(_ context.Context, host string) []Server {
	return slices.Collect(s.servers.Where(s.core.DB.Snapshot(), s.serverBy.host, host))
}

// HostUpdate changes a host; nil leaves a field as it is.
type HostUpdate struct {
	Disabled       *bool
	DisabledReason *string
	ForcedDown     *bool
}

// UpdateHost changes whether a host gets servers or is taken as down.
func (s *Service) UpdateHost(ctx context.Context, name string, u HostUpdate) (HostStatus, error) {
	var h Host
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		if !s.hosts.Has(tx, name) {
			return fault.New(fault.NotFound, "Compute host %s could not be found.", name)
		}
		s.emit(ctx, tx, "service.update", "service", name, "", nil)
		return s.hosts.Change(tx, name, func(doc *Host) error {
			if u.Disabled != nil {
				doc.Disabled, doc.DisabledReason = *u.Disabled, ""
			}
			if u.DisabledReason != nil {
				doc.DisabledReason = *u.DisabledReason
			}
			if u.ForcedDown != nil {
				doc.ForcedDown = *u.ForcedDown
			}
			doc.UpdatedAt = s.core.Clock.Now()
			h = *doc
			return nil
		})
	})
	if err != nil {
		return HostStatus{}, fault.Wrap("compute.UpdateHost", err)
	}
	r := s.core.DB.Snapshot()
	return s.hostStatus(ctx, r, h, s.zones(r)), nil
}
