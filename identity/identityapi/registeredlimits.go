package identityapi

import (
	"context"
	"net/http"
	"net/url"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) registeredLimitRoutes() []httpapi.Route {
	const all, single = "/v3/registered_limits", "/v3/registered_limits/{registered_limit_id}"
	return []httpapi.Route{
		route("GET", all, "list_registered_limits", nil, a.listRegisteredLimits),
		status(http.StatusCreated, withBody("POST", all, "create_registered_limits",
			batchSchema("registered_limits", registeredLimitProperties, `"required": ["service_id", "resource_name", "default_limit"]`), nil, a.createRegisteredLimits)),
		route("GET", single, "get_registered_limit", nil, a.getRegisteredLimit),
		withBody("PATCH", single, "update_registered_limit", strictSchema("registered_limit", registeredLimitProperties, ""), nil, a.updateRegisteredLimit),
		route("DELETE", single, "delete_registered_limit", nil, a.deleteRegisteredLimit),
	}
}

type registeredLimitBody struct {
	ServiceID    *string `json:"service_id"`
	RegionID     *string `json:"region_id"`
	ResourceName *string `json:"resource_name"`
	Default      *int    `json:"default_limit"`
	Description  *string `json:"description"`
}

func showRegisteredLimit(r *httpapi.Request, l identity.RegisteredLimit) object {
	return object{
		"id": l.ID, "service_id": l.ServiceID, "region_id": nullable(l.RegionID),
		"resource_name": l.ResourceName, "default_limit": l.Default, "description": l.Description,
		"links": self(r, "registered_limits", l.ID),
	}
}

// region reads a filter by region; "" asks for what has none.
func regionQuery(q url.Values) *string {
	if !q.Has("region_id") {
		return nil
	}
	region := q.Get("region_id")
	return &region
}

func (a *api) listRegisteredLimits(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q := r.Query()
	all, err := a.svc.ListRegisteredLimits(ctx, &identity.ListRegisteredLimitsOptions{
		ServiceID: q.Get("service_id"), RegionID: regionQuery(q), ResourceName: q.Get("resource_name"),
	})
	if err != nil {
		return nil, err
	}
	return list(r, "registered_limits", all, showRegisteredLimit), nil
}

func (a *api) createRegisteredLimits(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b struct {
		Limits []registeredLimitBody `json:"registered_limits"`
	}
	if err := r.Decode(&b); err != nil {
		return nil, err
	}
	wanted := make([]identity.CreateRegisteredLimitOptions, len(b.Limits))
	for i, l := range b.Limits {
		wanted[i] = identity.CreateRegisteredLimitOptions{
			ServiceID: value(l.ServiceID), RegionID: value(l.RegionID), ResourceName: value(l.ResourceName),
			Default: value(l.Default), Description: l.Description,
		}
	}
	all, err := a.svc.CreateRegisteredLimits(ctx, wanted)
	if err != nil {
		return nil, err
	}
	return batch(r, "registered_limits", all, showRegisteredLimit), nil
}

func (a *api) getRegisteredLimit(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	l, err := a.svc.GetRegisteredLimit(ctx, r.Path("registered_limit_id"))
	if err != nil {
		return nil, err
	}
	return one("registered_limit", showRegisteredLimit(r, l)), nil
}

func (a *api) updateRegisteredLimit(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b struct {
		Limit registeredLimitBody `json:"registered_limit"`
	}
	if err := r.Decode(&b); err != nil {
		return nil, err
	}
	if isNull(r, "registered_limit", "region_id") {
		b.Limit.RegionID = new(string)
	}
	l, err := a.svc.UpdateRegisteredLimit(ctx, r.Path("registered_limit_id"), identity.UpdateRegisteredLimitOptions{
		ServiceID: b.Limit.ServiceID, RegionID: b.Limit.RegionID, ResourceName: b.Limit.ResourceName,
		Default: b.Limit.Default, Description: b.Limit.Description,
	})
	if err != nil {
		return nil, err
	}
	return one("registered_limit", showRegisteredLimit(r, l)), nil
}

func (a *api) deleteRegisteredLimit(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteRegisteredLimit(ctx, r.Path("registered_limit_id"))
}

// batch answers with what was made together: a list without links.
func batch[T any](r *httpapi.Request, name string, items []T, show func(*httpapi.Request, T) object) *httpapi.Response {
	return httpapi.OK(object{name: shownAll(r, items, show)})
}
