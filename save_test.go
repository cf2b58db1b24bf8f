package cloud_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/compute"
)

func saved(t testing.TB, c *cloud.Cloud) []byte {
	t.Helper()
	var file bytes.Buffer
	require.NoError(t, c.Save(t.Context(), &file))
	return file.Bytes()
}

func load(t testing.TB, file []byte) *cloud.Cloud {
	t.Helper()
	c, err := cloud.Load(t.Context(), bytes.NewReader(file), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func encode(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

func TestASavedCloudGoesOnAfterLoad(t *testing.T) {
	r, old := lived(t)
	ctx := t.Context()
	file := saved(t, r.Cloud)
	r.deafen()
	c := load(t, file)
	settle(t, c)
	require.JSONEq(t, encode(t, r.Compute.ListServers(ctx, "", nil)), encode(t, c.Compute.ListServers(ctx, "", nil)))
	require.NoError(t, c.Compute.StartServer(ctx, old[0].ID))
	require.NoError(t, c.Compute.DeleteServer(ctx, old[3].ID))
	s := boot(t, c, r, "new")
	settle(t, c)
	require.Equal(t, compute.Active, server(t, c, old[0].ID).VMState)
	require.Equal(t, compute.Active, server(t, c, s.ID).VMState)

	f := fork(t, c)
	require.NoError(t, f.Compute.DeleteServer(ctx, s.ID))
	settle(t, f)
	require.Equal(t, compute.Active, server(t, c, s.ID).VMState, "a loaded cloud has forks as well")
}

func TestADamagedFileIsRefused(t *testing.T) {
	r := newRig(t, 1)
	file := string(saved(t, r.Cloud))
	lines := strings.SplitAfter(file, "\n")
	lines = lines[:len(lines)-1]
	join := func(l ...string) string { return strings.Join(l, "") }
	last := len(lines) - 1
	for name, tt := range map[string]struct{ file, want string }{
		"nothing":            {"", "cut off"},
		"no state":           {"hello\n", "no saved state"},
		"another version":    {strings.Replace(file, `"version":1`, `"version":2`, 1), "format has version 2"},
		"half a line":        {file[:len(file)/2], "cut off"},
		"whole lines":        {join(lines[:last]...), "cut off"},
		"without its end":    {file[:len(file)-1], "cut off"},
		"a line less":        {join(lines[:2]...) + join(lines[3:]...), "documents instead of"},
		"altered":            {strings.Replace(file, `"debian"`, `"wheezy"`, 1), "altered"},
		"altered header":     {strings.Replace(file, "host-1", "host-7", 1), "altered"},
		"twice":              {join(lines[:2]...) + lines[1] + join(lines[2:]...), "not in order"},
		"two lines swapped":  {lines[0] + lines[last-1] + join(lines[1:last-1]...) + lines[last], "altered"},
		"more after the end": {file + "x\n", "after its end"},
		"no document":        {lines[0] + "{}\n" + join(lines[1:]...), "no document"},
		"unknown things":     {lines[0] + `{"in":"weather","key":"a","version":1,"doc":{}}` + "\n" + join(lines[1:]...), "does not know"},
		"newer documents":    {strings.Replace(file, `"version":1,"doc"`, `"version":9,"doc"`, 1), "altered"},
		"a long line":        {lines[0] + strings.Repeat("x", 17<<20), "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := cloud.Load(t.Context(), strings.NewReader(tt.file), nil)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// FuzzLoad gives Load documents of any kind in a file that is whole: it must refuse them
// or start a cloud that can be closed.
func FuzzLoad(f *testing.F) {
	r, _ := lived(f)
	lines := strings.SplitAfter(string(saved(f, r.Cloud)), "\n")
	for i := 1; i < len(lines)-2; i += 3 {
		f.Add(strings.Join(lines[i:min(i+3, len(lines)-2)], ""))
	}
	f.Add(strings.Join(lines[1:len(lines)-2], ""))
	f.Fuzz(func(t *testing.T, body string) {
		sum := sha256.Sum256([]byte(lines[0] + body))
		file := lines[0] + body + fmt.Sprintf(`{"rows":%d,"sha256":"%s"}`+"\n", strings.Count(body, "\n"), hex.EncodeToString(sum[:]))
		c, err := cloud.Load(t.Context(), strings.NewReader(file), nil)
		if err != nil {
			return
		}
		_ = c.Networks.RouterHost()
		_ = cloud.Diff(r.Moment(), c.Moment())
		require.NoError(t, c.Close())
	})
}
