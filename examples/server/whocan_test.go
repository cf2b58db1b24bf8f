package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
)

// asks runs who-can on a state directory, and returns what it prints.
func asks(t *testing.T, state string, args ...string) (string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	err := whoCan(t.Context(), append([]string{"-state", state}, args...), &out, &errs)
	return out.String() + errs.String(), err
}

func TestWhoCan(t *testing.T) {
	s := startServer(t, "memory")
	said, err := asks(t, s.o.state, "os_compute_api:servers:create")
	require.NoError(t, err, said)
	require.Equal(t, `compute os_compute_api:servers:create
  check     rule:project_member_or_admin
  means     role:member and project_id:%(project_id)s or role:admin
  scopes    project
  requests  POST /servers
  role     project  other project  domain  other domain  system
  (none)   no       no             no      no            no
  (owner)  no       no             no      no            no
  reader   no       no             no      no            no
  member   yes      no             no      no            no
  manager  yes      no             no      no            no
  admin    yes      yes            no      no            no
  service  no       no             no      no            no
`, said)

	// A file that comes while the server runs counts a moment later.
	dir := filepath.Join(s.o.state, "policy")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "compute.yaml"), []byte(`"os_compute_api:servers:create": "role:builder"`), 0o600))
	require.Eventually(t, func() bool {
		said, err = asks(t, s.o.state, "-json", "compute", "POST", "/v2.1/servers")
		require.NoError(t, err, said)
		var found []cloud.Access
		require.NoError(t, json.Unmarshal([]byte(said), &found))
		require.Len(t, found, 1)
		return found[0].Overridden && found[0].Check == "role:builder"
	}, time.Minute, 200*time.Millisecond)

	s.stop()
	said, err = asks(t, s.o.state, "POST /compute/v2.1/servers")
	require.NoError(t, err, "without a server it goes by the files")
	require.Contains(t, said, "check     role:builder (overridden)")
	require.Contains(t, said, "builder  yes      yes            no")

	for _, args := range [][]string{{"bake"}, {"bakery", "bake"}, {"POST", "/bread"}, {}, {"a", "b", "c"}} {
		said, err = asks(t, s.o.state, args...)
		require.ErrorIs(t, err, notChecked, "%v: %s", args, said)
	}
	_, err = asks(t, filepath.Join(t.TempDir(), "nothing"), "bake")
	require.ErrorIs(t, err, notChecked)
}
