package identityapi

import (
	"context"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// addHierarchy adds to a project what is above and below it, as the query asks: ids in
// one another, or those projects that the caller has a role on.
func (a *api) addHierarchy(ctx context.Context, r *httpapi.Request, o object, id string) error {
	q := r.Query()
	for _, tree := range []struct {
		name     string
		projects func(ctx context.Context, id string) ([]identity.Project, error)
		ids      func([]identity.Project, string) any
	}{
		{"parents", a.svc.Ancestors, idsAbove},
		{"subtree", a.svc.Descendants, idsBelow},
	} {
		asList, asIDs := flag(q, tree.name+"_as_list"), flag(q, tree.name+"_as_ids")
		if asList && asIDs {
			return fault.New(fault.Invalid, "Cannot use %s_as_list and %s_as_ids query params at the same time.", tree.name, tree.name)
		}
		if !asList && !asIDs {
			continue
		}
		all, err := tree.projects(ctx, id)
		if err != nil {
			return err
		}
		if asIDs {
			o[tree.name] = tree.ids(all, id)
			continue
		}
		if o[tree.name], err = a.ownProjects(ctx, r, all); err != nil {
			return err
		}
	}
	return nil
}

// ownProjects shows those projects that the caller has a role on, with include_limits
// with their limits.
func (a *api) ownProjects(ctx context.Context, r *httpapi.Request, all []identity.Project) ([]object, error) {
	own, err := a.svc.ProjectsOf(ctx, r.Principal.UserID)
	if err != nil {
		return nil, err
	}
	mine := map[string]bool{}
	for _, p := range own {
		mine[p.ID] = true
	}
	shown := []object{}
	for _, p := range all {
		if !mine[p.ID] {
			continue
		}
		o := showProject(r, p)
		if flag(r.Query(), "include_limits") {
			limits, err := a.svc.ListLimits(ctx, &identity.ListLimitsOptions{ProjectID: p.ID})
			if err != nil {
				return nil, err
			}
			o["limits"] = shownAll(r, limits, showLimit)
		}
		shown = append(shown, object{"project": o})
	}
	return shown, nil
}

func shownAll[T any](r *httpapi.Request, items []T, show func(*httpapi.Request, T) object) []object {
	shown := make([]object, len(items))
	for i, item := range items {
		shown[i] = show(r, item)
	}
	return shown
}

// idsAbove has the nearest parent outermost.
func idsAbove(all []identity.Project, _ string) any {
	var inner any
	for i := len(all) - 1; i >= 0; i-- {
		inner = object{all[i].ID: inner}
	}
	return inner
}

func idsBelow(all []identity.Project, id string) any {
	children := map[string][]string{}
	for _, p := range all {
		children[p.ParentID] = append(children[p.ParentID], p.ID)
	}
	return idTree(children, id)
}

func idTree(children map[string][]string, id string) any {
	level := object{}
	for _, child := range children[id] {
		level[child] = idTree(children, child)
	}
	if len(level) == 0 {
		return nil
	}
	return level
}
