package ldap

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/welkin-cloud/cloud/identity/driver"
)

// change runs f with a connection, if changes are allowed.
func (d *Directory) change(ctx context.Context, f func(c *goldap.Conn) error) error {
	return failure(d.search.do(ctx, f))
}

func (d *Directory) writable() error {
	if !d.cfg.Writable {
		return driver.Errorf(driver.Forbidden, "The directory is read-only.")
	}
	return nil
}

// CreateUser adds an entry, and sets its password by the extended operation for that,
// so that the server hashes it.
func (d *Directory) CreateUser(ctx context.Context, u driver.User, password string) (driver.User, error) {
	if err := d.writable(); err != nil {
		return driver.User{}, err
	}
	if err := d.free(ctx, d.cfg.Users.Tree, d.userFilter(equals(d.cfg.Users.Name, u.Name)), ""); err != nil {
		return driver.User{}, err
	}
	c := &d.cfg.Users
	values := map[string]string{
		c.Mail: u.Email, c.Description: u.Description, c.DefaultProjectID: u.DefaultProjectID,
	}
	if c.Enabled != "" {
		values[c.Enabled] = d.enabledValue("", u.Enabled)
	}
	req := newEntry(c.Tree, c.RDN, c.ID, c.Name, u.Name, append([]string{c.ObjectClass}, c.Classes...), values)
	err := d.change(ctx, func(conn *goldap.Conn) error {
		if err := conn.Add(req); err != nil || password == "" {
			return err
		}
		_, err := conn.PasswordModify(goldap.NewPasswordModifyRequest(req.DN, "", password))
		if err != nil {
			return errors.Join(err, conn.Del(goldap.NewDelRequest(req.DN, nil)))
		}
		return nil
	})
	if err != nil {
		return driver.User{}, err
	}
	return d.userAt(ctx, req.DN)
}

// newEntry describes an entry with a name, an id if the server does not make it, and
// what classes of persons require.
func newEntry(tree, rdn, id, name, value string, classes []string, values map[string]string) *goldap.AddRequest {
	values[name] = value
	if !madeByServer(id) && !strings.EqualFold(id, name) {
		values[id] = strings.ToLower(rand.Text())
	}
	if slices.ContainsFunc(classes, isPerson) {
		for _, required := range []string{"cn", "sn"} {
			if values[required] == "" {
				values[required] = value
			}
		}
	}
	req := goldap.NewAddRequest(rdn+"="+goldap.EscapeDN(values[rdn])+","+tree, nil)
	req.Attribute("objectClass", classes)
	for attribute, value := range values {
		if attribute != "" && value != "" {
			req.Attribute(attribute, []string{value})
		}
	}
	return req
}

func isPerson(class string) bool {
	return slices.Contains([]string{"person", "organizationalperson", "inetorgperson"}, strings.ToLower(class))
}

// free returns AlreadyExists if another entry than one of a name matches.
func (d *Directory) free(ctx context.Context, tree, filter, except string) error {
	found, err := d.find(ctx, tree, filter, []string{"1.1"}, 0)
	if err != nil {
		return err
	}
	for _, e := range found {
		if e.DN != except {
			return driver.Errorf(driver.AlreadyExists, "The directory has an entry of this name.")
		}
	}
	return nil
}

// userAt reads a user that was made or changed.
func (d *Directory) userAt(ctx context.Context, dn string) (u driver.User, err error) {
	err = d.change(ctx, func(c *goldap.Conn) error {
		e, err := d.read(ctx, c, dn, d.userFilter(""), d.userAttributes())
		if err != nil {
			return err
		}
		ok := e != nil
		if ok {
			u, ok = d.user(e)
		}
		if !ok {
			return driver.Errorf(driver.Invalid, "The directory has the user, but it does not match the configured filter.")
		}
		return nil
	})
	return u, err
}

