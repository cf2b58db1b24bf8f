package imageapi

import (
	"time"

	"github.com/welkin-cloud/cloud/image"
)

// timeFormat is Glance's.
const timeFormat = "2006-01-02T15:04:05Z"

func stamp(t time.Time) string { return t.UTC().Format(timeFormat) }

// view is an image as the API shows it: one flat object in which the user's own
// properties stand beside the base ones.
func view(i image.Image) map[string]any {
	v := make(map[string]any, 24+len(i.Properties))
	for k, p := range i.Properties {
		v[k] = p
	}
	v["id"] = i.ID
	v["name"] = orNull(i.Name)
	v["owner"] = orNull(i.ProjectID)
	v["status"] = i.Status
	v["visibility"] = i.Visibility
	v["protected"] = i.Protected
	v["os_hidden"] = i.Hidden
	v["disk_format"] = orNull(i.DiskFormat)
	v["container_format"] = orNull(i.ContainerFormat)
	v["min_disk"] = i.MinDiskGiB
	v["min_ram"] = i.MinRAMMiB
	v["tags"] = i.Tags
	if i.Tags == nil {
		v["tags"] = []string{}
	}
	v["created_at"], v["updated_at"] = stamp(i.CreatedAt), stamp(i.UpdatedAt)
	v["self"] = "/v2/images/" + i.ID
	v["file"] = "/v2/images/" + i.ID + "/file"
	v["schema"] = "/v2/schemas/image"
	for _, k := range []string{"size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value"} {
		v[k] = nil
	}
	if i.Status == image.Active || i.Status == image.Deactivated {
		v["size"] = i.Size
		if i.VirtualSize > 0 {
			v["virtual_size"] = i.VirtualSize
		}
		v["checksum"] = i.MD5
		v["os_hash_algo"], v["os_hash_value"] = "sha512", i.SHA512
	}
	return v
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// memberView is a member as the API shows it.
func memberView(m image.Member) map[string]any {
	return map[string]any{
		"image_id": m.ImageID, "member_id": m.ProjectID, "status": m.Status,
		"created_at": stamp(m.CreatedAt), "updated_at": stamp(m.UpdatedAt),
		"schema": "/v2/schemas/member",
	}
}
