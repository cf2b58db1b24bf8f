package identity

import (
	"context"
	"slices"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// mirrorAtOnce is how many shadows one transaction makes or changes.
const mirrorAtOnce = 500

// mirror makes or changes the shadows of users, and returns them. Those that cannot be
// users here are left out: of no proper name, or of one that several have or a user of
// the cloud's own.
func (s *Service) mirror(ctx context.Context, a *attached, users []driver.User) ([]userRow, error) {
	var rows []userRow
	for chunk := range slices.Chunk(single(users, userName), mirrorAtOnce) {
		var made []userRow
		err := s.update(ctx, "Directory", func(tx *state.Tx) error {
			made = made[:0]
			for _, u := range chunk {
				row, err := s.mirrorUser(ctx, tx, a.domainID, u)
				switch {
				case unfit(err):
					s.core.Log.Warn("a user of a directory is left out", "domain", a.domainID, "reason", err)
				case err != nil:
					return err
				default:
					made = append(made, row)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		rows = append(rows, made...)
	}
	return rows, nil
}

// mirrorGroups is mirror for groups; it returns the ids of their shadows.
func (s *Service) mirrorGroups(ctx context.Context, tx *state.Tx, domainID string, groups []driver.Group) ([]string, error) {
	ids := []string{}
	for _, g := range single(groups, groupName) {
		id, err := s.mirrorGroup(ctx, tx, domainID, g)
		switch {
		case unfit(err):
			s.core.Log.Warn("a group of a directory is left out", "domain", domainID, "reason", err)
		case err != nil:
			return nil, err
		default:
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func userName(u driver.User) string   { return u.Name }
func groupName(g driver.Group) string { return g.Name }

// single leaves out what has the name of another: nobody could tell them apart.
func single[T any](all []T, name func(T) string) []T {
	count := map[string]int{}
	for _, v := range all {
		count[name(v)]++
	}
	return slices.DeleteFunc(slices.Clone(all), func(v T) bool { return count[name(v)] > 1 })
}

// unfit reports whether an error is about what the directory has.
func unfit(err error) bool {
	kind := fault.Of(err)
	return kind == fault.Invalid || kind == fault.AlreadyExists
}

// mirrorUser makes or changes the shadow of a user.
func (s *Service) mirrorUser(ctx context.Context, tx *state.Tx, domainID string, u driver.User) (userRow, error) {
	id := shadowID(domainID, nounUser, u.ID)
	if err := checkName("user", u.Name, maxName); err != nil {
		return userRow{}, err
	}
	old, err := s.t.users.Get(tx, id)
	known := err == nil
	row := old
	if !known {
		row.Epoch = someEpoch()
	}
	row.ID, row.DomainID, row.Source = id, domainID, sourceDirectory
	if old.Enabled && !u.Enabled {
		row.Epoch++
	}
	row.Name, row.Enabled, row.Email, row.Description = u.Name, u.Enabled, u.Email, u.Description
	if u.DefaultProjectID != "" {
		row.DefaultProjectID = u.DefaultProjectID
	}
	if err := s.present(tx, directoryEntry{ID: id, DomainID: domainID, Noun: nounUser, LocalID: u.ID}); err != nil {
		return userRow{}, err
	}
	if known && sameShadow(old, row) {
		return row, nil
	}
	if other, taken := s.t.users.Find(tx, s.t.userName, domainID, row.Name); taken && other.ID != id {
		if other.Source != sourceDirectory {
			return userRow{}, duplicate(fault.AlreadyExists, "user", row.Name, domainID)
		}
		// It has another name by now, or is gone: its own refresh will tell.
		other.Name = other.ID
		if err := s.t.users.Put(tx, other); err != nil {
			return userRow{}, err
		}
	}
	s.emitMirrored(ctx, tx, known, "user", id)
	return row, s.t.users.Put(tx, row)
}

// sameShadow reports whether the directory's part of two shadows is the same.
func sameShadow(a, b userRow) bool {
	return a.Name == b.Name && a.Enabled == b.Enabled && a.Email == b.Email &&
		a.Description == b.Description && a.DefaultProjectID == b.DefaultProjectID
}

// mirrorGroup makes or changes the shadow of a group.
func (s *Service) mirrorGroup(ctx context.Context, tx *state.Tx, domainID string, g driver.Group) (string, error) {
	id := shadowID(domainID, nounGroup, g.ID)
	if err := checkName("group", g.Name, maxName); err != nil {
		return "", err
	}
	row, err := s.t.groups.Get(tx, id)
	known := err == nil
	if err := s.present(tx, directoryEntry{ID: id, DomainID: domainID, Noun: nounGroup, LocalID: g.ID}); err != nil {
		return "", err
	}
	if known && row.Name == g.Name && row.Description == g.Description {
		return id, nil
	}
	if other, taken := s.t.groups.Find(tx, s.t.groupName, domainID, g.Name); taken && other.ID != id {
		if !s.shadowed(tx, other.ID) {
			return "", duplicate(fault.AlreadyExists, "group", g.Name, domainID)
		}
		other.Name = other.ID
		if err := s.t.groups.Put(tx, other); err != nil {
			return "", err
		}
	}
	row.ID, row.DomainID, row.Name, row.Description = id, domainID, g.Name, g.Description
	s.emitMirrored(ctx, tx, known, "group", id)
	return id, s.t.groups.Put(tx, row)
}

// present notes that the directory has an entry.
func (s *Service) present(tx *state.Tx, e directoryEntry) error {
	if _, err := s.domain(tx, e.DomainID); err != nil {
		return err
	}
	if old, err := s.t.directoryEntries.Get(tx, e.ID); err == nil && old == e {
		return nil
	}
	return s.t.directoryEntries.Put(tx, e)
}

func (s *Service) emitMirrored(ctx context.Context, tx *state.Tx, known bool, resource, id string) {
	verb := created
	if known {
		verb = updated
	}
	s.emit(ctx, tx, verb, resource, id)
}

// joinAll makes the memberships of a user in shadows of groups those that are given.
// Its memberships in groups of the cloud's own stay.
func (s *Service) joinAll(ctx context.Context, tx *state.Tx, userID string, groupIDs []string) error {
	have := map[string]bool{}
	for _, m := range slices.Collect(s.t.members.Where(tx, s.t.memberUser, userID)) {
		have[m.GroupID] = true
		if slices.Contains(groupIDs, m.GroupID) || !s.shadowed(tx, m.GroupID) {
			continue
		}
		if err := s.t.members.Delete(tx, memberKey(&m)); err != nil {
			return err
		}
		s.emit(ctx, tx, updated, "group", m.GroupID)
	}
	for _, id := range groupIDs {
		if have[id] {
			continue
		}
		if err := s.t.members.Put(tx, membership{GroupID: id, UserID: userID}); err != nil {
			return err
		}
		s.emit(ctx, tx, updated, "group", id)
	}
	return nil
}
