package compute

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/network"
)

// GetServer returns one server.
func (s *Service) GetServer(_ context.Context, id string) (Server, error) {
	return s.server(s.core.DB.Snapshot(), id)
}

// ListServers returns the servers of a project, of all if it is empty, that keep
// accepts, the youngest first. keep may be nil; it stops the list by returning more
// as false.
func (s *Service) ListServers(_ context.Context, projectID string, keep func(server *Server) (take, more bool)) []Server {
	r := s.core.DB.Snapshot()
	all := s.servers.Where(r, s.serverBy.all)
	if projectID != "" {
		all = s.servers.Where(r, s.serverBy.project, projectID)
	}
	list := []Server{}
	for server := range all {
		take, more := true, true
		if keep != nil {
			take, more = keep(&server)
		}
		if take {
			list = append(list, server)
		}
		if !more {
			break
		}
	}
	return list
}

// Addresses returns the addresses of servers, from one snapshot.
func (s *Service) Addresses(ctx context.Context, serverIDs ...string) (map[string][]network.Address, error) {
	if s.cfg.Networks == nil || len(serverIDs) == 0 {
		return nil, nil
	}
	addresses, err := s.cfg.Networks.Addresses(ctx, serverIDs...)
	return addresses, fault.Wrap("compute.Addresses", err)
}

// WaitServer returns when no task is being done with the server, with the server
// as it is then: fault.NotFound once it is deleted.
func (s *Service) WaitServer(ctx context.Context, id string) (Server, error) {
	for {
		r := s.core.DB.Snapshot()
		active := s.core.Sagas.Active(r, resource(id))
		if len(active) == 0 {
			return s.server(r, id)
		}
		err := s.core.Sagas.Wait(ctx, active[len(active)-1].ID)
		if err != nil && ctx.Err() != nil {
			return Server{}, ctx.Err()
		}
	}
}

// ServerUpdate changes what a user may change of a server at any time; nil leaves a
// field as it is.
type ServerUpdate struct {
	Name, Description, Hostname        *string
	AccessIPv4, AccessIPv6, DiskConfig *string
}

// UpdateServer changes a server's texts.
func (s *Service) UpdateServer(ctx context.Context, id string, u ServerUpdate) (Server, error) {
	return s.update(ctx, "compute.UpdateServer", id, func(_ *state.Tx, server *Server) error {
		if u.Name != nil && (*u.Name == "" || len(*u.Name) > 255) {
			return fault.New(fault.Invalid, "a server's name has 1 to 255 characters")
		}
		for _, f := range []struct{ field, value *string }{
			{&server.Name, u.Name}, {&server.Description, u.Description}, {&server.Hostname, u.Hostname},
			{&server.AccessIPv4, u.AccessIPv4}, {&server.AccessIPv6, u.AccessIPv6}, {&server.DiskConfig, u.DiskConfig},
		} {
			if f.value != nil {
				*f.field = *f.value
			}
		}
		server.AccessIPv4, server.AccessIPv6 = canonical(server.AccessIPv4), canonical(server.AccessIPv6)
		return nil
	})
}

// SetServerMetadata adds metadata items or changes them; with replace, all others
// go.
func (s *Service) SetServerMetadata(ctx context.Context, id string, items map[string]string, replace bool) (Server, error) {
	if err := checkMetadata(items); err != nil {
		return Server{}, fault.Wrap("compute.SetServerMetadata", err)
	}
	return s.update(ctx, "compute.SetServerMetadata", id, func(tx *state.Tx, server *Server) error {
		if err := checkLock(ctx, server); err != nil {
			return err
		}
		if err := VerbUpdateMetadata.allows(server); err != nil {
			return err
		}
		all := merged(server.Metadata, items)
		if replace {
			all = merged(nil, items)
		}
		if limit := s.limits.Limit(tx, server.ProjectID, MetadataItems); limit >= 0 && len(all) > limit {
			return fault.New(fault.QuotaExceeded, "Maximum number of metadata items exceeds %d", limit)
		}
		server.Metadata = all
		return nil
	})
}

// DeleteServerMetadata removes one metadata item.
func (s *Service) DeleteServerMetadata(ctx context.Context, id, key string) error {
	_, err := s.update(ctx, "compute.DeleteServerMetadata", id, func(_ *state.Tx, server *Server) error {
		if _, ok := server.Metadata[key]; !ok {
			return fault.New(fault.NotFound, "Metadata item was not found")
		}
		if err := checkLock(ctx, server); err != nil {
			return err
		}
		if err := VerbUpdateMetadata.allows(server); err != nil {
			return err
		}
		server.Metadata = without(server.Metadata, key)
		return nil
	})
	return err
}

func checkMetadata(items map[string]string) error {
	for k, v := range items {
		switch {
		case k == "" || len(k) > 255:
			return fault.New(fault.Invalid, "a metadata key has 1 to 255 characters")
		case len(v) > 255 && utf8.RuneCountInString(v) > 255:
			return fault.New(fault.Invalid, "the value of metadata %q has more than 255 characters", k)
		}
	}
	return nil
}

// SetServerTags replaces a server's tags.
func (s *Service) SetServerTags(ctx context.Context, id string, tags []string) (Server, error) {
	if err := checkTags(tags); err != nil {
		return Server{}, fault.Wrap("compute.SetServerTags", err)
	}
	return s.update(ctx, "compute.SetServerTags", id, func(_ *state.Tx, server *Server) error {
		server.Tags = slices.Compact(slices.Sorted(slices.Values(tags)))
		return nil
	})
}

