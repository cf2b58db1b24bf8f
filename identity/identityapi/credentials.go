package identityapi

import (
	"context"
	"encoding/json"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

func (a *api) credentialRoutes() []httpapi.Route {
	const single = "/v3/credentials/{credential_id}"
	// A delegated token reads what is its own, and changes nothing: whatever it made here
	// might be worth more than it is. Pairs of EC2 keys have routes of their own.
	whole := func(handle httpapi.Handler) httpapi.Handler {
		return a.undelegated("Cannot manage credentials", handle)
	}
	return []httpapi.Route{
		route("GET", "/v3/credentials", "list_credentials", a.listedCredentials, a.listCredentials),
		withBody("POST", "/v3/credentials", "create_credential", createSchema("credential", credentialProperties, "type", "blob"), a.newCredential, whole(a.createCredential)),
		route("GET", single, "get_credential", a.credentialTarget, a.getCredential),
		withBody("PATCH", single, "update_credential", updateSchema("credential", credentialProperties), a.credentialTarget, whole(a.updateCredential)),
		route("DELETE", single, "delete_credential", a.credentialTarget, whole(a.deleteCredential)),
	}
}

const credentialOwner = "target.credential.user_id"

type credentialBody struct {
	Type      *string `json:"type"`
	Blob      *string `json:"blob"`
	UserID    *string `json:"user_id"`
	ProjectID *string `json:"project_id"`
}

func showCredential(r *httpapi.Request, c identity.Credential) object {
	return with(object{
		"id": c.ID, "type": c.Type, "blob": c.Blob, "user_id": c.UserID,
		"project_id": nullable(c.ProjectID), "links": self(r, "credentials", c.ID),
	}, c.Extra)
}

// listedCredentials are the caller's own: those of others are left out of the list for
// who may not see them.
func (a *api) listedCredentials(_ context.Context, r *httpapi.Request) (policy.Target, error) {
	return policy.Target{credentialOwner: r.Principal.UserID}, nil
}

// newCredential is one that the body describes: without a user, the caller's own.
func (a *api) newCredential(_ context.Context, r *httpapi.Request) (policy.Target, error) {
	var b credentialBody
	if err := read(r, "credential", &b); err != nil {
		return nil, err
	}
	owner := value(b.UserID)
	if owner == "" {
		owner = r.Principal.UserID
	}
	return policy.Target{credentialOwner: owner}, nil
}

// credentialTarget loads the credential of the path.
func (a *api) credentialTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	c, err := a.svc.GetCredential(ctx, r.Path("credential_id"))
	if err != nil {
		return nil, nil // see targetFunc
	}
	return policy.Target{credentialOwner: c.UserID}, nil
}

func (a *api) listCredentials(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q := r.Query()
	all, err := a.svc.ListCredentials(ctx, &identity.ListCredentialsOptions{
		UserID: q.Get("user_id"), Type: q.Get("type"),
	})
	if err != nil {
		return nil, err
	}
	caller, err := a.callerToken(ctx, r)
	if err != nil {
		return nil, err
	}
	kept := []identity.Credential{}
	for _, c := range all {
		if own(caller, c) == nil && r.May("identity:get_credential", policy.Target{credentialOwner: c.UserID}) {
			kept = append(kept, c)
		}
	}
	return list(r, "credentials", kept, showCredential), nil
}

func (a *api) createCredential(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b credentialBody
	extra, err := decode(r, "credential", &b)
	if err != nil {
		return nil, err
	}
	if value(b.UserID) == "" {
		b.UserID = &r.Principal.UserID
	}
	c, err := a.svc.CreateCredential(ctx, identity.CreateCredentialOptions{
		Type: value(b.Type), Blob: value(b.Blob), UserID: *b.UserID, ProjectID: value(b.ProjectID), Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	return one("credential", showCredential(r, c)), nil
}

func (a *api) getCredential(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	caller, err := a.callerToken(ctx, r)
	if err != nil {
		return nil, err
	}
	c, err := a.svc.GetCredential(ctx, r.Path("credential_id"))
	if err == nil {
		err = own(caller, c)
	}
	if err != nil {
		return nil, err
	}
	return one("credential", showCredential(r, c)), nil
}

func (a *api) updateCredential(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b credentialBody
	extra, err := decode(r, "credential", &b)
	if err != nil {
		return nil, err
	}
	// Who may change a credential may not, by that, hand it to somebody for whom
	// it could not have made one.
	if b.UserID != nil && !r.May("identity:create_credential", policy.Target{credentialOwner: *b.UserID}) {
		return nil, fault.New(fault.Forbidden, "You are not authorized to perform the requested action: identity:update_credential.")
	}
	c, err := a.svc.UpdateCredential(ctx, r.Path("credential_id"), identity.UpdateCredentialOptions{
		Type: b.Type, Blob: b.Blob, UserID: b.UserID, ProjectID: b.ProjectID, Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	return one("credential", showCredential(r, c)), nil
}

func (a *api) deleteCredential(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteCredential(ctx, r.Path("credential_id"))
}

// keyPair is the blob of an EC2 credential.
type keyPair struct {
	Access  string  `json:"access"`
	Secret  string  `json:"secret"`
	TrustID *string `json:"trust_id"`
}

func readKeyPair(c identity.Credential) (keyPair, error) {
	var pair keyPair
	if err := json.Unmarshal([]byte(c.Blob), &pair); err != nil {
		return pair, fault.Missing("credential", c.ID)
	}
	return pair, nil
}
