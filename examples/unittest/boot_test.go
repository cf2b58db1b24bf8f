package unittest

import (
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/cloudtest"
)

func TestBoot(t *testing.T) {
	c := cloudtest.New(t)
	a := c.Access(c.Projects[0].Users[0])
	provider, err := openstack.AuthenticatedClient(t.Context(), gophercloud.AuthOptions{
		IdentityEndpoint: a.Endpoint, Username: a.Username, Password: a.Password, TenantName: a.Project, DomainName: a.Domain,
	})
	require.NoError(t, err)
	compute, err := openstack.NewComputeV2(provider, gophercloud.EndpointOpts{Region: a.Region})
	require.NoError(t, err)
	compute.Microversion = "2.37" // Networks: "auto"

	s, err := Boot(t.Context(), compute, "web", c.Flavors[0].ID, c.PublicImages[0].ID)
	require.NoError(t, err)
	require.Equal(t, "web", s.Name)

	c.Inject(cloudtest.PortBindingFails())
	_, err = Boot(t.Context(), compute, "doomed", c.Flavors[0].ID, c.PublicImages[0].ID)
	require.ErrorContains(t, err, "server doomed: Binding failed for port ")
}
