package cloudtest_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/cloudtest"
	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/compute/driver"
)

func bootWaiting(t *testing.T, c *cloudtest.Cloud, name string) compute.Server {
	t.Helper()
	s, err := c.Compute.CreateServer(t.Context(), c.Projects[0].ID, compute.CreateServerOptions{
		Name: name, FlavorID: c.Flavors[0].ID, ImageID: c.PublicImages[0].ID,
	})
	require.NoError(t, err)
	c.WaitIdle()
	s, err = c.Compute.GetServer(t.Context(), s.ID)
	require.NoError(t, err)
	return s
}

func TestForkOfATestsCloud(t *testing.T) {
	c := cloudtest.New(t, cloudtest.Model{Hosts: 2})
	web := bootWaiting(t, c, "web")
	f := c.Fork()
	f.CheckClean()

	// Its drivers are its own, and may be made faulty.
	require.Len(t, f.Hosts, 2)
	for _, h := range f.Hosts {
		h.Hypervisor.SetFault(driverFails("Create"))
	}
	require.Equal(t, compute.Error, bootWaiting(t, f, "broken").VMState)
	require.Equal(t, compute.Active, bootWaiting(t, c, "whole").VMState)

	// It answers over HTTP, to the same users.
	require.NotEqual(t, c.URL(), f.URL())
	f.Hosts[0].Hypervisor.SetFault(nil)
	f.Hosts[1].Hypervisor.SetFault(nil)
	require.NoError(t, f.Compute.DeleteServer(t.Context(), web.ID))
	f.WaitIdle()
	require.Contains(t, f.Changes().String(), "- server web ("+web.ID+")\n")
	_, err := c.Compute.GetServer(t.Context(), web.ID)
	require.NoError(t, err)
}

func TestATestStartsFromASavedWorld(t *testing.T) {
	c := cloudtest.New(t, cloudtest.Model{Projects: 2, Users: 2, Flavors: 3, Images: 2})
	web := bootWaiting(t, c, "web")
	path := filepath.Join(t.TempDir(), "world")
	var world bytes.Buffer
	require.NoError(t, c.Save(t.Context(), &world))
	require.NoError(t, os.WriteFile(path, world.Bytes(), 0o600))

	l := cloudtest.LoadFile(t, path)
	l.CheckClean()
	require.Empty(t, cloud.Diff(c.Moment(), l.Moment()))
	require.Equal(t, c.Admin, l.Admin)
	require.Equal(t, c.External.ID, l.External.ID)
	require.Len(t, l.Flavors, 3)
	require.Len(t, l.PublicImages, 2)
	require.Len(t, l.Projects, 2)
	for _, p := range c.Projects {
		at := 0
		if l.Projects[at].ID != p.ID {
			at = 1
		}
		require.Equal(t, p.ID, l.Projects[at].ID)
		require.ElementsMatch(t, p.Users, l.Projects[at].Users)
		require.Equal(t, p.Networks[0].ID, l.Projects[at].Networks[0].ID)
		require.Equal(t, p.Router.ID, l.Projects[at].Router.ID)
	}
	require.NoError(t, l.Compute.StopServer(t.Context(), web.ID))
	l.WaitIdle()
	require.Equal(t, driver.Shutdown, l.Hosts[0].Hypervisor.Guests()[0].Power)
	require.Equal(t, driver.Running, c.Hosts[0].Hypervisor.Guests()[0].Power)
}

// driverFails is a fault of one call.
func driverFails(op string) func(ctx context.Context, called, id string) error {
	return func(_ context.Context, called, _ string) error {
		if called == op {
			return driver.Errorf(driver.Invalid, "%s fails", op)
		}
		return nil
	}
}