// AddServerTag adds a tag and reports whether it is new.
func (s *Service) AddServerTag(ctx context.Context, id, tag string) (added bool, err error) {
	_, err = s.update(ctx, "compute.AddServerTag", id, func(_ *state.Tx, server *Server) error {
		if added = !slices.Contains(server.Tags, tag); !added {
			return nil
		}
		tags := append(slices.Clone(server.Tags), tag)
		if err := checkTags(tags); err != nil {
			return err
		}
		slices.Sort(tags)
		server.Tags = tags
		return nil
	})
	return added, err
}

// RemoveServerTag removes a tag: fault.NotFound if the server has it not.
func (s *Service) RemoveServerTag(ctx context.Context, id, tag string) error {
	_, err := s.update(ctx, "compute.RemoveServerTag", id, func(_ *state.Tx, server *Server) error {
		i := slices.Index(server.Tags, tag)
		if i < 0 {
			return fault.New(fault.NotFound, "Server %s has no tag '%s'", id, tag)
		}
		server.Tags = slices.Delete(slices.Clone(server.Tags), i, i+1)
		return nil
	})
	return err
}

func checkTags(tags []string) error {
	if len(tags) > 50 {
		return fault.New(fault.Invalid, "The number of tags exceeded the per-server limit 50")
	}
	for _, t := range tags {
		if t == "" || utf8.RuneCountInString(t) > 60 || strings.ContainsAny(t, ",/") {
			return fault.New(fault.Invalid, "a tag has 1 to 60 characters, neither comma nor slash")
		}
	}
	return nil
}

// LockServer makes a server refuse its owner's actions.
func (s *Service) LockServer(ctx context.Context, id, reason string) error {
	_, err := s.update(ctx, "compute.LockServer", id, func(_ *state.Tx, server *Server) error {
		server.Locked, server.LockedReason = true, reason
		return nil
	})
	return err
}

// UnlockServer ends what LockServer began.
func (s *Service) UnlockServer(ctx context.Context, id string) error {
	_, err := s.update(ctx, "compute.UnlockServer", id, func(_ *state.Tx, server *Server) error {
		server.Locked, server.LockedReason = false, ""
		return nil
	})
	return err
}

// ResetServer makes the record of a server say that it is active or in error, with
// nothing being done: for admins, when it is known better than the cloud knows.
func (s *Service) ResetServer(ctx context.Context, id string, to VMState) error {
	_, err := s.update(ctx, "compute.ResetServer", id, func(tx *state.Tx, server *Server) error {
		if to != Active && to != Error {
			return fault.New(fault.Invalid, "the state must be active or error")
		}
		if len(s.core.Sagas.Active(tx, resource(id))) == 0 {
			server.TaskState = Idle
		}
		server.turn(to)
		if to == Active {
			server.Fault = nil
		}
		return nil
	})
	return err
}

// ConsoleOutput returns the last lines of what the guest wrote to its console; all
// that is kept if lines is negative.
func (s *Service) ConsoleOutput(ctx context.Context, id string, lines int) (string, error) {
	const op = "compute.ConsoleOutput"
	server, err := s.GetServer(ctx, id)
	if err != nil {
		return "", fault.Wrap(op, err)
	}
	if server.Host == "" || server.LaunchedAt.IsZero() {
		return "", fault.New(fault.Conflict, "Instance %s is not ready", id)
	}
	hv, err := s.hypervisor(server.Host)
	if err != nil {
		return "", fault.Wrap(op, err)
	}
	out, err := hv.Console(ctx, id, maxConsole)
	if err != nil {
		return "", fault.Wrap(op, err)
	}
	return lastLines(string(out), lines), nil
}

// maxConsole is how much of a console is shown.
const maxConsole = 100 << 10

func lastLines(text string, n int) string {
	if n < 0 {
		return text
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// Diagnostics is what the hypervisor says of a running guest.
type Diagnostics struct {
	State    string
	Uptime   time.Duration
	VCPUs    int
	MemoryMB int
	NICs     []string // MAC addresses
	Disks    int
}

// GetDiagnostics asks the hypervisor about a server.
func (s *Service) GetDiagnostics(ctx context.Context, id string) (Diagnostics, error) {
	const op = "compute.GetDiagnostics"
	server, err := s.GetServer(ctx, id)
	if err != nil {
		return Diagnostics{}, fault.Wrap(op, err)
	}
	if err := VerbDiagnostics.allows(&server); err != nil {
		return Diagnostics{}, fault.Wrap(op, err)
	}
	hv, err := s.hypervisor(server.Host)
	if err != nil {
		return Diagnostics{}, fault.Wrap(op, err)
	}
	guest, err := hv.Get(ctx, id)
	if err != nil {
		return Diagnostics{}, fault.Wrap(op, err)
	}
	d := Diagnostics{
		State: string(guest.Power), Uptime: s.core.Clock.Now().Sub(server.LaunchedAt),
		VCPUs: server.Flavor.VCPUs, MemoryMB: server.Flavor.MemoryMiB, Disks: len(guest.Disks) + 1,
	}
	if s.cfg.Networks != nil {
		ports, err := s.cfg.Networks.PortsOf(ctx, id)
		if err != nil {
			return Diagnostics{}, fault.Wrap(op, err)
		}
		for _, p := range ports {
			d.NICs = append(d.NICs, p.MAC)
		}
	}
	return d, nil
}

// Actions returns the verbs that were done with a server, oldest first, also of one
// that is gone, as long as they are kept.
func (s *Service) Actions(_ context.Context, serverID string) []saga.Saga {
	return s.core.Sagas.History(s.core.DB.Snapshot(), resource(serverID))
}
