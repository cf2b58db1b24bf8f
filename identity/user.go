package identity

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// User is someone or something that can log in.
type User struct {
	ID               string     `json:"id"`
	Name             string     `json:"name"` // unique in its domain
	DomainID         string     `json:"domain"`
	Enabled          bool       `json:"enabled"`
	DefaultProjectID string     `json:"default_project,omitempty"` // the scope of a log-in that names none
	Description      string     `json:"description,omitempty"`
	Email            string     `json:"email,omitempty"`
	PasswordExpires  *time.Time `json:"password_expires,omitempty"` // nil: never
	Options          Attributes `json:"options,omitempty"`
	Extra            Attributes `json:"extra,omitempty"`
}

// CreateUserOptions of Service.CreateUser.
type CreateUserOptions struct {
	ID               string // empty for a new one
	Name             string
	DomainID         string // default: the default domain
	Password         string // empty: the user cannot log in with one
	DefaultProjectID string
	Description      string
	Email            string
	Disabled         bool
	Options          Attributes
	Extra            Attributes
	Federated        []FederatedIdentity // how identity providers know the user
}

// UpdateUserOptions of Service.UpdateUser; nil leaves as it is. Attributes are
// merged into those that are there.
type UpdateUserOptions struct {
	Name             *string
	Password         *string // a new one invalidates the user's tokens
	DefaultProjectID *string // empty: none
	Description      *string
	Email            *string
	Enabled          *bool // false invalidates the user's tokens and deletes its application credentials
	Options          Attributes
	Extra            Attributes
	Federated        []FederatedIdentity // replace those that are there
}

// ListUsersOptions narrow Service.ListUsers; nil means all.
type ListUsersOptions struct {
	DomainID string
	GroupID  string // users in this group
	Name     string
	Enabled  *bool
	// Keep, if not nil, is asked about each user that the others let pass.
	Keep func(*User) bool
	// Federated keeps those whom an identity provider knows so; its fields may be
	// empty.
	Federated *FederatedIdentity
	Page      Page
}

// CreateUser makes a user: fault.NotFound if the domain does not exist,
// fault.AlreadyExists if it has a user of that name, white space around it aside.
func (s *Service) CreateUser(ctx context.Context, opts CreateUserOptions) (User, error) {
	opts.Name = strings.TrimSpace(opts.Name)
	u := userRow{User: User{
		ID: opts.ID, Name: opts.Name, DomainID: opts.DomainID, Enabled: !opts.Disabled,
		DefaultProjectID: opts.DefaultProjectID, Description: opts.Description,
		Email: opts.Email, Options: opts.Options, Extra: opts.Extra,
	}}
	if u.ID == "" {
		u.ID = s.core.IDs.Hex()
	} else {
		u.Epoch = someEpoch()
	}
	if u.DomainID == "" {
		u.DomainID = DefaultDomainID
	}
	if err := checkUserOptions(u.Options); err != nil {
		return User{}, fault.Wrap("identity.CreateUser", err)
	}
	if a := s.directory(u.DomainID); a != nil {
		made, err := s.createInDirectory(ctx, a, opts)
		return made, fault.Wrap("identity.CreateUser", err)
	}
	u.Created = s.core.Clock.Now().UTC().Truncate(time.Second)
	if err := s.readyUser(ctx, &u, opts.Password); err != nil {
		return User{}, fault.Wrap("identity.CreateUser", err)
	}
	err := s.update(ctx, "CreateUser", func(tx *state.Tx) error {
		if _, err := s.domain(tx, u.DomainID); err != nil {
			return err
		}
		if err := s.t.users.Insert(tx, u); err != nil {
			return duplicate(err, "user", u.Name, u.DomainID)
		}
		s.emit(ctx, tx, created, "user", u.ID)
		return s.linkUser(tx, u.ID, opts.Federated)
	})
	return u.User, err
}

// someEpoch is the first epoch of a user whose id may have been somebody's before: the
// tokens of then must not be this user's.
func someEpoch() uint16 {
	var epoch [2]byte
	rand.Read(epoch[:])
	return binary.BigEndian.Uint16(epoch[:])
}

// readyUser checks what can be checked before the password is hashed, which is
// slow, and hashes it.
func (s *Service) readyUser(ctx context.Context, u *userRow, password string) error {
	if err := firstError(checkID("user", u.ID), checkName("user", u.Name, maxName)); err != nil {
		return err
	}
	r := s.core.DB.Snapshot()
	if _, err := s.domain(r, u.DomainID); err != nil {
		return err
	}
	if _, taken := s.t.users.Find(r, s.t.userName, u.DomainID, u.Name); taken {
		return duplicate(fault.AlreadyExists, "user", u.Name, u.DomainID)
	}
	if password == "" {
		return nil
	}
	if err := s.checkNewPassword(password); err != nil {
		return err
	}
	hash, err := s.hasher.Hash(ctx, password)
	s.setPassword(u, hash, false)
	return err
}

