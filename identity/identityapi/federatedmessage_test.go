package identityapi_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/memprotocol"
)

// messenger is a provider that is asked with messages. They are lines: where to, relay,
// and in answers a credential.
type messenger struct{ *memprotocol.Provider }

func (messenger) Ask(_ context.Context, flow driver.Flow, relay string) ([]byte, error) {
	return []byte(flow.Redirect + "\n" + relay), nil
}

func (messenger) Relayed(answer []byte) (string, error) {
	parts := bytes.Split(answer, []byte("\n"))
	if len(parts) != 3 {
		return "", driver.Errorf(driver.Unauthenticated, "no answer")
	}
	return string(parts[1]), nil
}

func (m messenger) Answer(ctx context.Context, _ driver.Flow, answer []byte) (driver.Assertion, error) {
	return m.Assert(ctx, string(bytes.Split(answer, []byte("\n"))[2]))
}

func TestMessages(t *testing.T) {
	provider := &memprotocol.Provider{}
	provider.Know("bob's", driver.Assertion{"name": {"bob"}, "groups": {"guests"}})
	s := serve(t, func(c *identity.Config) {
		for _, id := range []string{"first", "second"} {
			c.Federation.Methods = append(c.Federation.Methods, identity.FederationMethod{ProviderID: "acme", ProtocolID: id, Driver: messenger{provider}})
		}
		c.Federation.Methods = append(c.Federation.Methods, identity.FederationMethod{ProviderID: "acme", ProtocolID: "openid", Driver: provider})
		c.Federation.TrustedDashboards = []string{"https://dashboard.example/auth/websso/"}
	})
	token := s.admin()
	s.want(http.StatusCreated, "PUT", acme, token, `{"identity_provider": {"enabled": true}}`)
	s.want(http.StatusCreated, "PUT", fed+"/mappings/basic", token, basicRules)
	for _, id := range []string{"first", "second", "openid"} {
		s.want(http.StatusCreated, "PUT", acme+"/protocols/"+id, token, mappingBody)
	}
	const auth = acme + "/protocols/first/auth"
	client := http.Header{"Accept": {"application/json, application/vnd.paos+xml"}, "Paos": {`ver="urn:liberty:paos:2003-08"`}}

	a := s.send("GET", auth, client, "")
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Equal(t, []string{"application/vnd.paos+xml"}, a.header["Content-Type"], "clients compare it")
	require.Equal(t, s.url+"/identity"+auth, strings.Split(a.body, "\n")[0])
	require.Equal(t, http.StatusUnauthorized, s.send("GET", acme+"/protocols/openid/auth", client, "").status, "it has no messages")
	require.Equal(t, http.StatusNotFound, s.send("GET", acme+"/protocols/none/auth", client, "").status)
	require.Equal(t, http.StatusUnauthorized, s.send("GET", auth, http.Header{"Accept": {"application/json"}}, "").status)

	answer := func(path, body string) answer { return s.post(path, "application/vnd.paos+xml", "", body) }
	for name, got := range map[string]int{
		"no answer":        answer(auth, "x").status,
		"another protocol": answer(acme+"/protocols/second/auth", a.body+"\nbob's").status,
		"not sealed here":  answer(auth, "x\nx\nbob's").status,
		"a token as flow":  answer(auth, "x\n"+token+"\nbob's").status,
		"a bad credential": answer(auth, a.body+"\neve's").status,
		"nothing":          answer(auth, "").status,
	} {
		require.Equal(t, http.StatusUnauthorized, got, name)
	}
	require.Equal(t, http.StatusRequestEntityTooLarge, answer(auth, strings.Repeat("x", 2<<20)).status)

	got := answer(auth, a.body+"\nbob's")
	require.Equal(t, http.StatusCreated, got.status, got.body)
	require.Equal(t, "bob", got.at(t, "token", "user", "name"))
	require.NotEmpty(t, got.header.Get("X-Subject-Token"))
	require.Equal(t, http.StatusUnauthorized, answer(auth, a.body+"\nbob's").status, "it is replayed")

	// What is sealed for browsers is for them alone.
	begun := s.send("GET", sso+"/identity_providers/acme/protocols/first/websso"+dashboard, nil, "")
	require.Equal(t, http.StatusFound, begun.status)
	_, sealed, _ := strings.Cut(begun.header.Get("Set-Cookie"), "=")
	sealed, _, _ = strings.Cut(sealed, ";")
	require.Equal(t, http.StatusUnauthorized, answer(auth, "x\n"+sealed+"\nbob's").status)
}
