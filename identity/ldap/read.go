package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/welkin-cloud/cloud/identity/driver"
)

// inChain is the matching rule of Active Directory that follows groups in groups.
const inChain = ":1.2.840.113556.1.4.1941:"

// Users searches for users.
func (d *Directory) Users(ctx context.Context, q driver.Query) ([]driver.User, error) {
	filter, ok := queryFilter(q, d.cfg.Users.ID, d.cfg.Users.Name)
	if !ok {
		return nil, nil
	}
	return d.users(ctx, filter, q.Limit)
}

func (d *Directory) users(ctx context.Context, filter string, limit int) ([]driver.User, error) {
	entries, err := d.find(ctx, d.cfg.Users.Tree, d.userFilter(filter), d.userAttributes(), limit)
	return convert(entries, d.user), err
}

// Groups searches for groups.
func (d *Directory) Groups(ctx context.Context, q driver.Query) ([]driver.Group, error) {
	filter, ok := queryFilter(q, d.cfg.Groups.ID, d.cfg.Groups.Name)
	if !ok {
		return nil, nil
	}
	return d.groups(ctx, filter, q.Limit)
}

func (d *Directory) groups(ctx context.Context, filter string, limit int) ([]driver.Group, error) {
	entries, err := d.find(ctx, d.cfg.Groups.Tree, d.groupFilter(filter), d.groupAttributes(), limit)
	return convert(entries, d.group), err
}

func convert[T any](entries []*goldap.Entry, f func(*goldap.Entry) (T, bool)) []T {
	var list []T
	for _, e := range entries {
		if v, ok := f(e); ok {
			list = append(list, v)
		}
	}
	return list
}

// queryFilter is the part of a filter that a query is; ok is false if nothing can match.
func queryFilter(q driver.Query, id, name string) (filter string, ok bool) {
	if q.IDs != nil {
		var any strings.Builder
		for _, value := range q.IDs {
			any.WriteString(hasID(id, value))
		}
		if any.Len() == 0 {
			return "", false
		}
		filter = "(|" + any.String() + ")"
	}
	if q.Name != "" {
		filter += equals(name, q.Name)
	}
	return filter, true
}

// userFilter is the filter for users that match another one too.
func (d *Directory) userFilter(more string) string {
	c := &d.cfg.Users
	return "(&" + equals("objectClass", c.ObjectClass) + "(" + c.ID + "=*)" + c.Filter + more + ")"
}

func (d *Directory) groupFilter(more string) string {
	c := &d.cfg.Groups
	return "(&" + equals("objectClass", c.ObjectClass) + "(" + c.ID + "=*)" + c.Filter + more + ")"
}

func (d *Directory) userAttributes() []string {
	c := &d.cfg.Users
	return attributes(c.ID, c.Name, c.Mail, c.Description, c.DefaultProjectID, c.Enabled)
}

func (d *Directory) groupAttributes(more ...string) []string {
	c := &d.cfg.Groups
	return attributes(append(more, c.ID, c.Name, c.Description)...)
}

func attributes(names ...string) []string {
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(s string) bool { return s == "" })
}

// find searches a tree, page by page: TooLarge if there is more than limit.
func (d *Directory) find(ctx context.Context, tree, filter string, attributes []string, limit int) ([]*goldap.Entry, error) {
	scope := goldap.ScopeSingleLevel
	if d.cfg.Subtree {
		scope = goldap.ScopeWholeSubtree
	}
	req := &goldap.SearchRequest{BaseDN: tree, Scope: scope, Filter: filter, Attributes: attributes}
	var found []*goldap.Entry
	err := d.search.do(ctx, func(c *goldap.Conn) (err error) {
		found, err = d.pages(ctx, c, req, limit)
		return err
	})
	return found, failure(err)
}

func (d *Directory) pages(ctx context.Context, c *goldap.Conn, req *goldap.SearchRequest, limit int) ([]*goldap.Entry, error) {
	req.Controls = nil
	if d.cfg.PageSize < 0 {
		if limit > 0 {
			req.SizeLimit = limit + 1
		}
		result, err := c.Search(req)
		if err != nil {
			return nil, err
		}
		return result.Entries, within(len(result.Entries), limit)
	}
	size := uint32(d.cfg.PageSize)
	if limit > 0 {
		size = min(size, uint32(limit)+1)
	}
	page := goldap.NewControlPaging(size)
	req.Controls = []goldap.Control{page}
	var found []*goldap.Entry
	for {
		result, err := c.Search(req)
		if err != nil {
			return nil, err
		}
		found = append(found, result.Entries...)
		cookie := cookieOf(result)
		over := within(len(found), limit)
		if len(cookie) == 0 {
			return found, over
		}
		page.SetCookie(cookie)
		if over != nil || ctx.Err() != nil {
			page.PagingSize = 0 // tells the server that no more is wanted
			_, err := c.Search(req)
			return nil, errors.Join(over, ctx.Err(), err)
		}
	}
}

