package identity

import (
	"context"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// seeUsers asks a directory for the users of a name, or all of them, and mirrors them.
func (s *Service) seeUsers(ctx context.Context, a *attached, name string) ([]userRow, error) {
	users, err := ask(ctx, a, func(ctx context.Context) ([]driver.User, error) {
		return a.Users(ctx, driver.Query{Name: name, Limit: a.limit})
	})
	if err != nil {
		return nil, err
	}
	return s.mirror(ctx, a, users)
}

// usersSeen keeps, of the users that are known of a domain, the cloud's own and those
// that its directory has at the moment.
func (s *Service) usersSeen(ctx context.Context, a *attached, opts *ListUsersOptions) (func(*userRow) bool, error) {
	rows, err := s.seeUsers(ctx, a, opts.Name)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(rows))
	for _, row := range rows {
		seen[row.ID] = true
	}
	return func(u *userRow) bool { return u.Source != sourceDirectory || seen[u.ID] }, nil
}

// findInDirectory looks a user up that is not known, or only as a shadow.
func (s *Service) findInDirectory(ctx context.Context, a *attached, name string) (User, error) {
	rows, err := s.seeUsers(ctx, a, name)
	if err != nil {
		return User{}, err
	}
	if len(rows) != 1 {
		return User{}, fault.Missing("user", name)
	}
	return rows[0].User, nil
}

// createInDirectory passes a new user on.
func (s *Service) createInDirectory(ctx context.Context, a *attached, opts CreateUserOptions) (User, error) {
	w, err := a.writer()
	if err != nil {
		return User{}, err
	}
	if opts.ID != "" {
		return User{}, fault.New(fault.Invalid, "The id of a user in a directory cannot be chosen.")
	}
	if err := checkName("user", opts.Name, maxName); err != nil {
		return User{}, err
	}
	made, err := ask(ctx, a, func(ctx context.Context) (driver.User, error) {
		return w.CreateUser(ctx, driver.User{
			Name: opts.Name, Enabled: !opts.Disabled, Email: opts.Email, Description: opts.Description,
		}, opts.Password)
	})
	if err != nil {
		return User{}, duplicate(err, "user", opts.Name, a.domainID)
	}
	own := UpdateUserOptions{Options: opts.Options, Extra: opts.Extra}
	if opts.DefaultProjectID != "" {
		own.DefaultProjectID = &opts.DefaultProjectID
	}
	return s.keepOwn(ctx, a, made, own)
}

// keepOwn mirrors a user, and sets what the cloud keeps of it itself: its default
// project, options and further attributes.
func (s *Service) keepOwn(ctx context.Context, a *attached, u driver.User, opts UpdateUserOptions) (User, error) {
	var row userRow
	err := s.update(ctx, "Directory", func(tx *state.Tx) (err error) {
		if row, err = s.mirrorUser(ctx, tx, a.domainID, u); err != nil {
			return err
		}
		row.apply(UpdateUserOptions{DefaultProjectID: opts.DefaultProjectID, Options: opts.Options, Extra: opts.Extra})
		if opts.Password != nil {
			row.Epoch++
		}
		return s.t.users.Put(tx, row)
	})
	return row.User, err
}

// updateInDirectory changes a shadow: what the directory keeps is passed on.
func (s *Service) updateInDirectory(ctx context.Context, row userRow, opts UpdateUserOptions) (User, error) {
	a, e := s.keeper(s.core.DB.Snapshot(), row.ID)
	theirs := driver.UserChange{
		Name: opts.Name, Email: opts.Email, Description: opts.Description, Enabled: opts.Enabled, Password: opts.Password,
	}
	if a == nil {
		return User{}, readOnly(row.DomainID)
	}
	if err := immutable("user", row.ID, row.Options, opts.Options); err != nil {
		return User{}, err
	}
	if opts.Name != nil {
		if err := checkName("user", *opts.Name, maxName); err != nil {
			return User{}, err
		}
	}
	w, err := a.writer()
	if err != nil {
		return User{}, err
	}
	u, err := ask(ctx, a, func(ctx context.Context) (driver.User, error) { return w.UpdateUser(ctx, e.LocalID, theirs) })
	if err != nil {
		name := row.Name
		set(&name, opts.Name)
		return User{}, duplicate(err, "user", name, row.DomainID)
	}
	return s.keepOwn(ctx, a, u, opts)
}

// ownOnly reports whether a change is of nothing that a directory keeps.
func (o *UpdateUserOptions) ownOnly() bool {
	return o.Name == nil && o.Email == nil && o.Description == nil && o.Enabled == nil && o.Password == nil
}

// changeInDirectory is a user's own change of password.
func (s *Service) changeInDirectory(ctx context.Context, row userRow, old, password string) error {
	a, e := s.keeper(s.core.DB.Snapshot(), row.ID)
	if a == nil {
		return errDenied()
	}
	u, _, err := s.authenticate(ctx, a, driver.Ref{ID: e.LocalID}, old)
	if err != nil {
		return err
	}
	if !u.Enabled {
		return errDenied()
	}
	if password == "" || password == old {
		return fault.New(fault.Invalid, "The new password must not be empty, nor the old one.")
	}
	_, err = s.updateInDirectory(ctx, row, UpdateUserOptions{Password: &password})
	return err
}

// deleteInDirectory passes the deletion of a user or a group on, before its shadow is
// deleted. What is gone there already, or has no directory any more, is only deleted
// here.
func (s *Service) deleteInDirectory(ctx context.Context, id string) error {
	r := s.core.DB.Snapshot()
	a, e := s.keeper(r, id)
	if a == nil || e.Gone != nil {
		return nil
	}
	w, err := a.writer()
	if err != nil {
		return err
	}
	_, err = ask(ctx, a, func(ctx context.Context) (struct{}, error) {
		if e.Noun == nounGroup {
			return struct{}{}, w.DeleteGroup(ctx, e.LocalID)
		}
		return struct{}{}, w.DeleteUser(ctx, e.LocalID)
	})
	return err
}
