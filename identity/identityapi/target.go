package identityapi

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// targetFunc gives what a rule is checked against. A resource that does not exist
// leaves its attributes out: who may see all learns from the handler that it is
// missing, everybody else is refused as if it were somebody else's.
type targetFunc = func(ctx context.Context, r *httpapi.Request) (policy.Target, error)

// targets joins what several functions give.
func targets(all ...func(ctx context.Context, r *httpapi.Request) policy.Target) targetFunc {
	return func(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
		t := policy.Target{}
		for _, f := range all {
			for k, v := range f(ctx, r) {
				t[k] = v
			}
		}
		return t, nil
	}
}

// known gives a route a target whose resource must exist: as with Keystone, everybody
// with a token learns that there is none.
func known[T any](param string, get func(ctx context.Context, id string) (T, error), target targetFunc) targetFunc {
	return func(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
		if _, err := get(ctx, r.Path(param)); err != nil {
			return nil, err
		}
		if target == nil {
			return policy.Target{}, nil
		}
		return target(ctx, r)
	}
}

// userTarget is the user of the path.
func (a *api) userTarget(ctx context.Context, r *httpapi.Request) policy.Target {
	return a.userAttributes(ctx, r.Path("user_id"))
}

func (a *api) userAttributes(ctx context.Context, id string) policy.Target {
	t := policy.Target{"user_id": id, "target.user.id": id}
	if u, err := a.svc.GetUser(ctx, id); err == nil {
		t["target.user.domain_id"] = u.DomainID
	}
	return t
}

// groupTarget is the group of the path.
func (a *api) groupTarget(ctx context.Context, r *httpapi.Request) policy.Target {
	g, err := a.svc.GetGroup(ctx, r.Path("group_id"))
	if err != nil {
		return nil
	}
	return policy.Target{"target.group.id": g.ID, "target.group.domain_id": g.DomainID}
}

// projectTarget is the project of the path.
func (a *api) projectTarget(ctx context.Context, r *httpapi.Request) policy.Target {
	return a.projectAttributes(ctx, r.Path("project_id"))
}

func (a *api) projectAttributes(ctx context.Context, id string) policy.Target {
	p, err := a.svc.GetProject(ctx, id)
	if err != nil {
		return nil
	}
	return policy.Target{"target.project.id": p.ID, "target.project.domain_id": p.DomainID}
}

// domainTarget is the domain of the path.
func (a *api) domainTarget(ctx context.Context, r *httpapi.Request) policy.Target {
	d, err := a.svc.GetDomain(ctx, r.Path("domain_id"))
	if err != nil {
		return nil
	}
	return policy.Target{"target.domain.id": d.ID}
}

// roleTarget is the role of the path.
func (a *api) roleTarget(ctx context.Context, r *httpapi.Request) policy.Target {
	role, err := a.svc.GetRole(ctx, r.Path("role_id"))
	if err != nil {
		return nil
	}
	return policy.Target{"target.role.id": role.ID, "target.role.name": role.Name, "target.role.domain_id": role.DomainID}
}

// ownDomain gives attributes the domain of a domain-scoped caller: of lists, which
// are narrowed to it.
func ownDomain(names ...string) func(context.Context, *httpapi.Request) policy.Target {
	return func(_ context.Context, r *httpapi.Request) policy.Target {
		t := policy.Target{}
		if domain := r.Principal.DomainID; domain != "" {
			for _, name := range names {
				t[name] = domain
			}
		}
		return t
	}
}

// listDomain is the domain that a list is narrowed to: what the query asks for, but
// never another than that of a domain-scoped caller.
func listDomain(r *httpapi.Request) (domain string, ok bool) {
	asked, own := r.Query().Get("domain_id"), r.Principal.DomainID
	switch {
	case own == "":
		return asked, true
	case asked == "" || asked == own:
		return own, true
	}
	return asked, false
}
