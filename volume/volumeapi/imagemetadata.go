package volumeapi

import (
	"context"
	"maps"

	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/volume"
)

func (a *api) imageMetadataRoutes() []httpapi.Route {
	act := func(name, rule string, body []httpapi.Schema, handle httpapi.Handler) httpapi.Route {
		return httpapi.Route{
			Method: "POST", Path: "/v3/volumes/{volume_id}/action", Action: name, Target: a.volumeTarget,
			Policy: rule, Body: body, Handle: handle,
		}
	}
	const rules = "volume_extension:volume_image_metadata:"
	return []httpapi.Route{
		act("os-show_image_metadata", rules+"show", action("os-show_image_metadata"), showImageMetadata),
		act("os-set_image_metadata", rules+"set", one(object("os-set_image_metadata", `"metadata": `+sMeta, `"metadata"`, false)), a.setImageMetadata),
		act("os-unset_image_metadata", rules+"remove", one(object("os-unset_image_metadata", `"key": `+sID, `"key"`, false)), a.unsetImageMetadata),
	}
}

func showImageMetadata(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.OK(doc{"metadata": notNil(httpapi.Kept[volume.Volume](r).ImageMetadata)}), nil
}

func (a *api) setImageMetadata(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[struct {
		Metadata map[string]string `json:"metadata"`
	}](r, "os-set_image_metadata")
	if err != nil {
		return nil, err
	}
	v, err := a.svc.UpdateVolume(ctx, r.Path("volume_id"), volume.UpdateOptions{
		EditImageMetadata: func(all map[string]string) (map[string]string, error) {
			maps.Copy(all, b.Metadata)
			return all, nil
		},
	})
	if err != nil {
		return nil, err
	}
	return httpapi.OK(doc{"metadata": v.ImageMetadata}), nil
}

func (a *api) unsetImageMetadata(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[struct {
		Key string `json:"key"`
	}](r, "os-unset_image_metadata")
	if err != nil {
		return nil, err
	}
	_, err = a.svc.UpdateVolume(ctx, r.Path("volume_id"), volume.UpdateOptions{
		EditImageMetadata: func(all map[string]string) (map[string]string, error) {
			if _, ok := all[b.Key]; !ok {
				return nil, noKey()
			}
			delete(all, b.Key)
			return all, nil
		},
	})
	return httpapi.Empty(), err
}
