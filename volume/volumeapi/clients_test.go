package volumeapi_test

import (
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/attachments"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/availabilityzones"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/backups"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/limits"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/quotasets"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/schedulerstats"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/services"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/snapshots"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/transfers"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumetypes"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/volume"
)

// The tests of this file talk to the API through gophercloud.

func TestClientVolumes(t *testing.T) {
	g := newRig(t)
	ctx, c := t.Context(), g.client("member", "3.60")
	v, err := volumes.Create(ctx, c, volumes.CreateOpts{Size: 1, Name: "data", Metadata: map[string]string{"a": "b"}}, nil).Extract()
	require.NoError(t, err)
	require.Equal(t, "creating", v.Status)
	g.settle()
	v, err = volumes.Get(ctx, c, v.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, "available", v.Status)
	require.Equal(t, "false", v.Bootable)
	require.Equal(t, project, v.TenantID)
	require.False(t, v.CreatedAt.IsZero())

	name := "renamed"
	v, err = volumes.Update(ctx, c, v.ID, volumes.UpdateOpts{Name: &name}).Extract()
	require.NoError(t, err)
	require.Equal(t, name, v.Name)
	require.NoError(t, volumes.ExtendSize(ctx, c, v.ID, volumes.ExtendSizeOpts{NewSize: 2}).ExtractErr())
	g.settle()
	require.NoError(t, volumes.SetBootable(ctx, c, v.ID, volumes.BootableOpts{Bootable: true}).ExtractErr())
	require.NoError(t, volumes.SetImageMetadata(ctx, c, v.ID, volumes.ImageMetadataOpts{Metadata: map[string]string{"os": "x"}}).ExtractErr())
	v, err = volumes.Get(ctx, c, v.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, 2, v.Size)
	require.Equal(t, "true", v.Bootable)
	require.Equal(t, map[string]string{"os": "x"}, v.VolumeImageMetadata)

	img, err := volumes.UploadImage(ctx, c, v.ID, volumes.UploadImageOpts{ImageName: "copy", DiskFormat: "qcow2"}).Extract()
	require.NoError(t, err)
	g.settle()
	_, err = g.images.GetImage(ctx, img.ImageID)
	require.NoError(t, err)

	require.NoError(t, volumes.Delete(ctx, c, v.ID, nil).ExtractErr())
	g.settle()
	_, err = volumes.Get(ctx, c, v.ID).Extract()
	require.ErrorContains(t, err, "404")
}

func TestClientPages(t *testing.T) {
	g := newRig(t)
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		g.volume(project, volume.CreateOptions{Name: name, Metadata: map[string]string{"name": name}})
	}
	g.volume(foreign, volume.CreateOptions{Name: "theirs"})
	list := func(user string, opts volumes.ListOpts) string {
		pages, err := volumes.List(g.client(user, "3.60"), opts).AllPages(t.Context())
		require.NoError(t, err)
		all, err := volumes.ExtractVolumes(pages)
		require.NoError(t, err)
		names := ""
		for _, v := range all {
			names += v.Name
		}
		return names
	}
	require.Equal(t, "edcba", list("member", volumes.ListOpts{Limit: 2}))
	require.Equal(t, "abcde", list("member", volumes.ListOpts{Sort: "name:asc", Limit: 2}))
	require.Equal(t, "c", list("member", volumes.ListOpts{Name: "c"}))
	require.Equal(t, "d", list("member", volumes.ListOpts{Metadata: map[string]string{"name": "d"}}))
	require.Equal(t, "", list("member", volumes.ListOpts{Status: "error"}))
	require.Equal(t, "edcba", list("member", volumes.ListOpts{AllTenants: true}))
	require.Equal(t, "theirsedcba", list("admin", volumes.ListOpts{AllTenants: true}))
	require.Equal(t, "", list("admin", volumes.ListOpts{}))
	require.Equal(t, "theirs", list("admin", volumes.ListOpts{AllTenants: true, TenantID: foreign}))
}

