package identityapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) protocolRoutes() []httpapi.Route {
	const all = "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols"
	const single = all + "/{protocol_id}"
	required := `"required": ["mapping_id"]`
	return []httpapi.Route{
		route("GET", all, "list_protocols", nil, a.listProtocols),
		status(http.StatusCreated, withBody("PUT", single, "create_protocol",
			closedSchema("protocol", protocolProperties, required), nil, a.createProtocol)),
		route("GET", single, "get_protocol", nil, a.getProtocol),
		withBody("PATCH", single, "update_protocol",
			closedSchema("protocol", protocolProperties, required), nil, a.updateProtocol),
		route("DELETE", single, "delete_protocol", nil, a.deleteProtocol),
	}
}

type protocolBody struct {
	MappingID         *string `json:"mapping_id"`
	RemoteIDAttribute *string `json:"remote_id_attribute"`
}

func showProtocol(r *httpapi.Request, p identity.FederationProtocol) object {
	links := self(r, "OS-FEDERATION", "identity_providers", p.ProviderID, "protocols", p.ID)
	links["identity_provider"] = self(r, "OS-FEDERATION", "identity_providers", p.ProviderID)["self"]
	o := object{"id": p.ID, "mapping_id": p.MappingID, "links": links}
	optional(o, "remote_id_attribute", p.RemoteIDAttribute)
	return o
}

// showListedProtocol is a protocol in a list, where Keystone shows all of it.
func showListedProtocol(r *httpapi.Request, p identity.FederationProtocol) object {
	o := showProtocol(r, p)
	o["idp_id"], o["remote_id_attribute"] = p.ProviderID, nullable(p.RemoteIDAttribute)
	return o
}

func (a *api) listProtocols(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.ListFederationProtocols(ctx, r.Path("idp_id"))
	if err != nil {
		return nil, err
	}
	return list(r, "protocols", all, showListedProtocol), nil
}

func (a *api) createProtocol(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b protocolBody
	if _, err := decode(r, "protocol", &b); err != nil {
		return nil, err
	}
	p, err := a.svc.CreateFederationProtocol(ctx, identity.FederationProtocol{
		ID: r.Path("protocol_id"), ProviderID: r.Path("idp_id"),
		MappingID: value(b.MappingID), RemoteIDAttribute: value(b.RemoteIDAttribute),
	})
	if err != nil {
		return nil, err
	}
	return one("protocol", showProtocol(r, p)), nil
}

func (a *api) getProtocol(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p, err := a.svc.GetFederationProtocol(ctx, r.Path("idp_id"), r.Path("protocol_id"))
	if err != nil {
		return nil, err
	}
	return one("protocol", showProtocol(r, p)), nil
}

func (a *api) updateProtocol(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b protocolBody
	if _, err := decode(r, "protocol", &b); err != nil {
		return nil, err
	}
	p, err := a.svc.UpdateFederationProtocol(ctx, r.Path("idp_id"), r.Path("protocol_id"),
		identity.UpdateFederationProtocolOptions{MappingID: b.MappingID, RemoteIDAttribute: b.RemoteIDAttribute})
	if err != nil {
		return nil, err
	}
	return one("protocol", showProtocol(r, p)), nil
}

func (a *api) deleteProtocol(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteFederationProtocol(ctx, r.Path("idp_id"), r.Path("protocol_id"))
}
