package cloudtest_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/cloudtest"
)

// The document of what is promised lists every check, in order and in the same words.
func TestTheDocumentListsEveryCheck(t *testing.T) {
	var table strings.Builder
	for _, c := range cloudtest.New(t).Checks() {
		table.WriteString("| `" + c.Name + "` | " + c.Doc + " |\n")
	}
	text, err := os.ReadFile("../docs/reliability.md")
	require.NoError(t, err)
	require.Contains(t, string(text), table.String(), "put this into docs/reliability.md:\n%s", table.String())
}
