package cloud_test

import (
	"context"
	"fmt"
	"log"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/compute"
)

// A change is rehearsed in a fork before it is made: what would become of a project's
// servers if one is resized and one is deleted while a host takes no new ones.
func ExampleCloud_Fork() {
	ctx := context.Background()
	c, err := cloud.New(ctx, inMemory())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	small, large := flavor(ctx, c, "small", 1), flavor(ctx, c, "large", 2)
	web := start(ctx, c, "web", small)
	db := start(ctx, c, "db", small)

	rehearsal, err := c.Fork(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer rehearsal.Close()
	closed := true
	if _, err := rehearsal.Compute.UpdateHost(ctx, web.Host, compute.HostUpdate{Disabled: &closed}); err != nil {
		log.Fatal(err)
	}
	if err := rehearsal.Compute.ResizeServer(ctx, web.ID, large.ID); err != nil {
		log.Fatal(err)
	}
	if err := rehearsal.Compute.DeleteServer(ctx, db.ID); err != nil {
		log.Fatal(err)
	}
	if err := rehearsal.Idle(ctx); err != nil {
		log.Fatal(err)
	}
	for _, change := range rehearsal.Changes() {
		if change.Name == "" {
			continue // allocations, volumes and their attachments
		}
		fmt.Println(change.Action, change.Kind, change.Name)
		for _, f := range change.Fields {
			if f.Field == "vm_state" || f.Field == "flavor.name" || f.Field == "disabled" {
				fmt.Println("   ", f)
			}
		}
	}

	// The cloud itself has not changed.
	before, err := c.Compute.GetServer(ctx, db.ID)
	fmt.Println(before.Name, before.Status(), err)
	// Output:
	// removed server db
	// changed server web
	//     flavor.name: small → large
	//     vm_state: active → resized
	// changed host host-1
	//     disabled: none → true
	// db ACTIVE <nil>
}

// flavor makes a flavor of so many processors.
func flavor(ctx context.Context, c *cloud.Cloud, name string, vcpus int) compute.Flavor {
	f, err := c.Compute.CreateFlavor(ctx, compute.Flavor{Name: name, VCPUs: vcpus, MemoryMiB: 256 * vcpus, Public: true})
	if err != nil {
		log.Fatal(err)
	}
	return f
}

// start boots a server without networks from a new volume, and waits until it runs.
func start(ctx context.Context, c *cloud.Cloud, name string, f compute.Flavor) compute.Server {
	s, err := c.Compute.CreateServer(ctx, "project", compute.CreateServerOptions{
		Name: name, FlavorID: f.ID, Networking: compute.NetworksNone,
		BlockDevices: []compute.BlockDevice{{
			Source: "blank", Destination: "volume", SizeGiB: 1, Boot: true, DeleteOnTermination: true,
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	if s, err = c.Compute.WaitServer(ctx, s.ID); err != nil {
		log.Fatal(err)
	}
	return s
}
