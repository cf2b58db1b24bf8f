package identity_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// agents is a world with the further users bob and carl, who have no roles.
type agents struct {
	*world
	bob, carl identity.User
}

func newAgents(t testing.TB, change ...func(*identity.Config)) *agents {
	t.Helper()
	a := &agents{world: newWorld(t, change...)}
	var err error
	a.bob, err = a.CreateUser(context.Background(), identity.CreateUserOptions{Name: "bob", Password: "pw"})
	require.NoError(t, err)
	a.carl, err = a.CreateUser(context.Background(), identity.CreateUserOptions{Name: "carl", Password: "pw"})
	require.NoError(t, err)
	return a
}

// trust is what ann gives to bob.
func (a *agents) trust() identity.CreateTrustOptions {
	return identity.CreateTrustOptions{
		TrustorID: a.ann.ID, TrusteeID: a.bob.ID, ProjectID: a.lab.ID,
		RoleIDs: []string{a.member.ID}, Impersonation: true,
	}
}

// passedOn is what bob gives to carl of a trust of ann's.
func (a *agents) passedOn(from identity.Trust) identity.CreateTrustOptions {
	o := a.trust()
	o.TrusteeID, o.RedelegatedFrom = a.carl.ID, from.ID
	if !from.Impersonation {
		o.TrustorID, o.Impersonation = a.bob.ID, false
	}
	return o
}

// use logs a user in with a trust.
func (a *agents) use(user, trustID string) (string, *identity.Token, error) {
	req := byName(user, "pw")
	req.Scope.TrustID = trustID
	return a.Login(context.Background(), req)
}

func TestTrustWithoutImpersonation(t *testing.T) {
	a := newAgents(t)
	o := a.trust()
	o.Impersonation = false
	trust, err := a.CreateTrust(t.Context(), o)
	require.NoError(t, err)
	token, got, err := a.use("bob", trust.ID)
	require.NoError(t, err)
	require.Equal(t, "bob", got.User.Name)
	require.Equal(t, []string{"member", "reader"}, roleNames(got))
	require.Equal(t, identity.Delegation{TrustID: trust.ID}, got.Delegation())
	_, _, err = a.Login(t.Context(), identity.LoginRequest{Token: token})
	require.ErrorIs(t, err, fault.Forbidden, "its token gets no other")
}

func TestTrustsAreRefused(t *testing.T) {
	a := newAgents(t)
	ctx := t.Context()
	admin, err := a.FindRole(ctx, "admin")
	require.NoError(t, err)
	past, zero, one, many := time.Now().Add(-time.Hour), 0, 1, 9
	for name, c := range map[string]struct {
		change func(*identity.CreateTrustOptions)
		kind   fault.Kind
	}{
		"no roles":              {func(o *identity.CreateTrustOptions) { o.RoleIDs = nil }, fault.Forbidden},
		"a role that ann lacks": {func(o *identity.CreateTrustOptions) { o.RoleIDs = []string{admin.ID} }, fault.NotFound},
		"a role of nobody":      {func(o *identity.CreateTrustOptions) { o.RoleIDs = []string{"x"} }, fault.NotFound},
		"no trustee":            {func(o *identity.CreateTrustOptions) { o.TrusteeID = "x" }, fault.NotFound},
		"no project":            {func(o *identity.CreateTrustOptions) { o.ProjectID = "x" }, fault.NotFound},
		"roles on nothing":      {func(o *identity.CreateTrustOptions) { o.ProjectID = "" }, fault.NotFound},
		"in the past":           {func(o *identity.CreateTrustOptions) { o.ExpiresAt = &past }, fault.Invalid},
		"no uses":               {func(o *identity.CreateTrustOptions) { o.Remaining = &zero }, fault.Invalid},
		"uses and redelegation": {func(o *identity.CreateTrustOptions) { o.Remaining, o.AllowRedelegation = &one, true }, fault.Invalid},
		"too deep":              {func(o *identity.CreateTrustOptions) { o.AllowRedelegation, o.Redelegation = true, &many }, fault.Forbidden},
		"from nothing":          {func(o *identity.CreateTrustOptions) { o.RedelegatedFrom = "x" }, fault.NotFound},
	} {
		o := a.trust()
		c.change(&o)
		_, err := a.CreateTrust(ctx, o)
		require.ErrorIs(t, err, c.kind, name)
	}
	all, err := a.ListTrusts(ctx, nil)
	require.NoError(t, err)
	require.Empty(t, all, "what was refused has changed nothing")
}

