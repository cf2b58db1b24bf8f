package ldap

import (
	"crypto/tls"
	"net/url"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/welkin-cloud/cloud/identity/driver"
)

// Config of Open. URLs, Users.Tree and Groups.Tree are required; ActiveDirectory
// returns one for Active Directory, and ParseOptions one from Keystone's options.
type Config struct {
	// URLs of servers with the same content, "ldaps://host:636" or "ldap://host:389": the
	// first one that answers is used.
	URLs []string
	// StartTLS encrypts connections to an ldap URL before anything else is sent.
	StartTLS bool
	// TLS says whom to trust; nil trusts the system's certification authorities.
	TLS *tls.Config

	// User and Password are those of the account that searches, and changes if Writable.
	// An empty User searches anonymously.
	User     string // a distinguished name
	Password string

	Users  UserConfig
	Groups GroupConfig
	// Subtree searches trees whole; else only what is directly below their roots.
	Subtree bool

	PageSize int           // of searches; default 500. Negative: no pages
	PoolSize int           // connections that search, and as many that check passwords; default 8
	Timeout  time.Duration // to connect, and of each request; default 5 s

	// Writable lets the cloud change the directory.
	Writable bool
}

// UserConfig says where users are, and which attributes mean what.
type UserConfig struct {
	Tree        string // the distinguished name that users are below
	ObjectClass string // default "inetOrgPerson"
	Filter      string // that users must match, "(employeeType=staff)"; may be empty
	// ID is the attribute that identifies users for ever; default "uid". Of objectGUID the
	// id is the text as Windows shows it.
	ID          string
	Name        string // by which users log in; default: as ID
	Mail        string // default "mail"
	Description string // default "description"
	// DefaultProjectID is the attribute with the id of a project; empty means none.
	DefaultProjectID string

	// Enabled is the attribute that tells whether a user is enabled. Empty: all are.
	Enabled string
	// EnabledMask picks the bit of Enabled, a number, that is set in users who are
	// disabled: 2 of Active Directory's userAccountControl. 0: Enabled is TRUE or FALSE.
	EnabledMask int
	// EnabledInvert is for an attribute that is TRUE in users who are disabled.
	EnabledInvert bool
	// EnabledDefault is taken for a user without the attribute; default "TRUE", or with
	// a mask "512".
	EnabledDefault string

	// RDN is the attribute that names the entries of users that are made; default: as
	// ID, or as Name if the server makes the ID.
	RDN string
	// Classes are further object classes of users that are made.
	Classes []string
}

// GroupConfig says where groups are, and which attributes mean what.
type GroupConfig struct {
	Tree        string
	ObjectClass string // default "groupOfNames"
	Filter      string
	ID          string // default "cn"
	Name        string // default: as ID
	Description string // default "description"
	// Member is the attribute with the members of a group; default "member".
	Member string
	// MembersAreIDs says that members are the IDs of users, as in posixGroup's
	// memberUid, not distinguished names.
	MembersAreIDs bool
	// MemberOf is the attribute of users with their groups, which makes it quick to list
	// the members of large ones: "memberOf". Empty: there is none.
	MemberOf string
	// Nested counts members of groups in groups too, by a matching rule that Active
	// Directory has. It needs MemberOf.
	Nested bool

	// RDN and Classes are as of users.
	RDN     string
	Classes []string
	// DumbMember is a distinguished name that groups have as a member in order not to be
	// empty, where that is not allowed; default "cn=dumb,dc=nonexistent". It is of no
	// user.
	DumbMember string
}

// ActiveDirectory returns the configuration for a domain of Active Directory, all of
// which is below suffix, "DC=corp,DC=example". User and Password are still to be set;
// the user may be a name such as "reader@corp.example".
func ActiveDirectory(url, suffix string) Config {
	return Config{
		URLs: []string{url}, Subtree: true,
		Users: UserConfig{
			Tree: suffix, ObjectClass: "user", Filter: "(objectCategory=person)",
			ID: "objectGUID", Name: "sAMAccountName", Enabled: "userAccountControl", EnabledMask: 2,
		},
		Groups: GroupConfig{
			Tree: suffix, ObjectClass: "group", ID: "objectGUID", Name: "sAMAccountName",
			MemberOf: "memberOf", Nested: true,
		},
	}
}

func text(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

// withDefaults fills in what is not set, and refuses what cannot be.
func (c Config) withDefaults() (Config, error) {
	text(&c.Users.ObjectClass, "inetOrgPerson")
	text(&c.Users.ID, "uid")
	text(&c.Users.Name, c.Users.ID)
	text(&c.Users.Mail, "mail")
	text(&c.Users.Description, "description")
	if c.Users.EnabledMask != 0 {
		text(&c.Users.EnabledDefault, "512")
	}
	text(&c.Users.EnabledDefault, "TRUE")
	text(&c.Users.RDN, rdn(c.Users.ID, c.Users.Name))
	text(&c.Groups.ObjectClass, "groupOfNames")
	text(&c.Groups.ID, "cn")
	text(&c.Groups.Name, c.Groups.ID)
	text(&c.Groups.Description, "description")
	text(&c.Groups.Member, "member")
	text(&c.Groups.RDN, rdn(c.Groups.ID, c.Groups.Name))
	text(&c.Groups.DumbMember, "cn=dumb,dc=nonexistent")
	if c.PageSize == 0 {
		c.PageSize = 500
	}
	if c.PoolSize <= 0 {
		c.PoolSize = 8
	}
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Second
	}
	return c, c.check()
}

func rdn(id, name string) string {
	if madeByServer(id) {
		return name
	}
	return id
}

func (c *Config) check() error {
	if len(c.URLs) == 0 {
		return invalid("a URL is required")
	}
	for _, text := range c.URLs {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "ldap" && u.Scheme != "ldaps" {
			return invalid("a URL must be ldap://host or ldaps://host")
		}
		if c.StartTLS && u.Scheme == "ldaps" {
			return invalid("StartTLS is for ldap URLs: ldaps is encrypted already")
		}
	}
	for name, dn := range map[string]string{
		"tree of users": c.Users.Tree, "tree of groups": c.Groups.Tree, "dumb member": c.Groups.DumbMember,
	} {
		if _, err := goldap.ParseDN(dn); err != nil || dn == "" {
			return invalid("the " + name + " must be a distinguished name")
		}
	}
	for name, filter := range map[string]*string{"users": &c.Users.Filter, "groups": &c.Groups.Filter} {
		if *filter == "" {
			continue
		}
		if !strings.HasPrefix(*filter, "(") {
			*filter = "(" + *filter + ")"
		}
		if _, err := goldap.CompileFilter(*filter); err != nil {
			return invalid("the filter of " + name + " is not one")
		}
	}
	if c.Groups.Nested && c.Groups.MemberOf == "" {
		return invalid("nested groups need MemberOf")
	}
	return nil
}

func invalid(what string) error { return driver.Errorf(driver.Invalid, "ldap: %s.", what) }
