package scheduler

import (
	"fmt"
	"strings"
)

// Size is an amount of each resource.
type Size struct {
	VCPUs     int `json:"vcpus"`
	MemoryMiB int `json:"memory_mib"`
	DiskGiB   int `json:"disk_gib"`
}

func (r *Request) size() Size { return Size{r.VCPUs, r.MemoryMiB, r.DiskGiB} }

func (a Size) plus(b Size) Size {
	return Size{a.VCPUs + b.VCPUs, a.MemoryMiB + b.MemoryMiB, a.DiskGiB + b.DiskGiB}
}

// beyond is what a has more than b.
func (a Size) beyond(b Size) Size {
	return Size{max(a.VCPUs-b.VCPUs, 0), max(a.MemoryMiB-b.MemoryMiB, 0), max(a.DiskGiB-b.DiskGiB, 0)}
}

// partOf is the greatest part that a is of any resource of b.
func (a Size) partOf(b Size) float64 {
	part := func(n, of int) float64 { return float64(n) / float64(max(of, 1)) }
	return max(part(a.VCPUs, b.VCPUs), part(a.MemoryMiB, b.MemoryMiB), part(a.DiskGiB, b.DiskGiB))
}

// String is the size in words, without what is none.
func (a Size) String() string {
	var parts []string
	for _, p := range []struct {
		n    int
		unit string
	}{{a.VCPUs, units[vcpu]}, {a.MemoryMiB, units[memory]}, {a.DiskGiB, units[disk]}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.unit))
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}
