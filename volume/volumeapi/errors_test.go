package volumeapi_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/volume"
)

func TestBadRequestsChangeNothing(t *testing.T) {
	g := newRig(t)
	v := g.volume(project, volume.CreateOptions{})
	one := "/v3/volumes/" + v.ID
	for _, c := range []struct {
		what, body string
		status     int
	}{
		{"POST /v3/volumes", `{}`, 400},
		{"POST /v3/volumes", `{"volume": {}}`, 400},
		{"POST /v3/volumes", `{"volume": {"size": 0}}`, 400},
		{"POST /v3/volumes", `{"volume": {"size": -1}}`, 400},
		{"POST /v3/volumes", `{"volume": {"size": "#$%"}}`, 400},
		{"POST /v3/volumes", `{"volume": {"size": 1, "name": 5}}`, 400},
		{"POST /v3/volumes", `{"volume": {"size": 1, "metadata": {"a": 1}}}`, 400},
		{"POST /v3/volumes", `{"volume": {"size": 1, "availability_zone": "moon"}}`, 400},
		{"POST /v3/volumes @3.53", `{"volume": {"size": 1, "unknown": 1}}`, 400},
		{"POST /v3/volumes", `{"volume": {"size": 1, "volume_type": "` + unknown + `"}}`, 404},
		{"POST /v3/volumes", `{"volume": {"size": 1, "snapshot_id": "` + unknown + `"}}`, 404},
		{"POST /v3/volumes", `{"volume": {"size": 1, "source_volid": "` + unknown + `"}}`, 404},
		{"POST /v3/volumes @3.47", `{"volume": {"size": 1, "backup_id": "` + unknown + `"}}`, 404},
		{"POST /v3/volumes", `{"volume": {"size": 1, "imageRef": "` + unknown + `"}}`, 400},
		{"POST /v3/volumes @3.68", `{"volume": {"size": 1}}`, 406},
		{"POST " + one + "/action", `{"os-extend": {"new_size": 1}}`, 400},
		{"POST " + one + "/action", `{"os-extend": {"new_size": "big"}}`, 400},
		{"POST " + one + "/action", `{"os-extend": {"new_size": null}}`, 400},
		{"POST " + one + "/action", `{"os-begin_detaching": {}}`, 400},
		{"POST " + one + "/action", `{"os-attach": {"mountpoint": "/dev/vdb"}}`, 400},
		{"POST " + one + "/action", `{"os-retype": {"new_type": "x"}}`, 400},
		{"POST " + one + "/action", `{"os-volume_upload_image": {"image_name": "x", "disk_format": "vhd"}}`, 400},
		{"PUT " + one, `{"volume": {}}`, 400},
		{"POST /v3/snapshots", `{"snapshot": {"volume_id": "` + unknown + `"}}`, 404},
		{"POST /v3/snapshots", `{"snapshot": {"volume_id": "x"}}`, 400},
		{"POST /v3/snapshots", `{"snapshot": {"volume_id": null}}`, 404},
		{"GET /v3/volumes/", "", 404},
		{"DELETE /v3/volumes/", "", 404},
		{"POST /v3/snapshots @3.66", `{"snapshot": {"volume_id": "` + v.ID + `", "force": false}}`, 400},
		{"POST /v3/backups", `{"backup": {"volume_id": "` + unknown + `"}}`, 404},
		{"POST /v3/backups", `{"backup": {"volume_id": "` + v.ID + `", "incremental": true}}`, 400},
		{"POST /v3/os-volume-transfer", `{"transfer": {"volume_id": "` + unknown + `"}}`, 404},
		{"POST /v3/attachments @3.27", `{"attachment": {"volume_uuid": "` + v.ID + `", "connector": {"ip": "10.0.0.1"}}}`, 400},
		{"POST /v3/attachments @3.26", `{"attachment": {"volume_uuid": "` + v.ID + `"}}`, 404},
		{"GET /v3/volumes?limit=-1", "", 400},
		{"GET /v3/volumes?offset=x", "", 400},
		{"GET /v3/volumes?sort=colour", "", 400},
		{"GET /v3/volumes?sort=name:up", "", 400},
		{"GET /v3/volumes?marker=" + unknown, "", 404},
		{"GET /v3/volumes?colour=red @3.31", "", 400},
		{"GET /v3/volumes?metadata=x", "", 400},
		{"GET /v3/volumes/detail?created_at=gt:never @3.60", "", 400},
		{"GET /v3/volumes/summary @3.11", "", 404},
		{"PUT " + one + "/metadata/a", `{"meta": {"b": "c"}}`, 400},
		{"GET " + one + "/metadata/a", "", 404},
		{"GET /v3/" + foreign + "/volumes", "", 400},
		{"GET /v3/groups @3.60", "", 404},
	} {
		a := g.do("member", c.what, c.body)
		require.Equal(t, c.status, a.status, "%s %s: %s", c.what, c.body, a.raw)
		for name, code := range map[string]int{"badRequest": 400, "itemNotFound": 404} {
			if code == c.status {
				require.EqualValues(t, code, a.at(name, "code"), "%s: %s", c.what, a.raw)
				require.NotEmpty(t, a.at(name, "message"), c.what)
			}
		}
	}
	g.settle()
	require.Len(t, g.svc.ListVolumes(t.Context(), ""), 1)
	require.Equal(t, volume.Available, g.status(v.ID))
	require.Empty(t, g.svc.ListAttachments(t.Context(), volume.AttachmentFilter{}))
}

