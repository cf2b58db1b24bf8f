package ldap_test

import (
	"fmt"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/drivertest"
	"github.com/welkin-cloud/cloud/identity/ldap"
	"github.com/welkin-cloud/cloud/identity/ldap/slapdtest"
)

// shape is a way in which directories keep users and groups.
type shape struct {
	name   string
	config func(c *ldap.Config)
	user   func(a drivertest.Account, n int) (dn string, attributes map[string][]string)
	group  func(g drivertest.Team, dns, ids []string, n int) (dn string, attributes map[string][]string)
}

func config(s *slapdtest.Server) ldap.Config {
	return ldap.Config{
		URLs: []string{s.URL}, User: slapdtest.Admin, Password: slapdtest.Password,
		Users: ldap.UserConfig{Tree: slapdtest.People}, Groups: ldap.GroupConfig{Tree: slapdtest.Groups},
		PageSize: 2, // several pages for a few users
	}
}

// usual is OpenLDAP as most have it, with an attribute that says who is enabled, and
// ids that are not names.
var usual = shape{
	name: "OpenLDAP",
	config: func(c *ldap.Config) {
		c.Users.ID, c.Users.Name, c.Users.Enabled, c.Users.Classes = "uid", "cn", "accountEnabled", []string{"account2"}
		c.Groups.ID, c.Groups.Name = "cn", "ou"
	},
	user: func(a drivertest.Account, _ int) (string, map[string][]string) {
		return "uid=" + a.ID + "," + slapdtest.People, map[string][]string{
			"objectClass": {"inetOrgPerson", "account2"}, "uid": {a.ID}, "cn": {a.Name}, "sn": {a.ID},
			"mail": {a.Email}, "description": {a.Description}, "accountEnabled": {boolean(a.Enabled)},
			"userPassword": {a.Password},
		}
	},
	group: func(g drivertest.Team, dns, _ []string, _ int) (string, map[string][]string) {
		return "cn=" + g.ID + "," + slapdtest.Groups, map[string][]string{
			"objectClass": {"groupOfNames"}, "cn": {g.ID}, "ou": {g.Name}, "description": {g.Description},
			"member": append(dns, "cn=dumb,dc=nonexistent"),
		}
	},
}

func boolean(b bool) string {
	if b {
		return "TRUE"
	}
	return "FALSE"
}

// posix has groups whose members are ids, an attribute that says who is locked, ids that
// the server makes, and no pages.
var posix = shape{
	name: "posixGroup, locked, entryUUID, no pages",
	config: func(c *ldap.Config) {
		c.PageSize = -1
		c.Users.ID, c.Users.Name = "uid", "cn"
		c.Users.Enabled, c.Users.EnabledInvert, c.Users.EnabledDefault = "accountLocked", true, "FALSE"
		c.Groups.ObjectClass, c.Groups.ID, c.Groups.Name = "posixGroup", "entryUUID", "cn"
		c.Groups.Member, c.Groups.MembersAreIDs = "memberUid", true
	},
	user: func(a drivertest.Account, _ int) (string, map[string][]string) {
		dn, attributes := usual.user(a, 0)
		delete(attributes, "accountEnabled")
		if !a.Enabled {
			attributes["accountLocked"] = []string{"TRUE"}
		}
		return dn, attributes
	},
	group: func(g drivertest.Team, _, ids []string, n int) (string, map[string][]string) {
		return "cn=" + goldap.EscapeDN(g.Name) + "," + slapdtest.Groups, map[string][]string{
			"objectClass": {"posixGroup"}, "cn": {g.Name}, "gidNumber": {fmt.Sprint(1000 + n)},
			"description": {g.Description}, "memberUid": append(ids, "nobody-at-all"),
		}
	},
}

// active has the classes and attributes of Active Directory, in one tree. Its groups in
// groups need a matching rule that slapd does not have: see TestNestedGroups.
var active = shape{
	name: "Active Directory",
	config: func(c *ldap.Config) {
		ad := ldap.ActiveDirectory(c.URLs[0], slapdtest.Suffix)
		ad.User, ad.Password, ad.PageSize, ad.Groups.Nested = c.User, c.Password, c.PageSize, false
		*c = ad
	},
	user: func(a drivertest.Account, n int) (string, map[string][]string) {
		control := "512"
		if !a.Enabled {
			control = "514"
		}
		return fmt.Sprintf("cn=%s,%s", a.ID, slapdtest.People), map[string][]string{
			"objectClass": {"user"}, "cn": {a.ID}, "sn": {a.ID}, "sAMAccountName": {a.Name},
			"objectGUID": {guid(1, n)}, "objectCategory": {"person"}, "userAccountControl": {control},
			"mail": {a.Email}, "description": {a.Description}, "userPassword": {a.Password},
		}
	},
	group: func(g drivertest.Team, dns, _ []string, n int) (string, map[string][]string) {
		return "cn=" + g.ID + "," + slapdtest.Groups, map[string][]string{
			"objectClass": {"group"}, "cn": {g.ID}, "sAMAccountName": {g.Name}, "objectGUID": {guid(2, n)},
			"description": {g.Description}, "member": dns,
		}
	},
}

// guid has bytes that filters must escape.
func guid(kind, n int) string {
	return string([]byte{byte(n), '*', '(', ')', '\\', 0, byte(kind), 0x80, 0xff, '=', ',', 7, 8, 9, 10, 11})
}

// fill puts a world into a server.
func (s shape) fill(server *slapdtest.Server, w drivertest.World) {
	dns, ids := map[string]string{}, map[string]string{}
	server.Do(func(c *goldap.Conn) error {
		for i, a := range w.Users {
			dn, attributes := s.user(a, i)
			dns[a.Name], ids[a.Name] = dn, a.ID
			if err := c.Add(slapdtest.Entry(dn, attributes)); err != nil {
				return err
			}
		}
		for i, g := range w.Groups {
			var members, uids []string
			for _, name := range g.Members {
				members, uids = append(members, dns[name]), append(uids, ids[name])
			}
			if err := c.Add(slapdtest.Entry(s.group(g, members, uids, i))); err != nil {
				return err
			}
		}
		return nil
	})
}

// fresh returns a directory of this shape on a server of its own.
func (s shape) fresh(t *testing.T, w drivertest.World, change func(*ldap.Config)) *ldap.Directory {
	server := slapdtest.Start(t, slapdtest.Options{MemberOf: s.name == active.name})
	s.fill(server, w)
	cfg := config(server)
	s.config(&cfg)
	if change != nil {
		change(&cfg)
	}
	d, err := ldap.Open(cfg)
	require.NoError(t, err)
	return d
}

func TestConformance(t *testing.T) {
	for _, s := range []shape{usual, posix, active} {
		t.Run(s.name, func(t *testing.T) {
			drivertest.Run(t, func(t *testing.T, w drivertest.World) driver.Directory { return s.fresh(t, w, nil) })
		})
	}
}

func TestWriterConformance(t *testing.T) {
	drivertest.RunWriter(t, func(t *testing.T, w drivertest.World) driver.Writer {
		return usual.fresh(t, w, func(c *ldap.Config) { c.Writable = true })
	})
}

func TestReadOnly(t *testing.T) {
	drivertest.RunReadOnly(t, func(t *testing.T, w drivertest.World) driver.Writer { return usual.fresh(t, w, nil) })
}
