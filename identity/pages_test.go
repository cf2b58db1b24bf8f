package identity_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/welkin-cloud/cloud/identity"
)

// crowd is a service with a population that changes at random. Its ids and names are
// few, so that they come again.
type crowd struct {
	*identity.Service
	t     *testing.T
	roles []string
}

func newCrowd(t *testing.T) *crowd {
	c := &crowd{Service: open(t), t: t}
	for _, id := range []string{"d0", "d1"} {
		_, err := c.CreateDomain(t.Context(), identity.CreateDomainOptions{ID: id, Name: id})
		require.NoError(t, err)
	}
	for _, name := range []string{"admin", "manager", "member", "reader"} { // each implies the next
		role, err := c.FindRole(t.Context(), name)
		require.NoError(t, err)
		c.roles = append(c.roles, role.ID)
	}
	return c
}

var (
	crowdUsers    = []string{"u", "u0", "u1", "u2", "u20", "u3", "u4", "u5"}
	crowdGroups   = []string{"g", "g0", "g1", "g10", "g2"}
	crowdProjects = []string{"p", "p0", "p1", "p2", "p20", "p3"}
	crowdDomains  = []string{"default", "d0", "d1"}
	crowdNames    = []string{"x", "y", "z"}
)

func pick(t *rapid.T, what string, from ...string) string {
	return rapid.SampledFrom(from).Draw(t, what)
}

// change does one thing that may fail: then it changes nothing.
func (c *crowd) change(t *rapid.T) {
	ctx, fresh := c.t.Context(), pick(t, "name", crowdNames...)+pick(t, "more", "", "1", "2", "3")
	user, group, project := pick(t, "user", crowdUsers...), pick(t, "group", crowdGroups...), pick(t, "project", crowdProjects...)
	domain := pick(t, "domain", crowdDomains...)
	switch pick(t, "verb", "user", "user", "group", "project", "join", "join", "assign", "assign", "assign", "less") {
	case "user":
		_, _ = c.CreateUser(ctx, identity.CreateUserOptions{ID: user, Name: fresh, DomainID: domain, Disabled: user < "u2"})
	case "group":
		_, _ = c.CreateGroup(ctx, identity.CreateGroupOptions{ID: group, Name: fresh, DomainID: domain})
	case "project":
		parent := pick(t, "parent", append(crowdProjects, crowdDomains...)...)
		_, _ = c.CreateProject(ctx, identity.CreateProjectOptions{ID: project, Name: fresh, ParentID: parent})
	case "join":
		_ = c.AddUserToGroup(ctx, group, user)
	case "assign":
		_ = c.Assign(ctx, c.anyAssignment(t, user, group, project, domain))
	case "less":
		c.remove(t, user, group, project)
	}
}

func (c *crowd) anyAssignment(t *rapid.T, user, group, project, domain string) identity.Assignment {
	a := identity.Assignment{RoleID: pick(t, "role", c.roles...), UserID: user, ProjectID: project}
	if rapid.Bool().Draw(t, "to a group") {
		a.UserID, a.GroupID = "", group
	}
	switch pick(t, "on", "project", "project", "domain", "system") {
	case "domain":
		a.ProjectID, a.DomainID = "", domain
	case "system":
		a.ProjectID, a.System = "", true
	}
	a.Inherited = !a.System && rapid.Bool().Draw(t, "inherited")
	return a
}

func (c *crowd) remove(t *rapid.T, user, group, project string) {
	ctx := c.t.Context()
	switch pick(t, "what", "user", "group", "project", "membership", "assignment") {
	case "user":
		_ = c.DeleteUser(ctx, user)
	case "group":
		_ = c.DeleteGroup(ctx, group)
	case "project":
		_ = c.DeleteProject(ctx, project)
	case "membership":
		_ = c.RemoveUserFromGroup(ctx, group, user)
	case "assignment":
		if all, err := c.ListAssignments(ctx, nil); err == nil && len(all) > 0 {
			_ = c.Unassign(ctx, rapid.SampledFrom(all).Draw(t, "assignment").Assignment)
		}
	}
}

// turn reads a list page by page, and changes the population in between if it is told to.
// It holds the pages against what the whole list was, by another way, at each moment:
// what was there throughout comes once, and nothing twice, and if nothing changed the
// pages are the whole.
func turn[T any](t *rapid.T, c *crowd, name func(*T) string, marker func(*T) string, whole func() []T, list func(identity.Page) ([]T, error)) {
	count := func(items []T) map[string]int {
		counts := map[string]int{}
		for i := range items {
			counts[name(&items[i])]++
		}
		return counts
	}
	limit := rapid.IntRange(1, 4).Draw(t, "limit")
	changes := rapid.IntRange(0, 2).Draw(t, "changes between pages")
	throughout, page, got, marks := count(whole()), identity.Page{Limit: limit}, []T{}, map[string]bool{}
	for {
		part, err := list(page)
		require.NoError(t, err)
		require.LessOrEqual(t, len(part), limit)
		got = append(got, part...)
		for i := range part {
			mark := marker(&part[i])
			require.False(t, marks[mark], "%v comes twice", part[i])
			marks[mark] = true
		}
		if len(part) < limit {
			break
		}
		page.Marker = marker(&part[limit-1])
		for range changes {
			c.change(t)
		}
		now := count(whole())
		for n, times := range throughout {
			throughout[n] = min(times, now[n])
		}
	}
	for n, times := range throughout {
		require.GreaterOrEqual(t, count(got)[n], times, "%s was there all the time", n)
	}
	if changes == 0 {
		require.Equal(t, throughout, count(got))
	}
}

