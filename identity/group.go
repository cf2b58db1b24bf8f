package identity

import (
	"context"
	"iter"
	"strings"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Group is a set of users that roles can be given to.
type Group struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"` // unique in its domain
	DomainID    string     `json:"domain"`
	Description string     `json:"description,omitempty"`
	Extra       Attributes `json:"extra,omitempty"`
}

// CreateGroupOptions of Service.CreateGroup.
type CreateGroupOptions struct {
	ID          string // empty for a new one
	Name        string
	DomainID    string // default: the default domain
	Description string
	Extra       Attributes
}

// UpdateGroupOptions of Service.UpdateGroup; nil leaves as it is.
type UpdateGroupOptions struct {
	Name        *string
	Description *string
	Extra       Attributes
}

// ListGroupsOptions narrow Service.ListGroups; nil means all.
type ListGroupsOptions struct {
	DomainID string
	Name     string
	UserID   string            // groups that this user is in
	Keep     func(*Group) bool // a further condition; nil: none
	Page     Page
}

// CreateGroup makes a group: fault.NotFound if the domain does not exist,
// fault.AlreadyExists if it has a group of that name.
func (s *Service) CreateGroup(ctx context.Context, opts CreateGroupOptions) (Group, error) {
	g := Group{
		ID: opts.ID, Name: strings.TrimSpace(opts.Name), DomainID: opts.DomainID,
		Description: opts.Description, Extra: opts.Extra,
	}
	if g.ID == "" {
		g.ID = s.core.IDs.Hex()
	}
	if g.DomainID == "" {
		g.DomainID = DefaultDomainID
	}
	if a := s.directory(g.DomainID); a != nil {
		made, err := s.createGroupInDirectory(ctx, a, opts)
		return made, fault.Wrap("identity.CreateGroup", err)
	}
	err := s.update(ctx, "CreateGroup", func(tx *state.Tx) error {
		if err := checkName("group", g.Name, maxName); err != nil {
			return err
		}
		if _, err := s.domain(tx, g.DomainID); err != nil {
			return err
		}
		if err := s.t.groups.Insert(tx, g); err != nil {
			return duplicate(err, "group", g.Name, g.DomainID)
		}
		s.emit(ctx, tx, created, "group", g.ID)
		return nil
	})
	return g, err
}

// GetGroup returns a group by its id.
func (s *Service) GetGroup(ctx context.Context, id string) (Group, error) {
	r := s.core.DB.Snapshot()
	g, err := s.t.groups.Get(r, id)
	if err == nil && s.gone(r, id) {
		g, err = Group{}, fault.Missing("group", id)
	}
	return g, fault.Wrap("identity.GetGroup", err)
}

// ListGroups returns groups in order of their ids; fault.NotFound if
// opts.UserID is of no user.
func (s *Service) ListGroups(ctx context.Context, opts *ListGroupsOptions) ([]Group, error) {
	if opts == nil {
		opts = &ListGroupsOptions{}
	}
	seen, err := s.lookAtGroups(ctx, opts)
	if err != nil {
		return nil, fault.Wrap("identity.ListGroups", err)
	}
	r := s.core.DB.Snapshot()
	keep := func(g *Group) bool {
		return is(opts.DomainID, g.DomainID) && is(opts.Name, g.Name) && seen(g) && !s.gone(r, g.ID) &&
			holds(opts.Keep, g)
	}
	if opts.UserID != "" && !s.t.users.Has(r, opts.UserID) {
		return nil, fault.Wrap("identity.ListGroups", fault.Missing("user", opts.UserID))
	}
	list, err := paged(ctx, s.groupsAfter(r, opts), opts.Page, func(g *Group) string { return g.ID }, keep)
	return list, fault.Wrap("identity.ListGroups", err)
}

// groupsAfter walks, by the index that narrows most, groups behind the marker, in order
// of their ids: all that opts let pass, and others.
func (s *Service) groupsAfter(r state.Reader, opts *ListGroupsOptions) iter.Seq[Group] {
	marker := opts.Page.Marker
	switch {
	case opts.UserID != "":
		return s.groupsOf(r, opts.UserID, marker)
	case opts.Name != "" && opts.DomainID != "":
		return only(s.t.groups.Find(r, s.t.groupName, opts.DomainID, opts.Name))
	case opts.Name != "":
		return s.t.groups.WhereAfter(r, s.t.groupNamed, marker, opts.Name)
	case opts.DomainID != "":
		return s.t.groups.WhereAfter(r, s.t.groupDomain, marker, opts.DomainID)
	}
	return s.t.groups.After(r, marker)
}

// groupsOf walks the groups of a user behind a marker, in order of their ids.
func (s *Service) groupsOf(r state.Reader, userID, marker string) iter.Seq[Group] {
	if marker != "" {
		marker = state.Key(marker, userID)
	}
	return func(yield func(Group) bool) {
		for m := range s.t.members.WhereAfter(r, s.t.memberUser, marker, userID) {
			if g, err := s.t.groups.Get(r, m.GroupID); err == nil && !yield(g) {
				return
			}
		}
	}
}

