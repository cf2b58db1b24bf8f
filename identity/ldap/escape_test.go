package ldap_test

import (
	"testing"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/ldap"
)

// FuzzEscaping looks for names that say more in a filter or a DN than the name: the
// filter must ask for equality with the name, and the DN be one step below the tree.
func FuzzEscaping(f *testing.F) {
	for _, name := range []string{
		"ann", "*", "a)(cn=*", `\2a`, "a,ou=admins", "a+uid=b", " a ", "#a", "a\x00b", `"a"`, `a\`, "é", "=", "", " ", "a;b<c>d",
	} {
		f.Add(name)
	}
	const tree = "ou=people,dc=example,dc=org"
	f.Fuzz(func(t *testing.T, name string) {
		if !utf8.ValidString(name) {
			return // a body of JSON has no such text, nor has a directory
		}
		packet, err := goldap.CompileFilter(ldap.Equals("cn", name))
		require.NoError(t, err, "%q", name)
		require.EqualValues(t, goldap.FilterEqualityMatch, packet.Tag, "%q", name)
		require.Len(t, packet.Children, 2)
		require.Equal(t, "cn", packet.Children[0].Data.String())
		require.Equal(t, name, packet.Children[1].Data.String())
		if name == "" {
			return
		}
		parsed, err := goldap.ParseDN(ldap.NewEntryDN(tree, name))
		require.NoError(t, err, "%q", name)
		require.Len(t, parsed.RDNs, 4, "%q", name)
		require.Len(t, parsed.RDNs[0].Attributes, 1, "%q", name)
		require.Equal(t, name, parsed.RDNs[0].Attributes[0].Value)
	})
}
