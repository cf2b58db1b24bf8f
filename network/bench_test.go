package network_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/network"
)

// benchCloud has one network, /12 large, with so many ports.
func benchCloud(b *testing.B, ports int) (*cloud, network.Network) {
	c := start(b)
	_, err := c.SetQuotas(b.Context(), project, map[string]int{"port": -1})
	require.NoError(b, err)
	n := c.network(b, network.CreateNetworkOptions{})
	c.subnet(b, n.ID, "10.0.0.0/12")
	for range ports {
		c.port(b, n.ID)
	}
	b.ResetTimer()
	return c, n
}

func BenchmarkCreatePort(b *testing.B) {
	for _, ports := range []int{0, 10_000} {
		b.Run(fmt.Sprintf("ports=%d", ports), func(b *testing.B) {
			c, n := benchCloud(b, ports)
			for b.Loop() {
				c.port(b, n.ID)
			}
		})
	}
}

func BenchmarkCreatePortParallel(b *testing.B) {
	c, n := benchCloud(b, 0)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.port(b, n.ID)
		}
	})
}

func BenchmarkBindPort(b *testing.B) {
	for _, ports := range []int{0, 10_000} {
		b.Run(fmt.Sprintf("ports=%d", ports), func(b *testing.B) {
			c, n := benchCloud(b, ports)
			var made []network.Port
			for range 100 {
				made = append(made, c.port(b, n.ID))
			}
			i := 0
			for b.Loop() {
				p := made[i%len(made)]
				i++
				c.bind(b, p.ID, "h1")
				require.NoError(b, c.UnbindPort(b.Context(), p.ID, "server-"+p.ID))
			}
		})
	}
}

func BenchmarkBindPortBurst(b *testing.B) {
	c, n := benchCloud(b, 10_000)
	var count atomic.Int64
	b.SetParallelism(100)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p := c.port(b, n.ID)
			c.bind(b, p.ID, "h1")
			count.Add(1)
		}
	})
}
