package identityapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) oauth1Routes() []httpapi.Route {
	const all, single = "/v3/OS-OAUTH1/consumers", "/v3/OS-OAUTH1/consumers/{consumer_id}"
	authorize := withBody("PUT", "/v3/OS-OAUTH1/authorize/{request_token_id}", "authorize_request_token", authorizeSchema, nil,
		a.undelegated("Cannot authorize a request token", a.authorizeRequestToken))
	return []httpapi.Route{
		route("GET", all, "list_consumers", nil, a.listConsumers),
		withBody("POST", all, "create_consumer", createSchema("consumer", consumerProperties), nil, a.createConsumer),
		route("GET", single, "get_consumer", nil, a.getConsumer),
		withBody("PATCH", single, "update_consumer", updateSchema("consumer", consumerProperties), nil, a.updateConsumer),
		route("DELETE", single, "delete_consumer", nil, a.deleteConsumer),
		authorize,
		// These two are signed by the consumer, which has no token.
		{Method: "POST", Path: "/v3/OS-OAUTH1/request_token", Public: true, Status: http.StatusCreated, Handle: a.createRequestToken},
		{Method: "POST", Path: "/v3/OS-OAUTH1/access_token", Public: true, Status: http.StatusCreated, Handle: a.createAccessToken},
	}
}

type consumerBody struct {
	Description *string `json:"description"`
}

func showConsumer(r *httpapi.Request, c identity.Consumer) object {
	return with(object{
		"id": c.ID, "description": nullable(c.Description), "links": self(r, "OS-OAUTH1", "consumers", c.ID),
	}, c.Extra)
}

func (a *api) listConsumers(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.ListConsumers(ctx)
	if err != nil {
		return nil, err
	}
	return list(r, "consumers", all, showConsumer), nil
}

func (a *api) createConsumer(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b consumerBody
	extra, err := decode(r, "consumer", &b)
	if err != nil {
		return nil, err
	}
	delete(extra, "secret")
	c, secret, err := a.svc.CreateConsumer(ctx, identity.CreateConsumerOptions{Description: value(b.Description), Extra: extra})
	if err != nil {
		return nil, err
	}
	o := showConsumer(r, c)
	o["secret"] = secret
	return one("consumer", o), nil
}

func (a *api) getConsumer(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	c, err := a.svc.GetConsumer(ctx, r.Path("consumer_id"))
	if err != nil {
		return nil, err
	}
	return one("consumer", showConsumer(r, c)), nil
}

func (a *api) updateConsumer(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b consumerBody
	extra, err := decode(r, "consumer", &b)
	if err != nil {
		return nil, err
	}
	if _, given := extra["secret"]; given {
		return nil, fault.New(fault.Invalid, "The secret of a consumer cannot be changed.")
	}
	c, err := a.svc.UpdateConsumer(ctx, r.Path("consumer_id"), identity.UpdateConsumerOptions{Description: b.Description, Extra: extra})
	if err != nil {
		return nil, err
	}
	return one("consumer", showConsumer(r, c)), nil
}

func (a *api) deleteConsumer(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteConsumer(ctx, r.Path("consumer_id"))
}

// signedOAuth1 is the request as the client has signed it.
func signedOAuth1(r *httpapi.Request) identity.OAuth1Request {
	u := r.BaseURL + below(r)
	if q := r.HTTP.URL.RawQuery; q != "" {
		u += "?" + q
	}
	return identity.OAuth1Request{Verb: r.HTTP.Method, URL: u, Authorization: r.HTTP.Header.Get("Authorization")}
}

func (a *api) createRequestToken(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	project := r.HTTP.Header.Get("Requested-Project-Id")
	if project == "" {
		return nil, missing("Requested-Project-Id", "request")
	}
	given, err := a.svc.CreateRequestToken(ctx, signedOAuth1(r), project)
	return oauth1Secret(given, err)
}

func (a *api) createAccessToken(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	given, err := a.svc.CreateAccessToken(ctx, signedOAuth1(r))
	return oauth1Secret(given, err)
}

// oauth1Secret answers with a token of the protocol, as a form.
func oauth1Secret(given identity.OAuth1Secret, err error) (*httpapi.Response, error) {
	if err != nil {
		return nil, err
	}
	text := "oauth_token=" + url.QueryEscape(given.ID) + "&oauth_token_secret=" + url.QueryEscape(given.Secret) +
		"&oauth_expires_at=" + given.ExpiresAt.UTC().Format(timeForm)
	return &httpapi.Response{
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		Body:   json.RawMessage(text),
	}, nil
}

func (a *api) authorizeRequestToken(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b struct {
		Roles []refBody `json:"roles"`
	}
	if err := r.Decode(&b); err != nil {
		return nil, err
	}
	ids := []string{}
	for _, ref := range b.Roles {
		id, err := a.roleID(ctx, ref)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	verifier, err := a.svc.AuthorizeRequestToken(ctx, r.Path("request_token_id"), r.Principal.UserID, ids)
	if err != nil {
		return nil, err
	}
	return one("token", object{"oauth_verifier": verifier}), nil
}
