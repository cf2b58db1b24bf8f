package identity

import (
	"context"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// groupsSeen is usersSeen for groups.
func (s *Service) groupsSeen(ctx context.Context, a *attached, name string) (func(*Group) bool, error) {
	groups, err := ask(ctx, a, func(ctx context.Context) ([]driver.Group, error) {
		return a.Groups(ctx, driver.Query{Name: name, Limit: a.limit})
	})
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	err = s.update(ctx, "Directory", func(tx *state.Tx) error {
		ids, err := s.mirrorGroups(ctx, tx, a.domainID, groups)
		for _, id := range ids {
			seen[id] = true
		}
		return err
	})
	r := s.core.DB.Snapshot()
	return func(g *Group) bool { return seen[g.ID] || !s.shadowed(r, g.ID) }, err
}

// lookAtGroups asks the directory that a list of groups is about, and tells which of
// the known groups it has.
func (s *Service) lookAtGroups(ctx context.Context, opts *ListGroupsOptions) (func(*Group) bool, error) {
	all := func(*Group) bool { return true }
	if opts.UserID != "" {
		return all, s.seeGroupsOf(ctx, opts.UserID)
	}
	if a := s.directory(opts.DomainID); a != nil {
		return s.groupsSeen(ctx, a, opts.Name)
	}
	return all, nil
}

// seeGroupsOf asks for the groups of a user, if it is a shadow, and mirrors them.
func (s *Service) seeGroupsOf(ctx context.Context, userID string) error {
	a, e := s.keeper(s.core.DB.Snapshot(), userID)
	if a == nil || e.Noun != nounUser || e.Gone != nil {
		return nil
	}
	return s.refreshUsers(ctx, a, []directoryEntry{e})
}

// seeMembers asks for the users of a group, if it is a shadow, and mirrors them.
func (s *Service) seeMembers(ctx context.Context, groupID string) error {
	a, e := s.keeper(s.core.DB.Snapshot(), groupID)
	if a == nil || e.Noun != nounGroup || e.Gone != nil {
		return nil
	}
	users, err := ask(ctx, a, func(ctx context.Context) ([]driver.User, error) {
		return a.Members(ctx, e.LocalID, a.limit)
	})
	if fault.Of(err) == fault.NotFound {
		users, err = nil, nil // the next refresh marks the group
	}
	if err != nil {
		return err
	}
	rows, err := s.mirror(ctx, a, users)
	if err != nil {
		return err
	}
	return s.update(ctx, "Directory", func(tx *state.Tx) error { return s.haveAll(ctx, tx, groupID, rows) })
}

// haveAll makes the shadows among the users of a group those that are given.
func (s *Service) haveAll(ctx context.Context, tx *state.Tx, groupID string, rows []userRow) error {
	if !s.t.groups.Has(tx, groupID) {
		return nil
	}
	want, have := map[string]bool{}, map[string]bool{}
	for _, row := range rows {
		want[row.ID] = true
	}
	changed := false
	for m := range s.t.members.Where(tx, s.t.memberOf, groupID) {
		have[m.UserID] = true
		if want[m.UserID] || !s.shadowed(tx, m.UserID) {
			continue
		}
		changed = true
		if err := s.t.members.Delete(tx, memberKey(&m)); err != nil {
			return err
		}
	}
	for id := range want {
		if have[id] || !s.t.users.Has(tx, id) {
			continue
		}
		changed = true
		if err := s.t.members.Put(tx, membership{GroupID: groupID, UserID: id}); err != nil {
			return err
		}
	}
	if changed {
		s.emit(ctx, tx, updated, "group", groupID)
	}
	return nil
}

// createGroupInDirectory passes a new group on.
func (s *Service) createGroupInDirectory(ctx context.Context, a *attached, opts CreateGroupOptions) (Group, error) {
	w, err := a.writer()
	if err != nil {
		return Group{}, err
	}
	if opts.ID != "" {
		return Group{}, fault.New(fault.Invalid, "The id of a group in a directory cannot be chosen.")
	}
	if err := checkName("group", opts.Name, maxName); err != nil {
		return Group{}, err
	}
	made, err := ask(ctx, a, func(ctx context.Context) (driver.Group, error) {
		return w.CreateGroup(ctx, driver.Group{Name: opts.Name, Description: opts.Description})
	})
	if err != nil {
		return Group{}, duplicate(err, "group", opts.Name, a.domainID)
	}
	return s.keepOwnGroup(ctx, a, made, opts.Extra)
}

// keepOwnGroup mirrors a group, and sets further attributes, which the cloud keeps.
func (s *Service) keepOwnGroup(ctx context.Context, a *attached, g driver.Group, extra Attributes) (Group, error) {
	var row Group
	err := s.update(ctx, "Directory", func(tx *state.Tx) error {
		id, err := s.mirrorGroup(ctx, tx, a.domainID, g)
		if err != nil {
			return err
		}
		return s.t.groups.Change(tx, id, func(old *Group) error {
			old.Extra = old.Extra.merged(extra)
			row = *old
			return nil
		})
	})
	return row, err
}

// updateGroupInDirectory passes a change on.
func (s *Service) updateGroupInDirectory(ctx context.Context, e directoryEntry, opts UpdateGroupOptions) (Group, error) {
	a := s.directory(e.DomainID)
	if a == nil {
		return Group{}, readOnly(e.DomainID)
	}
	w, err := a.writer()
	if err != nil {
		return Group{}, err
	}
	if opts.Name != nil {
		if err := checkName("group", *opts.Name, maxName); err != nil {
			return Group{}, err
		}
	}
	g, err := ask(ctx, a, func(ctx context.Context) (driver.Group, error) {
		return w.UpdateGroup(ctx, e.LocalID, driver.GroupChange{Name: opts.Name, Description: opts.Description})
	})
	if err != nil {
		name := ""
		set(&name, opts.Name)
		return Group{}, duplicate(err, "group", name, e.DomainID)
	}
	return s.keepOwnGroup(ctx, a, g, opts.Extra)
}

// changeMember passes a change of who is in a shadow of a group on. Users of elsewhere
// cannot be in it.
func (s *Service) changeMember(ctx context.Context, groupID, userID string, f func(w driver.Writer, ctx context.Context, group, user string) error) error {
	r := s.core.DB.Snapshot()
	if err := s.groupAndUser(r, groupID, userID); err != nil {
		return err
	}
	a, group := s.keeper(r, groupID)
	_, user := s.keeper(r, userID)
	if a == nil {
		return readOnly(group.DomainID)
	}
	if user.DomainID != group.DomainID {
		return fault.New(fault.Forbidden, "Group %s is in a directory, and user %s is not in the same one.", groupID, userID)
	}
	w, err := a.writer()
	if err != nil {
		return err
	}
	_, err = ask(ctx, a, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, f(w, ctx, group.LocalID, user.LocalID)
	})
	if err != nil {
		return err
	}
	return s.seeGroupsOf(ctx, userID)
}
