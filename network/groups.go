package network

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// defaultGroup is the name of the security group that each project has.
const defaultGroup = "default"

// CreateSecurityGroupOptions describe a security group.
type CreateSecurityGroupOptions struct {
	ID          string // empty: a new one
	Name        string
	Description string
	Tags        []string
}

// CreateSecurityGroup makes a security group that lets everything out and nothing
// in.
func (s *Service) CreateSecurityGroup(ctx context.Context, projectID string, opts CreateSecurityGroupOptions) (SecurityGroup, error) {
	meta, err := s.fresh(opts.ID, projectID, opts.Name, opts.Description, opts.Tags)
	if err != nil {
		return SecurityGroup{}, fault.Wrap("network.CreateSecurityGroup", err)
	}
	g := SecurityGroup{Meta: meta}
	err = s.update(ctx, "CreateSecurityGroup", func(tx *state.Tx) error {
		if _, err := s.ensureDefaultGroup(ctx, tx, projectID); err != nil {
			return err
		}
		if g.Name == defaultGroup {
			return refused(fault.Conflict, "SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
		}
		if err := s.checkQuota(tx, projectID, quotaGroup); err != nil {
			return err
		}
		s.emit(ctx, tx, "security_group.create.end", "security_group", &g.Meta)
		return s.insertGroup(tx, g)
	})
	return g, err
}

// insertGroup records a new group with the rules that all groups begin with.
func (s *Service) insertGroup(tx *state.Tx, g SecurityGroup) error {
	if err := s.t.groups.Insert(tx, g); err != nil {
		return err
	}
	for _, ether := range []string{IPv4, IPv6} {
		if err := s.insertOwnRule(tx, &g, SecurityGroupRule{Direction: Egress, EtherType: ether}); err != nil {
			return err
		}
		if !g.Default {
			continue
		}
		fromGroup := SecurityGroupRule{Direction: Ingress, EtherType: ether, RemoteGroupID: g.ID}
		if err := s.insertOwnRule(tx, &g, fromGroup); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) insertOwnRule(tx *state.Tx, g *SecurityGroup, r SecurityGroupRule) error {
	meta, err := s.fresh("", g.ProjectID, "", "", nil)
	r.Meta, r.GroupID = meta, g.ID
	if err != nil {
		return err
	}
	return s.t.rules.Insert(tx, r)
}

// DefaultSecurityGroup returns the project's default group, which is made when it
// is first asked for.
func (s *Service) DefaultSecurityGroup(ctx context.Context, projectID string) (SecurityGroup, error) {
	if g, ok := s.t.groups.Find(s.db.Snapshot(), s.t.groupBy.first, projectID); ok {
		return g, nil
	}
	var g SecurityGroup
	err := s.update(ctx, "DefaultSecurityGroup", func(tx *state.Tx) (err error) {
		g, err = s.ensureDefaultGroup(ctx, tx, projectID)
		return err
	})
	return g, err
}

func (s *Service) ensureDefaultGroup(ctx context.Context, tx *state.Tx, projectID string) (SecurityGroup, error) {
	if g, ok := s.t.groups.Find(tx, s.t.groupBy.first, projectID); ok || projectID == "" {
		return g, nil
	}
	meta, err := s.fresh("", projectID, defaultGroup, "Default security group", nil)
	if err != nil {
		return SecurityGroup{}, err
	}
	g := SecurityGroup{Meta: meta, Default: true}
	s.emit(ctx, tx, "security_group.create.end", "security_group", &g.Meta)
	return g, s.insertGroup(tx, g)
}

// GetSecurityGroup returns one security group.
func (s *Service) GetSecurityGroup(_ context.Context, id string) (SecurityGroup, error) {
	return s.getGroup(s.db.Snapshot(), id)
}

func (s *Service) getGroup(r state.Reader, id string) (SecurityGroup, error) {
	g, err := s.t.groups.Get(r, id)
	return g, missing(err, "SecurityGroupNotFound", "Security group %s does not exist", id)
}

// FindSecurityGroup resolves a name or an id in a project: NotFound if there is
// none, Conflict if the name stands for several. The default group is made if it is
// not there.
func (s *Service) FindSecurityGroup(ctx context.Context, projectID, nameOrID string) (SecurityGroup, error) {
	if nameOrID == defaultGroup {
		return s.DefaultSecurityGroup(ctx, projectID)
	}
	snap := s.db.Snapshot()
	if g, err := s.t.groups.Get(snap, nameOrID); err == nil && g.ProjectID == projectID {
		return g, nil
	}
	var found []SecurityGroup
	for g := range s.t.groups.Where(snap, s.t.groupBy.project, projectID) {
		if g.Name == nameOrID {
			found = append(found, g)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return SecurityGroup{}, refused(fault.NotFound, "SecurityGroupNotFound", "Security group %s does not exist", nameOrID)
	}
	return SecurityGroup{}, refused(fault.Conflict, "NoUniqueMatch",
		"Multiple security groups found matching '%s'. Use an ID to be more specific.", nameOrID)
}

// ListSecurityGroups returns all security groups.
func (s *Service) ListSecurityGroups(context.Context) ([]SecurityGroup, error) {
	return list(s.t.groups.All(s.db.Snapshot())), nil
}

// UpdateSecurityGroupOptions change a security group; nil leaves a value as it is.
type UpdateSecurityGroupOptions struct {
	Labels
}

// UpdateSecurityGroup changes a security group.
func (s *Service) UpdateSecurityGroup(ctx context.Context, id string, opts UpdateSecurityGroupOptions) (SecurityGroup, error) {
	var g SecurityGroup
	err := s.update(ctx, "UpdateSecurityGroup", func(tx *state.Tx) (err error) {
		if g, err = s.getGroup(tx, id); err != nil {
			return err
		}
		if g.Default && opts.Name != nil && *opts.Name != g.Name {
			return refused(fault.Conflict, "SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")
		}
		if err := opts.apply(&g.Meta); err != nil {
			return err
		}
		return s.putGroup(ctx, tx, &g)
	})
	return g, err
}

func (s *Service) putGroup(ctx context.Context, tx *state.Tx, g *SecurityGroup) error {
	s.touch(&g.Meta)
	s.emit(ctx, tx, "security_group.update.end", "security_group", &g.Meta)
	return s.t.groups.Put(tx, *g)
}

// DeleteSecurityGroupOptions say how a security group is removed; nil is the zero
// value.
type DeleteSecurityGroupOptions struct {
	// Default removes even a default group; the next one is made when it is needed.
	Default bool
}

// DeleteSecurityGroup removes a security group with its rules. Conflict while ports
// have it, and for a default group.
func (s *Service) DeleteSecurityGroup(ctx context.Context, id string, opts *DeleteSecurityGroupOptions) error {
	return s.update(ctx, "DeleteSecurityGroup", func(tx *state.Tx) error {
		g, err := s.getGroup(tx, id)
		if err != nil {
			return err
		}
		if g.Default && (opts == nil || !opts.Default) {
			return refused(fault.Conflict, "SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group.")
		}
		return s.dropGroup(ctx, tx, &g)
	})
}

func (s *Service) dropGroup(ctx context.Context, tx *state.Tx, g *SecurityGroup) error {
	if _, used := s.t.ports.Find(tx, s.t.portBy.group, g.ID); used {
		return refused(fault.Conflict, "SecurityGroupInUse", "Security Group %s in use.", g.ID)
	}
	for r := range s.t.rules.Where(tx, s.t.ruleBy.remote, g.ID) {
		if err := s.t.rules.Delete(tx, r.ID); err != nil {
			return err
		}
	}
	for r := range s.t.rules.Where(tx, s.t.ruleBy.group, g.ID) {
		if err := s.t.rules.Delete(tx, r.ID); err != nil {
			return err
		}
	}
	s.emit(ctx, tx, "security_group.delete.end", "security_group", &g.Meta)
	return s.t.groups.Delete(tx, g.ID)
}
