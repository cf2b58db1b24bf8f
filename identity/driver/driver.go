// Package driver is for implementers of directories of users: LDAP, Active Directory,
// a table of one's own. Application code uses package identity.
//
// A [Directory] keeps the users and groups of one domain, and checks their passwords.
// What they may do is not its matter: roles, tokens and all that belongs to the cloud
// stay with the identity service, which asks a directory at a log-in, when its users are
// looked up or listed, and now and then whether those that it knows are still there.
//
// Calls may come at the same time, and must return soon after their context ends. Package
// drivertest holds the conformance suite; every sentence with "must" is tested there.
//
// A [Protocol] is another kind of driver: it speaks with an identity provider, which
// tells who somebody is that this cloud need not know.
package driver

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// The kinds of error that a driver may return. Whatever else it returns is taken for
// Unavailable.
const (
	Unauthenticated = fault.Unauthenticated // not this user, or not this password
	NotFound        = fault.NotFound
	AlreadyExists   = fault.AlreadyExists // a name is taken
	Invalid         = fault.Invalid       // the directory does not take such a value
	Forbidden       = fault.Forbidden     // the directory is read-only, as configured
	TooLarge        = fault.TooLarge      // more than the limit of the call
	Unavailable     = fault.Unavailable   // the directory cannot be reached: users see 503
)

// Errorf returns an error of the kind whose message API users may read. It must not
// tell secrets, nor where the directory is.
func Errorf(kind fault.Kind, format string, args ...any) error {
	return fault.New(kind, format, args...)
}

// Because adds a cause, for logs only, to an error that Errorf made.
func Because(err, cause error) error {
	if e, ok := err.(*fault.Error); ok {
		return e.Because(cause)
	}
	return err
}

// User is a user as the directory keeps it.
type User struct {
	// ID is the directory's own: it must be unique in the directory and never change.
	ID   string
	Name string // must be unique in the directory; it may change
	// Enabled users may log in; others lose what tokens they have.
	Enabled     bool
	Email       string
	Description string
	// DefaultProjectID is the scope of a log-in that names none; often empty.
	DefaultProjectID string
	// Locator is where the directory keeps the user, such as a distinguished name. Only
	// the driver reads it; it may be empty.
	Locator string
}

// Group is a set of users.
type Group struct {
	ID          string // as of a User
	Name        string
	Description string
}

// Ref names a user by its ID or, if that is empty, by its Name.
type Ref struct {
	ID   string
	Name string
}

// MaxIDs is how many a Query may name.
const MaxIDs = 100

// Query says which users or groups are asked for. The zero value asks for all.
type Query struct {
	IDs  []string // only these, MaxIDs at most; nil: whichever
	Name string   // only the one of this name; empty: whichever
	// Limit is how many an answer may have: TooLarge if there are more. 0 means no
	// limit.
	Limit int
}

// Directory keeps the users and groups of one domain.
//
// The names of users and groups may be told apart by case or not, as the directory
// does; answers have them as the directory keeps them.
type Directory interface {
	// Authenticate returns the user if the password is its own. It must be
	// Unauthenticated, always with the same message, if the user is not there, if the
	// name is of several, if the password is wrong, and if it is empty. A user that is
	// disabled is returned as such, or is Unauthenticated. How long a refusal takes
	// should not tell whether there is such a user.
	Authenticate(ctx context.Context, user Ref, password string) (User, error)
	// Users returns users in any order. Those that are not there must be left out.
	Users(ctx context.Context, q Query) ([]User, error)
	// Groups returns groups in any order. Those that are not there must be left out.
	Groups(ctx context.Context, q Query) ([]Group, error)
	// Members returns the users of a group, in any order, TooLarge if they are more
	// than limit, NotFound if there is no such group. Members that are not among the
	// users of the directory must be left out.
	Members(ctx context.Context, groupID string, limit int) ([]User, error)
	// GroupsOf returns the groups of a user that this directory has returned before,
	// in any order, TooLarge if they are more than limit. It must be empty, and no
	// error, if the user has gone since.
	GroupsOf(ctx context.Context, user User, limit int) ([]Group, error)
	// Close ends the driver's connections. Calls after it must be Unavailable.
	Close() error
}

// Writer is a Directory that can be changed. One that is read-only, as configured,
// must answer all of these with Forbidden.
//
// A change is made once the call returns without error. The cloud may repeat a call
// whose answer it did not get.
type Writer interface {
	Directory
	// CreateUser makes a user and returns it with its ID, which the directory may
	// choose: AlreadyExists if the name is taken. With an empty password nobody can
	// log in as this user.
	CreateUser(ctx context.Context, u User, password string) (User, error)
	// UpdateUser changes what the change names, and returns the user: NotFound,
	// AlreadyExists.
	UpdateUser(ctx context.Context, id string, c UserChange) (User, error)
	// DeleteUser removes a user, from its groups too: nil if it is not there.
	DeleteUser(ctx context.Context, id string) error
	// CreateGroup makes a group without members: AlreadyExists if the name is taken.
	CreateGroup(ctx context.Context, g Group) (Group, error)
	// UpdateGroup changes what the change names, and returns the group: NotFound,
	// AlreadyExists.
	UpdateGroup(ctx context.Context, id string, c GroupChange) (Group, error)
	// DeleteGroup removes a group, not its users: nil if it is not there.
	DeleteGroup(ctx context.Context, id string) error
	// AddMember puts a user into a group: nil if it is there, NotFound if either does
	// not exist.
	AddMember(ctx context.Context, groupID, userID string) error
	// RemoveMember takes a user out of a group: nil if it is not there, NotFound if
	// either does not exist.
	RemoveMember(ctx context.Context, groupID, userID string) error
}

// UserChange is what UpdateUser changes; nil leaves as it is.
type UserChange struct {
	Name        *string
	Email       *string
	Description *string
	Enabled     *bool
	Password    *string
}

// GroupChange is what UpdateGroup changes; nil leaves as it is.
type GroupChange struct {
	Name        *string
	Description *string
}