func TestClientSnapshotsAndBackups(t *testing.T) {
	g := newRig(t)
	ctx, c := t.Context(), g.client("member", "3.60")
	v := g.volume(project, volume.CreateOptions{})
	s, err := snapshots.Create(ctx, c, snapshots.CreateOpts{VolumeID: v.ID, Name: "snap"}).Extract()
	require.NoError(t, err)
	g.settle()
	s, err = snapshots.Get(ctx, c, s.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, "available", s.Status)
	require.Equal(t, "100%", s.Progress)
	_, err = snapshots.UpdateMetadata(ctx, c, s.ID, snapshots.UpdateMetadataOpts{Metadata: map[string]any{"k": "v"}}).ExtractMetadata()
	require.NoError(t, err)
	from, err := volumes.Create(ctx, c, volumes.CreateOpts{SnapshotID: s.ID}, nil).Extract()
	require.NoError(t, err)
	require.Equal(t, 1, from.Size)

	b, err := backups.Create(ctx, c, backups.CreateOpts{VolumeID: v.ID, Name: "back"}).Extract()
	require.NoError(t, err)
	g.settle()
	b, err = backups.Get(ctx, c, b.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, "available", b.Status)
	restored, err := backups.RestoreFromBackup(ctx, c, b.ID, backups.RestoreOpts{VolumeID: from.ID}).Extract()
	require.NoError(t, err)
	require.Equal(t, from.ID, restored.VolumeID)
	g.settle()
	require.Equal(t, volume.Available, g.status(from.ID))
	again, err := volumes.Create(ctx, c, volumes.CreateOpts{BackupID: b.ID}, nil).Extract()
	require.NoError(t, err)
	g.settle()
	require.Equal(t, volume.Available, g.status(again.ID))
	require.NoError(t, backups.Delete(ctx, c, b.ID).ExtractErr())
	require.NoError(t, snapshots.Delete(ctx, c, s.ID).ExtractErr())
	g.settle()
	_, err = snapshots.Get(ctx, c, s.ID).Extract()
	require.ErrorContains(t, err, "404")
}

func TestClientAttachments(t *testing.T) {
	g := newRig(t)
	ctx, c := t.Context(), g.client("member", "3.60")
	v := g.volume(project, volume.CreateOptions{})
	a, err := attachments.Create(ctx, c, attachments.CreateOpts{VolumeUUID: v.ID, InstanceUUID: unknown}).Extract()
	require.NoError(t, err)
	require.Equal(t, volume.Attaching, g.status(v.ID))
	a, err = attachments.Update(ctx, c, a.ID, attachments.UpdateOpts{Connector: map[string]any{"host": "h1"}}).Extract()
	require.NoError(t, err)
	require.NotEmpty(t, a.ConnectionInfo["device_path"])
	require.Equal(t, []string{"h1"}, g.backend.Connected(v.ID))
	require.NoError(t, attachments.Complete(ctx, c, a.ID).ExtractErr())
	shown, err := volumes.Get(ctx, c, v.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, "in-use", shown.Status)
	require.Len(t, shown.Attachments, 1)
	require.Equal(t, unknown, shown.Attachments[0].ServerID)
	require.NoError(t, attachments.Delete(ctx, c, a.ID).ExtractErr())
	require.Equal(t, volume.Available, g.status(v.ID))
	require.Empty(t, g.backend.Connected(v.ID))
}

func TestClientTypes(t *testing.T) {
	g := newRig(t)
	ctx, admin := t.Context(), g.client("admin", "3.60")
	private := false
	made, err := volumetypes.Create(ctx, admin, volumetypes.CreateOpts{
		Name: "fast", IsPublic: &private, ExtraSpecs: map[string]string{"multiattach": "<is> True", "secret": "x"},
	}).Extract()
	require.NoError(t, err)
	_, err = volumetypes.Get(ctx, g.client("member", ""), made.ID).Extract()
	require.ErrorContains(t, err, "404")
	require.NoError(t, volumetypes.AddAccess(ctx, admin, made.ID, volumetypes.AddAccessOpts{Project: project}).ExtractErr())
	seen, err := volumetypes.Get(ctx, g.client("member", ""), made.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, map[string]string{"multiattach": "<is> True"}, seen.ExtraSpecs)
	_, err = volumetypes.UpdateExtraSpec(ctx, admin, made.ID, volumetypes.ExtraSpecsOpts{"more": "1"}).Extract()
	require.NoError(t, err)
	require.NoError(t, volumetypes.DeleteExtraSpec(ctx, admin, made.ID, "secret").ExtractErr())
	specs, err := volumetypes.ListExtraSpecs(ctx, admin, made.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, map[string]string{"multiattach": "<is> True", "more": "1"}, specs)
	v, err := volumes.Create(ctx, g.client("member", "3.50"), volumes.CreateOpts{Size: 1, VolumeType: "fast"}, nil).Extract()
	require.NoError(t, err)
	require.True(t, v.Multiattach)
	require.ErrorContains(t, volumetypes.Delete(ctx, admin, made.ID).ExtractErr(), "400")
	_, err = volumes.Create(ctx, g.client("other", ""), volumes.CreateOpts{Size: 1, VolumeType: "fast"}, nil).Extract()
	require.ErrorContains(t, err, "404")
}

