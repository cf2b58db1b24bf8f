package cloud_test

import (
	"testing"

	"github.com/welkin-cloud/cloud"
	compute "github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/image/memstore"
	network "github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/memnetwork"
	volume "github.com/welkin-cloud/cloud/volume/driver"
	"github.com/welkin-cloud/cloud/volume/memvolume"
)

// BenchmarkNew is a cloud in memory, with an administrator, started and ended.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		c, err := cloud.New(b.Context(), inMemory())
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHandler is making the HTTP face of a cloud.
func BenchmarkHandler(b *testing.B) {
	c, err := cloud.New(b.Context(), inMemory())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for b.Loop() {
		_ = c.Handler()
	}
}

func inMemory() cloud.Config {
	return cloud.Config{
		AdminPassword: "secret", Identity: identity.Settings{BcryptCost: 4},
		Hypervisors: []compute.Hypervisor{memhypervisor.New(memhypervisor.Config{Name: "host-1"})},
		Networks:    map[string]network.Mechanism{"host-1": memnetwork.New(memnetwork.Config{Name: "host-1"})},
		Images:      memstore.New(memstore.Config{}),
		Volumes:     []volume.Backend{memvolume.New(memvolume.Config{})},
	}
}
