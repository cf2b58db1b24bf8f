package identityapi

import (
	"context"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

func (a *api) ec2Routes() []httpapi.Route {
	const all, single = "/v3/users/{user_id}/credentials/OS-EC2", "/v3/users/{user_id}/credentials/OS-EC2/{access}"
	return []httpapi.Route{
		route("GET", all, "ec2_list_credentials", targets(a.userTarget), a.listKeyPairs),
		withBody("POST", all, "ec2_create_credential", ec2Schema, a.pathOwner, a.createKeyPair),
		route("GET", single, "ec2_get_credential", a.keyPairOwner, a.getKeyPair),
		route("DELETE", single, "ec2_delete_credential", a.keyPairOwner, a.deleteKeyPair),
	}
}

// pathOwner is the user of the path as the owner of a credential.
func (a *api) pathOwner(_ context.Context, r *httpapi.Request) (policy.Target, error) {
	return policy.Target{credentialOwner: r.Path("user_id")}, nil
}

// keyPairOwner is the owner of the credential in the path. As with Keystone, everybody
// with a token learns that there is none.
func (a *api) keyPairOwner(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	c, err := a.keyPairOf(ctx, r)
	if err != nil {
		return nil, err
	}
	return policy.Target{credentialOwner: c.UserID}, nil
}

// keyPairOf loads the credential with the access key of the path. The user of the path
// counts for nothing, as with Keystone: who may do what rests on the owner.
func (a *api) keyPairOf(ctx context.Context, r *httpapi.Request) (identity.Credential, error) {
	c, err := a.svc.GetCredential(ctx, identity.EC2CredentialID(r.Path("access")))
	if err != nil || c.Type != "ec2" {
		return identity.Credential{}, fault.Missing("credential", r.Path("access"))
	}
	return c, nil
}

func showKeyPair(r *httpapi.Request, c identity.Credential) (object, error) {
	pair, err := readKeyPair(c)
	return object{
		"access": pair.Access, "secret": pair.Secret, "trust_id": pair.TrustID,
		"user_id": c.UserID, "tenant_id": c.ProjectID,
		"links": self(r, "users", c.UserID, "credentials", "OS-EC2", pair.Access),
	}, err
}

func (a *api) listKeyPairs(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.ListCredentials(ctx, &identity.ListCredentialsOptions{UserID: r.Path("user_id"), Type: "ec2"})
	if err != nil {
		return nil, err
	}
	caller, err := a.callerToken(ctx, r)
	if err != nil {
		return nil, err
	}
	shown := []object{}
	for _, c := range all {
		if o, err := showKeyPair(r, c); err == nil && own(caller, c) == nil {
			shown = append(shown, o)
		}
	}
	return httpapi.OK(object{"credentials": shown, "links": listLinks(r)}), nil
}

func (a *api) createKeyPair(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b struct {
		ProjectID string `json:"tenant_id"`
	}
	if err := r.Decode(&b); err != nil {
		return nil, err
	}
	caller, err := a.callerToken(ctx, r)
	if err == nil {
		err = within(caller, identity.Credential{Type: "ec2", ProjectID: b.ProjectID})
	}
	if err == nil {
		err = unrestricted(caller, "credentials")
	}
	if err != nil {
		return nil, err
	}
	c, err := a.svc.CreateEC2Credential(ctx, r.Path("user_id"), b.ProjectID,
		&identity.CreateEC2CredentialOptions{Delegation: caller.Delegation()})
	if err != nil {
		return nil, err
	}
	o, err := showKeyPair(r, c)
	if err != nil {
		return nil, err
	}
	return one("credential", o), nil
}

// ownKeyPair is keyPairOf for one that the caller's token must be good for.
func (a *api) ownKeyPair(ctx context.Context, r *httpapi.Request) (identity.Credential, error) {
	caller, err := a.callerToken(ctx, r)
	if err != nil {
		return identity.Credential{}, err
	}
	c, err := a.keyPairOf(ctx, r)
	if err == nil {
		err = own(caller, c)
	}
	return c, err
}

func (a *api) getKeyPair(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	c, err := a.ownKeyPair(ctx, r)
	if err != nil {
		return nil, err
	}
	o, err := showKeyPair(r, c)
	if err != nil {
		return nil, err
	}
	return one("credential", o), nil
}

func (a *api) deleteKeyPair(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	c, err := a.ownKeyPair(ctx, r)
	if err != nil {
		return nil, err
	}
	return httpapi.Empty(), a.svc.DeleteCredential(ctx, c.ID)
}
