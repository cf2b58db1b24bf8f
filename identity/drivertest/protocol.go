package drivertest

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/driver"
)

// Person is somebody whom an identity provider of the suite knows.
type Person struct {
	Name   string
	Groups []string
}

// People are whom the provider knows: names and groups as they may be anywhere.
func People() []Person {
	return []Person{
		{Name: "ada", Groups: []string{"devs", "ops"}},
		{Name: "bob", Groups: []string{"ops"}},
		{Name: `Zoë (R&D) <"x">, + ; = #1`, Groups: []string{"Ops, (night) * \\shift", "é"}},
	}
}

// Provider is an identity provider as a test arranges it, and the driver under test.
type Provider struct {
	Driver driver.Protocol
	// Want returns attributes that an assertion about a person has, with all their
	// values: those with its name and its groups at least.
	Want func(p Person) driver.Assertion
	// Credential returns a good one of a person; nil if the protocol has none.
	Credential func(p Person) string
	// Spoiled returns credentials that would be a person's but for one thing, by what
	// that is: expired, of another provider, meant for another cloud, forged.
	Spoiled func(p Person) map[string]string
	// Return logs a person in with a browser that was sent to an address, and returns
	// what the browser brings back from there. RunBrowser needs it.
	Return func(address string, p Person) url.Values
	// Down makes a provider that the driver has not spoken with yet one that cannot be
	// asked, or ends that; nil if the driver asks nothing.
	Down func(down bool)
}

// protocols is a provider and what tests do with it.
type protocols struct {
	*testing.T
	Provider
}

// RunProtocol tests every rule of driver.Protocol. fresh returns a provider that knows
// People, with a new driver, which the suite closes.
func RunProtocol(t *testing.T, fresh func(t *testing.T) Provider) {
	runProtocol(t, fresh, protocolCases)
}

// RunBrowser tests every rule that driver.Browser adds.
func RunBrowser(t *testing.T, fresh func(t *testing.T) Provider) {
	runProtocol(t, fresh, browserCases)
}

// protocolCase is one rule.
type protocolCase struct {
	name string
	run  func(s protocols)
}

func runProtocol(t *testing.T, fresh func(t *testing.T) Provider, cases []protocolCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := protocols{t, fresh(t)}
			defer s.Driver.Close()
			c.run(s)
		})
	}
}

var protocolCases = []protocolCase{
	{"a good credential tells whose it is", goodCredentials},
	{"what is no credential is refused", noCredentials},
	{"what is wrong with a credential is refused", spoiledCredentials},
	{"a changed credential is refused", changedCredentials},
	{"a provider that is down is unavailable, and comes back", providerDown},
	{"a context that has ended refuses nobody", protocolEnded},
	{"many credentials at once", credentialsAtOnce},
	{"Close may be called again", closedTwice},
}

// requireAbout fails unless an assertion is about a person: it names that one, has what
// is wanted of it, and each attribute has a value.
func (s protocols) requireAbout(p Person, a driver.Assertion) {
	s.Helper()
	require.Len(s, a[driver.RemoteUser], 1)
	require.NotEmpty(s, a[driver.RemoteUser][0])
	for name, values := range s.Want(p) {
		require.Equal(s, values, a[name], name)
	}
	for name, values := range a {
		require.NotEmpty(s, values, name)
	}
}

// refused fails unless a credential is refused, by an error that does not repeat it.
func (s protocols) refused(what, credential string) {
	s.Helper()
	a, err := s.Driver.Assert(s.Context(), credential)
	require.ErrorIs(s, err, driver.Unauthenticated, what)
	require.Empty(s, a, what)
	if len(credential) > len("eve@example.org") {
		require.NotContains(s, err.Error(), credential, what)
	}
}

func goodCredentials(s protocols) {
	if s.Credential == nil {
		return
	}
	users := map[string]bool{}
	for _, p := range People() {
		credential := s.Credential(p)
		a, err := s.Driver.Assert(s.Context(), credential)
		require.NoError(s, err)
		s.requireAbout(p, a)
		again, err := s.Driver.Assert(s.Context(), credential)
		require.NoError(s, err)
		require.Equal(s, a, again, "the same credential says the same")
		users[a[driver.RemoteUser][0]] = true
	}
	require.Len(s, users, len(People()), "two people have one name")
}

