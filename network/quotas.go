package network

import (
	"context"
	"maps"

	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/state"
)

// The resources that quotas limit, with Neutron's names.
const (
	quotaNetwork  = "network"
	quotaSubnet   = "subnet"
	quotaPort     = "port"
	quotaRouter   = "router"
	quotaFloating = "floatingip"
	quotaGroup    = "security_group"
	quotaRule     = "security_group_rule"
	quotaPool     = "subnetpool"
)

var defaultQuotas = map[string]int{
	quotaNetwork: 100, quotaSubnet: 100, quotaPort: 500, quotaRouter: 10, quotaFloating: 50,
	quotaGroup: 10, quotaRule: 100, quotaPool: quota.Unlimited,
}

// headroom is how far from its limit a project's usage is counted from a snapshot
// instead of in the transaction. Counting in the transaction is exact but makes all
// creations of a project conflict with each other; so many can hardly be under way
// at once.
const headroom = 1000

// checkQuota reports whether the project may have one more of the resource.
func (s *Service) checkQuota(tx *state.Tx, project, resource string) error {
	limit := s.limits.Limit(tx, project, resource)
	if limit == quota.Unlimited {
		return nil
	}
	if limit > headroom && s.usage(s.db.Snapshot(), project, resource) < limit-headroom {
		return nil
	}
	return s.limits.Check(tx, project, resource, s.usage(tx, project, resource), 1)
}

func (s *Service) usage(r state.Reader, project, resource string) int {
	t := &s.t
	switch resource {
	case quotaNetwork:
		return t.networks.Count(r, t.networkBy.project, project)
	case quotaSubnet:
		return t.subnets.Count(r, t.subnetBy.project, project)
	case quotaPort:
		return t.ports.Count(r, t.portBy.project, project)
	case quotaRouter:
		return t.routers.Count(r, t.routerBy.project, project)
	case quotaFloating:
		return t.floating.Count(r, t.floatBy.project, project)
	case quotaGroup:
		return t.groups.Count(r, t.groupBy.project, project)
	case quotaRule:
		return t.rules.Count(r, t.ruleBy.project, project)
	}
	return t.pools.Count(r, t.poolBy.project, project)
}

// Quotas returns the limits of a project.
func (s *Service) Quotas(_ context.Context, projectID string) (map[string]int, error) {
	return s.limits.Project(s.db.Snapshot(), projectID), nil
}

// DefaultQuotas returns the limits of a project that has none of its own.
func (s *Service) DefaultQuotas(context.Context) (map[string]int, error) {
	return s.limits.Defaults(s.db.Snapshot()), nil
}

// QuotaProjects returns the projects that have limits of their own.
func (s *Service) QuotaProjects(context.Context) ([]string, error) {
	return s.limits.Projects(s.db.Snapshot()), nil
}

// Usage returns how much of each limited resource a project has.
func (s *Service) Usage(_ context.Context, projectID string) (map[string]int, error) {
	snap, used := s.db.Snapshot(), maps.Clone(defaultQuotas)
	for resource := range used {
		used[resource] = s.usage(snap, projectID, resource)
	}
	return used, nil
}

// SetQuotas changes limits of a project and returns them all.
func (s *Service) SetQuotas(ctx context.Context, projectID string, limits map[string]int) (map[string]int, error) {
	err := s.update(ctx, "SetQuotas", func(tx *state.Tx) error { return s.limits.Set(tx, projectID, limits) })
	if err != nil {
		return nil, err
	}
	return s.Quotas(ctx, projectID)
}

// ResetQuotas gives a project the default limits again.
func (s *Service) ResetQuotas(ctx context.Context, projectID string) error {
	return s.update(ctx, "ResetQuotas", func(tx *state.Tx) error { return s.limits.Reset(tx, projectID) })
}