// GetUser returns a user by its id.
func (s *Service) GetUser(ctx context.Context, id string) (User, error) {
	r := s.core.DB.Snapshot()
	u, err := s.t.users.Get(r, id)
	if err == nil && s.gone(r, id) {
		u, err = userRow{}, fault.Missing("user", id)
	}
	return s.shown(r, u), fault.Wrap("identity.GetUser", err)
}

// FindUser returns the user of a name in a domain.
func (s *Service) FindUser(ctx context.Context, domainID, name string) (User, error) {
	r := s.core.DB.Snapshot()
	u, ok := s.t.users.Find(r, s.t.userName, domainID, name)
	if a := s.directory(domainID); a != nil && (!ok || u.Source == sourceDirectory) {
		found, err := s.findInDirectory(ctx, a, name)
		return found, fault.Wrap("identity.FindUser", err)
	}
	if !ok {
		return User{}, fault.Wrap("identity.FindUser", fault.Missing("user", name))
	}
	return s.shown(r, u), nil
}

// ListUsers returns users in order of their ids. A directory is asked only for the
// users of its own domain or group; without, those of them are listed that are known:
// fault.Unavailable if the directory does not answer, fault.NotFound if opts.GroupID
// is of no group.
func (s *Service) ListUsers(ctx context.Context, opts *ListUsersOptions) ([]User, error) {
	if opts == nil {
		opts = &ListUsersOptions{}
	}
	seen := func(*userRow) bool { return true }
	if a := s.directory(opts.DomainID); a != nil {
		var err error
		if seen, err = s.usersSeen(ctx, a, opts); err != nil {
			return nil, fault.Wrap("identity.ListUsers", err)
		}
	}
	if opts.GroupID != "" {
		if err := s.seeMembers(ctx, opts.GroupID); err != nil {
			return nil, fault.Wrap("identity.ListUsers", err)
		}
	}
	r := s.core.DB.Snapshot()
	if opts.GroupID != "" && !s.t.groups.Has(r, opts.GroupID) {
		return nil, fault.Wrap("identity.ListUsers", fault.Missing("group", opts.GroupID))
	}
	var u User
	rows, err := paged(ctx, s.usersAfter(r, opts), opts.Page, func(u *userRow) string { return u.ID }, func(row *userRow) bool {
		if opts.GroupID != "" && !s.t.members.Has(r, state.Key(opts.GroupID, row.ID)) || !seen(row) || s.gone(r, row.ID) || !s.known(r, row.ID, opts.Federated) {
			return false
		}
		u = s.shown(r, *row)
		return is(opts.DomainID, u.DomainID) && is(opts.Name, u.Name) &&
			(opts.Enabled == nil || *opts.Enabled == u.Enabled) && holds(opts.Keep, &u)
	})
	if err != nil {
		return nil, fault.Wrap("identity.ListUsers", err)
	}
	list := make([]User, len(rows))
	for i, row := range rows {
		list[i] = s.shown(r, row)
	}
	return list, nil
}

// usersAfter walks, by the index that narrows most, users behind the marker, in order of
// their ids: all that opts let pass, and others.
func (s *Service) usersAfter(r state.Reader, opts *ListUsersOptions) iter.Seq[userRow] {
	marker := opts.Page.Marker
	switch {
	case opts.Name != "" && opts.DomainID != "":
		return s.usersNamed(r, opts.DomainID, opts.Name)
	case opts.Name != "":
		return s.t.users.WhereAfter(r, s.t.userNamed, marker, opts.Name)
	case opts.GroupID != "":
		return s.membersOf(r, opts.GroupID, marker)
	case opts.DomainID != "":
		return s.t.users.WhereAfter(r, s.t.userDomain, marker, opts.DomainID)
	}
	return s.t.users.After(r, marker)
}

// usersNamed walks the users of a name in a domain: one of its own, and any number that
// come by federation.
func (s *Service) usersNamed(r state.Reader, domainID, name string) iter.Seq[userRow] {
	rows := slices.Collect(s.t.users.Where(r, s.t.userForeign, domainID, name))
	if u, ok := s.t.users.Find(r, s.t.userName, domainID, name); ok {
		rows = append(rows, u)
	}
	slices.SortFunc(rows, func(a, b userRow) int { return strings.Compare(a.ID, b.ID) })
	return slices.Values(rows)
}

