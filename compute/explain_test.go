package compute_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/compute/scheduler"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// withHosts is a world of further hosts: "host-2" and so on, of so many processors
// each, which are overcommitted by 4.
func withHosts(vcpus ...int) *world {
	w := newWorld()
	for i, n := range vcpus {
		w.more = append(w.more, memhypervisor.New(memhypervisor.Config{Name: fmt.Sprintf("host-%d", i+2), VCPUs: n}))
	}
	return w
}

// newest is the newest decision on a server.
func (r *rig) newest(id string) compute.PlacementDecision {
	r.t.Helper()
	all, err := r.ExplainPlacement(r.ctx(), id)
	require.NoError(r.t, err)
	require.NotEmpty(r.t, all)
	return all[0]
}

func ptr[T any](v T) *T { return &v }

func TestADecisionKeepsItsReasons(t *testing.T) {
	r := withHosts(16, 8).open(t)
	_, err := r.UpdateHost(r.ctx(), "host-2", compute.HostUpdate{Disabled: ptr(true)})
	require.NoError(t, err)
	before := r.core.DB.Snapshot().Revision()
	s := r.boot()
	require.Equal(t, "host-1", s.Host)

	d := r.newest(s.ID)
	require.Equal(t, "create", d.Action)
	require.Equal(t, "req-1", d.RequestID)
	require.Greater(t, d.Revision, before)
	require.LessOrEqual(t, d.Revision, r.core.DB.Snapshot().Revision())
	require.Equal(t, scheduler.Request{VCPUs: 1, MemoryMiB: 512, DiskGiB: 1}, d.Request)
	require.Equal(t, "host-1", d.Chosen)
	require.Equal(t, []int{3, 2}, []int{d.Hosts, d.Fitting})
	require.Equal(t, []string{"host-1", "host-3"}, []string{d.Ranked[0].Host, d.Ranked[1].Host})
	require.Equal(t, []scheduler.Weight{{Weigher: "free_share", Value: 255.0 / 256}}, d.Ranked[0].Weights)
	require.Equal(t, []scheduler.RejectedHost{{Host: "host-2", Filter: "enabled", Reason: "is disabled"}}, d.Rejected)
	require.Equal(t, map[string]int{"enabled": 1}, d.Refusals)
	require.Equal(t, "host-1 was chosen: 2 of 3 hosts would have done.\n"+
		"host-1 weighs 0.996: free_share 0.996\nhost-3 weighs 0.969: free_share 0.969\nhost-2 is disabled (enabled)", d.String())
}

func TestARefusalIsInTheFaultAndKept(t *testing.T) {
	r := withHosts(16).open(t)
	_, err := r.CreateFlavor(r.ctx(), compute.Flavor{ID: "huge", Name: "huge", VCPUs: 100, MemoryMiB: 1, Public: true})
	require.NoError(t, err)
	s := r.boot(func(o *compute.CreateServerOptions) { o.FlavorID, o.Host = "huge", "host-2" })
	require.Equal(t, "ERROR", s.Status())
	require.Equal(t, "No valid host was found. host-2: needs 100 VCPU, 64 of 64 free; host-1: is not the requested host host-2", s.Fault.Message)

	d := r.newest(s.ID)
	require.Empty(t, d.Chosen)
	require.Empty(t, d.Ranked)
	require.Equal(t, "resources", d.Rejected[0].Filter)
	require.Equal(t, []scheduler.Figure{
		{Resource: "VCPU", Needed: 100, Free: 64, Capacity: 64, Total: 16, Ratio: 4},
	}, d.Rejected[0].Figures)
	require.Equal(t, map[string]int{"resources": 1, "host": 1}, d.Refusals)
	require.Equal(t, d.String(), s.Fault.Details)
	require.Contains(t, s.Fault.Details, "host-2 needs 100 VCPU, 64 of 64 free (resources)")

	require.NoError(t, r.DeleteServer(r.ctx(), s.ID))
	_, err = r.WaitServer(r.ctx(), s.ID)
	require.Equal(t, fault.NotFound, fault.Of(err))
	_, err = r.ExplainPlacement(r.ctx(), s.ID)
	require.Equal(t, fault.NotFound, fault.Of(err))
}

