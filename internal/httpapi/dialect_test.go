package httpapi_test

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// render gives status and body of an error, with the request id "req-1".
func render(d httpapi.Dialect, err error) (int, string) {
	status := d.Status(err)
	_, body := d.Body(status, err, "req-1")
	return status, string(body)
}

func TestDialects(t *testing.T) {
	denied := (&fault.Error{Kind: fault.Forbidden, Code: "PolicyNotAuthorized"}).Because(&policy.Denied{Service: "s", Rule: "do_it"})
	quota := fault.New(fault.QuotaExceeded, "Quota exceeded for volumes.")
	for _, c := range []struct {
		name    string
		dialect httpapi.Dialect
		err     error
		status  int
		body    string
	}{
		{"nova server", httpapi.Nova{}, fault.Missing("server", "x"), 404, `{"itemNotFound":{"code":404,"message":"Instance x could not be found."}}`},
		{"nova flavor", httpapi.Nova{}, fault.Missing("flavor", "x"), 404, `{"itemNotFound":{"code":404,"message":"Flavor x could not be found."}}`},
		{"nova wrapped", httpapi.Nova{}, fault.Wrap("compute.Get", fault.Missing("flavor", "x")), 404, `{"itemNotFound":{"code":404,"message":"Flavor x could not be found."}}`},
		{"nova keypair", httpapi.Nova{}, fault.Missing("keypair", "x"), 404, `{"itemNotFound":{"code":404,"message":"Keypair x not found."}}`},
		{"nova kind alone", httpapi.Nova{}, fault.NotFound, 404, `{"itemNotFound":{"code":404,"message":"The resource could not be found."}}`},
		{"nova conflict", httpapi.Nova{}, fault.New(fault.Conflict, "Cannot 'stop'"), 409, `{"conflictingRequest":{"code":409,"message":"Cannot 'stop'"}}`},
		{"nova quota", httpapi.Nova{}, quota, 403, `{"forbidden":{"code":403,"message":"Quota exceeded for volumes."}}`},
		{"nova denied", httpapi.Nova{}, denied, 403, `{"forbidden":{"code":403,"message":"Policy doesn't allow do_it to be performed."}}`},
		{"nova exists", httpapi.Nova{}, &fault.Error{Kind: fault.AlreadyExists, Resource: "flavor", ID: "m1"}, 409, `{"conflictingRequest":{"code":409,"message":"Flavor m1 already exists."}}`},
		{"nova unsupported", httpapi.Nova{}, fault.Unsupported, 501, `{"notImplemented":{"code":501,"message":"This is not supported."}}`},
		{"nova rate", httpapi.Nova{}, fault.RateLimited, 429, `{"overLimit":{"code":429,"message":"Too many requests. Please try again later.","retryAfter":"0"}}`},
		{"nova gone", httpapi.Nova{}, &httpapi.StatusError{Status: 410, Message: "Gone."}, 410, `{"computeFault":{"code":410,"message":"Gone."}}`},
		{"nova bug", httpapi.Nova{}, errors.New("secret"), 500, `{"computeFault":{"code":500,"message":"Unexpected API Error. Please give the request id to the operator of this cloud."}}`},
		{"cinder volume", httpapi.Cinder{}, fault.Missing("volume", "x"), 404, `{"itemNotFound":{"code":404,"message":"Volume x could not be found."}}`},
		{"cinder quota", httpapi.Cinder{}, quota, 413, `{"overLimit":{"code":413,"message":"Quota exceeded for volumes.","retryAfter":"0"}}`},
		{"cinder unsupported", httpapi.Cinder{}, fault.Unsupported, 400, `{"badRequest":{"code":400,"message":"This is not supported."}}`},
		{"keystone user", httpapi.Keystone{}, fault.Missing("user", "x"), 404, `{"error":{"code":404,"message":"Could not find user: x.","title":"Not Found"}}`},
		{"keystone denied", httpapi.Keystone{}, denied, 403, `{"error":{"code":403,"message":"You are not authorized to perform the requested action: do_it.","title":"Forbidden"}}`},
		{"keystone 401", httpapi.Keystone{}, fault.Unauthenticated, 401, `{"error":{"code":401,"message":"The request you have made requires authentication.","title":"Unauthorized"}}`},
		{"neutron network", httpapi.Neutron{}, fault.Missing("network", "x"), 404, `{"NeutronError":{"type":"NetworkNotFound","message":"Network x could not be found.","detail":""}}`},
		{"neutron group", httpapi.Neutron{}, fault.Missing("security group", "x"), 404, `{"NeutronError":{"type":"SecurityGroupNotFound","message":"Security group x does not exist","detail":""}}`},
		{"neutron fip", httpapi.Neutron{}, fault.Missing("floating ip", "x"), 404, `{"NeutronError":{"type":"FloatingIPNotFound","message":"Floating IP x could not be found","detail":""}}`},
		{"neutron in use", httpapi.Neutron{}, &fault.Error{Kind: fault.Conflict, Resource: "network", ID: "x", Message: "In use."}, 409, `{"NeutronError":{"type":"NetworkInUse","message":"In use.","detail":""}}`},
		{"neutron code", httpapi.Neutron{}, fault.New(fault.Invalid, "Overlap.").WithCode("OverlappingSubnets"), 400, `{"NeutronError":{"type":"OverlappingSubnets","message":"Overlap.","detail":""}}`},
		{"neutron quota", httpapi.Neutron{}, quota, 409, `{"NeutronError":{"type":"OverQuota","message":"Quota exceeded for volumes.","detail":""}}`},
		{"neutron denied", httpapi.Neutron{}, denied, 403, `{"NeutronError":{"type":"PolicyNotAuthorized","message":"rule:do_it is disallowed by policy","detail":""}}`},
		{"neutron addresses", httpapi.Neutron{}, fault.New(fault.Exhausted, "No more."), 409, `{"NeutronError":{"type":"IpAddressGenerationFailure","message":"No more.","detail":""}}`},
		{"neutron input", httpapi.Neutron{}, fault.New(fault.Invalid, "Bad."), 400, `{"NeutronError":{"type":"InvalidInput","message":"Bad.","detail":""}}`},
		{"neutron kind", httpapi.Neutron{}, fault.NotFound, 404, `{"NeutronError":{"type":"HTTPNotFound","message":"The resource could not be found.","detail":""}}`},
		{"glance image", httpapi.Glance{}, fault.Missing("image", "<x>"), 404, "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n  No image found with ID &lt;x&gt;<br /><br />\n\n\n\n </body>\n</html>"},
		{"placement provider", httpapi.Placement{}, fault.Missing("resource provider", "x"), 404, `{"errors":[{"status":404,"title":"Not Found","detail":"No resource provider with uuid x found","code":"placement.undefined_code","request_id":"req-1"}]}`},
		{"placement code", httpapi.Placement{}, fault.New(fault.Conflict, "Again.").WithCode("placement.concurrent_update"), 409, `{"errors":[{"status":409,"title":"Conflict","detail":"Again.","code":"placement.concurrent_update","request_id":"req-1"}]}`},
		{"placement version", httpapi.Placement{}, &httpapi.UnsupportedVersion{Asked: httpapi.Version{Major: 2}, Min: httpapi.Version{Major: 1}, Max: httpapi.Version{Major: 1, Minor: 39}}, 406,
			`{"errors":[{"status":406,"title":"Not Acceptable","detail":"Version 2.0 is not supported by the API. Minimum is 1.0 and maximum is 1.39.","code":"placement.undefined_code","request_id":"req-1","max_version":"1.39","min_version":"1.0"}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := render(c.dialect, c.err)
			require.Equal(t, c.status, status)
			require.Equal(t, c.body, body)
		})
	}
}

func TestEveryKindHasAStatusAndHidesItsCause(t *testing.T) {
	want := map[fault.Kind]int{
		fault.NotFound: 404, fault.AlreadyExists: 409, fault.Conflict: 409, fault.Invalid: 400,
		fault.Unauthenticated: 401, fault.Forbidden: 403, fault.QuotaExceeded: 403, fault.Exhausted: 409,
		fault.TooLarge: 413, fault.Unsupported: 501, fault.RateLimited: 429, fault.Unavailable: 503,
		fault.Cancelled: 503, fault.DeadlineReached: 504, fault.Internal: 500,
	}
	for kind, status := range want {
		err := fault.Wrap("op", (&fault.Error{Kind: kind, Resource: "server", ID: "x"}).Because(errors.New("hunter2")))
		got, _ := render(httpapi.Nova{}, err)
		require.Equal(t, status, got, kind)
		for _, d := range []httpapi.Dialect{httpapi.Nova{}, httpapi.Cinder{}, httpapi.Keystone{}, httpapi.Neutron{}, httpapi.Glance{}, httpapi.Placement{}} {
			_, body := render(d, err)
			require.NotContains(t, body, "hunter2")
		}
	}
}

func TestDialectsSayWhatIsWrongWithABody(t *testing.T) {
	for name, c := range map[string]struct {
		dialect httpapi.Dialect
		body    string
		want    string
	}{
		"keystone field":    {httpapi.Keystone{}, `{"server":{"name":5}}`, `Invalid input for field 'server/name': 5 is not of type 'string'`},
		"keystone top":      {httpapi.Keystone{}, `{}`, `'server' is a required property`},
		"keystone JSON":     {httpapi.Keystone{}, `{`, `Expecting to find valid JSON in request body`},
		"neutron missing":   {httpapi.Neutron{}, `{"server":{}}`, `Failed to parse request. Required attribute 'name' not specified`},
		"neutron unknown":   {httpapi.Neutron{}, `{"server":{"name":"a","b":1,"a":2}}`, `Unrecognized attribute(s) 'a, b'`},
		"neutron value":     {httpapi.Neutron{}, `{"server":{"name":5}}`, `Invalid input for name. Reason: 5 is not of type 'string'.`},
		"glance":            {httpapi.Glance{}, `{"server":{"name":5}}`, `Provided object does not match schema: server.name: 5 is not of type &#39;string&#39;`},
		"cinder":            {httpapi.Cinder{}, `{"server":{"name":5}}`, `Invalid input for field/attribute name. Value: 5. 5 is not of type 'string'`},
		"placement":         {httpapi.Placement{}, `{"server":{"name":5}}`, `JSON does not validate: 5 is not of type 'string'`},
		"placement no JSON": {httpapi.Placement{}, `{"server"`, `Malformed JSON`},
	} {
		t.Run(name, func(t *testing.T) {
			api := compute()
			api.Dialect = c.dialect
			a := ask(t, httpapi.New(api, options(t, io.Discard)), "POST /v2.1/servers", c.body, asMember)
			require.Equal(t, http.StatusBadRequest, a.StatusCode)
			require.Contains(t, a.body, c.want)
		})
	}
}
