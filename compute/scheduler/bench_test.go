package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/welkin-cloud/cloud/compute/scheduler"
)

// fleet is n hosts; every third has no room.
func fleet(n int) []scheduler.HostState {
	hosts := make([]scheduler.HostState, n)
	for i := range hosts {
		hosts[i] = host(fmt.Sprintf("host-%05d", i), 10+i%80)
		if i%3 == 0 {
			hosts[i] = host(fmt.Sprintf("host-%05d", i), 1)
		}
	}
	return hosts
}

func BenchmarkSchedule(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		hosts := fleet(n)
		req := scheduler.Request{VCPUs: 2, MemoryMiB: 2, DiskGiB: 2}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if scheduler.Schedule(hosts, req).Err() != nil {
					b.Fatal("no host")
				}
			}
		})
	}
}
