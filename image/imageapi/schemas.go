package imageapi

import (
	"context"
	"encoding/json"

	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) schemaRoutes() []httpapi.Route {
	// Glance describes itself to whoever has a token.
	static := func(path, rule string, body any) httpapi.Route {
		raw, err := json.Marshal(body)
		if err != nil {
			panic(err) // a literal of this file
		}
		return httpapi.Route{Method: "GET", Path: path, Policy: "welkin:" + rule,
			Handle: func(context.Context, *httpapi.Request) (*httpapi.Response, error) {
				return httpapi.OK(json.RawMessage(raw)), nil
			}}
	}
	return []httpapi.Route{
		static("/v2/schemas/image", "get_schemas", imageSchema()),
		static("/v2/schemas/images", "get_schemas", listSchema("images", imageSchema())),
		static("/v2/schemas/member", "get_schemas", memberDoc()),
		static("/v2/schemas/members", "get_schemas", listSchema("members", memberDoc())),
		static("/v2/info/import", "get_info", map[string]any{"import-methods": map[string]any{
			"description": "Import methods available.", "type": "array", "value": []string{},
		}}),
		static("/v2/info/stores", "get_info", map[string]any{"stores": []any{
			map[string]any{"id": a.svc.StoreName(), "default": "true"},
		}}),
	}
}

type doc = map[string]any

func field(kind any, description string, extra ...doc) doc {
	d := doc{"type": kind, "description": description}
	for _, e := range extra {
		for k, v := range e {
			d[k] = v
		}
	}
	return d
}

// imageSchema describes an image to clients that ask, such as the glance command.
func imageSchema() doc {
	text := []string{"null", "string"}
	count := []string{"null", "integer"}
	fixed := doc{"readOnly": true}
	return doc{
		"name": "image",
		"properties": doc{
			"id":               field("string", "An identifier for the image"),
			"name":             field(text, "Descriptive name for the image", doc{"maxLength": 255}),
			"status":           field("string", "Status of the image", fixed),
			"visibility":       field("string", "Scope of image accessibility", doc{"enum": []string{"community", "public", "private", "shared"}}),
			"protected":        field("boolean", "If true, image will not be deletable."),
			"os_hidden":        field("boolean", "If true, image will not appear in default image list response."),
			"checksum":         field(text, "md5 hash of image contents.", fixed, doc{"maxLength": 32}),
			"os_hash_algo":     field(text, "Algorithm to calculate the os_hash_value", fixed, doc{"maxLength": 64}),
			"os_hash_value":    field(text, "Hexdigest of the image contents using the algorithm specified by the os_hash_algo", fixed, doc{"maxLength": 128}),
			"owner":            field(text, "Owner of the image", doc{"maxLength": 255}),
			"size":             field(count, "Size of image file in bytes", fixed),
			"virtual_size":     field(count, "Virtual size of image in bytes", fixed),
			"container_format": field(text, "Format of the container", doc{"enum": orNullList(image.ContainerFormats())}),
			"disk_format":      field(text, "Format of the disk", doc{"enum": orNullList(image.DiskFormats())}),
			"created_at":       field("string", "Date and time of image registration", fixed),
			"updated_at":       field("string", "Date and time of the last image modification", fixed),
			"tags":             field("array", "List of strings related to the image", doc{"items": doc{"type": "string", "maxLength": 255}}),
			"min_ram":          field("integer", "Amount of ram (in MB) required to boot image."),
			"min_disk":         field("integer", "Amount of disk space (in GB) required to boot image."),
			"self":             field("string", "An image self url", fixed),
			"file":             field("string", "An image file url", fixed),
			"schema":           field("string", "An image schema url", fixed),
		},
		"additionalProperties": doc{"type": "string"},
		"links": []doc{
			{"rel": "self", "href": "{self}"},
			{"rel": "enclosure", "href": "{file}"},
			{"rel": "describedby", "href": "{schema}"},
		},
	}
}

func orNullList(list []string) []any {
	out := []any{nil}
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

func memberDoc() doc {
	return doc{
		"name": "member",
		"properties": doc{
			"image_id":   field("string", "An identifier for the image"),
			"member_id":  field("string", "An identifier for the image member (tenantId)"),
			"status":     field("string", "The status of this image member", doc{"enum": []string{"pending", "accepted", "rejected"}}),
			"created_at": field("string", "Date and time of image member creation"),
			"updated_at": field("string", "Date and time of last modification of image member"),
			"schema":     doc{"type": "string", "readOnly": true},
		},
	}
}

func listSchema(name string, item doc) doc {
	return doc{
		"name": name,
		"properties": doc{
			name:     doc{"type": "array", "items": item},
			"schema": doc{"type": "string"},
			"first":  doc{"type": "string"},
			"next":   doc{"type": "string"},
		},
		"links": []doc{{"rel": "describedby", "href": "{schema}"}},
	}
}