func TestOthersThingsAreNotThere(t *testing.T) {
	g := newRig(t)
	v := g.volume(project, volume.CreateOptions{})
	snap, err := g.svc.CreateSnapshot(t.Context(), project, volume.CreateSnapshotOptions{VolumeID: v.ID})
	require.NoError(t, err)
	g.settle()
	w := g.volume(project, volume.CreateOptions{})
	a, err := g.svc.Reserve(t.Context(), volume.ReserveOptions{VolumeID: w.ID, ServerID: unknown, External: true})
	require.NoError(t, err)
	offer, _, err := g.svc.CreateTransfer(t.Context(), g.volume(project, volume.CreateOptions{}).ID, volume.CreateTransferOptions{})
	require.NoError(t, err)
	for _, c := range []struct{ what, body string }{
		{"GET /v3/volumes/" + v.ID, ""},
		{"PUT /v3/volumes/" + v.ID, `{"volume": {"name": "x"}}`},
		{"DELETE /v3/volumes/" + v.ID, ""},
		{"GET /v3/volumes/" + v.ID + "/metadata", ""},
		{"PUT /v3/volumes/" + v.ID + "/metadata", `{"metadata": {}}`},
		{"POST /v3/volumes/" + v.ID + "/action", `{"os-extend": {"new_size": 2}}`},
		{"POST /v3/volumes/" + v.ID + "/action", `{"os-force_delete": {}}`},
		{"POST /v3/volumes", `{"volume": {"size": 1, "source_volid": "` + v.ID + `"}}`},
		{"POST /v3/volumes", `{"volume": {"size": 1, "snapshot_id": "` + snap.ID + `"}}`},
		{"POST /v3/snapshots", `{"snapshot": {"volume_id": "` + v.ID + `"}}`},
		{"POST /v3/backups", `{"backup": {"volume_id": "` + v.ID + `"}}`},
		{"POST /v3/attachments @3.60", `{"attachment": {"volume_uuid": "` + v.ID + `"}}`},
		{"POST /v3/os-volume-transfer", `{"transfer": {"volume_id": "` + v.ID + `"}}`},
		{"GET /v3/snapshots/" + snap.ID, ""},
		{"DELETE /v3/snapshots/" + snap.ID, ""},
		{"GET /v3/attachments/" + a.ID + " @3.60", ""},
		{"DELETE /v3/attachments/" + a.ID + " @3.60", ""},
		{"GET /v3/os-volume-transfer/" + offer.ID, ""},
		{"DELETE /v3/os-volume-transfer/" + offer.ID, ""},
	} {
		g.must(404, "other", c.what, c.body)
	}
	for _, list := range []string{"volumes", "snapshots", "attachments", "os-volume-transfer", "backups"} {
		got := g.must(200, "other", "GET /v3/"+list+"?all_tenants=1 @3.30", "")
		require.NotContains(t, got.raw, v.ID, list)
	}
	g.must(403, "reader", "DELETE /v3/volumes/"+v.ID, "")
	g.must(403, "member", "POST /v3/volumes/"+v.ID+"/action", `{"os-reset_status": {"status": "error"}}`)
	g.must(403, "other", "GET /v3/os-quota-sets/"+project, "")
	g.must(401, "nobody", "GET /v3/volumes", "")
	require.Equal(t, volume.Available, g.status(v.ID))
}