func TestUnshelvingAndResizingAreDecisionsToo(t *testing.T) {
	r := newRig(t)
	s := r.boot()
	for range 6 {
		require.NoError(t, r.ShelveServer(r.ctx(), s.ID))
		r.wait(s.ID)
		require.NoError(t, r.UnshelveServer(r.ctx(), s.ID, ""))
		require.Equal(t, "ACTIVE", r.wait(s.ID).Status())
	}
	all, err := r.ExplainPlacement(r.ctx(), s.ID)
	require.NoError(t, err)
	require.Len(t, all, 5, "the newest")
	for i, d := range all {
		require.Equal(t, "unshelve", d.Action)
		require.True(t, i == 0 || d.Revision < all[i-1].Revision)
	}

	for id, vcpus := range map[string]int{"big": 60, "huge": 300} {
		_, err := r.CreateFlavor(r.ctx(), compute.Flavor{ID: id, Name: id, VCPUs: vcpus, MemoryMiB: 512, DiskGiB: 1, Public: true})
		require.NoError(t, err)
	}
	require.NoError(t, r.ResizeServer(r.ctx(), s.ID, "huge"))
	s = r.wait(s.ID)
	require.Equal(t, "ACTIVE", s.Status())
	require.Equal(t, "No valid host was found. host-1: needs 300 VCPU, 256 of 256 free", s.Fault.Message)
	require.Equal(t, "resize", r.newest(s.ID).Action)
	require.Equal(t, 300, r.newest(s.ID).Rejected[0].Figures[0].Needed)
	require.Equal(t, 1, r.ListHosts(r.ctx())[0].UsedVCPUs)

	require.NoError(t, r.ResizeServer(r.ctx(), s.ID, "big"))
	_ = r.wait(s.ID)
	require.Equal(t, "host-1", r.newest(s.ID).Chosen)
	require.Equal(t, 60, r.ListHosts(r.ctx())[0].UsedVCPUs)
}

// A flavor that needs what the host has not is no flavor to resize to.
func TestResizingHeedsTraits(t *testing.T) {
	r := newRig(t)
	_, err := r.CreateFlavor(r.ctx(), compute.Flavor{
		ID: "fpga", Name: "fpga", VCPUs: 1, MemoryMiB: 512, DiskGiB: 1, Public: true, ExtraSpecs: map[string]string{"trait:CUSTOM_FPGA": "required"},
	})
	require.NoError(t, err)
	s := r.boot()
	require.NoError(t, r.ResizeServer(r.ctx(), s.ID, "fpga"))
	require.Equal(t, "No valid host was found. host-1: lacks trait CUSTOM_FPGA", r.wait(s.ID).Fault.Message)
}

// The explanation of one server stays small, however many hosts there are.
func TestAnExplanationIsBounded(t *testing.T) {
	hosts := make([]scheduler.HostState, 10_000)
	for i := range hosts {
		hosts[i] = scheduler.HostState{Name: fmt.Sprintf("host-%05d", i), Enabled: i%2 == 0, Up: true}
	}
	e := scheduler.Schedule(hosts, scheduler.Request{VCPUs: 1}).Explain(20)
	require.Len(t, e.Rejected, 20)
	require.Equal(t, "resources", e.Rejected[19].Filter, "those that passed the most filters come first")
	require.Equal(t, map[string]int{"enabled": 5000, "resources": 5000}, e.Refusals)
	require.Less(t, len(e.String()), 2000)
	require.True(t, strings.HasSuffix(e.String(), "9980 more were refused; in all: 5000 by enabled, 5000 by resources"), e.String())
}
