package drivertest

import (
	"context"
	"slices"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/driver"
)

func rightPassword(s suite) {
	for _, name := range []string{"ada", "bob", oddName} {
		want := s.user(name)
		id := map[string]string{oddName: "odd"}[name]
		if id == "" {
			id = name
		}
		for _, ref := range []driver.Ref{{Name: name}, {ID: want.ID}} {
			got, err := s.d.Authenticate(s.ctx(), ref, password(id))
			require.NoError(s, err, ref)
			require.Equal(s, want, got)
		}
	}
}

func wrongPassword(s suite) {
	var messages []string
	for _, c := range []struct {
		ref      driver.Ref
		password string
	}{
		{driver.Ref{Name: "ada"}, "wrong"},
		{driver.Ref{Name: "ada"}, ""},
		{driver.Ref{Name: "ada"}, password("bob")},
		{driver.Ref{ID: s.user("ada").ID}, "wrong"},
		{driver.Ref{Name: "nobody-at-all"}, password("ada")},
		{driver.Ref{ID: "nobody-at-all"}, password("ada")},
		{driver.Ref{}, password("ada")},
		{driver.Ref{}, ""},
	} {
		got, err := s.d.Authenticate(s.ctx(), c.ref, c.password)
		require.ErrorIs(s, err, driver.Unauthenticated, c)
		require.Zero(s, got)
		messages = append(messages, err.Error())
	}
	require.Len(s, slices.Compact(messages), 1, "the message tells what is wrong: %q", messages)
}

func twins(s suite) {
	for _, id := range []string{"twin1", "twin2"} {
		_, err := s.d.Authenticate(s.ctx(), driver.Ref{Name: twinName}, password(id))
		require.ErrorIs(s, err, driver.Unauthenticated)
	}
}

func disabled(s suite) {
	require.False(s, s.user("dora").Enabled)
	require.True(s, s.user("ada").Enabled)
	got, err := s.d.Authenticate(s.ctx(), driver.Ref{Name: "dora"}, password("dora"))
	if err == nil {
		require.False(s, got.Enabled)
		return
	}
	require.ErrorIs(s, err, driver.Unauthenticated)
}

