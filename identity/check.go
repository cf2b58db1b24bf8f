package identity

import (
	"context"
	"fmt"

	"github.com/welkin-cloud/cloud/internal/check"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Checks are the invariants of identity: what names something that does not exist may
// mean something else tomorrow, and gives nobody anything today.
func (s *Service) Checks() []check.Check {
	return []check.Check{
		{
			Name: "identity.tree", Run: s.checkTree,
			Doc: "The domains and parents of projects, users, groups and roles exist, and projects form a tree.",
		},
		{
			Name: "identity.grants", Run: s.checkGrants,
			Doc: "Role assignments, memberships and role inferences name users, groups, projects, domains and roles that exist.",
		},
		{
			Name: "identity.credentials", Run: s.checkCredentials,
			Doc: "Application credentials, access rules, trusts, OAuth1 tokens and login records name users, projects, access rules, trusts and consumers that exist.",
		},
		{
			Name: "identity.directories", Run: s.checkDirectories,
			Doc: "Users and groups that come from directories have entries, which are of domains that exist.",
		},
		{
			Name: "identity.catalog", Run: s.checkCatalog,
			Doc: "Endpoints and regions name services and regions that exist.",
		},
		{
			Name: "identity.filters", Run: s.checkFilters,
			Doc: "What narrows a project's catalog, and where policies are, names projects, endpoints, groups, policies, services and regions that exist.",
		},
		{
			Name: "identity.limits", Run: s.checkLimits,
			Doc: "Limits name services, regions, registered limits, projects and domains that exist, and domain configurations name domains.",
		},
		{
			Name: "identity.federation", Run: s.checkFederation,
			Doc: "Identity providers, protocols and federated users name domains, providers, protocols, users and groups that exist; a provider knows each federated user.",
		},
	}
}

// exists reports whether something is there.
type exists func(r state.Reader) bool

// remover deletes a record in a transaction.
type remover func(tx *state.Tx) error

// names tells of records that name what does not exist.
type names struct {
	s *Service
	l *check.Look
}

// need tells of a resource that names something that does not exist. remove, if it is
// not nil, deletes the resource.
func (n names) need(there exists, resource, noun, id string, remove remover) {
	if there(n.l.State()) {
		return
	}
	var mend func(context.Context) error
	if remove != nil {
		mend = func(ctx context.Context) error {
			return n.s.update(ctx, "Check", func(tx *state.Tx) error {
				if there(tx) {
					return nil
				}
				return remove(tx)
			})
		}
	}
	n.l.FoundMendable(resource, fmt.Sprintf("names the %s %s, which does not exist.", noun, id), "Delete it.", mend)
}

// maybe is need for an id that may be empty.
func (n names) maybe(there func(id string) exists, resource, noun, id string, remove remover) {
	if id != "" {
		n.need(there(id), resource, noun, id, remove)
	}
}

// project is true for domains too, which are projects.
func (n names) project(id string) exists { return has(n.s.t.projects, id) }
func (n names) user(id string) exists    { return has(n.s.t.users, id) }
func (n names) group(id string) exists   { return has(n.s.t.groups, id) }
func (n names) role(id string) exists    { return has(n.s.t.roles, id) }
func (n names) service(id string) exists { return has(n.s.t.services, id) }
func (n names) region(id string) exists  { return has(n.s.t.regions, id) }
func (n names) trust(id string) exists   { return has(n.s.t.trusts, id) }

func (n names) consumer(id string) exists { return has(n.s.t.oauth.consumers, id) }

func (n names) domain(id string) exists {
	return func(r state.Reader) bool {
		p, err := n.s.t.projects.Get(r, id)
		return err == nil && p.IsDomain
	}
}

func has[T any](c *state.Collection[T], id string) exists {
	return func(r state.Reader) bool { return c.Has(r, id) }
}

// drop gives a function that deletes a record.
func drop[T any](c *state.Collection[T], key string) remover {
	return func(tx *state.Tx) error {
		if !c.Has(tx, key) {
			return nil
		}
		return c.Delete(tx, key)
	}
}

func (s *Service) checkTree(_ context.Context, l *check.Look) error {
	r, n := l.State(), names{s, l}
	for p := range s.t.projects.All(r) {
		if p.IsDomain {
			continue
		}
		n.need(n.domain(p.DomainID), "project/"+p.ID, "domain", p.DomainID, nil)
		n.maybe(n.project, "project/"+p.ID, "parent", p.ParentID, nil)
		if s.inCircle(r, p) {
			l.Found("project/"+p.ID, "is below itself.", "Delete the project and those above it.")
		}
	}
	for u := range s.t.users.All(r) {
		n.need(n.domain(u.DomainID), "user/"+u.ID, "domain", u.DomainID, nil)
	}
	for g := range s.t.groups.All(r) {
		n.need(n.domain(g.DomainID), "group/"+g.ID, "domain", g.DomainID, nil)
	}
	for role := range s.t.roles.All(r) {
		n.maybe(n.domain, "role/"+role.ID, "domain", role.DomainID, nil)
	}
	return nil
}

// inCircle reports whether the parents of a project lead back to one of them.
func (s *Service) inCircle(r state.Reader, p Project) bool {
	seen := map[string]bool{}
	for !seen[p.ID] {
		seen[p.ID] = true
		up, err := s.t.projects.Get(r, p.ParentID)
		if p.ParentID == "" || err != nil || up.IsDomain {
			return false
		}
		p = up
	}
	return true
}

func (s *Service) checkGrants(_ context.Context, l *check.Look) error {
	r, n := l.State(), names{s, l}
	for a := range s.t.assignments.All(r) {
		resource, gone := "role-assignment/"+a.actor()+"/"+a.target(), drop(s.t.assignments, a.key())
		n.need(n.role(a.RoleID), resource, "role", a.RoleID, gone)
		n.maybe(n.user, resource, "user", a.UserID, gone)
		n.maybe(n.group, resource, "group", a.GroupID, gone)
		n.maybe(n.project, resource, "project", a.ProjectID, gone)
		n.maybe(n.domain, resource, "domain", a.DomainID, gone)
	}
	for m := range s.t.members.All(r) {
		resource, gone := "membership/"+m.GroupID+"/"+m.UserID, drop(s.t.members, memberKey(&m))
		n.need(n.group(m.GroupID), resource, "group", m.GroupID, gone)
		n.need(n.user(m.UserID), resource, "user", m.UserID, gone)
	}
	for i := range s.t.implications.All(r) {
		resource, gone := "role-inference/"+i.PriorID+"/"+i.ImpliedID, drop(s.t.implications, implicationKey(&i))
		n.need(n.role(i.PriorID), resource, "role", i.PriorID, gone)
		n.need(n.role(i.ImpliedID), resource, "role", i.ImpliedID, gone)
	}
	return nil
}

// checkCredentials leaves the roles of credentials and trusts out: a role that is
// deleted is passed on no more, and that is all. Credentials of any type and the default
// projects of users are what clients say: they may name what is not there, as in Keystone.
func (s *Service) checkCredentials(_ context.Context, l *check.Look) error {
	r, n := l.State(), names{s, l}
	for a := range s.t.appCreds.All(r) {
		resource, gone := "application-credential/"+a.ID, drop(s.t.appCreds, a.ID)
		n.need(n.user(a.UserID), resource, "user", a.UserID, gone)
		n.need(n.project(a.ProjectID), resource, "project", a.ProjectID, gone)
		for _, rule := range a.AccessRules {
			n.need(has(s.t.accessRules, rule.ID), resource, "access rule", rule.ID, nil)
		}
	}
	for a := range s.t.accessRules.All(r) {
		n.need(n.user(a.UserID), "access-rule/"+a.ID, "user", a.UserID, drop(s.t.accessRules, a.ID))
	}
	for record := range s.t.loginRecords.All(r) {
		if record.UserID != noUser {
			n.need(n.user(record.UserID), "login-record/"+record.UserID, "user", record.UserID, drop(s.t.loginRecords, record.UserID))
		}
	}
	for t := range s.t.trusts.All(r) {
		resource, gone := "trust/"+t.ID, drop(s.t.trusts, t.ID)
		n.need(n.user(t.TrustorID), resource, "user", t.TrustorID, gone)
		n.need(n.user(t.TrusteeID), resource, "user", t.TrusteeID, gone)
		n.maybe(n.project, resource, "project", t.ProjectID, gone)
		n.maybe(n.trust, resource, "trust", t.RedelegatedFrom, gone)
	}
	s.checkOAuth1Tokens(n)
	return nil
}

func (s *Service) checkOAuth1Tokens(n names) {
	for q := range s.t.oauth.requestTokens.All(n.l.State()) {
		resource, gone := "request-token/"+q.ID, drop(s.t.oauth.requestTokens, q.ID)
		n.need(n.consumer(q.ConsumerID), resource, "consumer", q.ConsumerID, gone)
		n.need(n.project(q.ProjectID), resource, "project", q.ProjectID, gone)
		n.maybe(n.user, resource, "user", q.UserID, gone)
	}
	for a := range s.t.oauth.accessTokens.All(n.l.State()) {
		resource, gone := "access-token/"+a.ID, drop(s.t.oauth.accessTokens, a.ID)
		n.need(n.consumer(a.ConsumerID), resource, "consumer", a.ConsumerID, gone)
		n.need(n.project(a.ProjectID), resource, "project", a.ProjectID, gone)
		n.need(n.user(a.UserID), resource, "user", a.UserID, gone)
	}
}

func (s *Service) checkCatalog(_ context.Context, l *check.Look) error {
	r, n := l.State(), names{s, l}
	for e := range s.t.endpoints.All(r) {
		n.need(n.service(e.ServiceID), "endpoint/"+e.ID, "service", e.ServiceID, drop(s.t.endpoints, e.ID))
		n.maybe(n.region, "endpoint/"+e.ID, "region", e.RegionID, nil)
	}
	for g := range s.t.regions.All(r) {
		n.maybe(n.region, "region/"+g.ID, "region", g.ParentID, nil)
	}
	return nil
}
