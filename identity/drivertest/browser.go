package drivertest

import (
	"net/url"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/driver"
)

// patience is how long the suite waits for a provider that has come back.
const patience = 20 * time.Second

var browserCases = []protocolCase{
	{"an address to log in at shows no secret", beginFlow},
	{"who comes back is told", finishFlow},
	{"what was changed on the way is refused", changedReturn},
	{"who comes back to another log-in is refused", anothersFlow},
	{"two log-ins at once are kept apart", flowsAtOnce},
	{"nobody can begin while the provider is down", beginDown},
}

// browser is the driver under test.
func (s protocols) browser() driver.Browser {
	s.Helper()
	b, ok := s.Driver.(driver.Browser)
	require.True(s, ok, "the driver is no driver.Browser")
	return b
}

// flow returns a log-in; each name gives another one.
func flow(name string) driver.Flow {
	secret := func(kind string) string { return kind + name + strings.Repeat("0", 43-len(kind)-len(name)) }
	return driver.Flow{
		Redirect: "https://cloud.example/identity/v3/auth/return",
		State:    secret("s"), Nonce: secret("n"), Verifier: secret("v"),
	}
}

// logIn begins a flow and has somebody log in.
func (s protocols) logIn(f driver.Flow, p Person) url.Values {
	s.Helper()
	address, err := s.browser().Begin(s.Context(), f)
	require.NoError(s, err)
	return s.Return(address, p)
}

func beginFlow(s protocols) {
	f := flow("a")
	address, err := s.browser().Begin(s.Context(), f)
	require.NoError(s, err)
	u, err := url.Parse(address)
	require.NoError(s, err)
	require.Contains(s, []string{"http", "https"}, u.Scheme)
	require.NotEmpty(s, u.Host)
	require.NotContains(s, address, f.Verifier, "it proves who began")
	other, err := s.browser().Begin(s.Context(), flow("b"))
	require.NoError(s, err)
	require.NotEqual(s, address, other)
}

func finishFlow(s protocols) {
	for i, p := range People() {
		f := flow(string(rune('a' + i)))
		back := s.logIn(f, p)
		found := false
		for name := range back {
			found = found || back.Get(name) == f.State
		}
		require.True(s, found, "the state comes back")
		a, err := s.browser().Finish(s.Context(), f, back)
		require.NoError(s, err)
		s.requireAbout(p, a)
	}
}

func changedReturn(s protocols) {
	f, p := flow("a"), People()[0]
	bad := spoil(s.logIn(f, p), f)
	bad["nothing"], bad["the state alone"] = nil, url.Values{"state": {f.State}}
	bad["a refusal"] = url.Values{"state": {f.State}, "error": {"access_denied"}}
	for what, q := range bad {
		a, err := s.browser().Finish(s.Context(), f, q)
		require.ErrorIs(s, err, driver.Unauthenticated, what)
		require.Empty(s, a, what)
	}
	_, err := s.browser().Finish(s.Context(), f, s.logIn(f, p))
	require.NoError(s, err)
}

// anothersFlow: somebody brings what belongs to another log-in, which was begun as well.
func anothersFlow(s protocols) {
	theirs, mine := flow("a"), flow("b")
	back := s.logIn(theirs, People()[0])
	_, err := s.browser().Begin(s.Context(), mine)
	require.NoError(s, err)
	_, err = s.browser().Finish(s.Context(), mine, back)
	require.ErrorIs(s, err, driver.Unauthenticated)
}

func flowsAtOnce(s protocols) {
	ada, bob := People()[0], People()[1]
	first, err := s.browser().Begin(s.Context(), flow("a"))
	require.NoError(s, err)
	second, err := s.browser().Begin(s.Context(), flow("b"))
	require.NoError(s, err)
	a, err := s.browser().Finish(s.Context(), flow("b"), s.Return(second, bob))
	require.NoError(s, err)
	s.requireAbout(bob, a)
	a, err = s.browser().Finish(s.Context(), flow("a"), s.Return(first, ada))
	require.NoError(s, err)
	s.requireAbout(ada, a)
}

func beginDown(s protocols) {
	if s.Down == nil {
		return
	}
	s.Down(true)
	_, err := s.browser().Begin(s.Context(), flow("a"))
	require.ErrorIs(s, err, driver.Unavailable)
	s.Down(false)
	s.eventually(func() error {
		_, err := s.browser().Begin(s.Context(), flow("a"))
		return err
	})
}
