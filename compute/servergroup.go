package compute

import (
	"context"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/compute/scheduler"
	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// ServerGroup is a set of servers that shall be kept together or apart. Its members
// are the servers that name it.
type ServerGroup struct {
	ID         string           `json:"id"`
	Name       string           `json:"name"`
	ProjectID  string           `json:"project"`
	UserID     string           `json:"user"`
	Policy     scheduler.Policy `json:"policy"`
	MaxPerHost int              `json:"max_per_host,omitempty"` // anti-affinity only; 0 means 1
	CreatedAt  time.Time        `json:"created"`
}

// CreateServerGroup adds a server group to a project.
func (s *Service) CreateServerGroup(ctx context.Context, projectID, name string, policy scheduler.Policy, maxPerHost int) (ServerGroup, error) {
	g := ServerGroup{
		ID: s.core.IDs.UUID(), Name: name, ProjectID: projectID, UserID: caller.From(ctx).UserID,
		Policy: policy, MaxPerHost: maxPerHost, CreatedAt: s.core.Clock.Now(),
	}
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		if err := g.check(); err != nil {
			return err
		}
		used := s.groups.Count(tx, s.groupProjects, projectID)
		if s.limits.Check(tx, projectID, ServerGroups, used, 1) != nil {
			return fault.New(fault.QuotaExceeded, "Quota exceeded, too many server groups.")
		}
		s.emit(ctx, tx, "server_group.create", "server_group", g.ID, projectID, nil)
		return s.groups.Insert(tx, g)
	})
	return g, fault.Wrap("compute.CreateServerGroup", err)
}

func (g *ServerGroup) check() error {
	known := []scheduler.Policy{scheduler.Affinity, scheduler.AntiAffinity, scheduler.SoftAffinity, scheduler.SoftAntiAffinity}
	switch {
	case g.Name == "" || len(g.Name) > 255:
		return fault.New(fault.Invalid, "a server group's name has 1 to 255 characters")
	case !slices.Contains(known, g.Policy):
		return fault.New(fault.Invalid, "%q is not a server group policy", g.Policy)
	case g.MaxPerHost != 0 && g.Policy != scheduler.AntiAffinity:
		return fault.New(fault.Invalid, "Only anti-affinity policy supports rules.")
	case g.MaxPerHost < 0:
		return fault.New(fault.Invalid, "max_server_per_host must be positive")
	}
	return nil
}

// GetServerGroup returns one server group.
func (s *Service) GetServerGroup(_ context.Context, id string) (ServerGroup, error) {
	return s.group(s.core.DB.Snapshot(), id)
}

func (s *Service) group(r state.Reader, id string) (ServerGroup, error) {
	g, err := s.groups.Get(r, id)
	if err != nil {
		return ServerGroup{}, fault.New(fault.NotFound, "Instance group %s could not be found.", id)
	}
	return g, nil
}

// ListServerGroups returns the server groups of a project; of all if it is empty.
func (s *Service) ListServerGroups(_ context.Context, projectID string) []ServerGroup {
	r := s.core.DB.Snapshot()
	if projectID == "" {
		return slices.Collect(s.groups.All(r))
	}
	return slices.Collect(s.groups.Where(r, s.groupProjects, projectID))
}

// GroupMembers returns the ids of the servers in a group.
func (s *Service) GroupMembers(_ context.Context, id string) []string {
	members := []string{}
	for server := range s.servers.Where(s.core.DB.Snapshot(), s.serverBy.group, id) {
		members = append(members, server.ID)
	}
	return members
}

// DeleteServerGroup removes a server group; its servers stay where they are.
func (s *Service) DeleteServerGroup(ctx context.Context, id string) error {
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		g, err := s.group(tx, id)
		if err != nil {
			return err
		}
		s.emit(ctx, tx, "server_group.delete", "server_group", id, g.ProjectID, nil)
		return s.groups.Delete(tx, id)
	})
	return fault.Wrap("compute.DeleteServerGroup", err)
}
