package matrix_test

import (
	"net/http"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/volume/volumeapi"
)

// volumeService is Cinder's: what belongs to another project is not there, but for
// administrators.
var volumeService = service{
	api: func(c *cloud.Cloud, opts httpapi.Options) http.Handler { return volumeapi.New(c.Volumes, opts) },
	own: func(p *policy.Principal) policy.Target {
		return policy.Target{"project_id": p.ProjectID, "user_id": p.UserID}
	},
	public: map[string]string{"GET /": discovery, "GET /v3": discovery},
	kinds: []kind{
		{
			name: "volume", at: "volumes", make: "POST /v3/volumes", id: "volume.id", hide: "project", wait: true,
			body:   `{"volume":{"name":"secret-of-p-volume","size":1,"metadata":{"color":"blue"}}}`,
			target: map[string]string{"project_id": "$project", "user_id": "$owner"},
		},
		{name: "volume2", make: "POST /v3/volumes", id: "volume.id", wait: true, body: `{"volume":{"name":"secret-of-p-volume","size":1}}`},
		{name: "volume3", make: "POST /v3/volumes", id: "volume.id", wait: true, body: `{"volume":{"name":"secret-of-p-volume","size":1}}`},
		{name: "volume4", make: "POST /v3/volumes", id: "volume.id", wait: true, body: `{"volume":{"name":"secret-of-p-volume","size":1}}`},
		{name: "volume5", make: "POST /v3/volumes", id: "volume.id", wait: true, body: `{"volume":{"name":"secret-of-p-volume","size":1}}`},
		{
			name: "snapshot", at: "snapshots", make: "POST /v3/snapshots", id: "snapshot.id", hide: "project", wait: true,
			body:   `{"snapshot":{"name":"secret-of-p-snapshot","volume_id":"$volume","metadata":{"color":"blue"}}}`,
			target: map[string]string{"project_id": "$project", "user_id": "$owner"},
		},
		{
			name: "backup", at: "backups", make: "POST /v3/backups", id: "backup.id", hide: "project", wait: true,
			body:   `{"backup":{"name":"secret-of-p-backup","volume_id":"$volume"}}`,
			target: map[string]string{"project_id": "$project", "user_id": "$owner"},
		},
		{
			name: "attachment", at: "attachments", make: "POST /v3/attachments", id: "attachment.id", hide: "project",
			body:   `{"attachment":{"volume_uuid":"$volume2","instance_uuid":"11111111-1111-4111-8111-111111111111"}}`,
			target: map[string]string{"project_id": "$project", "user_id": "$owner"},
		},
		{
			name: "transfer", at: "os-volume-transfer volume-transfers", make: "POST /v3/volume-transfers", id: "transfer.id", hide: "project",
			body:   `{"transfer":{"name":"secret-of-p-transfer","volume_id":"$volume3"}}`,
			target: map[string]string{"project_id": "$project", "user_id": "$owner"},
		},
		{
			name: "volumetype", at: "types", make: "POST /v3/types", as: "admin", id: "volume_type.id",
			body: `{"volume_type":{"name":"fast","extra_specs":{"color":"blue"}}}`,
		},
		{
			name: "privatetype", make: "POST /v3/types", as: "admin", id: "volume_type.id",
			body: `{"volume_type":{"name":"few","os-volume-type-access:is_public":false}}`,
		},
		{make: "POST /v3/types/$privatetype/action", as: "admin", body: `{"addProjectAccess":{"project":"$project"}}`},
		{name: "idletype", make: "POST /v3/types", as: "admin", id: "volume_type.id", body: `{"volume_type":{"name":"idle"}}`},
		{make: "PUT /v3/default-types/$project", as: "admin", body: `{"default_type":{"volume_type":"$volumetype"}}`},
		{name: "metadata", at: "metadata extra_specs", value: "color"},
		{name: "message", at: "messages", value: "11111111-1111-4111-8111-111111111111"},
		{name: "project", at: "os-quota-sets default-types", target: map[string]string{"project_id": "$project"}},
		{name: "quotaclass", at: "os-quota-class-sets", value: "default"},
	},
	asks: map[string][]ask{
		"GET /v3/volumes":                                 ofOthers("all_tenants=1&project_id=$project"),
		"GET /v3/volumes/detail":                          ofOthers("all_tenants=1&project_id=$project"),
		"GET /v3/snapshots":                               ofOthers("all_tenants=1&project_id=$project"),
		"GET /v3/snapshots/detail":                        ofOthers("all_tenants=1&project_id=$project"),
		"GET /v3/backups":                                 ofOthers("all_tenants=1&project_id=$project"),
		"GET /v3/backups/detail":                          ofOthers("all_tenants=1&project_id=$project"),
		"GET /v3/attachments":                             ofOthers("all_tenants=1"),
		"GET /v3/attachments/detail":                      ofOthers("all_tenants=1"),
		"GET /v3/volume-transfers":                        ofOthers("all_tenants=1&project_id=$project"),
		"GET /v3/volume-transfers/detail":                 ofOthers("all_tenants=1&project_id=$project"),
		"GET /v3/os-volume-transfer":                      ofOthers("all_tenants=1&project_id=$project"),
		"GET /v3/os-volume-transfer/detail":               ofOthers("all_tenants=1&project_id=$project"),
		"PUT /v3/volumes/{id}/metadata/{key}":             {{body: `{"meta":{"color":"red"}}`}},
		"PUT /v3/snapshots/{id}/metadata/{key}":           {{body: `{"meta":{"color":"red"}}`}},
		"POST /v3/volumes/{id}/action#os-begin_detaching": {{fails: "the volume is not attached"}},
		"POST /v3/volumes/{id}/action#os-reset_status":    {{body: `{"os-reset_status":{"status":"error"}}`}},
		"POST /v3/volumes/{id}/action#os-extend":          {{body: `{"os-extend":{"new_size":2}}`}},
		"POST /v3/volumes/{id}/action#os-attach": {{
			body: `{"os-attach":{"instance_uuid":"11111111-1111-4111-8111-111111111111","mountpoint":"/dev/vdb","mode":"rw"}}`,
		}},
		"DELETE /v3/volumes/{id}": {{with: map[string]string{"volumes": "$volume5"}}},
		"PUT /v3/types/{id}":      {{body: `{"volume_type":{"name":"faster"}}`}},
		"DELETE /v3/types/{id}":   {{with: map[string]string{"types": "$idletype"}}},
		"GET /v3/types/{id}": {{}, {
			name: "of another project", with: map[string]string{"types": "$privatetype"}, hide: "project", target: mine,
		}},
		"POST /v3/types/{id}/action#addProjectAccess": {{
			with: map[string]string{"types": "$privatetype"}, hide: "project", target: mine, body: `{"addProjectAccess":{"project":"$other"}}`,
		}},
		"POST /v3/types/{id}/action#removeProjectAccess": {{
			with: map[string]string{"types": "$privatetype"}, hide: "project", target: mine, body: `{"removeProjectAccess":{"project":"$project"}}`,
		}},
		"POST /v3/volumes":            {{owned: true, body: `{"volume":{"size":1}}`}},
		"POST /v3/snapshots":          {{owned: true, about: "volumes", body: `{"snapshot":{"volume_id":"$volume"}}`}},
		"POST /v3/backups":            {{owned: true, about: "volumes", body: `{"backup":{"volume_id":"$volume"}}`}},
		"POST /v3/volume-transfers":   {{about: "volumes", body: `{"transfer":{"volume_id":"$volume"}}`}},
		"POST /v3/os-volume-transfer": {{about: "volumes", body: `{"transfer":{"volume_id":"$volume"}}`}},
		"POST /v3/attachments": {{
			about: "volumes", body: `{"attachment":{"volume_uuid":"$volume","instance_uuid":"22222222-2222-4222-8222-222222222222"}}`,
		}},
		"PUT /v3/attachments/{id}": {{body: `{"attachment":{"connector":{"host":"here"}}}`}},
		// Whoever has the key may accept a transfer: it needs not be of its project.
		"POST /v3/volume-transfers/{id}/accept":   {{owned: true, open: true, target: own, fails: transferKey}},
		"POST /v3/os-volume-transfer/{id}/accept": {{owned: true, open: true, target: own, fails: transferKey}},
		"POST /v3/volumes/{id}/action#os-detach":  {{body: `{"os-detach":{"attachment_id":null}}`}},
		"POST /v3/volumes/{id}/action#revert":     {{body: `{"revert":{"snapshot_id":"$snapshot"}}`}},
		"POST /v3/volumes/{id}/action#os-unset_image_metadata": {{
			body: `{"os-unset_image_metadata":{"key":"kernel"}}`, absent: "the volume has no such key",
		}},
		"PUT /v3/default-types/{project_id}": {{body: `{"default_type":{"volume_type":"$volumetype"}}`}},
		"GET /v3/types/{id}/os-volume-type-access": {{
			// A type that the project may not use is not there.
			with: map[string]string{"types": "$privatetype"}, hide: "project", target: mine,
		}},
		"PUT /v3/types/{id}/extra_specs/{key}": {{body: `{"color":"red"}`}},
		"GET /v3/types/{id}/extra_specs/{key}": {{absent: "only administrators see most keys"}},
		"GET /v3/messages/{id}":                {{absent: "there is none"}},
		"DELETE /v3/messages/{id}":             {{absent: "there is none"}},
		"DELETE /v3/volumes":                   {{absent: "it asks for a volume without an id"}},
		"PUT /v3/volumes":                      {{absent: "it asks for a volume without an id"}},
	},
}

// transferKey says why nobody gets a volume that was offered.
const transferKey = "the key is not known"

// own is the target of a request that has to do with the caller's own project.
var own = map[string]string{}
