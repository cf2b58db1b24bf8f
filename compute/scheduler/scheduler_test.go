package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/welkin-cloud/cloud/compute/scheduler"
	"github.com/welkin-cloud/cloud/internal/fault"
)

func host(name string, free int) scheduler.HostState {
	a := scheduler.Amount{Capacity: 100, Used: 100 - free}
	return scheduler.HostState{Name: name, Enabled: true, Up: true, Zone: "nova", VCPUs: a, Memory: a, Disk: a}
}

func TestReasons(t *testing.T) {
	small := host("a", 2)
	for name, c := range map[string]struct {
		change func(h *scheduler.HostState, req *scheduler.Request)
		why    string
	}{
		"disabled":  {func(h *scheduler.HostState, _ *scheduler.Request) { h.Enabled = false }, "is disabled"},
		"down":      {func(h *scheduler.HostState, _ *scheduler.Request) { h.Up = false }, "is down"},
		"resources": {func(_ *scheduler.HostState, r *scheduler.Request) { r.VCPUs = 4 }, "needs 4 VCPU, 2 of 100 free"},
		"unit":      {func(h *scheduler.HostState, r *scheduler.Request) { h.VCPUs.MaxUnit, r.VCPUs = 1, 2 }, "needs 2 VCPU, has 1 in all"},
		"zone":      {func(_ *scheduler.HostState, r *scheduler.Request) { r.Zone = "far" }, "is in availability zone nova, not far"},
		"host":      {func(_ *scheduler.HostState, r *scheduler.Request) { r.Host = "b" }, "is not the requested host b"},
		"excluded":  {func(_ *scheduler.HostState, r *scheduler.Request) { r.Exclude = []string{"a"} }, "is excluded"},
		"required":  {func(_ *scheduler.HostState, r *scheduler.Request) { r.Required = []string{"X"} }, "lacks trait X"},
		"forbidden": {func(h *scheduler.HostState, r *scheduler.Request) {
			h.Traits, r.Forbidden = []string{"X"}, []string{"X"}
		}, "has forbidden trait X"},
		"anti-affinity": {func(h *scheduler.HostState, r *scheduler.Request) {
			h.GroupMembers, r.Policy = 1, scheduler.AntiAffinity
		}, "has 1 of the anti-affinity group already"},
		"different": {func(h *scheduler.HostState, r *scheduler.Request) {
			h.Servers, r.DifferentHost = []string{"s"}, []string{"s"}
		}, "runs server s"},
		"same": {func(_ *scheduler.HostState, r *scheduler.Request) { r.SameHost = []string{"s"} }, "runs none of s"},
	} {
		t.Run(name, func(t *testing.T) {
			h, req := small, scheduler.Request{VCPUs: 1}
			c.change(&h, &req)
			err := scheduler.Schedule([]scheduler.HostState{h}, req).Err()
			require.Equal(t, fault.Exhausted, fault.Of(err))
			require.Equal(t, "No valid host was found. a: "+c.why, fault.Public(err))
		})
	}
}

func TestAffinityFollowsTheFirstMember(t *testing.T) {
	a, b := host("a", 90), host("b", 10)
	req := scheduler.Request{VCPUs: 1, Policy: scheduler.Affinity}
	require.Equal(t, "a", scheduler.Schedule([]scheduler.HostState{a, b}, req).Hosts[0].Name, "the first goes where there is room")
	b.GroupMembers = 1
	d := scheduler.Schedule([]scheduler.HostState{a, b}, req)
	require.Len(t, d.Hosts, 1)
	require.Equal(t, "b", d.Hosts[0].Name)
	require.Equal(t, "a", d.Rejections[0].Host.Name)
}

// Whatever is asked of whatever hosts: none is chosen that has not enough, every
// host is either chosen or rejected, and placing one request after the other never
// overcommits.
func TestNeverOvercommits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hosts := make([]scheduler.HostState, rapid.IntRange(0, 5).Draw(t, "hosts"))
		for i := range hosts {
			amount := func(name string) scheduler.Amount {
				c := rapid.IntRange(0, 50).Draw(t, name)
				return scheduler.Amount{Capacity: c, Used: rapid.IntRange(0, c).Draw(t, name+" used")}
			}
			hosts[i] = scheduler.HostState{
				Name: fmt.Sprint(i), Enabled: rapid.Bool().Draw(t, "enabled"), Up: true,
				VCPUs: amount("vcpus"), Memory: amount("memory"), Disk: amount("disk"),
			}
		}
		for range rapid.IntRange(1, 20).Draw(t, "requests") {
			req := scheduler.Request{
				VCPUs: rapid.IntRange(0, 20).Draw(t, "v"), MemoryMiB: rapid.IntRange(0, 20).Draw(t, "m"), DiskGiB: rapid.IntRange(0, 20).Draw(t, "d"),
			}
			d := scheduler.Schedule(hosts, req)
			require.Len(t, hosts, len(d.Hosts)+len(d.Rejections))
			if d.Err() != nil {
				continue
			}
			for i := range hosts {
				if hosts[i].Name == d.Hosts[0].Name {
					hosts[i].VCPUs.Used += req.VCPUs
					hosts[i].Memory.Used += req.MemoryMiB
					hosts[i].Disk.Used += req.DiskGiB
					require.True(t, hosts[i].Enabled)
					require.GreaterOrEqual(t, min(hosts[i].VCPUs.Free(), hosts[i].Memory.Free(), hosts[i].Disk.Free()), 0)
				}
			}
		}
	})
}