// UpdateUser changes a user.
func (s *Service) UpdateUser(ctx context.Context, id string, opts UpdateUserOptions) (User, error) {
	if err := checkUserOptions(opts.Options); err != nil {
		return User{}, fault.Wrap("identity.UpdateUser", err)
	}
	if row, err := s.t.users.Get(s.core.DB.Snapshot(), id); err == nil && row.Source == sourceDirectory && !opts.ownOnly() {
		u, err := s.updateInDirectory(ctx, row, opts)
		return u, fault.Wrap("identity.UpdateUser", err)
	}
	var hash string
	if opts.Password != nil && *opts.Password != "" {
		if _, err := s.GetUser(ctx, id); err != nil {
			return User{}, err
		}
		err := s.checkNewPassword(*opts.Password)
		if err != nil {
			return User{}, fault.Wrap("identity.UpdateUser", err)
		}
		if hash, err = s.hasher.Hash(ctx, *opts.Password); err != nil {
			return User{}, fault.Wrap("identity.UpdateUser", err)
		}
	}
	var u userRow
	err := s.update(ctx, "UpdateUser", func(tx *state.Tx) error {
		err := s.t.users.Change(tx, id, func(old *userRow) error {
			if err := immutable("user", id, old.Options, opts.Options); err != nil {
				return err
			}
			old.apply(opts)
			if opts.Password != nil {
				s.setPassword(old, hash, false)
			}
			u = *old
			return checkName("user", u.Name, maxName)
		})
		if err != nil {
			return duplicate(err, "user", u.Name, u.DomainID)
		}
		if opts.Enabled != nil && *opts.Enabled {
			if err := s.welcomeBack(tx, id); err != nil {
				return err
			}
		}
		s.emit(ctx, tx, updated, "user", id)
		if len(opts.Federated) > 0 {
			if err := s.linkUser(tx, id, opts.Federated); err != nil {
				return err
			}
		}
		if u.Enabled || opts.Enabled == nil {
			return nil
		}
		return s.dropAppCreds(tx, id)
	})
	return s.shown(s.core.DB.Snapshot(), u), err
}

// apply sets all that opts give but the password.
func (u *userRow) apply(opts UpdateUserOptions) {
	if opts.Enabled != nil && !*opts.Enabled && u.Enabled {
		u.Epoch++
	}
	if opts.Name != nil {
		u.Name = strings.TrimSpace(*opts.Name)
	}
	set(&u.Enabled, opts.Enabled)
	set(&u.DefaultProjectID, opts.DefaultProjectID)
	set(&u.Description, opts.Description)
	set(&u.Email, opts.Email)
	u.Options = u.Options.merged(opts.Options)
	u.Extra = u.Extra.merged(opts.Extra)
}

// DeleteUser removes a user with its role assignments, group memberships,
// credentials, application credentials and trusts.
func (s *Service) DeleteUser(ctx context.Context, id string) error {
	if err := s.deleteInDirectory(ctx, id); err != nil {
		return fault.Wrap("identity.DeleteUser", err)
	}
	return s.update(ctx, "DeleteUser", func(tx *state.Tx) error {
		u, err := s.t.users.Get(tx, id)
		if err != nil {
			return err
		}
		if err := immutable("user", id, u.Options, nil); err != nil {
			return err
		}
		return s.dropUser(ctx, tx, u.User)
	})
}

func (s *Service) dropUser(ctx context.Context, tx *state.Tx, u User) error {
	err := firstError(
		s.dropAssignments(tx, s.t.assignActor, userActor(u.ID)),
		deleteAll(tx, s.t.members, s.t.memberUser, memberKey, u.ID),
		deleteAll(tx, s.t.links, s.t.linkUser, linkKey, u.ID),
		deleteAll(tx, s.t.federated, s.t.federatedUser, federatedMemberKey, u.ID),
		s.dropAppCreds(tx, u.ID),
		deleteAll(tx, s.t.credentials, s.t.credentialUser, credentialKey, u.ID),
		s.dropEntry(tx, u.ID),
		s.dropLoginRecord(tx, u.ID),
		s.dropTrusts(ctx, tx, s.t.trustTrustor, u.ID),
		s.dropTrusts(ctx, tx, s.t.trustTrustee, u.ID),
		s.t.oauth.dropUser(tx, u.ID),
		s.t.users.Delete(tx, u.ID),
	)
	if err == nil {
		s.emit(ctx, tx, deleted, "user", u.ID)
	}
	return err
}
