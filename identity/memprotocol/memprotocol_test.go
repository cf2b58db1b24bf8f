package memprotocol_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/drivertest"
	"github.com/welkin-cloud/cloud/identity/memprotocol"
)

func TestConformance(t *testing.T) {
	drivertest.RunProtocol(t, fresh)
	drivertest.RunBrowser(t, fresh)
}

func fresh(t *testing.T) drivertest.Provider {
	p := &memprotocol.Provider{}
	about := func(who drivertest.Person) driver.Assertion {
		return driver.Assertion{driver.RemoteUser: {who.Name}, "groups": who.Groups}
	}
	credential := func(who drivertest.Person) string {
		p.Know("credential of "+who.Name, about(who))
		return "credential of " + who.Name
	}
	return drivertest.Provider{
		Driver: p, Want: about, Credential: credential, Down: p.Down,
		Spoiled: func(who drivertest.Person) map[string]string {
			void := credential(who)
			p.Know(void, nil)
			return map[string]string{"void": void, "another's name": who.Name}
		},
		Return: func(address string, who drivertest.Person) url.Values {
			back, err := p.LogIn(address, credential(who))
			require.NoError(t, err)
			return back
		},
	}
}
