package matrix_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/cloudtest"
	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// persona is a kind of caller.
type persona struct {
	name    string
	token   string
	service string            // the token of the service that passes the request on
	who     *policy.Principal // nil if the token is worth nothing
	by      means             // what the token was got by, if not by its user itself
	from    string            // the id of that
	asked   string            // the id of a request token that nobody has authorised
	only    string            // the one route that access rules let it ask: "/image GET /v2/images"
	late    bool              // the token has expired
}

// The scopes that personas have a role in.
const (
	here         = "project"      // P, which all fixtures belong to
	elsewhere    = "other"        // Q, in another domain
	domainHere   = "domain"       // that of P
	domainElse   = "other domain" // that of Q
	system       = "system"
	serviceScope = "service project"
)

// cast are the personas with a good token: one user each, with one role in one scope. The
// member of P made all that belongs to P.
var cast = []struct{ name, scope, role string }{
	{"reader", here, "reader"},
	{"owner", here, "member"},
	{"member", here, "member"},
	{"manager", here, "manager"},
	{"admin", here, "admin"},
	{"other reader", elsewhere, "reader"},
	{"other member", elsewhere, "member"},
	{"other manager", elsewhere, "manager"},
	{"other admin", elsewhere, "admin"},
	{"domain reader", domainHere, "reader"},
	{"domain member", domainHere, "member"},
	{"domain manager", domainHere, "manager"},
	{"domain admin", domainHere, "admin"},
	{"other domain reader", domainElse, "reader"},
	{"other domain manager", domainElse, "manager"},
	{"other domain admin", domainElse, "admin"},
	{"system reader", system, "reader"},
	{"system member", system, "member"},
	{"system manager", system, "manager"},
	{"system admin", system, "admin"},
	{"service", serviceScope, "service"},
}

// implied are the roles that each role brings along.
var implied = map[string][]string{
	"reader": {"reader"}, "member": {"member", "reader"}, "manager": {"manager", "member", "reader"},
	"admin": {"admin", "manager", "member", "reader"}, "service": {"service"},
}

// places are the projects and domains that personas are of.
type places struct {
	here, elsewhere        identity.Project
	domainHere, domainElse identity.Domain
	service                identity.Project
}

// makePlaces makes the projects and domains.
func makePlaces(t *testing.T, c *cloudtest.Cloud) places {
	ctx := t.Context()
	var l places
	var err error
	l.domainHere, err = c.Identity.CreateDomain(ctx, identity.CreateDomainOptions{Name: secret + "-domain"})
	require.NoError(t, err)
	l.domainElse, err = c.Identity.CreateDomain(ctx, identity.CreateDomainOptions{Name: "elsewhere"})
	require.NoError(t, err)
	l.here, err = c.Identity.CreateProject(ctx, identity.CreateProjectOptions{Name: secret + "-project", DomainID: l.domainHere.ID})
	require.NoError(t, err)
	l.elsewhere, err = c.Identity.CreateProject(ctx, identity.CreateProjectOptions{Name: "elsewhere", DomainID: l.domainElse.ID})
	require.NoError(t, err)
	l.service, err = c.Identity.CreateProject(ctx, identity.CreateProjectOptions{Name: "services"})
	require.NoError(t, err)
	return l
}

