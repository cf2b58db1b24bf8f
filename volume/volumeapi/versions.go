package volumeapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) versionRoutes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/", Public: true, Status: http.StatusMultipleChoices, Handle: versions},
		{Method: "GET", Path: "/v3", Public: true, Handle: versions},
		// Any user may see what there is.
		{Method: "GET", Path: "/v3/extensions", Policy: "welkin:extensions:index", Handle: extensions},
	}
}

// versions answers with the one version, in the same form at both places.
func versions(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	v := httpapi.APIVersion{
		ID: "v3.0", Status: "CURRENT", Updated: "2022-03-30T00:00:00Z",
		MediaTypes: []httpapi.MediaType{{Base: "application/json", Type: "application/vnd.openstack.volume+json;version=3"}},
	}
	m := microversions
	return httpapi.OK(httpapi.VersionList(v.Range(&m).At(r, "/v3/"))), nil
}

// served are the extensions of old that are part of what is served: alias, name and
// description.
var served = [...][3]string{
	{"backups", "Backups", "Copies of volumes in another store."},
	{"os-admin-actions", "AdminActions", "Status by hand and forced deletion, for administrators."},
	{"os-availability-zone", "AvailabilityZones", "The availability zones."},
	{"os-extended-snapshot-attributes", "ExtendedSnapshotAttributes", "Progress and project of snapshots."},
	{"os-quota-class-sets", "QuotaClasses", "The default quotas."},
	{"os-quota-sets", "Quotas", "The quotas of projects."},
	{"os-services", "Services", "The services behind the API."},
	{"os-types-extra-specs", "TypesExtraSpecs", "Extra specs of volume types."},
	{"os-types-manage", "TypesManage", "Management of volume types."},
	{"os-used-limits", "UsedLimits", "Use of the absolute limits."},
	{"os-vol-host-attr", "VolumeHostAttribute", "The back end of a volume."},
	{"os-vol-image-meta", "VolumeImageMetadata", "What the image said that a volume was made from."},
	{"os-vol-mig-status-attr", "VolumeMigStatusAttribute", "The migration of a volume."},
	{"os-vol-tenant-attr", "VolumeTenantAttribute", "The project of a volume."},
	{"os-volume-actions", "VolumeActions", "Actions on volumes."},
	{"os-volume-encryption-metadata", "VolumeEncryptionMetadata", "The encryption of a volume."},
	{"os-volume-transfer", "VolumeTransfer", "Transfers of volumes between projects."},
	{"os-volume-type-access", "VolumeTypeAccess", "Access to volume types that are not public."},
	{"scheduler-stats", "Scheduler_stats", "The pools that volumes are placed in."},
}

func extensions(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	all := make([]doc, len(served))
	for i, x := range served {
		all[i] = doc{"alias": x[0], "name": x[1], "description": x[2], "updated": "2022-03-30T00:00:00+00:00", "links": []any{}}
	}
	return httpapi.OK(doc{"extensions": all}), nil
}
