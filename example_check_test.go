package cloud_test

import (
	"context"
	"fmt"

	"github.com/welkin-cloud/cloud"
	hypervisor "github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/image/memstore"
	mechanism "github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/memnetwork"
	backend "github.com/welkin-cloud/cloud/volume/driver"
	"github.com/welkin-cloud/cloud/volume/memvolume"
)

func ExampleCloud_Check() {
	ctx := context.Background()
	host := memhypervisor.New(memhypervisor.Config{Name: "host-1", VCPUs: 8, MemoryMiB: 1 << 14, DiskGiB: 100})
	c, err := cloud.New(ctx, cloud.Config{
		Hypervisors: []hypervisor.Hypervisor{host},
		Networks:    map[string]mechanism.Mechanism{"host-1": memnetwork.New(memnetwork.Config{Name: "host-1"})},
		Images:      memstore.New(memstore.Config{}),
		Volumes:     []backend.Backend{memvolume.New(memvolume.Config{})},
	})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	report, _ := c.Check(ctx, nil)
	fmt.Println("clean:", report.Clean())

	// Somebody makes a guest behind the cloud's back.
	_ = host.Create(ctx, hypervisor.Spec{ID: "4b42a7b1-8f0c-4b5e-9d3e-0c8a7f6d5e4c", VCPUs: 1, MemoryMiB: 128})
	report, _ = c.Check(ctx, nil)
	fmt.Println("clean:", report.Clean())
	report, _ = c.Check(ctx, &cloud.CheckOptions{Mend: true})
	for _, f := range report.Findings {
		fmt.Println(f)
	}
	guests, _ := host.List(ctx)
	fmt.Println("guests:", len(guests))
	// Output:
	// clean: true
	// clean: false
	// compute.guest: guest/4b42a7b1-8f0c-4b5e-9d3e-0c8a7f6d5e4c is on host host-1, but no server is recorded there for it. (mended)
	// guests: 0
}