func TestClientTransfer(t *testing.T) {
	g := newRig(t)
	v := g.volume(project, volume.CreateOptions{})
	offer, err := transfers.Create(t.Context(), g.client("member", ""), transfers.CreateOpts{VolumeID: v.ID, Name: "gift"}).Extract()
	require.NoError(t, err)
	_, err = transfers.Get(t.Context(), g.client("other", ""), offer.ID).Extract()
	require.ErrorContains(t, err, "404")
	_, err = transfers.Accept(t.Context(), g.client("other", ""), offer.ID, transfers.AcceptOpts{AuthKey: "wrong"}).Extract()
	require.ErrorContains(t, err, "400")
	_, err = transfers.Accept(t.Context(), g.client("other", ""), offer.ID, transfers.AcceptOpts{AuthKey: offer.AuthKey}).Extract()
	require.NoError(t, err)
	g.must(404, "member", "GET /v3/volumes/"+v.ID, "")
	g.must(200, "other", "GET /v3/volumes/"+v.ID, "")
}

func TestClientQuotasAndLimits(t *testing.T) {
	g := newRig(t)
	ctx, admin := t.Context(), g.client("admin", "")
	two := 2
	set, err := quotasets.Update(ctx, admin, project, quotasets.UpdateOpts{Volumes: &two}).Extract()
	require.NoError(t, err)
	require.Equal(t, 2, set.Volumes)
	g.volume(project, volume.CreateOptions{SizeGiB: 3})
	usage, err := quotasets.GetUsage(ctx, g.client("member", ""), project).Extract()
	require.NoError(t, err)
	require.Equal(t, quotasets.QuotaUsage{InUse: 1, Limit: 2}, usage.Volumes)
	require.Equal(t, 3, usage.Gigabytes.InUse)
	all, err := limits.Get(ctx, g.client("member", "")).Extract()
	require.NoError(t, err)
	require.Equal(t, 2, all.Absolute.MaxTotalVolumes)
	require.Equal(t, 1, all.Absolute.TotalVolumesUsed)
	g.volume(project, volume.CreateOptions{})
	a := g.must(413, "member", "POST /v3/volumes", `{"volume": {"size": 1}}`)
	require.Contains(t, a.at("overLimit", "message"), "Maximum number of volumes allowed (2)")
	require.NoError(t, quotasets.Delete(ctx, admin, project).ExtractErr())
	set, err = quotasets.Get(ctx, admin, project).Extract()
	require.NoError(t, err)
	require.Equal(t, 10, set.Volumes)
}

func TestClientServices(t *testing.T) {
	g := newRig(t)
	pages, err := services.List(g.client("admin", "3.60"), nil).AllPages(t.Context())
	require.NoError(t, err)
	list, err := services.ExtractServices(pages)
	require.NoError(t, err)
	require.Equal(t, []string{"cinder-volume", "cinder-backup"}, []string{list[0].Binary, list[1].Binary})
	require.Equal(t, "up", list[0].State)
	pages, err = availabilityzones.List(g.client("member", "")).AllPages(t.Context())
	require.NoError(t, err)
	zones, err := availabilityzones.ExtractAvailabilityZones(pages)
	require.NoError(t, err)
	require.Equal(t, "nova", zones[0].ZoneName)
	pages, err = schedulerstats.List(g.client("admin", ""), schedulerstats.ListOpts{Detail: true}).AllPages(t.Context())
	require.NoError(t, err)
	pools, err := schedulerstats.ExtractStoragePools(pages)
	require.NoError(t, err)
	require.Positive(t, pools[0].Capabilities.TotalCapacityGB)
	g.must(403, "member", "GET /v3/os-services", "")
}
