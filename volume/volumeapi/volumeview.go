package volumeapi

import (
	"context"
	"maps"
	"strings"

	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/volume"
)

// volumeView is a volume as the API shows it. Answers to a creation or an update leave
// out what the answer to a plain read has.
func (a *api) volumeView(ctx context.Context, r *httpapi.Request, v volume.Volume, read bool) doc {
	d := doc{
		"id": v.ID, "name": orNull(v.Name), "description": orNull(v.Description), "status": v.Status, "size": v.SizeGiB,
		"availability_zone": v.Zone, "bootable": boolean(v.Bootable), "encrypted": false, "multiattach": v.MultiAttach,
		"volume_type": a.typeName(ctx, v.Type), "metadata": shownMetadata(v), "user_id": v.UserID,
		"snapshot_id": orNull(v.SnapshotID), "source_volid": orNull(v.SourceID), "consistencygroup_id": nil,
		"migration_status": nil, "replication_status": nil, "attachments": a.attachmentsIn(ctx, r, v),
		"created_at": stamp(v.CreatedAt), "updated_at": changed(v.CreatedAt, v.UpdatedAt), "links": links(r, "volumes", v.ID),
	}
	a.addVersions(r, v, d)
	target := owned(v.ProjectID, v.UserID)
	if !read {
		return d
	}
	if len(v.ImageMetadata) > 0 && r.May("volume_extension:volume_image_metadata:show", target) {
		d["volume_image_metadata"] = v.ImageMetadata
	}
	if r.May("volume_extension:volume_host_attribute", target) {
		d["os-vol-host-attr:host"] = orNull(hostOf(v.Backend))
	}
	if r.May("volume_extension:volume_tenant_attribute", target) {
		d["os-vol-tenant-attr:tenant_id"] = v.ProjectID
	}
	if r.May("volume_extension:volume_mig_status_attribute", target) {
		d["os-vol-mig-status-attr:migstat"], d["os-vol-mig-status-attr:name_id"] = nil, nil
	}
	return d
}

// addVersions adds what came with later microversions.
func (a *api) addVersions(r *httpapi.Request, v volume.Volume, d doc) {
	at := func(minor int) bool { return r.Version.AtLeast(3, minor) }
	if at(13) {
		d["group_id"] = nil
	}
	if at(21) && isAdmin(r) {
		d["provider_id"] = nil
	}
	if at(48) {
		// Volumes are files here, with no target for hosts to share.
		d["shared_targets"], d["service_uuid"] = false, nil
	}
	if at(61) && isAdmin(r) {
		d["cluster_name"] = nil
	}
	if at(63) {
		d["volume_type_id"] = v.Type
	}
	if at(65) {
		d["consumes_quota"] = true
	}
}

// shownMetadata is a volume's metadata with the marks that administrators' actions
// leave among it.
func shownMetadata(v volume.Volume) map[string]string {
	if v.ReadOnly == nil {
		return notNil(v.Metadata)
	}
	m := notNil(maps.Clone(v.Metadata))
	m["readonly"] = "False"
	if *v.ReadOnly {
		m["readonly"] = "True"
	}
	return m
}

// attachmentsIn are the finished attachments of a volume as its body shows them.
func (a *api) attachmentsIn(ctx context.Context, r *httpapi.Request, v volume.Volume) []doc {
	list := []doc{}
	for _, t := range a.svc.ListAttachments(ctx, volume.AttachmentFilter{VolumeID: v.ID}) {
		if t.Status != volume.InUse && t.Status != volume.Detaching {
			continue
		}
		d := doc{
			"id": v.ID, "volume_id": v.ID, "attachment_id": t.ID, "server_id": orNull(t.ServerID),
			"device": orNull(t.Device), "host_name": nil, "attached_at": stamp(t.AttachedAt),
		}
		if isAdmin(r) {
			d["host_name"] = orNull(hostName(t))
		}
		list = append(list, d)
	}
	return list
}

func hostName(t volume.Attachment) string {
	if t.HostName != "" {
		return t.HostName
	}
	return t.Host
}

// typeName is the name of a volume type by its id.
func (a *api) typeName(ctx context.Context, id string) string {
	t, err := a.svc.GetType(ctx, id)
	if err != nil {
		return ""
	}
	return t.Name
}

// hostOf writes a backend's name as clients know it: host@backend#pool.
func hostOf(backend string) string {
	if backend == "" {
		return ""
	}
	host := serviceHost(backend)
	return host + "#" + host[strings.IndexByte(host, '@')+1:]
}

// serviceHost is a backend's name as that of a service: host@backend.
func serviceHost(backend string) string {
	if strings.Contains(backend, "@") {
		return backend
	}
	return "cloud@" + backend
}
