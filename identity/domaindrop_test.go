package identity_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

func TestALargeDomainGoesInSeveralTransactions(t *testing.T) {
	s := open(t)
	ctx, off := t.Context(), false
	d, err := s.CreateDomain(ctx, identity.CreateDomainOptions{Name: "large"})
	require.NoError(t, err)
	parent := d.ID
	for i := range 1010 {
		_, err = s.CreateUser(ctx, identity.CreateUserOptions{Name: fmt.Sprint(i), DomainID: d.ID})
		require.NoError(t, err)
		if i%2 == 0 {
			_, err = s.CreateGroup(ctx, identity.CreateGroupOptions{Name: fmt.Sprint(i), DomainID: d.ID})
			require.NoError(t, err)
			p, err := s.CreateProject(ctx, identity.CreateProjectOptions{Name: fmt.Sprint(i), ParentID: parent})
			require.NoError(t, err)
			if parent = d.ID; i%3 == 0 {
				parent = p.ID
			}
		}
	}
	require.ErrorIs(t, s.DeleteDomain(ctx, d.ID), fault.Forbidden)
	users, err := s.ListUsers(ctx, &identity.ListUsersOptions{DomainID: d.ID})
	require.NoError(t, err)
	require.Len(t, users, 1010, "an enabled domain stays whole")

	_, err = s.UpdateDomain(ctx, d.ID, identity.UpdateDomainOptions{Enabled: &off})
	require.NoError(t, err)
	require.NoError(t, s.DeleteDomain(ctx, d.ID))
	require.ErrorIs(t, s.DeleteDomain(ctx, d.ID), fault.NotFound)
	users, err = s.ListUsers(ctx, &identity.ListUsersOptions{DomainID: d.ID})
	require.NoError(t, err)
	require.Empty(t, users)
	projects, err := s.ListProjects(ctx, &identity.ListProjectsOptions{DomainID: d.ID})
	require.NoError(t, err)
	require.Empty(t, projects)

	events, err := s.EventsSoFar(ctx)
	require.NoError(t, err)
	ended := map[string]int{}
	commits := map[uint64]map[string]int{}
	for _, e := range events {
		kind := e.Resource
		if e.Type != "identity."+kind+".deleted" {
			continue
		}
		if ended[kind]++; commits[e.Revision] == nil {
			commits[e.Revision] = map[string]int{}
		}
		commits[e.Revision][kind]++
		require.LessOrEqual(t, commits[e.Revision][kind], 500)
	}
	require.Equal(t, map[string]int{"user": 1010, "group": 505, "project": 505, "domain": 1}, ended)
}
