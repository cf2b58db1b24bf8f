package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/utils"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// gopher is a client of gophercloud for the tests' compute service, whose version
// document is at the endpoint itself.
func gopher(t *testing.T) *gophercloud.ServiceClient {
	api := compute()
	for i, r := range api.Routes {
		if r.Path == "/v2.1/" {
			api.Routes[i].Handle = func(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
				v := httpapi.APIVersion{ID: "v2.1", Status: "CURRENT", Updated: "2013-07-23T11:33:21Z"}
				return httpapi.OK(httpapi.VersionOne(v.Range(api.Microversions).At(r, "/v2.1/"))), nil
			}
		}
	}
	handler := httpapi.Mount(map[string]http.Handler{"/compute": httpapi.New(api, options(t, io.Discard))})
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &gophercloud.ServiceClient{
		ProviderClient: &gophercloud.ProviderClient{TokenID: "member"},
		Endpoint:       server.URL + "/compute/v2.1/",
		Type:           "compute",
	}
}

func TestGophercloudDiscoversAndNegotiates(t *testing.T) {
	client := gopher(t)
	supported, err := utils.GetSupportedMicroversions(t.Context(), client)
	require.NoError(t, err)
	require.Equal(t, utils.SupportedMicroversions{MinMajor: 2, MinMinor: 1, MaxMajor: 2, MaxMinor: 96}, supported)

	client.Microversion = "2.78"
	var out struct{ Said string }
	resp, err := client.Get(t.Context(), client.ServiceURL("servers", "x", "topology"), &out, nil)
	require.NoError(t, err)
	require.Equal(t, "topology", out.Said)
	require.Equal(t, "compute 2.78", resp.Header.Get("OpenStack-API-Version"))

	client.Microversion = "2.999"
	_, err = client.Get(t.Context(), client.ServiceURL("servers", "x"), nil, nil) //nolint:bodyclose // closed by the client
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusNotAcceptable))
	require.ErrorContains(t, err, "Minimum is 2.1 and maximum is 2.96.")
}