// What the compute service attached only it may detach.
func TestServersDisksStay(t *testing.T) {
	g := newRig(t)
	v := g.volume(project, volume.CreateOptions{})
	a, err := g.svc.Reserve(t.Context(), volume.ReserveOptions{VolumeID: v.ID, ServerID: unknown})
	require.NoError(t, err)
	_, err = g.svc.Connect(t.Context(), a.ID, "host")
	require.NoError(t, err)
	require.NoError(t, g.svc.Complete(t.Context(), a.ID, "/dev/vdb"))
	g.must(409, "member", "DELETE /v3/attachments/"+a.ID+" @3.60", "")
	g.must(409, "member", "PUT /v3/attachments/"+a.ID+" @3.60", `{"attachment": {"connector": {"host": "mine"}}}`)
	g.must(409, "member", "POST /v3/volumes/"+v.ID+"/action", `{"os-detach": {}}`)
	g.must(409, "admin", "POST /v3/volumes/"+v.ID+"/action", `{"os-force_detach": {"attachment_id": "`+a.ID+`"}}`)
	require.Equal(t, volume.InUse, g.status(v.ID))
	require.Equal(t, []string{"host"}, g.backend.Connected(v.ID))
}

func TestOldAttachActions(t *testing.T) {
	g := newRig(t)
	v := g.volume(project, volume.CreateOptions{})
	act := func(status int, body string) { g.must(status, "member", "POST /v3/volumes/"+v.ID+"/action", body) }
	act(202, `{"os-reserve": {}}`)
	act(400, `{"os-reserve": {}}`)
	require.Equal(t, volume.Attaching, g.status(v.ID))
	act(202, `{"os-unreserve": {}}`)
	require.Equal(t, volume.Available, g.status(v.ID))
	act(202, `{"os-attach": {"instance_uuid": "`+unknown+`", "mountpoint": "/dev/vdb"}}`)
	shown := g.must(200, "member", "GET /v3/volumes/"+v.ID, "")
	require.Equal(t, "in-use", shown.at("volume", "status"))
	use := shown.at("volume", "attachments").([]any)[0].(map[string]any)
	require.Equal(t, unknown, use["server_id"])
	require.Equal(t, "/dev/vdb", use["device"])
	require.Nil(t, use["host_name"])
	act(202, `{"os-begin_detaching": null}`)
	require.Equal(t, volume.Detaching, g.status(v.ID))
	act(202, `{"os-roll_detaching": {}}`)
	require.Equal(t, volume.InUse, g.status(v.ID))
	act(202, `{"os-detach": {}}`)
	require.Equal(t, volume.Available, g.status(v.ID))
}

