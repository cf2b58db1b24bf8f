package volumeapi

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/volume"
)

// transferRoutes are the same at two places, the newer one from 3.55 on.
func (a *api) transferRoutes() []httpapi.Route {
	return append(a.transfersAt("os-volume-transfer", 0), a.transfersAt("volume-transfers", 55)...)
}

func (a *api) transfersAt(place string, minor int) []httpapi.Route {
	all := "/v3/" + place
	one := all + "/{transfer_id}"
	routes := []httpapi.Route{
		{Method: "GET", Path: all, Policy: "volume:get_all_transfers", Handle: a.listTransfers},
		{Method: "GET", Path: all + "/detail", Policy: "volume:get_all_transfers", Handle: a.listTransfersDetail},
		{Method: "POST", Path: all, Policy: "volume:create_transfer", Target: a.newTransferTarget, Status: 202, Body: createTransferSchema, Handle: a.createTransfer},
		{Method: "GET", Path: one, Policy: "volume:get_transfer", Target: a.transferTarget, Handle: a.showTransfer},
		{Method: "DELETE", Path: one, Policy: "volume:delete_transfer", Target: a.transferTarget, Status: 202, Handle: a.deleteTransfer},
		{Method: "POST", Path: one + "/accept", Policy: "volume:accept_transfer", Status: 202, Body: acceptSchema, Handle: a.acceptTransfer},
	}
	if minor > 0 {
		for i := range routes {
			routes[i].Min = since(minor)
		}
	}
	return routes
}

var (
	createTransferSchema = []httpapi.Schema{
		{Min: since(55), JSON: object("transfer", `"volume_id": {"type": "string", "format": "uuid"}, "name": `+sName+`, "no_snapshots": `+sFlags, `"volume_id"`, false)},
		{JSON: object("transfer", `"volume_id": {"type": "string", "format": "uuid"}, "name": `+sName, `"volume_id"`, false)},
	}
	acceptSchema = one(object("accept", `"auth_key": `+sID, `"auth_key"`, false))
)

// newTransfer is the body of an offer.
type newTransfer struct {
	VolumeID    string `json:"volume_id"`
	Name        string `json:"name"`
	NoSnapshots flag   `json:"no_snapshots"`
}

func (a *api) newTransferTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	b, err := inner[newTransfer](r, "transfer")
	if err != nil {
		return nil, err
	}
	return a.keepVolume(ctx, r, b.VolumeID)
}

func (a *api) transferTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	t, err := a.svc.GetTransfer(ctx, r.Path("transfer_id"))
	if err != nil {
		return nil, err
	}
	r.Keep(t)
	return reveal(r, "volume:get_transfer", owned(t.ProjectID, ""), "transfer", t.ID)
}

func transferSummary(r *httpapi.Request, t volume.Transfer) doc {
	place := "os-volume-transfer"
	if r.Version.AtLeast(3, 55) {
		place = "volume-transfers"
	}
	return doc{"id": t.ID, "name": orNull(t.Name), "volume_id": t.VolumeID, "links": links(r, place, t.ID)}
}

func transferView(r *httpapi.Request, t volume.Transfer) doc {
	d := transferSummary(r, t)
	d["created_at"] = stamp(t.CreatedAt)
	if r.Version.AtLeast(3, 55) {
		d["no_snapshots"] = t.NoSnapshots
	}
	if r.Version.AtLeast(3, 57) {
		// An offer that was accepted is gone.
		d["source_project_id"], d["destination_project_id"], d["accepted"] = t.ProjectID, nil, false
	}
	return d
}

// transfers says how offers are listed.
func transfers() *listing[volume.Transfer] {
	type t = volume.Transfer
	return &listing[t]{
		singular: "transfer", plural: "transfers",
		id: func(t t) string { return t.ID }, created: func(t t) time.Time { return t.CreatedAt },
		sorts: map[string]func(a, b t) int{
			"name":         func(a, b t) int { return cmp.Compare(a.Name, b.Name) },
			"display_name": func(a, b t) int { return cmp.Compare(a.Name, b.Name) },
			"volume_id":    func(a, b t) int { return cmp.Compare(a.VolumeID, b.VolumeID) },
		},
		filters: map[string]filter[t]{
			"name": byText(func(t t) string { return t.Name }), "display_name": byText(func(t t) string { return t.Name }),
			"volume_id":  byText(func(t t) string { return t.VolumeID }),
			"project_id": byAdmin(func(t t) string { return t.ProjectID }),
		},
	}
}

// offers answers with a list. Before 3.59 it is neither sorted nor paged.
func (a *api) offers(ctx context.Context, r *httpapi.Request, view func(*httpapi.Request, volume.Transfer) doc) (*httpapi.Response, error) {
	all := a.svc.ListTransfers(ctx, scope(r))
	show := func(t volume.Transfer) doc { return view(r, t) }
	if r.Version.AtLeast(3, 59) {
		return transfers().answer(r, all, show)
	}
	all, err := transfers().pick(r, all)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(x, y volume.Transfer) int { return x.CreatedAt.Compare(y.CreatedAt) })
	views := []doc{}
	for _, t := range all {
		views = append(views, show(t))
	}
	return httpapi.OK(doc{"transfers": views}), nil
}

func (a *api) listTransfers(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.offers(ctx, r, transferSummary)
}

func (a *api) listTransfersDetail(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.offers(ctx, r, transferView)
}

func (a *api) createTransfer(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[newTransfer](r, "transfer")
	if err != nil {
		return nil, err
	}
	t, key, err := a.svc.CreateTransfer(ctx, b.VolumeID, volume.CreateTransferOptions{Name: b.Name, NoSnapshots: bool(b.NoSnapshots)})
	if err != nil {
		return nil, err
	}
	d := transferView(r, t)
	d["auth_key"] = key
	return httpapi.OK(doc{"transfer": d}), nil
}

func (a *api) showTransfer(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.OK(doc{"transfer": transferView(r, httpapi.Kept[volume.Transfer](r))}), nil
}

func (a *api) deleteTransfer(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteTransfer(ctx, r.Path("transfer_id"))
}

// acceptTransfer is for any project: the key is what allows it.
func (a *api) acceptTransfer(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[struct {
		Key string `json:"auth_key"`
	}](r, "accept")
	if err != nil {
		return nil, err
	}
	owner, err := newOwner(r)
	if err != nil {
		return nil, err
	}
	t, err := a.svc.AcceptTransfer(ctx, r.Path("transfer_id"), b.Key, owner)
	if err != nil {
		return nil, err
	}
	return httpapi.OK(doc{"transfer": transferSummary(r, t)}), nil
}
