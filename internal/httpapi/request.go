package httpapi

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// Request is a request that passed routing, authentication, microversion
// negotiation, validation and policy.
type Request struct {
	HTTP      *http.Request     // as received: its path is not that below the mount point
	Principal *policy.Principal // nil on Public routes without a token
	Version   Version
	ID        string // "req-…"
	Policy    *policy.Enforcer
	Service   string // of the API, for Policy.Check
	BaseURL   string // how the client reaches the mount point: "http://host:port/compute", no final slash
	path      string // below the mount point, as it was sent
	body      []byte
	vars      []value
	query     url.Values
	stash     any
}

// Path returns the value of a {name} segment, unescaped.
func (r *Request) Path(name string) string {
	for _, v := range r.vars {
		if v.name == name {
			return v.text
		}
	}
	return ""
}

// Query returns the parsed query. What cannot be parsed is left out.
func (r *Request) Query() url.Values {
	if r.query == nil {
		r.query = r.HTTP.URL.Query()
	}
	return r.query
}

// Body returns the validated JSON body, as sent.
func (r *Request) Body() []byte { return r.body }

// Raw returns the body of a Stream route.
func (r *Request) Raw() io.Reader { return r.HTTP.Body }

// Decode decodes the validated body into v, a pointer.
func (r *Request) Decode(v any) error {
	if err := json.Unmarshal(r.body, v); err != nil {
		return fault.New(fault.Invalid, "The request body is not of the expected form.").Because(err)
	}
	return nil
}

// Keep stores what Target loaded, for Handle to take with Kept.
func (r *Request) Keep(v any) { r.stash = v }

// Kept returns what Target stored with Keep; it panics if the type is wrong.
func Kept[T any](r *Request) T { return r.stash.(T) }

// May reports whether a further rule of the same service allows the caller, for
// rules that widen or narrow an answer.
func (r *Request) May(rule string, target policy.Target) bool {
	return r.Policy.Allowed(r.Service, rule, r.Principal, target)
}

// IsAdmin reports whether the caller is an administrator of the service: by its rule
// context_is_admin, or by its role where the service has no such rule.
func (r *Request) IsAdmin() bool {
	const rule = "context_is_admin"
	if r.Policy.Has(r.Service, rule) {
		return r.May(rule, nil)
	}
	return r.Principal != nil && r.Principal.IsAdmin()
}

// ownTarget is what a rule without a Target is checked against.
func (r *Request) ownTarget() policy.Target {
	if r.Principal == nil {
		return nil
	}
	return policy.Target{"project_id": r.Principal.ProjectID, "user_id": r.Principal.UserID}
}
