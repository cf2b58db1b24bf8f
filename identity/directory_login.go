package identity

import (
	"context"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// directoryOf returns the directory that is to check the password of a user, and what
// it calls the user; nil if the user is the cloud's own.
func (s *Service) directoryOf(r state.Reader, ref UserRef) (*attached, driver.Ref) {
	if ref.ID != "" {
		a, e := s.keeper(r, ref.ID)
		return a, driver.Ref{ID: e.LocalID}
	}
	domain, ok := s.findDomain(r, ref.Domain)
	if !ok || !domain.Enabled {
		return nil, driver.Ref{}
	}
	if u, known := s.t.users.Find(r, s.t.userName, domain.ID, ref.Name); known && u.Source != sourceDirectory {
		return nil, driver.Ref{}
	}
	return s.directory(domain.ID), driver.Ref{Name: ref.Name}
}

// byDirectory is the method "password" of users in a directory: it checks the password
// there, and makes the shadow what the directory says.
func (s *Service) byDirectory(ctx context.Context, a *attached, ref driver.Ref, password string) (userRow, error) {
	u, groups, err := s.authenticate(ctx, a, ref, password)
	if err != nil {
		return userRow{}, err
	}
	return s.mirrorWhole(ctx, a, u, groups)
}

// authenticate checks a password with a directory. Whatever it refuses is refused with
// the words of all log-ins.
func (s *Service) authenticate(ctx context.Context, a *attached, ref driver.Ref, password string) (driver.User, []driver.Group, error) {
	if password == "" || len(password) > maxPassword || ref == (driver.Ref{}) {
		return driver.User{}, nil, errDenied()
	}
	var groups []driver.Group
	u, err := ask(ctx, a, func(ctx context.Context) (driver.User, error) {
		u, err := a.Authenticate(ctx, ref, password)
		if err == nil {
			groups, err = a.GroupsOf(ctx, u, directoryGroups)
		}
		return u, err
	})
	if kind := fault.Of(err); kind == fault.Unauthenticated || kind == fault.NotFound || kind == fault.Invalid {
		return driver.User{}, nil, errDenied().Because(err)
	}
	return u, groups, err
}

// mirrorWhole mirrors a user with its groups.
func (s *Service) mirrorWhole(ctx context.Context, a *attached, u driver.User, groups []driver.Group) (userRow, error) {
	var row userRow
	err := s.update(ctx, "Directory", func(tx *state.Tx) (err error) {
		row, err = s.mirrorMember(ctx, tx, a.domainID, u, groups)
		return err
	})
	if unfit(err) {
		return userRow{}, errDenied().Because(err)
	}
	return row, err
}

func (s *Service) mirrorMember(ctx context.Context, tx *state.Tx, domainID string, u driver.User, groups []driver.Group) (userRow, error) {
	row, err := s.mirrorUser(ctx, tx, domainID, u)
	if err != nil {
		return row, err
	}
	ids, err := s.mirrorGroups(ctx, tx, domainID, groups)
	if err != nil {
		return row, err
	}
	return row, s.joinAll(ctx, tx, row.ID, ids)
}

// seeExternal mirrors a user in a directory, with its groups, for a log-in that somebody
// else vouches for.
func (s *Service) seeExternal(ctx context.Context, ref UserRef) error {
	a, named := s.directoryOf(s.core.DB.Snapshot(), ref)
	if a == nil {
		return nil
	}
	id := ref.ID
	if named.Name != "" {
		rows, err := s.seeUsers(ctx, a, named.Name)
		if err != nil {
			return err
		}
		if len(rows) != 1 {
			return errDenied()
		}
		id = rows[0].ID
	}
	return s.seeGroupsOf(ctx, id)
}
