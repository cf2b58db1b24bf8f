package cloud_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/volume"
)

func TestEveryCollectionIsShownOrLeftOutOnPurpose(t *testing.T) {
	r := newRig(t, 1)
	for _, name := range r.Collections() {
		noun, inOrder, leftOut := cloud.ShownAs(name)
		if leftOut {
			require.Empty(t, noun, name)
			continue
		}
		require.NotEmpty(t, noun, "%s: say in diff_kinds.go how Diff shows it, and what in it is secret", name)
		require.True(t, inOrder, "%s has no place in the order", noun)
	}
}

func TestChangesOfAFork(t *testing.T) {
	r, old := lived(t)
	ctx := t.Context()
	f := fork(t, r.Cloud)
	require.Empty(t, f.Changes(), "nothing has changed yet")

	require.NoError(t, f.Compute.StartServer(ctx, old[0].ID))
	require.NoError(t, f.Compute.DeleteServer(ctx, old[5].ID))
	v, err := f.Volumes.CreateVolume(ctx, r.project, volume.CreateOptions{Name: "more", SizeGiB: 3})
	require.NoError(t, err)
	idle(t, f)
	// What happens to the original meanwhile is not the fork's.
	require.NoError(t, r.Compute.UnpauseServer(ctx, old[1].ID))
	idle(t, r.Cloud)

	port := old[5].NICs[0].PortID
	require.Equal(t, strings.Join([]string{
		"~ server server-1 (" + old[0].ID + ")",
		"    power_state: 4 → 1",
		"    vm_state: stopped → active",
		"- server server-6 (" + old[5].ID + ")",
		"- allocation " + old[5].ID,
		"+ volume more (" + v.ID + ")",
		"- port " + port,
		"",
	}, "\n"), f.Changes().String())

	// Compared with the original of now, its own change shows the other way round.
	others := cloud.Diff(r.Moment(), f.Moment())
	require.Len(t, others, len(f.Changes())+1)
	require.Contains(t, others.String(), "~ server server-2 ("+old[1].ID+")\n    power_state: 1 → 3\n    vm_state: active → paused\n")

	// And back again it is the opposite.
	for i, back := range cloud.Diff(f.Moment(), f.Origin()) {
		want := map[cloud.Action]cloud.Action{
			cloud.Added: cloud.Removed, cloud.Removed: cloud.Added, cloud.Changed: cloud.Changed,
		}[f.Changes()[i].Action]
		require.Equal(t, want, back.Action)
	}

	text, err := json.Marshal(f.Changes()[:1])
	require.NoError(t, err)
	require.JSONEq(t, `[{"action":"changed","kind":"server","id":"`+old[0].ID+`","name":"server-1","fields":[
		{"field":"power_state","old":4,"new":1},{"field":"vm_state","old":"stopped","new":"active"}]}]`, string(text))
}

func TestDiffOfUnrelatedClouds(t *testing.T) {
	r, old := lived(t)
	c := load(t, saved(t, r.Cloud))
	require.Empty(t, cloud.Diff(r.Moment(), c.Moment()), "a loaded cloud is the same one")
	require.NoError(t, c.Compute.DeleteServer(t.Context(), old[5].ID))
	idle(t, c)
	require.Len(t, cloud.Diff(r.Moment(), c.Moment()), 3)
	all := cloud.Diff(cloud.Moment{}, r.Moment())
	require.Greater(t, len(all), 50)
	for _, change := range all {
		require.Equal(t, cloud.Added, change.Action)
	}
	require.Empty(t, cloud.Diff(cloud.Moment{}, cloud.Moment{}))
}

func TestDiffTellsNoSecrets(t *testing.T) {
	r := newRig(t, 1)
	ctx := t.Context()
	const secret = "tell-me-not"
	user, err := r.Identity.CreateUser(ctx, identity.CreateUserOptions{Name: "eve", Password: secret + "-1"})
	require.NoError(t, err)
	s, err := r.Compute.CreateServer(ctx, r.project, compute.CreateServerOptions{
		Name: "web", FlavorID: r.small.ID, ImageID: r.image.ID, Networking: compute.NetworksNone,
		UserData: base64.StdEncoding.EncodeToString([]byte(secret)),
	})
	require.NoError(t, err)
	cred, err := r.Identity.CreateCredential(ctx, identity.CreateCredentialOptions{Type: "cert", UserID: user.ID, Blob: secret})
	require.NoError(t, err)
	v, err := r.Volumes.CreateVolume(ctx, r.project, volume.CreateOptions{Name: "data", SizeGiB: 1})
	require.NoError(t, err)
	idle(t, r.Cloud)

	f := fork(t, r.Cloud)
	password, blob := secret+"-2", secret+"-2"
	_, err = f.Identity.UpdateUser(ctx, user.ID, identity.UpdateUserOptions{Password: &password})
	require.NoError(t, err)
	_, err = f.Identity.UpdateCredential(ctx, cred.ID, identity.UpdateCredentialOptions{Blob: &blob})
	require.NoError(t, err)
	_, key, err := f.Volumes.CreateTransfer(ctx, v.ID, volume.CreateTransferOptions{Name: "for you"})
	require.NoError(t, err)
	userData := base64.StdEncoding.EncodeToString([]byte(secret + "-2"))
	_, err = f.Compute.RebuildServer(ctx, s.ID, compute.RebuildOptions{ImageID: r.image.ID, UserData: &userData})
	require.NoError(t, err)
	idle(t, f)

	changes := f.Changes()
	text, err := json.Marshal(changes)
	require.NoError(t, err)
	for _, told := range []string{changes.String(), string(text)} {
		require.NotContains(t, told, secret)
		require.NotContains(t, told, key)
		require.NotContains(t, told, userData)
		require.NotContains(t, told, "$2a$", "a hash is a secret too")
	}
	require.Contains(t, changes.String(), "~ user eve ("+user.ID+")\n    hash: (secret)\n")
	require.Contains(t, changes.String(), "~ credential "+cred.ID+"\n    sealed: (secret)\n")
	require.Contains(t, changes.String(), "    user_data: (secret)\n")
}
