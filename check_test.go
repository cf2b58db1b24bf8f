package cloud_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/cloudtest"
	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/network"
	"github.com/welkin-cloud/cloud/volume"
)

// stray is the id of something that nobody has made.
const stray = "5d1ab5c4-64f7-4c1c-9c0e-8a5c0d8e9b11"

// world is a cloud with one of everything, to be broken.
type world struct {
	*cloudtest.Cloud
	t        *testing.T
	server   compute.Server
	port     network.Port
	floating network.FloatingIP
	attached volume.Volume
	free     volume.Volume
}

func newWorld(t *testing.T) *world {
	w := &world{Cloud: cloudtest.New(t, cloudtest.Model{SkipCheck: true}), t: t}
	ctx, project := t.Context(), w.Projects[0].ID
	s, err := w.Compute.CreateServer(ctx, project, compute.CreateServerOptions{
		Name: "web", FlavorID: w.Flavors[0].ID, ImageID: w.PublicImages[0].ID,
	})
	require.NoError(t, err)
	w.free, err = w.Volumes.CreateVolume(ctx, project, volume.CreateOptions{Name: "free", SizeGiB: 1})
	require.NoError(t, err)
	w.attached, err = w.Volumes.CreateVolume(ctx, project, volume.CreateOptions{Name: "attached", SizeGiB: 1})
	require.NoError(t, err)
	w.WaitIdle()
	_, err = w.Compute.AttachVolume(ctx, s.ID, compute.AttachVolumeOptions{VolumeID: w.attached.ID})
	require.NoError(t, err)
	ports, err := w.Networks.PortsOf(ctx, s.ID)
	require.NoError(t, err)
	w.floating, err = w.Networks.CreateFloatingIP(ctx, project, network.CreateFloatingIPOptions{
		NetworkID: w.External.ID, PortID: ports[0].ID,
	})
	require.NoError(t, err)
	w.WaitIdle()
	w.read()
	require.Empty(t, w.Differences())
	return w
}

// read reads the records as they are now.
func (w *world) read() {
	ctx := w.t.Context()
	var err error
	ports := []network.Port{}
	for _, s := range w.Compute.ListServers(ctx, "", nil) {
		w.server = s
		ports, err = w.Networks.PortsOf(ctx, s.ID)
		require.NoError(w.t, err)
	}
	w.port = ports[0]
	w.floating, err = w.Networks.GetFloatingIP(ctx, w.floating.ID)
	require.NoError(w.t, err)
	w.attached, err = w.Volumes.GetVolume(ctx, w.attached.ID)
	require.NoError(w.t, err)
	w.free, err = w.Volumes.GetVolume(ctx, w.free.ID)
	require.NoError(w.t, err)
}

// plant writes a document into the state past its service.
func (w *world) plant(collection, key string, doc any) {
	w.t.Helper()
	b, err := json.Marshal(doc)
	require.NoError(w.t, err)
	require.NoError(w.t, w.Plant(w.t.Context(), state.Row{Collection: collection, Key: key, Doc: b}))
}

// saga plants a saga that has the given fields beside those that each has.
func (w *world) saga(fields map[string]any) {
	doc := map[string]any{
		"id": stray, "name": "image.purge", "resource": "image/" + stray, "owner": "controller",
		"params": map[string]any{"id": stray}, "status": "running", "seq": 1, "created": time.Now().UTC(),
		"journal": []any{map[string]any{"step": "delete content", "started": time.Now().UTC()}},
	}
	for k, v := range fields {
		doc[k] = v
	}
	w.plant("saga.sagas", stray, doc)
}

// breakage is one way to break an invariant.
type breakage struct {
	check string
	name  string // of the case, where there are several for one check
	// wreck breaks it and returns the resource that must be found.
	wreck  func(w *world) (resource string)
	lasts  bool     // it cannot be mended
	beside []string // further checks that find it too
}

func (b breakage) String() string { return b.check + b.name }

// TestCheckFindsAndMends breaks each invariant in turn: Check must find exactly that,
// and leave nothing where it can mend.
func TestCheckFindsAndMends(t *testing.T) {
	for _, b := range breakages() {
		t.Run(b.String(), func(t *testing.T) {
			w := newWorld(t)
			resource := b.wreck(w)
			report, err := w.Check(t.Context(), nil)
			require.NoError(t, err)
			require.NotEmpty(t, report.Findings)
			var found []string
			for _, f := range report.Findings {
				found = append(found, f.Check)
				require.False(t, f.Mended, f)
				require.NotEmpty(t, f.Problem)
				require.NotEmpty(t, f.Remedy)
				if f.Check == b.check {
					require.Contains(t, f.Resource, resource, f)
				}
			}
			require.ElementsMatch(t, append([]string{b.check}, b.beside...), slices.Compact(found), report)

			report, err = w.Check(t.Context(), &cloud.CheckOptions{Mend: true})
			require.NoError(t, err)
			require.Equal(t, b.lasts, !report.Clean(), report)
			if !b.lasts {
				require.Empty(t, w.Differences())
			}
		})
	}
}

// TestEveryCheckIsBroken keeps the table above complete.
func TestEveryCheckIsBroken(t *testing.T) {
	broken := map[string]bool{}
	for _, b := range breakages() {
		broken[b.check] = true
	}
	c := cloudtest.New(t)
	seen := map[string]bool{}
	for _, one := range c.Checks() {
		require.True(t, broken[one.Name], "no test breaks %s", one.Name)
		require.False(t, seen[one.Name], "two checks are named %s", one.Name)
		require.True(t, strings.HasSuffix(one.Doc, ".") && len(one.Doc) > 20, "%s says %q", one.Name, one.Doc)
		seen[one.Name] = true
		delete(broken, one.Name)
	}
	for name := range broken {
		require.True(t, seen[name], "there is no check %s", name)
	}
}
