package identity_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

func TestUsersOfANameAreTheDomainsOwnAndThoseFromAbroad(t *testing.T) {
	a := newAbroad(t)
	ctx := t.Context()
	_, got, err := a.come("bob's")
	require.NoError(t, err)
	bob, err := a.GetUser(ctx, got.User.ID)
	require.NoError(t, err)
	own, err := a.CreateUser(ctx, identity.CreateUserOptions{Name: bob.Name, DomainID: bob.DomainID})
	require.NoError(t, err)
	_, err = a.CreateUser(ctx, identity.CreateUserOptions{Name: bob.Name})
	require.NoError(t, err)

	opts := &identity.ListUsersOptions{Name: bob.Name, DomainID: bob.DomainID, Page: identity.Page{Limit: 1}}
	var ids []string
	for range 2 {
		page, err := a.ListUsers(ctx, opts)
		require.NoError(t, err)
		require.Len(t, page, 1)
		opts.Page.Marker = page[0].ID
		ids = append(ids, page[0].ID)
	}
	require.IsIncreasing(t, ids)
	require.ElementsMatch(t, []string{bob.ID, own.ID}, ids)
	rest, err := a.ListUsers(ctx, opts)
	require.NoError(t, err)
	require.Empty(t, rest)
	everywhere, err := a.ListUsers(ctx, &identity.ListUsersOptions{Name: bob.Name})
	require.NoError(t, err)
	require.Len(t, everywhere, 3)
}