func matching(filter, value string) bool { return filter == "" || filter == value }

func TestPagesAreTheWholeList(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := newCrowd(t)
		for range rapid.IntRange(5, 40).Draw(rt, "changes") {
			c.change(rt)
		}
		for range 4 {
			c.turnUsers(rt)
			c.turnGroups(rt)
			c.turnProjects(rt)
		}
	})
}

func (c *crowd) turnUsers(t *rapid.T) {
	ctx := c.t.Context()
	opts := identity.ListUsersOptions{
		DomainID: pick(t, "in", append(crowdDomains, "", "")...), Name: pick(t, "named", append(crowdNames, "", "", "")...),
	}
	if pick(t, "filter", "group", "none", "none") == "group" {
		opts.GroupID = pick(t, "of", crowdGroups...)
		if _, err := c.GetGroup(ctx, opts.GroupID); err != nil {
			return
		}
	}
	if enabled := rapid.Bool().Draw(t, "enabled"); rapid.Bool().Draw(t, "asks for enabled") {
		opts.Enabled = &enabled
	}
	turn(t, c, func(u *identity.User) string { return u.ID }, func(u *identity.User) string { return u.ID }, func() []identity.User {
		all, err := c.ListUsers(ctx, nil)
		require.NoError(t, err)
		return slices.DeleteFunc(all, func(u identity.User) bool {
			return !matching(opts.DomainID, u.DomainID) || !matching(opts.Name, u.Name) ||
				opts.Enabled != nil && *opts.Enabled != u.Enabled ||
				opts.GroupID != "" && c.CheckUserInGroup(ctx, opts.GroupID, u.ID) != nil
		})
	}, func(p identity.Page) ([]identity.User, error) {
		opts.Page = p
		all, err := c.ListUsers(ctx, &opts)
		if _, gone := c.GetGroup(ctx, opts.GroupID); opts.GroupID != "" && gone != nil {
			return nil, nil
		}
		return all, err
	})
}

func (c *crowd) turnGroups(t *rapid.T) {
	ctx := c.t.Context()
	opts := identity.ListGroupsOptions{
		DomainID: pick(t, "in", append(crowdDomains, "", "")...), Name: pick(t, "named", append(crowdNames, "", "", "")...),
		UserID: pick(t, "of", append(crowdUsers, "", "", "", "")...),
	}
	turn(t, c, func(g *identity.Group) string { return g.ID }, func(g *identity.Group) string { return g.ID }, func() []identity.Group {
		all, err := c.ListGroups(ctx, nil)
		require.NoError(t, err)
		return slices.DeleteFunc(all, func(g identity.Group) bool {
			return !matching(opts.DomainID, g.DomainID) || !matching(opts.Name, g.Name) ||
				opts.UserID != "" && c.CheckUserInGroup(ctx, g.ID, opts.UserID) != nil
		})
	}, func(p identity.Page) ([]identity.Group, error) {
		opts.Page = p
		all, err := c.ListGroups(ctx, &opts)
		if _, gone := c.GetUser(ctx, opts.UserID); opts.UserID != "" && gone != nil {
			return nil, nil
		}
		return all, err
	})
}

func (c *crowd) turnProjects(t *rapid.T) {
	ctx := c.t.Context()
	opts := identity.ListProjectsOptions{
		DomainID: pick(t, "in", append(crowdDomains, "", "")...), Name: pick(t, "named", append(crowdNames, "", "", "")...),
		ParentID: pick(t, "below", append(crowdProjects, "d0", "", "", "", "")...),
	}
	turn(t, c, func(p *identity.Project) string { return p.ID }, func(p *identity.Project) string { return p.ID }, func() []identity.Project {
		all, err := c.ListProjects(ctx, nil)
		require.NoError(t, err)
		return slices.DeleteFunc(all, func(p identity.Project) bool {
			return !matching(opts.DomainID, p.DomainID) || !matching(opts.Name, p.Name) || !matching(opts.ParentID, p.ParentID)
		})
	}, func(p identity.Page) ([]identity.Project, error) {
		opts.Page = p
		return c.ListProjects(ctx, &opts)
	})
}

func TestPagesOfAssignmentsAreTheWholeList(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := newCrowd(t)
		for range rapid.IntRange(10, 80).Draw(rt, "changes") {
			c.change(rt)
		}
		for range 8 {
			c.turnAssignments(rt)
		}
	})
}