func cookieOf(r *goldap.SearchResult) []byte {
	page, ok := goldap.FindControl(r.Controls, goldap.ControlTypePaging).(*goldap.ControlPaging)
	if !ok {
		return nil
	}
	return page.Cookie
}

func within(n, limit int) error {
	if limit > 0 && n > limit {
		return tooMany(limit)
	}
	return nil
}

// read returns one entry, nil if it is not there or does not match.
func (d *Directory) read(ctx context.Context, c *goldap.Conn, dn, filter string, attributes []string) (*goldap.Entry, error) {
	result, err := c.Search(&goldap.SearchRequest{
		BaseDN: dn, Scope: goldap.ScopeBaseObject, Filter: filter, Attributes: attributes,
	})
	if goldap.IsErrorAnyOf(err, goldap.LDAPResultNoSuchObject, goldap.LDAPResultInvalidDNSyntax, goldap.LDAPResultReferral) {
		return nil, nil
	}
	if err != nil || len(result.Entries) != 1 || ctx.Err() != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	return result.Entries[0], nil
}

// Members returns the users of a group.
func (d *Directory) Members(ctx context.Context, groupID string, limit int) ([]driver.User, error) {
	e, err := d.groupEntry(ctx, groupID, d.memberAttribute()...)
	if err != nil {
		return nil, err
	}
	c := &d.cfg.Groups
	values := e.GetEqualFoldAttributeValues(c.Member)
	switch {
	case c.Nested:
		return d.users(ctx, "("+c.MemberOf+inChain+"="+goldap.EscapeFilter(e.DN)+")", limit)
	case c.MemberOf != "":
		return d.users(ctx, equals(c.MemberOf, e.DN), limit)
	case c.MembersAreIDs:
		return d.membersByID(ctx, values, limit)
	}
	return d.membersByDN(ctx, values, limit)
}

// memberAttribute is what is to be read of a group to know its members.
func (d *Directory) memberAttribute() []string {
	if d.cfg.Groups.MemberOf != "" {
		return nil
	}
	return []string{d.cfg.Groups.Member}
}

// groupEntry returns the entry of a group.
func (d *Directory) groupEntry(ctx context.Context, id string, more ...string) (*goldap.Entry, error) {
	return d.entry(ctx, "group", d.cfg.Groups.Tree, hasID(d.cfg.Groups.ID, id), d.groupFilter, d.groupAttributes(more...))
}

// userEntry returns the entry of a user.
func (d *Directory) userEntry(ctx context.Context, id string) (*goldap.Entry, error) {
	return d.entry(ctx, "user", d.cfg.Users.Tree, hasID(d.cfg.Users.ID, id), d.userFilter, d.userAttributes())
}

func (d *Directory) entry(
	ctx context.Context, noun, tree, is string, filter func(string) string, attributes []string,
) (*goldap.Entry, error) {
	if is == "" {
		return nil, missing(noun)
	}
	found, err := d.find(ctx, tree, filter(is), attributes, 1)
	if err == nil && len(found) == 0 {
		err = missing(noun)
	}
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

func (d *Directory) membersByID(ctx context.Context, ids []string, limit int) ([]driver.User, error) {
	var list []driver.User
	for chunk := range slices.Chunk(ids, driver.MaxIDs) {
		users, err := d.Users(ctx, driver.Query{IDs: chunk})
		if err != nil {
			return nil, err
		}
		list = append(list, users...)
		if err := within(len(list), limit); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// membersByDN reads members one by one: there is no filter for names that every server
// knows.
func (d *Directory) membersByDN(ctx context.Context, dns []string, limit int) ([]driver.User, error) {
	var list []driver.User
	filter, attributes := d.userFilter(""), d.userAttributes()
	err := d.search.do(ctx, func(c *goldap.Conn) error {
		list = nil
		for _, dn := range dns {
			if parsed, err := goldap.ParseDN(dn); err != nil || !d.userTree.AncestorOfFold(parsed) {
				continue
			}
			e, err := d.read(ctx, c, dn, filter, attributes)
			if err != nil {
				return err
			}
			if e == nil {
				continue
			}
			if u, ok := d.user(e); ok {
				list = append(list, u)
			}
			if err := within(len(list), limit); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, failure(err)
	}
	return list, nil
}

// GroupsOf searches for the groups of a user.
func (d *Directory) GroupsOf(ctx context.Context, u driver.User, limit int) ([]driver.Group, error) {
	if u.Locator == "" {
		e, err := d.userEntry(ctx, u.ID)
		if errors.Is(err, driver.NotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		u.Locator = e.DN
	}
	return d.groups(ctx, d.isMember(u.Locator, u.ID), limit)
}

// isMember is the filter for groups that a user is in.
func (d *Directory) isMember(dn, id string) string {
	c := &d.cfg.Groups
	switch {
	case c.MembersAreIDs:
		return equals(c.Member, id)
	case c.Nested:
		return fmt.Sprintf("(%s%s=%s)", c.Member, inChain, goldap.EscapeFilter(dn))
	}
	return equals(c.Member, dn)
}
