// Command embed is a private cloud in a program of one's own.
package main

import (
	"context"
	"log"
	"net/http"
	"os"

	"github.com/welkin-cloud/cloud"
	compute "github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/image/memstore"
	network "github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/memnetwork"
	volume "github.com/welkin-cloud/cloud/volume/driver"
	"github.com/welkin-cloud/cloud/volume/memvolume"
)

// open composes a cloud of one host. Any driver may stand in the place of these.
func open(ctx context.Context, password string) (*cloud.Cloud, error) {
	return cloud.New(ctx, cloud.Config{
		AdminPassword: password,
		Hypervisors:   []compute.Hypervisor{memhypervisor.New(memhypervisor.Config{Name: "host-1"})},
		Networks:      map[string]network.Mechanism{"host-1": memnetwork.New(memnetwork.Config{Name: "host-1"})},
		Images:        memstore.New(memstore.Config{}),
		Volumes:       []volume.Backend{memvolume.New(memvolume.Config{})},
	})
}

func main() {
	c, err := open(context.Background(), os.Getenv("OS_PASSWORD"))
	if err != nil {
		log.Fatal(err)
	}
	log.Print("log in as admin at http://127.0.0.1:5000/identity/v3")
	log.Print(http.ListenAndServe("127.0.0.1:5000", c.Handler()))
}
