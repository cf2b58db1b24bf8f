package volumeapi

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/volume"
)

// volumeListing says how volumes are listed.
func (a *api) volumeListing(ctx context.Context) *listing[volume.Volume] {
	type v = volume.Volume
	typeName := func(v v) string { return a.typeName(ctx, v.Type) }
	name := func(v v) string { return v.Name }
	never := filter[v]{make: func(string) (match[v], error) { return func(v) bool { return false }, nil }}
	noGroup := never
	noGroup.min = 10
	return &listing[v]{
		singular: "volume", plural: "volumes", countSince: 45,
		id: func(v v) string { return v.ID }, created: func(v v) time.Time { return v.CreatedAt },
		sorts: map[string]func(a, b v) int{
			"name":              func(a, b v) int { return cmp.Compare(a.Name, b.Name) },
			"display_name":      func(a, b v) int { return cmp.Compare(a.Name, b.Name) },
			"status":            func(a, b v) int { return cmp.Compare(a.Status, b.Status) },
			"size":              func(a, b v) int { return cmp.Compare(a.SizeGiB, b.SizeGiB) },
			"availability_zone": func(a, b v) int { return cmp.Compare(a.Zone, b.Zone) },
			"updated_at":        func(a, b v) int { return a.UpdatedAt.Compare(b.UpdatedAt) },
			"bootable":          func(a, b v) int { return cmp.Compare(boolean(a.Bootable), boolean(b.Bootable)) },
			"volume_type_id":    func(a, b v) int { return cmp.Compare(a.Type, b.Type) },
			"user_id":           func(a, b v) int { return cmp.Compare(a.UserID, b.UserID) },
			"project_id":        func(a, b v) int { return cmp.Compare(a.ProjectID, b.ProjectID) },
		},
		filters: map[string]filter[v]{
			"id": byText(func(v v) string { return v.ID }), "name": byText(name), "display_name": byText(name),
			"description":       byText(func(v v) string { return v.Description }),
			"status":            byText(func(v v) string { return string(v.Status) }),
			"availability_zone": byText(func(v v) string { return v.Zone }),
			"bootable":          byFlag(func(v v) bool { return v.Bootable }),
			"multiattach":       byFlag(func(v v) bool { return v.MultiAttach }),
			"encrypted":         byFlag(func(v) bool { return false }),
			"size":              byNumber(func(v v) int { return v.SizeGiB }),
			"metadata":          byDict(0, func(v v) map[string]string { return v.Metadata }),
			"glance_metadata":   byDict(4, func(v v) map[string]string { return v.ImageMetadata }),
			"volume_type":       byText(typeName), "volume_type_id": byText(func(v v) string { return v.Type }),
			"snapshot_id":      byText(func(v v) string { return v.SnapshotID }),
			"source_volid":     byText(func(v v) string { return v.SourceID }),
			"user_id":          byText(func(v v) string { return v.UserID }),
			"project_id":       byAdmin(func(v v) string { return v.ProjectID }),
			"host":             byAdmin(func(v v) string { return hostOf(v.Backend) }),
			"migration_status": never, "replication_status": never, "consistencygroup_id": never, "group_id": noGroup,
			"created_at":     byTime(func(v v) time.Time { return v.CreatedAt }),
			"updated_at":     byTime(func(v v) time.Time { return v.UpdatedAt }),
			"consumes_quota": {min: 65, make: byFlag(func(v) bool { return true }).make},
		},
	}
}

func boolean(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

func (a *api) listVolumes(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if strings.HasSuffix(r.HTTP.URL.Path, "/") {
		return noVolume(ctx, r) // "volumes/" asks for a volume without an id
	}
	return a.volumeListing(ctx).answer(r, a.svc.ListVolumes(ctx, scope(r)), func(v volume.Volume) doc {
		return doc{"id": v.ID, "name": orNull(v.Name), "links": links(r, "volumes", v.ID)}
	})
}

func (a *api) listVolumesDetail(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.volumeListing(ctx).answer(r, a.svc.ListVolumes(ctx, scope(r)), func(v volume.Volume) doc {
		return a.volumeView(ctx, r, v, true)
	})
}

// summary adds up the volumes that a list would show.
func (a *api) summary(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.volumeListing(ctx).pick(r, a.svc.ListVolumes(ctx, scope(r)))
	if err != nil {
		return nil, err
	}
	size, metadata := 0, map[string][]string{}
	for _, v := range all {
		size += v.SizeGiB
		for key, value := range v.Metadata {
			if !slices.Contains(metadata[key], value) {
				metadata[key] = append(metadata[key], value)
			}
		}
	}
	sum := doc{"total_size": size, "total_count": len(all)}
	if r.Version.AtLeast(3, 36) {
		for _, values := range metadata {
			slices.Sort(values)
		}
		sum["metadata"] = metadata
	}
	return httpapi.OK(doc{"volume-summary": sum}), nil
}
