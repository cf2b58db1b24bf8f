package ldap

import (
	"context"
	"errors"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/welkin-cloud/cloud/identity/driver"
)

// CreateGroup adds an entry, with the dumb member where groups must have one.
func (d *Directory) CreateGroup(ctx context.Context, g driver.Group) (driver.Group, error) {
	if err := d.writable(); err != nil {
		return driver.Group{}, err
	}
	c := &d.cfg.Groups
	if err := d.free(ctx, c.Tree, d.groupFilter(equals(c.Name, g.Name)), ""); err != nil {
		return driver.Group{}, err
	}
	values := map[string]string{c.Description: g.Description}
	req := newEntry(c.Tree, c.RDN, c.ID, c.Name, g.Name, append([]string{c.ObjectClass}, c.Classes...), values)
	if d.needsMember() {
		req.Attribute(c.Member, []string{c.DumbMember})
	}
	err := d.change(ctx, func(conn *goldap.Conn) error { return conn.Add(req) })
	if err != nil {
		return driver.Group{}, err
	}
	return d.groupAt(ctx, req.DN)
}

// needsMember reports whether groups of the class must not be empty.
func (d *Directory) needsMember() bool {
	class := strings.ToLower(d.cfg.Groups.ObjectClass)
	return class == "groupofnames" || class == "groupofuniquenames"
}

func (d *Directory) groupAt(ctx context.Context, dn string) (g driver.Group, err error) {
	err = d.change(ctx, func(c *goldap.Conn) error {
		e, err := d.read(ctx, c, dn, d.groupFilter(""), d.groupAttributes())
		if err != nil {
			return err
		}
		ok := e != nil
		if ok {
			g, ok = d.group(e)
		}
		if !ok {
			return driver.Errorf(driver.Invalid, "The directory has the group, but it does not match the configured filter.")
		}
		return nil
	})
	return g, err
}

// UpdateGroup modifies an entry.
func (d *Directory) UpdateGroup(ctx context.Context, id string, change driver.GroupChange) (driver.Group, error) {
	if err := d.writable(); err != nil {
		return driver.Group{}, err
	}
	e, err := d.groupEntry(ctx, id)
	if err != nil {
		return driver.Group{}, err
	}
	c := &d.cfg.Groups
	if change.Name != nil {
		filter := d.groupFilter(equals(c.Name, *change.Name))
		if err := d.mayRename(ctx, c.Tree, filter, e.DN, c.ID, c.Name); err != nil {
			return driver.Group{}, err
		}
	}
	req := goldap.NewModifyRequest(e.DN, nil)
	replace(req, c.Description, change.Description)
	dn, err := d.modify(ctx, req, c.RDN, c.Name, change.Name)
	if err != nil {
		return driver.Group{}, err
	}
	return d.groupAt(ctx, dn)
}

// DeleteGroup removes an entry.
func (d *Directory) DeleteGroup(ctx context.Context, id string) error {
	if err := d.writable(); err != nil {
		return err
	}
	e, err := d.groupEntry(ctx, id)
	if errors.Is(err, driver.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.remove(ctx, e.DN)
}

// both returns the DN of a group, and what it calls a user.
func (d *Directory) both(ctx context.Context, groupID, userID string) (group, member string, err error) {
	if err := d.writable(); err != nil {
		return "", "", err
	}
	g, err := d.groupEntry(ctx, groupID)
	if err != nil {
		return "", "", err
	}
	u, err := d.userEntry(ctx, userID)
	if err != nil {
		return "", "", err
	}
	if d.cfg.Groups.MembersAreIDs {
		return g.DN, userID, nil
	}
	return g.DN, u.DN, nil
}

// AddMember adds a value to a group.
func (d *Directory) AddMember(ctx context.Context, groupID, userID string) error {
	group, member, err := d.both(ctx, groupID, userID)
	if err != nil {
		return err
	}
	req := goldap.NewModifyRequest(group, nil)
	req.Add(d.cfg.Groups.Member, []string{member})
	return d.change(ctx, func(c *goldap.Conn) error {
		err := c.Modify(req)
		if goldap.IsErrorWithCode(err, goldap.LDAPResultAttributeOrValueExists) {
			return nil
		}
		return err
	})
}

// RemoveMember removes a value from a group.
func (d *Directory) RemoveMember(ctx context.Context, groupID, userID string) error {
	group, member, err := d.both(ctx, groupID, userID)
	if err != nil {
		return err
	}
	return d.leave(ctx, group, member)
}

// leave takes a member out. Where groups must not be empty, the dumb member takes the
// place of the last one.
func (d *Directory) leave(ctx context.Context, group, member string) error {
	c := &d.cfg.Groups
	req := goldap.NewModifyRequest(group, nil)
	req.Delete(c.Member, []string{member})
	return d.change(ctx, func(conn *goldap.Conn) error {
		err := conn.Modify(req)
		switch {
		case goldap.IsErrorAnyOf(err, goldap.LDAPResultNoSuchAttribute, goldap.LDAPResultNoSuchObject):
			return nil
		case goldap.IsErrorWithCode(err, goldap.LDAPResultObjectClassViolation):
			swap := goldap.NewModifyRequest(group, nil)
			swap.Add(c.Member, []string{c.DumbMember})
			swap.Delete(c.Member, []string{member})
			return conn.Modify(swap)
		}
		return err
	})
}