// UpdateUser modifies an entry, and renames it if its name is part of its DN.
func (d *Directory) UpdateUser(ctx context.Context, id string, change driver.UserChange) (driver.User, error) {
	if err := d.writable(); err != nil {
		return driver.User{}, err
	}
	e, err := d.userEntry(ctx, id)
	if err != nil {
		return driver.User{}, err
	}
	c := &d.cfg.Users
	if change.Name != nil {
		filter := d.userFilter(equals(c.Name, *change.Name))
		if err := d.mayRename(ctx, c.Tree, filter, e.DN, c.ID, c.Name); err != nil {
			return driver.User{}, err
		}
	}
	req := goldap.NewModifyRequest(e.DN, nil)
	replace(req, c.Mail, change.Email)
	replace(req, c.Description, change.Description)
	if change.Enabled != nil && c.Enabled != "" {
		value := d.enabledValue(e.GetEqualFoldAttributeValue(c.Enabled), *change.Enabled)
		replace(req, c.Enabled, &value)
	}
	if change.Enabled != nil && c.Enabled == "" && !*change.Enabled {
		return driver.User{}, driver.Errorf(driver.Invalid, "The directory has no attribute to disable users.")
	}
	dn, err := d.modify(ctx, req, c.RDN, c.Name, change.Name)
	if err == nil && change.Password != nil {
		err = d.change(ctx, func(conn *goldap.Conn) error {
			_, err := conn.PasswordModify(goldap.NewPasswordModifyRequest(dn, "", *change.Password))
			return err
		})
	}
	if err != nil {
		return driver.User{}, err
	}
	return d.userAt(ctx, dn)
}

// mayRename refuses a name that is taken, and any where names are ids.
func (d *Directory) mayRename(ctx context.Context, tree, filter, dn, id, name string) error {
	if strings.EqualFold(id, name) {
		return driver.Errorf(driver.Invalid, "The name cannot be changed: it is the id in the directory.")
	}
	return d.free(ctx, tree, filter, dn)
}

// replace sets an attribute, or removes it if the value is empty.
func replace(req *goldap.ModifyRequest, attribute string, value *string) {
	switch {
	case value == nil || attribute == "":
	case *value == "":
		req.Replace(attribute, nil)
	default:
		req.Replace(attribute, []string{*value})
	}
}

// modify makes the changes of an entry, and returns its DN, which a new name may change.
func (d *Directory) modify(ctx context.Context, req *goldap.ModifyRequest, rdn, nameAttribute string, name *string) (string, error) {
	dn := req.DN
	err := d.change(ctx, func(c *goldap.Conn) error {
		switch {
		case name == nil:
		case strings.EqualFold(rdn, nameAttribute):
			first := rdn + "=" + goldap.EscapeDN(*name)
			if err := c.ModifyDN(goldap.NewModifyDNRequest(req.DN, first, true, "")); err != nil {
				return err
			}
			dn = first + "," + parentOf(req.DN)
			req.DN = dn
		default:
			replace(req, nameAttribute, name)
		}
		if len(req.Changes) == 0 {
			return nil
		}
		return c.Modify(req)
	})
	return dn, err
}

// parentOf returns the DN that another one is directly below.
func parentOf(dn string) string {
	parsed, err := goldap.ParseDN(dn)
	if err != nil || len(parsed.RDNs) == 0 {
		return ""
	}
	return (&goldap.DN{RDNs: parsed.RDNs[1:]}).String()
}

// DeleteUser removes an entry, and its DN from groups: servers do that by themselves
// only if they are told to.
func (d *Directory) DeleteUser(ctx context.Context, id string) error {
	if err := d.writable(); err != nil {
		return err
	}
	e, err := d.userEntry(ctx, id)
	if errors.Is(err, driver.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	c := &d.cfg.Groups
	member := e.DN
	if c.MembersAreIDs {
		member = id
	}
	in, err := d.find(ctx, c.Tree, d.groupFilter(equals(c.Member, member)), []string{"1.1"}, 0)
	if err != nil {
		return err
	}
	for _, g := range in {
		if err := d.leave(ctx, g.DN, member); err != nil {
			return err
		}
	}
	return d.remove(ctx, e.DN)
}

func (d *Directory) remove(ctx context.Context, dn string) error {
	return d.change(ctx, func(c *goldap.Conn) error {
		err := c.Del(goldap.NewDelRequest(dn, nil))
		if goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchObject) {
			return nil
		}
		return err
	})
}
