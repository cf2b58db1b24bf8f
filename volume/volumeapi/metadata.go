package volumeapi

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/volume"
)

// editor changes metadata in place, or returns what replaces it.
type editor func(all map[string]string) (map[string]string, error)

// metadata says how the metadata of a kind of resource is served.
type metadata struct {
	of   func(r *httpapi.Request) map[string]string // what Target has loaded
	edit func(ctx context.Context, r *httpapi.Request, f editor) error
	etag bool // from 3.15 on, readers are told a tag and writers may name it
}

func (a *api) metadataRoutes() []httpapi.Route {
	volumes := &metadata{
		etag: true,
		of:   func(r *httpapi.Request) map[string]string { return notNil(httpapi.Kept[volume.Volume](r).Metadata) },
		edit: func(ctx context.Context, r *httpapi.Request, f editor) error {
			_, err := a.svc.UpdateVolume(ctx, r.Path("volume_id"), volume.UpdateOptions{EditMetadata: f})
			return err
		},
	}
	snapshots := &metadata{
		of: func(r *httpapi.Request) map[string]string { return notNil(httpapi.Kept[volume.Snapshot](r).Metadata) },
		edit: func(ctx context.Context, r *httpapi.Request, f editor) error {
			_, err := a.svc.UpdateSnapshot(ctx, r.Path("snapshot_id"), volume.UpdateOptions{EditMetadata: f})
			return err
		},
	}
	const v, s = "/v3/volumes/{volume_id}/metadata", "/v3/snapshots/{snapshot_id}/metadata"
	routes := volumes.routes(v, "volume:get_volume_metadata", "volume:create_volume_metadata", "volume:update_volume_metadata", "volume:delete_volume_metadata")
	routes = append(routes, snapshots.routes(s, "volume:get_snapshot_metadata", "volume:update_snapshot_metadata", "volume:update_snapshot_metadata", "volume:delete_snapshot_metadata")...)
	for i := range routes {
		routes[i].Target = a.volumeTarget
		if strings.HasPrefix(routes[i].Path, s) {
			routes[i].Target = a.snapshotTarget
		}
	}
	return routes
}

var (
	metadataSchema = one(`{"type": "object", "required": ["metadata"], "additionalProperties": false, "properties": {"metadata": ` + sMeta + `}}`)
	metaSchema     = one(`{"type": "object", "required": ["meta"], "additionalProperties": false, "properties": {"meta": ` + sMeta + `}}`)
)

func (m *metadata) routes(path, read, create, update, remove string) []httpapi.Route {
	one := path + "/{key}"
	return []httpapi.Route{
		{Method: "GET", Path: path, Policy: read, Handle: m.show},
		{Method: "POST", Path: path, Policy: create, Body: metadataSchema, Handle: m.add},
		{Method: "PUT", Path: path, Policy: update, Body: metadataSchema, Handle: m.replace},
		{Method: "GET", Path: one, Policy: read, Handle: m.showKey},
		{Method: "PUT", Path: one, Policy: update, Body: metaSchema, Handle: m.setKey},
		{Method: "DELETE", Path: one, Policy: remove, Handle: m.removeKey},
	}
}

// tag names a state of the metadata.
func tag(m map[string]string) string {
	data, _ := json.Marshal(m) // of strings: it cannot fail
	sum := md5.Sum(data)       // names a state and protects nothing
	return hex.EncodeToString(sum[:])
}

// tagged is an answer with the tag, where there are tags.
func (m *metadata) tagged(r *httpapi.Request, state map[string]string, body any) *httpapi.Response {
	resp := httpapi.OK(body)
	if m.etag && r.Version.AtLeast(3, 15) {
		resp.Header = http.Header{"Etag": {tag(state)}}
	}
	return resp
}

// guard refuses a change for which another state was expected.
func (m *metadata) guard(r *httpapi.Request, all map[string]string) error {
	given := r.HTTP.Header.Get("If-Match")
	if given == "" || !m.etag || !r.Version.AtLeast(3, 15) {
		return nil
	}
	now := tag(all)
	for item := range strings.SplitSeq(given, ",") {
		if item = strings.Trim(strings.TrimPrefix(strings.TrimSpace(item), "W/"), `"`); item == now || item == "*" {
			return nil
		}
	}
	return &httpapi.StatusError{Status: http.StatusPreconditionFailed, Message: "The metadata has changed since it was read."}
}

func (m *metadata) show(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all := m.of(r)
	return m.tagged(r, all, doc{"metadata": all}), nil
}

// given is the metadata in a body.
func given(r *httpapi.Request, key string) (map[string]string, error) {
	return inner[map[string]string](r, key)
}

func (m *metadata) add(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	more, err := given(r, "metadata")
	if err != nil {
		return nil, err
	}
	return m.write(ctx, r, "metadata", func(all map[string]string) (map[string]string, error) {
		maps.Copy(all, more)
		return all, nil
	})
}

func (m *metadata) replace(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	whole, err := given(r, "metadata")
	if err != nil {
		return nil, err
	}
	return m.write(ctx, r, "metadata", func(map[string]string) (map[string]string, error) { return notNil(whole), nil })
}

// write changes the metadata if the request's tag allows it, and answers with all of
// it below key, or with nothing.
func (m *metadata) write(ctx context.Context, r *httpapi.Request, key string, change editor) (*httpapi.Response, error) {
	var now map[string]string
	err := m.edit(ctx, r, func(all map[string]string) (map[string]string, error) {
		if err := m.guard(r, all); err != nil {
			return nil, err
		}
		var err error
		now, err = change(all)
		return now, err
	})
	if err != nil || key == "" {
		return httpapi.Empty(), err
	}
	return m.tagged(r, now, doc{key: now}), nil
}

// noKey is the error for a key that is not there.
func noKey() error {
	return fault.New(fault.NotFound, "Metadata item was not found")
}

func (m *metadata) showKey(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	key := r.Path("key")
	value, ok := m.of(r)[key]
	if !ok {
		return nil, noKey()
	}
	return m.tagged(r, m.of(r), doc{"meta": doc{key: value}}), nil
}

func (m *metadata) setKey(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	more, err := given(r, "meta")
	if err != nil {
		return nil, err
	}
	key := r.Path("key")
	value, ok := more[key]
	if !ok || len(more) != 1 {
		return nil, fault.New(fault.Invalid, "Request body and URI mismatch")
	}
	_, err = m.write(ctx, r, "", func(all map[string]string) (map[string]string, error) {
		all[key] = value
		return all, nil
	})
	return httpapi.OK(doc{"meta": more}), err
}

func (m *metadata) removeKey(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return m.write(ctx, r, "", func(all map[string]string) (map[string]string, error) {
		if _, ok := all[r.Path("key")]; !ok {
			return nil, noKey()
		}
		delete(all, r.Path("key"))
		return all, nil
	})
}