func TestRedelegation(t *testing.T) {
	a := newAgents(t)
	ctx := t.Context()
	o := a.trust()
	o.AllowRedelegation = true
	first, err := a.CreateTrust(ctx, o)
	require.NoError(t, err)
	require.Equal(t, 3, first.Redelegation)
	again := a.passedOn(first)
	again.AllowRedelegation = true
	second, err := a.CreateTrust(ctx, again)
	require.NoError(t, err)
	require.Equal(t, 2, second.Redelegation)
	require.Equal(t, first.ID, second.RedelegatedFrom)
	token, got, err := a.use("carl", second.ID)
	require.NoError(t, err)
	require.Equal(t, "ann", got.User.Name)
	require.Equal(t, []string{"member", "reader"}, roleNames(got))

	off := false
	_, err = a.UpdateUser(ctx, a.bob.ID, identity.UpdateUserOptions{Enabled: &off})
	require.NoError(t, err)
	_, err = a.Validate(ctx, token)
	require.ErrorIs(t, err, fault.Unauthenticated, "bob, who passed it on, is disabled")
	_, _, err = a.use("carl", second.ID)
	require.ErrorIs(t, err, fault.Forbidden)
	on := true
	_, err = a.UpdateUser(ctx, a.bob.ID, identity.UpdateUserOptions{Enabled: &on})
	require.NoError(t, err)
	token, _, err = a.use("carl", second.ID)
	require.NoError(t, err)

	require.NoError(t, a.DeleteTrust(ctx, first.ID))
	_, err = a.GetTrust(ctx, second.ID)
	require.ErrorIs(t, err, fault.NotFound, "it went with the first")
	_, err = a.Validate(ctx, token)
	require.ErrorIs(t, err, fault.Unauthenticated)
}

func TestRedelegationIsRefused(t *testing.T) {
	a := newAgents(t)
	ctx := t.Context()
	soon, later, one := time.Now().Add(time.Hour), time.Now().Add(2*time.Hour), 1
	o := a.trust()
	o.AllowRedelegation, o.ExpiresAt, o.Impersonation = true, &soon, false
	first, err := a.CreateTrust(ctx, o)
	require.NoError(t, err)
	reader, err := a.FindRole(ctx, "reader")
	require.NoError(t, err)
	for name, change := range map[string]func(*identity.CreateTrustOptions){
		"longer than the first":  func(o *identity.CreateTrustOptions) { o.ExpiresAt = &later },
		"counted uses":           func(o *identity.CreateTrustOptions) { o.Remaining = &one },
		"other roles":            func(o *identity.CreateTrustOptions) { o.RoleIDs = []string{reader.ID} },
		"impersonation":          func(o *identity.CreateTrustOptions) { o.Impersonation = true },
		"by who is no trustee":   func(o *identity.CreateTrustOptions) { o.TrustorID = a.carl.ID },
		"another number of uses": func(o *identity.CreateTrustOptions) { o.AllowRedelegation, o.Redelegation = true, &one },
	} {
		o := a.passedOn(first)
		change(&o)
		_, err := a.CreateTrust(ctx, o)
		require.ErrorIs(t, err, fault.Forbidden, name)
	}
	second, err := a.CreateTrust(ctx, a.passedOn(first))
	require.NoError(t, err)
	require.Equal(t, 0, second.Redelegation)
	require.Equal(t, soon.UTC(), second.ExpiresAt.UTC(), "it ends with the first")
	third := a.passedOn(second)
	third.TrustorID, third.TrusteeID = a.carl.ID, a.ann.ID
	_, err = a.CreateTrust(ctx, third)
	require.ErrorIs(t, err, fault.Forbidden, "it may not be passed on")
	_, got, err := a.use("carl", second.ID)
	require.NoError(t, err)
	require.Equal(t, "carl", got.User.Name)
	require.Equal(t, []string{"member", "reader"}, roleNames(got), "the roles are still ann's")
}

