package identity_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

func TestDisabledBranches(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	top := project(t, w.Service, "top", "")
	mid := project(t, w.Service, "mid", top.ID)
	leaf := project(t, w.Service, "leaf", mid.ID)
	on, off := true, false
	enable := func(id string, how *bool, cascade bool) error {
		_, err := w.UpdateProject(ctx, id, identity.UpdateProjectOptions{Enabled: how, Cascade: cascade})
		return err
	}
	require.ErrorIs(t, enable(top.ID, &off, false), fault.Forbidden, "what is below is enabled")
	require.NoError(t, enable(leaf.ID, &off, false))
	require.NoError(t, enable(mid.ID, &off, false))
	require.ErrorIs(t, enable(leaf.ID, &on, false), fault.Forbidden, "what is above is disabled")
	_, err := w.CreateProject(ctx, identity.CreateProjectOptions{Name: "new", ParentID: leaf.ID})
	require.ErrorIs(t, err, fault.Invalid)
	require.NoError(t, enable(top.ID, &on, true))
	for _, id := range []string{mid.ID, leaf.ID} {
		p, err := w.GetProject(ctx, id)
		require.NoError(t, err)
		require.True(t, p.Enabled)
	}
	require.ErrorIs(t, w.DeleteProjectTree(ctx, top.ID), fault.Forbidden, "it is enabled")
	require.NoError(t, enable(top.ID, &off, true))
	require.ErrorIs(t, w.DeleteProject(ctx, top.ID), fault.Forbidden, "it has children")
	require.NoError(t, w.DeleteProjectTree(ctx, top.ID))
	_, err = w.GetProject(ctx, leaf.ID)
	require.ErrorIs(t, err, fault.NotFound)
	require.ErrorIs(t, w.DeleteProjectTree(ctx, "default"), fault.Forbidden)
	require.ErrorIs(t, enable("default", &off, false), fault.Forbidden)
}

func TestADisabledDomainDisablesItsProjects(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	d, err := w.CreateDomain(ctx, identity.CreateDomainOptions{Name: "far"})
	require.NoError(t, err)
	p, err := w.CreateProject(ctx, identity.CreateProjectOptions{Name: "p", DomainID: d.ID})
	require.NoError(t, err)
	require.NoError(t, w.Assign(ctx, identity.Assignment{RoleID: w.member.ID, UserID: w.ann.ID, ProjectID: p.ID}))
	login := func() error {
		req := byName("ann", "secret")
		req.Scope = identity.LoginScope{Project: &identity.ProjectRef{ID: p.ID}}
		_, _, err := w.Login(ctx, req)
		return err
	}
	require.NoError(t, login())
	off := false
	_, err = w.UpdateDomain(ctx, d.ID, identity.UpdateDomainOptions{Enabled: &off})
	require.NoError(t, err, "its projects may be enabled")
	require.ErrorIs(t, login(), fault.Unauthenticated)
}

func TestImmutableThings(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	p, err := w.CreateProject(ctx, identity.CreateProjectOptions{Name: "p", Options: identity.Attributes{"immutable": true}})
	require.NoError(t, err)
	name, mutable := "q", identity.Attributes{"immutable": false}
	_, err = w.UpdateProject(ctx, p.ID, identity.UpdateProjectOptions{Name: &name})
	require.ErrorIs(t, err, fault.Forbidden)
	_, err = w.UpdateProject(ctx, p.ID, identity.UpdateProjectOptions{Name: &name, Options: mutable})
	require.ErrorIs(t, err, fault.Forbidden, "one after the other")
	require.ErrorIs(t, w.AddProjectTag(ctx, p.ID, "x"), fault.Forbidden)
	require.ErrorIs(t, w.DeleteProject(ctx, p.ID), fault.Forbidden)
	_, err = w.UpdateProject(ctx, p.ID, identity.UpdateProjectOptions{Options: mutable})
	require.NoError(t, err)
	require.NoError(t, w.DeleteProject(ctx, p.ID))
	_, err = w.UpdateRole(ctx, w.member.ID, identity.UpdateRoleOptions{Name: &name, Options: mutable})
	require.ErrorIs(t, err, fault.Forbidden)
	require.ErrorIs(t, w.DeleteRole(ctx, w.member.ID), fault.Forbidden)
}

func TestProjectNamesAndTags(t *testing.T) {
	s, err := identity.Open(t.Context(), identity.Config{AdminPassword: "pw", Settings: identity.Settings{BcryptCost: bcrypt.MinCost, URLSafeNames: true}}, nil)
	require.NoError(t, err)
	defer s.Close()
	ctx := t.Context()
	p, err := s.CreateProject(ctx, identity.CreateProjectOptions{Name: "  lab  ", Tags: []string{"b", "a", "b"}})
	require.NoError(t, err)
	require.Equal(t, "lab", p.Name)
	require.Equal(t, []string{"a", "b"}, p.Tags)
	for _, bad := range []string{"a/b", "what?", "#1", "a;b"} {
		_, err = s.CreateProject(ctx, identity.CreateProjectOptions{Name: bad})
		require.ErrorIs(t, err, fault.Invalid, bad)
		_, err = s.CreateDomain(ctx, identity.CreateDomainOptions{Name: bad})
		require.ErrorIs(t, err, fault.Invalid, bad)
		_, err = s.UpdateProject(ctx, p.ID, identity.UpdateProjectOptions{Name: &bad})
		require.ErrorIs(t, err, fault.Invalid, bad)
	}
	for _, bad := range []string{"", "a,b", "a/b", string(make([]byte, 256))} {
		require.ErrorIs(t, s.AddProjectTag(ctx, p.ID, bad), fault.Invalid, "%q", bad)
	}
	for i := range 78 {
		require.NoError(t, s.AddProjectTag(ctx, p.ID, string(rune('\u0100'+i))))
	}
	require.ErrorIs(t, s.AddProjectTag(ctx, p.ID, "one more"), fault.Invalid)
	require.NoError(t, s.AddProjectTag(ctx, p.ID, "a"), "it is there")
	require.ErrorIs(t, s.RemoveProjectTag(ctx, p.ID, "z"), fault.NotFound)
	require.NoError(t, s.RemoveProjectTag(ctx, p.ID, "a"))
}
