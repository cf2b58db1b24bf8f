package computeapi

import (
	"context"
	"encoding/base64"
	"net/http"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

func (a *api) serverRoutes() []httpapi.Route {
	const one = "/v2.1/servers/{server_id}"
	return []httpapi.Route{
		{Method: "GET", Path: "/v2.1/servers", Policy: "os_compute_api:servers:index", Handle: a.listBrief},
		{Method: "GET", Path: "/v2.1/servers/detail", Policy: "os_compute_api:servers:detail", Handle: a.listDetail},
		{
			Method: "POST", Path: "/v2.1/servers", Policy: "os_compute_api:servers:create", Status: http.StatusAccepted,
			Body: bodies(createBody, 74, 67, 63, 57, 52, 42, 37, 32, 19, 1), Handle: a.createServer,
		},
		{Method: "GET", Path: one, Policy: "os_compute_api:servers:show", Target: a.serverTarget, Handle: a.showServer},
		{
			Method: "PUT", Path: one, Policy: "os_compute_api:servers:update", Target: a.serverTarget,
			Body: bodies(updateBody, 19, 1), Handle: a.updateServer,
		},
		{
			Method: "DELETE", Path: one, Policy: "os_compute_api:servers:delete", Target: a.serverTarget,
			Status: http.StatusNoContent, Handle: a.deleteServer,
		},
	}
}

func (a *api) listBrief(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	servers, next, err := a.findServers(ctx, r)
	if err != nil {
		return nil, err
	}
	return a.list(ctx, r, servers, next, false)
}

func (a *api) listDetail(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	servers, next, err := a.findServers(ctx, r)
	if err != nil {
		return nil, err
	}
	return a.list(ctx, r, servers, next, true)
}

func (a *api) showServer(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.one(ctx, r, httpapi.Kept[compute.Server](r))
}

func (a *api) deleteServer(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteServer(asCaller(ctx, r), r.Path("server_id"))
}

func (a *api) updateServer(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Server struct {
			Name        *string `json:"name"`
			Description *string `json:"description"`
			AccessIPv4  *string `json:"accessIPv4"`
			AccessIPv6  *string `json:"accessIPv6"`
			DiskConfig  *string `json:"OS-DCF:diskConfig"`
		} `json:"server"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	s, err := a.svc.UpdateServer(ctx, r.Path("server_id"), compute.ServerUpdate{
		Name: in.Server.Name, Description: in.Server.Description, AccessIPv4: in.Server.AccessIPv4,
		AccessIPv6: in.Server.AccessIPv6, DiskConfig: in.Server.DiskConfig,
	})
	if err != nil {
		return nil, err
	}
	return a.one(ctx, r, s)
}

// createRequest is the body of POST /servers.
type createRequest struct {
	Server struct {
		Name              string            `json:"name"`
		ImageRef          string            `json:"imageRef"`
		FlavorRef         looseText         `json:"flavorRef"`
		AdminPass         string            `json:"adminPass"`
		Metadata          map[string]string `json:"metadata"`
		Networks          networksIn        `json:"networks"`
		DiskConfig        string            `json:"OS-DCF:diskConfig"`
		AccessIPv4        string            `json:"accessIPv4"`
		AccessIPv6        string            `json:"accessIPv6"`
		Personality       []fileIn          `json:"personality"`
		Zone              string            `json:"availability_zone"`
		BlockDevices      []blockDeviceIn   `json:"block_device_mapping_v2"`
		ConfigDrive       looseBool         `json:"config_drive"`
		KeyName           string            `json:"key_name"`
		MinCount          looseInt          `json:"min_count"`
		MaxCount          looseInt          `json:"max_count"`
		ReturnReservation looseBool         `json:"return_reservation_id"`
		SecurityGroups    []struct {
			Name string `json:"name"`
		} `json:"security_groups"`
		UserData    string   `json:"user_data"`
		Description string   `json:"description"`
		Tags        []string `json:"tags"`
		Host        string   `json:"host"`
		Hypervisor  string   `json:"hypervisor_hostname"`
	} `json:"server"`
	Hints  *hintsIn `json:"os:scheduler_hints"`
	Hints2 *hintsIn `json:"OS-SCH-HNT:scheduler_hints"`
}

type fileIn struct {
	Path     string `json:"path"`
	Contents string `json:"contents"`
}

func (a *api) createServer(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in createRequest
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	opts, err := in.options()
	if err != nil {
		return nil, err
	}
	if opts.Zone, opts.Host, err = a.destination(r, opts.Zone, opts.Host); err != nil {
		return nil, err
	}
	if err := a.mayCreate(ctx, r, &opts); err != nil {
		return nil, err
	}
	servers, err := a.svc.CreateServers(asCaller(ctx, r), r.Principal.ProjectID, opts)
	if err != nil {
		return nil, err
	}
	s := servers[0]
	if in.Server.ReturnReservation {
		return httpapi.OK(map[string]any{"reservation_id": s.ReservationID}), nil
	}
	pass := in.Server.AdminPass
	if pass == "" {
		pass = s.ReservationID[2:] + s.ID[:4]
	}
	out := map[string]any{
		"id": s.ID, "links": links(r, "servers/"+s.ID), "OS-DCF:diskConfig": s.DiskConfig, "adminPass": pass,
	}
	groups := []map[string]string{}
	for _, g := range s.SecurityGroups {
		groups = append(groups, map[string]string{"name": g.Name})
	}
	if len(groups) == 0 {
		groups = append(groups, map[string]string{"name": "default"})
	}
	out["security_groups"] = groups
	return &httpapi.Response{
		Body: map[string]any{"server": out}, Header: http.Header{"Location": {r.BaseURL + "/v2.1/servers/" + s.ID}},
	}, nil
}

// mayCreate asks the further rules of a creation.
func (a *api) mayCreate(ctx context.Context, r *httpapi.Request, o *compute.CreateServerOptions) error {
	check := func(rule string) error { return r.Policy.Check("compute", rule, r.Principal, own(r)) }
	if o.Networking == compute.NetworksGiven && len(o.Networks) > 0 {
		if err := check("os_compute_api:servers:create:attach_network"); err != nil {
			return err
		}
	}
	if len(o.BlockDevices) > 0 {
		if err := check("os_compute_api:servers:create:attach_volume"); err != nil {
			return err
		}
	}
	if o.Host != "" {
		if err := check("os_compute_api:servers:create:forced_host"); err != nil {
			return err
		}
	}
	f, err := a.svc.GetFlavor(ctx, o.FlavorID)
	if err == nil && f.DiskGiB == 0 && o.ImageID != "" && len(o.BlockDevices) == 0 {
		return check("os_compute_api:servers:create:zero_disk_flavor")
	}
	return nil
}

// options turns the wire shape into that of the service.
func (in *createRequest) options() (compute.CreateServerOptions, error) {
	s := &in.Server
	o := compute.CreateServerOptions{
		Name: s.Name, Description: s.Description, FlavorID: ref(string(s.FlavorRef)), ImageID: s.ImageRef,
		KeyName: s.KeyName, Metadata: s.Metadata, Tags: s.Tags, UserData: s.UserData, ConfigDrive: bool(s.ConfigDrive),
		DiskConfig: s.DiskConfig, AccessIPv4: s.AccessIPv4, AccessIPv6: s.AccessIPv6, Zone: s.Zone, Host: s.Host,
		MinCount: int(s.MinCount), MaxCount: int(s.MaxCount), Networking: s.Networks.mode, Networks: s.Networks.list,
	}
	if o.Host == "" {
		o.Host = s.Hypervisor
	}
	if o.MinCount > 0 && o.MaxCount > 0 && o.MinCount > o.MaxCount {
		return o, fault.New(fault.Invalid, "min_count must be <= max_count")
	}
	for _, g := range s.SecurityGroups {
		o.SecurityGroups = append(o.SecurityGroups, g.Name)
	}
	var err error
	if o.Files, err = files(s.Personality); err != nil {
		return o, err
	}
	for _, b := range s.BlockDevices {
		o.BlockDevices = append(o.BlockDevices, b.device())
	}
	hints := in.Hints
	if hints == nil {
		hints = in.Hints2
	}
	if hints != nil {
		o.GroupID, o.SameHost, o.DifferentHost = hints.Group, hints.SameHost, hints.DifferentHost
	}
	return o, nil
}

func files(in []fileIn) ([]compute.File, error) {
	var all []compute.File
	for _, f := range in {
		content, err := base64.StdEncoding.DecodeString(f.Contents)
		if err != nil {
			return nil, fault.New(fault.Invalid, "Personality content for %s cannot be decoded", f.Path)
		}
		all = append(all, compute.File{Path: f.Path, Content: content})
	}
	return all, nil
}

// projectTarget checks against a project that the path names.
func projectTarget(_ context.Context, r *httpapi.Request) (policy.Target, error) {
	return policy.Target{"project_id": r.Path("project_id"), "user_id": r.Principal.UserID}, nil
}