func TestTheLastUseHasOneWinner(t *testing.T) {
	a := newAgents(t)
	uses := 3
	o := a.trust()
	o.Remaining = &uses
	trust, err := a.CreateTrust(t.Context(), o)
	require.NoError(t, err)
	var won atomic.Int32
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			if _, _, err := a.use("bob", trust.ID); err == nil {
				won.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, uses, won.Load())
	_, err = a.GetTrust(t.Context(), trust.ID)
	require.ErrorIs(t, err, fault.NotFound, "it is used up")
	_, _, err = a.use("bob", trust.ID)
	require.ErrorIs(t, err, fault.Unauthenticated)
}

// TestWhatEndsATrust goes through what its tokens rest on.
func TestWhatEndsATrust(t *testing.T) {
	off := false
	for name, end := range map[string]func(a *agents, trust identity.Trust) error{
		"the role is taken away": func(a *agents, _ identity.Trust) error { return a.Unassign(context.Background(), a.assignment()) },
		"the trustor is deleted": func(a *agents, _ identity.Trust) error { return a.DeleteUser(context.Background(), a.ann.ID) },
		"the trustee is deleted": func(a *agents, _ identity.Trust) error { return a.DeleteUser(context.Background(), a.bob.ID) },
		"the project is deleted": func(a *agents, _ identity.Trust) error { return a.DeleteProject(context.Background(), a.lab.ID) },
		"the trust is deleted":   func(a *agents, trust identity.Trust) error { return a.DeleteTrust(context.Background(), trust.ID) },
		"the trustor is disabled": func(a *agents, _ identity.Trust) error {
			_, err := a.UpdateUser(context.Background(), a.ann.ID, identity.UpdateUserOptions{Enabled: &off})
			return err
		},
		"the trustee is disabled": func(a *agents, _ identity.Trust) error {
			_, err := a.UpdateUser(context.Background(), a.bob.ID, identity.UpdateUserOptions{Enabled: &off})
			return err
		},
		"the project is disabled": func(a *agents, _ identity.Trust) error {
			_, err := a.UpdateProject(context.Background(), a.lab.ID, identity.UpdateProjectOptions{Enabled: &off})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAgents(t)
			trust, err := a.CreateTrust(t.Context(), a.trust())
			require.NoError(t, err)
			token, _, err := a.use("bob", trust.ID)
			require.NoError(t, err)
			require.NoError(t, end(a, trust))
			_, err = a.Validate(t.Context(), token)
			require.ErrorIs(t, err, fault.Unauthenticated)
			_, _, err = a.use("bob", trust.ID)
			require.Error(t, err)
		})
	}
}

func TestTrustsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgents(t)
		ctx := t.Context()
		soon := time.Now().Add(10 * time.Minute)
		o := a.trust()
		o.ExpiresAt = &soon
		trust, err := a.CreateTrust(ctx, o)
		require.NoError(t, err)
		_, err = a.CreateTrust(ctx, o)
		require.ErrorIs(t, err, fault.AlreadyExists)
		token, got, err := a.use("bob", trust.ID)
		require.NoError(t, err)
		require.WithinDuration(t, soon, got.ExpiresAt, time.Microsecond, "the token ends with the trust")
		time.Sleep(11 * time.Minute)
		_, err = a.Validate(ctx, token)
		require.ErrorIs(t, err, fault.Unauthenticated)
		_, _, err = a.use("bob", trust.ID)
		require.ErrorIs(t, err, fault.Unauthenticated)
		_, err = a.GetTrust(ctx, trust.ID)
		require.ErrorIs(t, err, fault.NotFound)
		all, err := a.ListTrusts(ctx, &identity.ListTrustsOptions{TrusteeID: a.bob.ID})
		require.NoError(t, err)
		require.Len(t, all, 1, "lists have it until it is flushed")
		n, err := a.FlushTrusts(ctx, time.Now())
		require.NoError(t, err)
		require.Equal(t, 1, n)
		all, err = a.ListTrusts(ctx, &identity.ListTrustsOptions{TrustorID: a.ann.ID})
		require.NoError(t, err)
		require.Empty(t, all)
	})
}
