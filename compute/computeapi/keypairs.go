package computeapi

import (
	"context"
	"net/http"
	"slices"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

func (a *api) keypairRoutes() []httpapi.Route {
	const all, one = "/v2.1/os-keypairs", "/v2.1/os-keypairs/{name}"
	rule := func(name string) string { return "os_compute_api:os-keypairs:" + name }
	return []httpapi.Route{
		{Method: "GET", Path: all, Policy: rule("index"), Target: keypairTarget, Handle: a.listKeypairs},
		{Method: "POST", Path: all, Policy: rule("create"), Target: keypairTarget, Body: bodies(keypairBody, 10, 2, 1), Handle: a.createKeypair},
		{Method: "GET", Path: one, Policy: rule("show"), Target: keypairTarget, Handle: a.showKeypair},
		{Method: "DELETE", Path: one, Policy: rule("delete"), Target: keypairTarget, Handle: a.deleteKeypair},
	}
}

func keypairBody(minor int) string {
	return wrapped("keypair", object(minor, []string{"name"},
		property{name: "name", schema: `{"type":"string","minLength":1,"maxLength":255,"pattern":"^[^\\s]([^\\pC]*[^\\s])?$"}`},
		property{name: "public_key", schema: sString},
		property{name: "type", schema: `{"type":"string","enum":["ssh","x509"]}`, min: 2},
		property{name: "user_id", schema: sString, min: 10},
	))
}

// keypairUser is whose keypairs are meant: from 2.10 an admin may name a user.
func keypairUser(r *httpapi.Request) string {
	if !r.Version.AtLeast(2, 10) {
		return r.Principal.UserID
	}
	var in struct {
		Keypair struct {
			UserID string `json:"user_id"`
		} `json:"keypair"`
	}
	if r.HTTP.Method == http.MethodPost && r.Decode(&in) == nil && in.Keypair.UserID != "" {
		return in.Keypair.UserID
	}
	if id := r.Query().Get("user_id"); id != "" {
		return id
	}
	return r.Principal.UserID
}

func keypairTarget(_ context.Context, r *httpapi.Request) (policy.Target, error) {
	return policy.Target{"user_id": keypairUser(r)}, nil
}

func keypairView(r *httpapi.Request, k *compute.Keypair) map[string]any {
	out := map[string]any{"name": k.Name, "public_key": k.PublicKey, "fingerprint": k.Fingerprint}
	if r.Version.AtLeast(2, 2) {
		out["type"] = k.Type
	}
	return out
}

func (a *api) listKeypairs(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all := a.svc.ListKeypairs(ctx, keypairUser(r))
	next := ""
	if r.Version.AtLeast(2, 35) {
		paging, err := r.Paging(nil)
		if err != nil {
			return nil, err
		}
		cut, err := httpapi.Cut(slices.Values(all), paging, func(k compute.Keypair) string { return k.Name })
		if err != nil {
			return nil, err
		}
		all, next = cut.Items, cut.Next
	}
	list := []any{}
	for i := range all {
		list = append(list, map[string]any{"keypair": keypairView(r, &all[i])})
	}
	return httpapi.OK(page(r, "keypairs", list, next)), nil
}

func (a *api) createKeypair(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Keypair struct {
			Name      string `json:"name"`
			PublicKey string `json:"public_key"`
			Type      string `json:"type"`
		} `json:"keypair"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	k, private, err := a.svc.CreateKeypair(ctx, keypairUser(r), compute.CreateKeypairOptions{
		Name: in.Keypair.Name, Type: in.Keypair.Type, PublicKey: in.Keypair.PublicKey,
	})
	if err != nil {
		return nil, err
	}
	out := keypairView(r, &k)
	out["user_id"] = k.UserID
	if private != "" {
		out["private_key"] = private
	}
	status := http.StatusOK
	if r.Version.AtLeast(2, 2) {
		status = http.StatusCreated
	}
	return &httpapi.Response{Status: status, Body: map[string]any{"keypair": out}}, nil
}

func (a *api) showKeypair(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	k, err := a.svc.GetKeypair(ctx, keypairUser(r), r.Path("name"))
	if err != nil {
		return nil, err
	}
	out := keypairView(r, &k)
	out["user_id"], out["id"], out["created_at"] = k.UserID, k.ID, micros(k.CreatedAt)
	out["deleted"], out["deleted_at"], out["updated_at"] = false, nil, nil
	return httpapi.OK(map[string]any{"keypair": out}), nil
}

func (a *api) deleteKeypair(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if err := a.svc.DeleteKeypair(ctx, keypairUser(r), r.Path("name")); err != nil {
		return nil, err
	}
	if r.Version.AtLeast(2, 2) {
		return &httpapi.Response{Status: http.StatusNoContent}, nil
	}
	return &httpapi.Response{Status: http.StatusAccepted}, nil
}
