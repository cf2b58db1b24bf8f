package identityapi

import (
	"encoding/json"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// refBody names something by id, or by name and domain.
type refBody struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Domain *refBody `json:"domain"`
}

type passwordBody struct {
	User struct {
		refBody
		Password string `json:"password"`
	} `json:"user"`
}

type totpBody struct {
	User struct {
		refBody
		Passcode string `json:"passcode"`
	} `json:"user"`
}

type appCredentialBody struct {
	refBody
	User   *refBody `json:"user"`
	Secret string   `json:"secret"`
}

type authBody struct {
	Auth struct {
		Identity struct {
			Methods       []string           `json:"methods"`
			Password      *passwordBody      `json:"password"`
			TOTP          *totpBody          `json:"totp"`
			Token         *refBody           `json:"token"`
			AppCredential *appCredentialBody `json:"application_credential"`
		} `json:"identity"`
		Scope json.RawMessage `json:"scope"`
	} `json:"auth"`
}

type scopeBody struct {
	Project *refBody `json:"project"`
	Domain  *refBody `json:"domain"`
	System  *struct {
		All bool `json:"all"`
	} `json:"system"`
	Trust *refBody `json:"OS-TRUST:trust"`
}

// authRequest reads the body of a log-in.
func authRequest(r *httpapi.Request) (identity.LoginRequest, error) {
	var body authBody
	var req identity.LoginRequest
	if err := r.Decode(&body); err != nil {
		return req, err
	}
	in := &body.Auth.Identity
	for _, method := range in.Methods {
		var err error
		switch method {
		case "password":
			req.Password, err = passwordLogin(in.Password)
		case "totp":
			req.TOTP, err = totpLogin(in.TOTP)
		case "external":
			if remoteUser(r.HTTP.Context()) == nil {
				err = fault.New(fault.Unauthenticated, "The request you have made requires authentication.")
			}
		case "oauth1":
			signed := signedOAuth1(r)
			req.OAuth1 = &signed
		case "token":
			req.Token, err = tokenLogin(in.Token)
		case "application_credential":
			req.AppCredential, err = appCredentialLogin(in.AppCredential)
		default:
			err = fault.New(fault.Unauthenticated, "Attempted to authenticate with an unsupported method.")
		}
		if err != nil {
			return req, err
		}
	}
	req.Receipt = r.HTTP.Header.Get(receiptHeader)
	req.External = remoteUser(r.HTTP.Context())
	var err error
	req.Scope, err = loginScope(body.Auth.Scope)
	return req, err
}

// missing is the error of a body that lacks something.
func missing(what, where string) error {
	return fault.New(fault.Invalid, "Expecting to find %s in %s. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.", what, where)
}

func passwordLogin(b *passwordBody) (*identity.PasswordLogin, error) {
	if b == nil {
		return nil, missing("password", "identity")
	}
	user, err := userRef(b.User.refBody)
	return &identity.PasswordLogin{User: user, Password: b.User.Password}, err
}

func totpLogin(b *totpBody) (*identity.TOTPLogin, error) {
	if b == nil {
		return nil, missing("totp", "identity")
	}
	user, err := userRef(b.User.refBody)
	return &identity.TOTPLogin{User: user, Passcode: b.User.Passcode}, err
}

func tokenLogin(b *refBody) (string, error) {
	if b == nil || b.ID == "" {
		return "", missing("id", "token")
	}
	return b.ID, nil
}

func appCredentialLogin(b *appCredentialBody) (*identity.AppCredentialLogin, error) {
	switch {
	case b == nil:
		return nil, missing("application_credential", "identity")
	case b.ID != "":
		return &identity.AppCredentialLogin{ID: b.ID, Secret: b.Secret}, nil
	case b.Name == "" || b.User == nil:
		return nil, missing("id, or name and user,", "application_credential")
	}
	user, err := userRef(*b.User)
	return &identity.AppCredentialLogin{Name: b.Name, User: user, Secret: b.Secret}, err
}

func userRef(b refBody) (identity.UserRef, error) {
	domain, err := namedIn(b, "user")
	return identity.UserRef{ID: b.ID, Name: b.Name, Domain: domain}, err
}

// namedIn gives the domain of something that is named by its name.
func namedIn(b refBody, what string) (identity.DomainRef, error) {
	switch {
	case b.ID != "":
		return identity.DomainRef{}, nil
	case b.Name == "":
		return identity.DomainRef{}, missing("id or name", what)
	case b.Domain == nil || b.Domain.ID == "" && b.Domain.Name == "":
		return identity.DomainRef{}, missing("domain", what)
	}
	return identity.DomainRef{ID: b.Domain.ID, Name: b.Domain.Name}, nil
}

// loginScope reads the scope: an object, the word "unscoped", or nothing.
func loginScope(raw json.RawMessage) (identity.LoginScope, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return identity.LoginScope{}, nil
	}
	if string(raw) == `"unscoped"` {
		return identity.LoginScope{Unscoped: true}, nil
	}
	var b scopeBody
	var unscoped struct {
		Unscoped *json.RawMessage `json:"unscoped"`
	}
	if json.Unmarshal(raw, &b) != nil || json.Unmarshal(raw, &unscoped) != nil {
		return identity.LoginScope{}, missing("a scope", "auth.scope")
	}
	var scope identity.LoginScope
	var err error
	given := 0
	if b.Project != nil {
		given++
		scope.Project = &identity.ProjectRef{ID: b.Project.ID, Name: b.Project.Name}
		scope.Project.Domain, err = namedIn(*b.Project, "project")
	}
	if b.Domain != nil {
		given++
		scope.Domain = &identity.DomainRef{ID: b.Domain.ID, Name: b.Domain.Name}
		if b.Domain.ID == "" && b.Domain.Name == "" {
			err = missing("id or name", "domain")
		}
	}
	if b.System != nil {
		given++
		scope.System = true
		if !b.System.All {
			err = missing("all", "system")
		}
	}
	if b.Trust != nil {
		given++
		scope.TrustID = b.Trust.ID
	}
	if unscoped.Unscoped != nil {
		given++
		scope.Unscoped = true
	}
	if given > 1 {
		err = missing("only one of project, domain, system, OS-TRUST:trust or unscoped", "auth.scope")
	}
	if given == 0 {
		err = missing("project, domain, system, OS-TRUST:trust or unscoped", "auth.scope")
	}
	return scope, err
}
