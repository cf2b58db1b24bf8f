package saml_test

import (
	"encoding/xml"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/drivertest"
	"github.com/welkin-cloud/cloud/identity/saml"
)

func TestConformance(t *testing.T) {
	drivertest.RunProtocol(t, conforming)
	drivertest.RunBrowser(t, conforming)
}

// conforming is a provider whose metadata are fetched.
func conforming(t *testing.T) drivertest.Provider {
	var down atomic.Bool
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			http.Error(w, "broken", http.StatusInternalServerError)
			return
		}
		io.WriteString(w, described(idpKey()))
	}))
	t.Cleanup(server.Close)
	p, err := saml.New(saml.Config{EntityID: cloudID, MetadataURL: server.URL, Transport: server.Client().Transport})
	require.NoError(t, err)
	return drivertest.Provider{
		Driver: p, Down: down.Store,
		Want: func(p drivertest.Person) driver.Assertion {
			return driver.Assertion{driver.RemoteUser: {p.Name}, "groups": p.Groups}
		},
		Return: func(address string, p drivertest.Person) url.Values {
			query, request := asked(t, address)
			return posted(t, answerTo(t, request, p).signed(t), query.Get("RelayState"))
		},
	}
}

// answerTo is what the provider says of a person to whoever has asked.
func answerTo(t *testing.T, request string, p drivertest.Person) answer {
	t.Helper()
	var asks struct {
		ID       string `xml:",attr"`
		Consumer string `xml:"AssertionConsumerServiceURL,attr"`
	}
	require.NoError(t, xml.Unmarshal([]byte(request), &asks))
	a := goodAnswer(driver.Flow{Redirect: asks.Consumer})
	a.inResponseTo, a.nameID = asks.ID, html.EscapeString(p.Name)
	a.attributes = `<saml:Attribute Name="groups">`
	for _, group := range p.Groups {
		a.attributes += `<saml:AttributeValue>` + html.EscapeString(group) + `</saml:AttributeValue>`
	}
	a.attributes += `</saml:Attribute>`
	return a
}