func noCredentials(s protocols) {
	for _, text := range []string{
		"", " ", "x", "ada", "a.b.c", "..", "{}", "<x/>", "\x00", "Bearer x", "%", "€",
		strings.Repeat("x", 64<<10), strings.Repeat(".", 64<<10),
	} {
		s.refused(text[:min(len(text), 20)], text)
	}
}

func spoiledCredentials(s protocols) {
	if s.Spoiled == nil {
		return
	}
	for what, credential := range s.Spoiled(People()[0]) {
		s.refused(what, credential)
	}
}

// changedCredentials cuts and doubles a good credential.
func changedCredentials(s protocols) {
	if s.Credential == nil {
		return
	}
	good := s.Credential(People()[0])
	for _, n := range []int{1, len(good) / 2, len(good) - 1} {
		s.refused("cut", good[:n])
		s.refused("its end", good[n:])
	}
	s.refused("twice", good+good)
	_, err := s.Driver.Assert(s.Context(), good)
	require.NoError(s, err, "it was good, and is")
}

func providerDown(s protocols) {
	if s.Down == nil || s.Credential == nil {
		return
	}
	p := People()[0]
	credential := s.Credential(p)
	s.Down(true)
	_, err := s.Driver.Assert(s.Context(), credential)
	require.ErrorIs(s, err, driver.Unavailable)
	s.Down(false)
	s.eventually(func() error {
		a, err := s.Driver.Assert(s.Context(), credential)
		if err == nil {
			s.requireAbout(p, a)
		}
		return err
	})
}

// eventually waits for a call to be answered: a driver may let some time pass before it
// asks again a provider that was down.
func (s protocols) eventually(call func() error) {
	s.Helper()
	require.Eventually(s, func() bool {
		err := call()
		if err != nil {
			require.ErrorIs(s, err, driver.Unavailable)
		}
		return err == nil
	}, patience, patience/100)
}

// protocolEnded: a call may be answered by what is known, but nobody is refused because
// the provider was not heard.
func protocolEnded(s protocols) {
	if s.Credential == nil {
		return
	}
	p := People()[0]
	credential := s.Credential(p)
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	a, err := s.Driver.Assert(ctx, credential)
	if err == nil {
		s.requireAbout(p, a)
	}
	require.NotErrorIs(s, err, driver.Unauthenticated)
	s.eventually(func() error {
		_, err := s.Driver.Assert(s.Context(), credential)
		return err
	})
}

func credentialsAtOnce(s protocols) {
	if s.Credential == nil {
		return
	}
	const callers = 24
	people := People()
	credentials := make([]string, len(people))
	for i, p := range people {
		credentials[i] = s.Credential(p)
	}
	got, errs := make([]driver.Assertion, callers), make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() { got[i], errs[i] = s.Driver.Assert(s.Context(), credentials[i%len(people)]) })
	}
	wg.Wait()
	for i := range callers {
		require.NoError(s, errs[i])
		s.requireAbout(people[i%len(people)], got[i])
	}
}

func closedTwice(s protocols) {
	require.NoError(s, s.Driver.Close())
	require.NoError(s, s.Driver.Close())
}

// spoil returns copies of what a browser brings back, each with one value gone, emptied
// or replaced. What only repeats the flow's state is the caller's to check.
func spoil(good url.Values, flow driver.Flow) map[string]url.Values {
	bad := map[string]url.Values{}
	for _, name := range slices.Sorted(maps.Keys(good)) {
		if good.Get(name) == flow.State {
			continue
		}
		for _, value := range []string{"", "x", good.Get(name) + "x", good.Get(name)[:len(good.Get(name))/2]} {
			q := maps.Clone(good)
			q[name] = []string{value}
			bad[name+"="+value[:min(len(value), 20)]+" of "+string(rune('a'+len(bad)))] = q
		}
		q := maps.Clone(good)
		delete(q, name)
		bad["no "+name] = q
	}
	return bad
}
