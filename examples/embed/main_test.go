package main

import (
	"bytes"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/stretchr/testify/require"
)

func TestOpenServesClients(t *testing.T) {
	c, err := open(t.Context(), "secret")
	require.NoError(t, err)
	defer c.Close()
	server := httptest.NewServer(c.Handler())
	defer server.Close()

	provider, err := openstack.AuthenticatedClient(t.Context(), gophercloud.AuthOptions{
		IdentityEndpoint: server.URL + "/identity/v3", Username: "admin", Password: "secret",
		TenantName: "admin", DomainName: "Default",
	})
	require.NoError(t, err)
	compute, err := openstack.NewComputeV2(provider, gophercloud.EndpointOpts{Region: "RegionOne"})
	require.NoError(t, err)
	made, err := flavors.Create(t.Context(), compute, flavors.CreateOpts{
		Name: "small", VCPUs: 1, RAM: 512, Disk: gophercloud.IntToPointer(1),
	}).Extract()
	require.NoError(t, err)
	got, err := flavors.Get(t.Context(), compute, made.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, "small", got.Name)
}

// TestLength keeps what the README promises.
func TestLength(t *testing.T) {
	source, err := os.ReadFile("main.go")
	require.NoError(t, err)
	require.Less(t, bytes.Count(source, []byte("\n")), 40)
}
