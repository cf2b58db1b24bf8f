// Package unittest is a program that uses a cloud, with a unit test that gives it one:
// the program knows gophercloud alone, the test package cloudtest.
package unittest

import (
	"context"
	"fmt"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
)

// Boot makes a server from an image and returns it once it runs, or the reason why it
// does not.
func Boot(ctx context.Context, compute *gophercloud.ServiceClient, name, flavorID, imageID string) (*servers.Server, error) {
	s, err := servers.Create(ctx, compute, servers.CreateOpts{
		Name: name, FlavorRef: flavorID, ImageRef: imageID, Networks: "auto",
	}, nil).Extract()
	if err != nil {
		return nil, err
	}
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		s, err = servers.Get(ctx, compute, s.ID).Extract()
		switch {
		case err != nil:
			return nil, err
		case s.Status == "ACTIVE":
			return s, nil
		case s.Status == "ERROR":
			return s, fmt.Errorf("server %s: %s", s.Name, s.Fault.Message)
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return s, ctx.Err()
		}
	}
}