func TestShapesByVersion(t *testing.T) {
	g := newRig(t)
	v := g.volume(project, volume.CreateOptions{})
	for field, since := range map[string]int{
		"group_id": 13, "provider_id": 21, "shared_targets": 48, "service_uuid": 48, "cluster_name": 61, "volume_type_id": 63, "consumes_quota": 65,
	} {
		for _, minor := range []int{since - 1, since} {
			a := g.must(200, "admin", fmt.Sprintf("GET /v3/volumes/%s @3.%d", v.ID, minor), "")
			require.Equal(t, minor == since, strings.Contains(a.raw, `"`+field+`"`), "%s at 3.%d", field, minor)
		}
	}
	a := g.must(200, "member", "GET /v3/volumes/"+v.ID, "")
	require.Equal(t, "volume 3.0", a.header.Get("OpenStack-API-Version"))
	require.NotContains(t, a.raw, "os-vol-host-attr")
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$`, a.at("volume", "created_at"))
	require.Equal(t, "memory", strings.Split(g.must(200, "admin", "GET /v3/volumes/"+v.ID, "").at("volume", "os-vol-host-attr:host").(string), "#")[1])
	count := g.must(200, "member", "GET /v3/volumes?with_count=true&limit=0 @3.45", "")
	require.EqualValues(t, 1, count.at("count"))
	require.Empty(t, count.at("volumes"))
	require.Equal(t, "3.67", g.must(300, "", "GET /", "").at("versions").([]any)[0].(map[string]any)["version"])
	require.Equal(t, "3.0", g.must(200, "", "GET /v3/", "").at("versions").([]any)[0].(map[string]any)["min_version"])
}

func TestMetadataTags(t *testing.T) {
	g := newRig(t)
	v := g.volume(project, volume.CreateOptions{Metadata: map[string]string{"a": "1"}})
	path := "/v3/volumes/" + v.ID + "/metadata"
	tag := g.must(200, "member", "GET "+path+" @3.15", "").header.Get("Etag")
	require.NotEmpty(t, tag)
	g.must(200, "member", "POST "+path+" @3.15", `{"metadata": {"b": "2"}}`, "If-Match", tag)
	g.must(412, "member", "PUT "+path+" @3.15", `{"metadata": {}}`, "If-Match", tag)
	g.must(412, "member", "DELETE "+path+"/a @3.15", "", "If-Match", tag)
	g.must(200, "member", "DELETE "+path+"/a", "")
	require.Equal(t, map[string]any{"b": "2"}, g.must(200, "member", "GET "+path, "").at("metadata"))
}

func TestRevertAndDefaultTypes(t *testing.T) {
	g := newRig(t)
	v := g.volume(project, volume.CreateOptions{})
	snap, err := g.svc.CreateSnapshot(t.Context(), project, volume.CreateSnapshotOptions{VolumeID: v.ID})
	require.NoError(t, err)
	g.settle()
	require.NoError(t, g.backend.Overwrite(context.WithoutCancel(t.Context()), v.ID, strings.NewReader("changed")))
	g.must(404, "member", "POST /v3/volumes/"+v.ID+"/action @3.39", `{"revert": {"snapshot_id": "`+snap.ID+`"}}`)
	g.must(202, "member", "POST /v3/volumes/"+v.ID+"/action @3.40", `{"revert": {"snapshot_id": "`+snap.ID+`"}}`)
	require.Equal(t, volume.Reverting, g.status(v.ID))
	g.settle()
	require.Equal(t, volume.Available, g.status(v.ID))

	made := g.must(200, "admin", "POST /v3/types", `{"volume_type": {"name": "slow"}}`).at("volume_type", "id")
	g.must(403, "member", "PUT /v3/default-types/"+project+" @3.62", `{"default_type": {"volume_type": "slow"}}`)
	g.must(404, "admin", "GET /v3/default-types/"+project+" @3.62", "")
	g.must(200, "admin", "PUT /v3/default-types/"+project+" @3.62", `{"default_type": {"volume_type": "slow"}}`)
	require.Equal(t, made, g.must(200, "member", "GET /v3/types/default", "").at("volume_type", "id"))
	require.Equal(t, "slow", g.must(202, "member", "POST /v3/volumes", `{"volume": {"size": 1}}`).at("volume", "volume_type"))
	g.must(204, "admin", "DELETE /v3/default-types/"+project+" @3.62", "")
	require.Equal(t, "__DEFAULT__", g.must(200, "member", "GET /v3/types/default", "").at("volume_type", "name"))
	g.settle()
}