func (c *crowd) turnAssignments(t *rapid.T) {
	ctx := c.t.Context()
	opts := identity.ListAssignmentsOptions{
		RoleID: pick(t, "role", append(c.roles, "", "", "")...), UserID: pick(t, "user", append(crowdUsers, "", "", "", "")...),
		Effective: rapid.Bool().Draw(t, "effective"), WithinDomain: pick(t, "within", append(crowdDomains, "", "", "")...),
	}
	if opts.UserID == "" && !opts.Effective {
		opts.GroupID = pick(t, "group", append(crowdGroups, "", "")...)
	}
	switch pick(t, "on", "anything", "anything", "project", "tree", "domain", "system") {
	case "project":
		opts.ProjectID = pick(t, "project", crowdProjects...)
	case "tree":
		opts.ProjectID, opts.Subtree = pick(t, "root", append(crowdProjects, crowdDomains...)...), true
	case "domain":
		opts.DomainID = pick(t, "domain", crowdDomains...)
	case "system":
		opts.System = true
	}
	if inherited := rapid.Bool().Draw(t, "inherited"); rapid.Bool().Draw(t, "asks for inherited") {
		opts.Inherited = &inherited
	}
	name := func(a *identity.RoleAssignment) string {
		return fmt.Sprint(a.Assignment, a.ViaGroupID, "|", a.FromDomainID, "|", a.FromProjectID, "|", a.PriorRoleID)
	}
	turn(t, c, name, (*identity.RoleAssignment).Marker, func() []identity.RoleAssignment {
		return c.assignmentsByHand(t, opts)
	}, func(p identity.Page) ([]identity.RoleAssignment, error) {
		opts.Page = p
		return c.ListAssignments(ctx, &opts)
	})
}

// assignmentsByHand expands all that is assigned and filters it, without indexes.
func (c *crowd) assignmentsByHand(t *rapid.T, o identity.ListAssignmentsOptions) []identity.RoleAssignment {
	ctx := c.t.Context()
	all, err := c.ListAssignments(ctx, nil)
	require.NoError(t, err)
	projects, err := c.ListProjects(ctx, nil)
	require.NoError(t, err)
	above := map[string][]string{} // of each project
	for _, p := range projects {
		chain, err := c.Ancestors(ctx, p.ID)
		require.NoError(t, err)
		for _, a := range chain {
			above[p.ID] = append(above[p.ID], a.ID)
		}
	}
	var kept []identity.RoleAssignment
	for _, a := range all {
		if o.Inherited != nil && *o.Inherited != a.Inherited {
			continue
		}
		rows := []identity.RoleAssignment{{Assignment: a.Assignment}}
		if o.Effective {
			rows = c.worthByHand(t, a.Assignment, projects, above)
		}
		for _, x := range rows {
			in := matching(o.ProjectID, x.ProjectID) || o.Subtree && slices.Contains(above[x.ProjectID], o.ProjectID)
			chain := above[x.ProjectID]
			within := o.WithinDomain == "" || x.DomainID == o.WithinDomain || len(chain) > 0 && chain[len(chain)-1] == o.WithinDomain
			if in && within && matching(o.RoleID, x.RoleID) && matching(o.UserID, x.UserID) && matching(o.GroupID, x.GroupID) &&
				matching(o.DomainID, x.DomainID) && (!o.System || x.System) {
				kept = append(kept, x)
			}
		}
	}
	return kept
}

func (c *crowd) worthByHand(t *rapid.T, a identity.Assignment, projects []identity.Project, above map[string][]string) []identity.RoleAssignment {
	rows := []identity.RoleAssignment{{Assignment: a}}
	if a.Inherited {
		rows = nil
		for _, p := range projects {
			if slices.Contains(above[p.ID], cmp.Or(a.ProjectID, a.DomainID)) {
				x := identity.RoleAssignment{Assignment: a, FromDomainID: a.DomainID, FromProjectID: a.ProjectID}
				x.Inherited, x.DomainID, x.ProjectID = false, "", p.ID
				rows = append(rows, x)
			}
		}
	}
	if a.GroupID != "" {
		members, err := c.ListUsersInGroup(c.t.Context(), a.GroupID)
		require.NoError(t, err)
		var given []identity.RoleAssignment
		for _, x := range rows {
			for _, u := range members {
				x.ViaGroupID, x.GroupID, x.UserID = a.GroupID, "", u.ID
				given = append(given, x)
			}
		}
		rows = given
	}
	var worth []identity.RoleAssignment
	for _, x := range rows {
		for i := slices.Index(c.roles, a.RoleID); i < len(c.roles); i++ {
			x.RoleID, x.PriorRoleID = c.roles[i], ""
			if x.RoleID != a.RoleID {
				x.PriorRoleID = c.roles[i-1]
			}
			worth = append(worth, x)
		}
	}
	return worth
}