// makePersonas makes the users and their tokens.
func makePersonas(t *testing.T, c *cloudtest.Cloud, clk *cloudtest.Clock, l places) []*persona {
	stale, tired := l.login(t, c, "stale", here, "member")
	clk.Advance(2 * time.Hour)
	revoked, _ := l.login(t, c, "revoked", here, "member")
	require.NoError(t, c.Identity.Revoke(t.Context(), revoked))
	all := []*persona{
		{name: "nobody"}, {name: "garbage", token: "gAAAAABgarbage"},
		{name: "expired", token: stale}, {name: "revoked", token: revoked},
	}
	for _, p := range cast {
		token, who := l.login(t, c, p.name, p.scope, p.role)
		all = append(all, &persona{name: p.name, token: token, who: who})
	}
	unscoped, who := l.login(t, c, "unscoped", "", "")
	all = append(all, &persona{name: "unscoped", token: unscoped, who: who})
	demoted, who := l.login(t, c, "demoted", here, "manager")
	require.NoError(t, c.Identity.Assign(t.Context(), l.assignment(t, c, who.UserID, "reader")))
	require.NoError(t, c.Identity.Unassign(t.Context(), l.assignment(t, c, who.UserID, "manager")))
	who.Roles = implied["reader"]
	all = append(all, &persona{name: "demoted", token: demoted, who: who})
	all = append(all, l.federated(t, c)...)
	all = append(all, l.delegates(t, c, clk, all)...)
	all = append(all, l.voids(t, c, clk)...)
	return append(all, passedOn(all, stale, tired)...)
}

// passedOn are members whose requests a service passes on, one of them with a token that
// has expired since, and one whose requests somebody else passes on.
func passedOn(all []*persona, stale string, tired *policy.Principal) (more []*persona) {
	service := find(all, "service")
	late := &persona{name: "stale member", token: stale, who: tired, late: true}
	for _, p := range []*persona{find(all, "owner"), find(all, "other member"), find(all, "ruled key of owner"), late} {
		passed, who := *p, *p.who
		who.Service = service.who
		passed.name, passed.service, passed.who, passed.only = p.name+" by a service", service.token, &who, ""
		more = append(more, &passed)
	}
	return append(more, &persona{name: "owner by a reader", token: find(all, "owner").token, service: find(all, "reader").token})
}

// find returns the persona of a name.
func find(all []*persona, name string) *persona {
	i := slices.IndexFunc(all, func(p *persona) bool { return p.name == name })
	return all[i]
}

// login makes a user with a role in a scope, and returns its token and who it is.
func (l places) login(t *testing.T, c *cloudtest.Cloud, name, scope, role string) (string, *policy.Principal) {
	ctx := t.Context()
	domain := l.domainHere
	if scope == elsewhere || scope == domainElse {
		domain = l.domainElse
	} else {
		name = secret + "-" + name
	}
	u, err := c.Identity.CreateUser(ctx, identity.CreateUserOptions{Name: name, DomainID: domain.ID})
	require.NoError(t, err)
	who := &policy.Principal{
		UserID: u.ID, UserName: u.Name, UserDomainID: domain.ID, UserDomainName: domain.Name, Roles: implied[role],
	}
	to := identity.Assignment{UserID: u.ID}
	as := identity.LoginScope{}
	inProject := func(p identity.Project, d string) {
		to.ProjectID, as.Project = p.ID, &identity.ProjectRef{ID: p.ID}
		who.ProjectID, who.ProjectName, who.ProjectDomainID, who.ProjectDomainName = p.ID, p.Name, p.DomainID, d
	}
	inDomain := func(d identity.Domain) {
		to.DomainID, as.Domain = d.ID, &identity.DomainRef{ID: d.ID}
		who.DomainID, who.DomainName = d.ID, d.Name
	}
	switch scope {
	case here:
		inProject(l.here, l.domainHere.Name)
	case elsewhere:
		inProject(l.elsewhere, l.domainElse.Name)
	case serviceScope:
		inProject(l.service, cloudtest.Domain)
	case domainHere:
		inDomain(l.domainHere)
	case domainElse:
		inDomain(l.domainElse)
	case system:
		to.System, as.System, who.System = true, true, true
	}
	if role != "" {
		found, err := c.Identity.FindRole(ctx, role)
		require.NoError(t, err)
		to.RoleID = found.ID
		require.NoError(t, c.Identity.Assign(ctx, to))
	}
	token, _, err := c.Identity.Login(ctx, identity.LoginRequest{External: &identity.UserRef{ID: u.ID}, Scope: as})
	require.NoError(t, err)
	return token, who
}