// UpdateGroup changes a group.
func (s *Service) UpdateGroup(ctx context.Context, id string, opts UpdateGroupOptions) (Group, error) {
	if e, err := s.t.directoryEntries.Get(s.core.DB.Snapshot(), id); err == nil {
		g, err := s.updateGroupInDirectory(ctx, e, opts)
		return g, fault.Wrap("identity.UpdateGroup", err)
	}
	var g Group
	err := s.update(ctx, "UpdateGroup", func(tx *state.Tx) error {
		err := s.t.groups.Change(tx, id, func(old *Group) error {
			if opts.Name != nil {
				old.Name = strings.TrimSpace(*opts.Name)
			}
			set(&old.Description, opts.Description)
			old.Extra = old.Extra.merged(opts.Extra)
			g = *old
			return checkName("group", g.Name, maxName)
		})
		if err != nil {
			return duplicate(err, "group", g.Name, g.DomainID)
		}
		s.emit(ctx, tx, updated, "group", id)
		return nil
	})
	return g, err
}

// DeleteGroup removes a group with its role assignments.
func (s *Service) DeleteGroup(ctx context.Context, id string) error {
	if err := s.deleteInDirectory(ctx, id); err != nil {
		return fault.Wrap("identity.DeleteGroup", err)
	}
	return s.update(ctx, "DeleteGroup", func(tx *state.Tx) error {
		g, err := s.t.groups.Get(tx, id)
		if err != nil {
			return err
		}
		return s.dropGroup(ctx, tx, g)
	})
}

func (s *Service) dropGroup(ctx context.Context, tx *state.Tx, g Group) error {
	err := firstError(
		s.dropAssignments(tx, s.t.assignActor, groupActor(g.ID)),
		deleteAll(tx, s.t.members, s.t.memberOf, memberKey, g.ID),
		s.dropEntry(tx, g.ID),
		deleteAll(tx, s.t.federated, s.t.federatedGroup, federatedMemberKey, g.ID),
		s.t.groups.Delete(tx, g.ID),
	)
	if err == nil {
		s.emit(ctx, tx, deleted, "group", g.ID)
	}
	return err
}

// AddUserToGroup puts a user into a group; one that is there stays.
func (s *Service) AddUserToGroup(ctx context.Context, groupID, userID string) error {
	if s.shadowed(s.core.DB.Snapshot(), groupID) {
		return fault.Wrap("identity.AddUserToGroup", s.changeMember(ctx, groupID, userID, driver.Writer.AddMember))
	}
	return s.update(ctx, "AddUserToGroup", func(tx *state.Tx) error {
		if err := s.groupAndUser(tx, groupID, userID); err != nil {
			return err
		}
		s.emit(ctx, tx, updated, "group", groupID)
		return s.t.members.Put(tx, membership{GroupID: groupID, UserID: userID})
	})
}

// RemoveUserFromGroup takes a user out: fault.NotFound if it is not in the group.
func (s *Service) RemoveUserFromGroup(ctx context.Context, groupID, userID string) error {
	if s.shadowed(s.core.DB.Snapshot(), groupID) {
		err := s.CheckUserInGroup(ctx, groupID, userID)
		if err == nil {
			err = s.changeMember(ctx, groupID, userID, driver.Writer.RemoveMember)
		}
		return fault.Wrap("identity.RemoveUserFromGroup", err)
	}
	return s.update(ctx, "RemoveUserFromGroup", func(tx *state.Tx) error {
		if err := s.groupAndUser(tx, groupID, userID); err != nil {
			return err
		}
		if err := s.t.members.Delete(tx, state.Key(groupID, userID)); err != nil {
			return notInGroup(groupID, userID)
		}
		s.emit(ctx, tx, updated, "group", groupID)
		return nil
	})
}

// CheckUserInGroup returns nil if the user is in the group, fault.NotFound if not.
func (s *Service) CheckUserInGroup(ctx context.Context, groupID, userID string) error {
	if err := s.seeGroupsOf(ctx, userID); err != nil {
		return fault.Wrap("identity.CheckUserInGroup", err)
	}
	r := s.core.DB.Snapshot()
	err := s.groupAndUser(r, groupID, userID)
	if err == nil && !s.t.members.Has(r, state.Key(groupID, userID)) {
		err = notInGroup(groupID, userID)
	}
	return fault.Wrap("identity.CheckUserInGroup", err)
}

// ListUsersInGroup returns the users of a group in order of their ids.
func (s *Service) ListUsersInGroup(ctx context.Context, groupID string) ([]User, error) {
	if groupID == "" {
		return nil, fault.Wrap("identity.ListUsersInGroup", fault.Missing("group", groupID))
	}
	return s.ListUsers(ctx, &ListUsersOptions{GroupID: groupID})
}

// membersOf walks the users of a group behind a marker, in order of their ids.
func (s *Service) membersOf(r state.Reader, groupID, marker string) iter.Seq[userRow] {
	return func(yield func(userRow) bool) {
		for m := range s.t.members.WhereAfter(r, s.t.memberOf, state.Key(groupID, marker), groupID) {
			if u, err := s.t.users.Get(r, m.UserID); err == nil && !yield(u) {
				return
			}
		}
	}
}

func (s *Service) groupAndUser(r state.Reader, groupID, userID string) error {
	if _, err := s.t.groups.Get(r, groupID); err != nil {
		return err
	}
	_, err := s.t.users.Get(r, userID)
	return err
}

func notInGroup(groupID, userID string) error {
	return fault.New(fault.NotFound, "Could not find user %s in group %s.", userID, groupID)
}