// tricks are what somebody may try to have looked for.
var tricks = []string{"*", "a*", "ada)(|(cn=*", `ada\`, "ada\x00", "*)(objectClass=*", `\2a`, "ada,dc=example", "(", ")"}

func injection(s suite) {
	for _, trick := range tricks {
		for _, ref := range []driver.Ref{{Name: trick}, {ID: trick}} {
			_, err := s.d.Authenticate(s.ctx(), ref, password("ada"))
			require.ErrorIs(s, err, driver.Unauthenticated, ref)
		}
		users, err := s.d.Users(s.ctx(), driver.Query{Name: trick})
		require.NoError(s, err, trick)
		require.Empty(s, users, trick)
		users, err = s.d.Users(s.ctx(), driver.Query{IDs: []string{trick}})
		require.NoError(s, err, trick)
		require.Empty(s, users, trick)
		groups, err := s.d.Groups(s.ctx(), driver.Query{Name: trick})
		require.NoError(s, err, trick)
		require.Empty(s, groups, trick)
		_, err = s.d.Members(s.ctx(), trick, 0)
		require.ErrorIs(s, err, driver.NotFound, trick)
	}
}

func listUsers(s suite) {
	all, err := s.d.Users(s.ctx(), driver.Query{})
	require.NoError(s, err)
	names, ids := userNames(all), map[string]bool{}
	require.Subset(s, names, []string{"ada", "bob", "dora", oddName})
	require.LessOrEqual(s, len(all), 6)
	for _, u := range all {
		require.NotEmpty(s, u.ID)
		require.False(s, ids[u.ID], "the id %q is of two users", u.ID)
		ids[u.ID] = true
	}
	ada := s.user("ada")
	require.Equal(s, "ada@example.org", ada.Email)
	require.Equal(s, "user ada", ada.Description)
	require.Contains(s, all, ada, "found is what is listed")
}

func findUsers(s suite) {
	odd := s.user(oddName)
	require.Equal(s, oddName, odd.Name)
	none, err := s.d.Users(s.ctx(), driver.Query{Name: "ad"})
	require.NoError(s, err)
	require.Empty(s, none, "part of a name is no name")
}

func usersByID(s suite) {
	ada, bob := s.user("ada"), s.user("bob")
	list, err := s.d.Users(s.ctx(), driver.Query{IDs: []string{ada.ID, "gone", bob.ID}})
	require.NoError(s, err)
	require.ElementsMatch(s, []driver.User{ada, bob}, list)
	list, err = s.d.Users(s.ctx(), driver.Query{IDs: []string{ada.ID, bob.ID}, Name: "bob"})
	require.NoError(s, err)
	require.Equal(s, []driver.User{bob}, list)
	list, err = s.d.Users(s.ctx(), driver.Query{IDs: []string{}})
	require.NoError(s, err)
	require.Empty(s, list)
	many := make([]string, driver.MaxIDs)
	for i := range many {
		many[i] = "gone" + string(rune('a'+i%26))
	}
	many[len(many)-1] = ada.ID
	list, err = s.d.Users(s.ctx(), driver.Query{IDs: many})
	require.NoError(s, err)
	require.Equal(s, []driver.User{ada}, list)
}

func groups(s suite) {
	all, err := s.d.Groups(s.ctx(), driver.Query{})
	require.NoError(s, err)
	want := []string{"devs", "nobody", oddGroup}
	slices.Sort(want)
	require.Equal(s, want, groupNames(all))
	devs := s.group("devs")
	require.Equal(s, "who builds", devs.Description)
	require.Contains(s, all, devs)
	list, err := s.d.Groups(s.ctx(), driver.Query{IDs: []string{devs.ID, "gone"}})
	require.NoError(s, err)
	require.Equal(s, []driver.Group{devs}, list)
}

func limits(s suite) {
	_, err := s.d.Users(s.ctx(), driver.Query{Limit: 2})
	require.ErrorIs(s, err, driver.TooLarge)
	list, err := s.d.Users(s.ctx(), driver.Query{Limit: 6})
	require.NoError(s, err)
	require.NotEmpty(s, list)
	_, err = s.d.Groups(s.ctx(), driver.Query{Limit: 2})
	require.ErrorIs(s, err, driver.TooLarge)
	all, err := s.d.Groups(s.ctx(), driver.Query{Limit: 3})
	require.NoError(s, err)
	require.Len(s, all, 3)
	_, err = s.d.Members(s.ctx(), s.group("devs").ID, 1)
	require.ErrorIs(s, err, driver.TooLarge)
	_, err = s.d.GroupsOf(s.ctx(), s.user("ada"), 1)
	require.ErrorIs(s, err, driver.TooLarge)
}

func members(s suite) {
	for group, want := range map[string][]string{
		"devs": {oddName, "ada"}, oddGroup: {"ada", "bob"}, "nobody": {},
	} {
		got, err := s.d.Members(s.ctx(), s.group(group).ID, 10)
		require.NoError(s, err)
		require.Equal(s, want, userNames(got), group)
		if group == oddGroup {
			require.Contains(s, got, s.user("ada"), "a member is the user")
		}
	}
	for user, want := range map[string][]string{
		"ada": {oddGroup, "devs"}, "bob": {oddGroup}, oddName: {"devs"}, "dora": {},
	} {
		got, err := s.d.GroupsOf(s.ctx(), s.user(user), 10)
		require.NoError(s, err)
		require.Equal(s, want, groupNames(got), user)
	}
}

func missing(s suite) {
	_, err := s.d.Members(s.ctx(), "gone", 10)
	require.ErrorIs(s, err, driver.NotFound)
	gone := s.user("ada")
	gone.ID, gone.Name, gone.Locator = "gone", "gone", ""
	list, err := s.d.GroupsOf(s.ctx(), gone, 10)
	require.NoError(s, err)
	require.Empty(s, list)
}

func ended(s suite) {
	ctx, cancel := context.WithCancel(s.ctx())
	cancel()
	_, err := s.d.Users(ctx, driver.Query{})
	require.Error(s, err)
	_, err = s.d.Authenticate(ctx, driver.Ref{Name: "ada"}, password("ada"))
	require.Error(s, err)
	require.NotErrorIs(s, err, driver.Unauthenticated)
	_, err = s.d.Users(s.ctx(), driver.Query{})
	require.NoError(s, err)
}

func atOnce(s suite) {
	const callers = 32
	ada, errs := s.user("ada"), make([]error, callers)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			switch i % 3 {
			case 0:
				_, errs[i] = s.d.Authenticate(s.ctx(), driver.Ref{Name: "ada"}, password("ada"))
			case 1:
				_, errs[i] = s.d.Users(s.ctx(), driver.Query{})
			case 2:
				_, errs[i] = s.d.GroupsOf(s.ctx(), ada, 10)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(s, err)
	}
}

func closed(s suite) {
	require.NoError(s, s.d.Close())
	_, err := s.d.Users(s.ctx(), driver.Query{})
	require.ErrorIs(s, err, driver.Unavailable)
	_, err = s.d.Authenticate(s.ctx(), driver.Ref{Name: "ada"}, password("ada"))
	require.ErrorIs(s, err, driver.Unavailable)
}
