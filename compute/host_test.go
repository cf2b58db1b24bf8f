package compute_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/compute/placement"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/memengine"
)

// provider is the resource provider of the rig's host.
func (r *rig) provider() placement.Provider {
	r.t.Helper()
	p, err := r.Placement.Get(r.Placement.Snapshot(), r.ListHosts(r.ctx())[0].ID)
	require.NoError(r.t, err)
	return p
}

// What an admin tells Placement of a host outlives a restart, until the host or the
// configuration says something new.
func TestAnAdminsInventoryOutlivesARestart(t *testing.T) {
	w, store := newWorld(), memengine.NewStore(memengine.Options{})
	r := openOn(t, w, store)
	p := r.provider()
	require.NoError(t, r.Placement.Update(r.ctx(), func(tx *state.Tx) error {
		changed := maps.Clone(p.Inventories)
		vcpus := changed[placement.VCPU]
		vcpus.AllocationRatio = 8
		changed[placement.VCPU] = vcpus
		if _, err := r.Placement.SetInventories(tx, p.ID, p.Generation, changed); err != nil {
			return err
		}
		if _, err := r.Placement.CreateTrait(tx, "CUSTOM_FAST"); err != nil {
			return err
		}
		_, err := r.Placement.SetTraits(tx, p.ID, -1, append(p.Traits, "CUSTOM_FAST"))
		return err
	}))

	r = reopen(t, w, store, r, func() {})
	require.EqualValues(t, 8, r.provider().Inventories[placement.VCPU].AllocationRatio)
	require.Contains(t, r.provider().Traits, "CUSTOM_FAST")

	r = reopen(t, w, store, r, func() { w.cfg.CPURatio = 2 })
	require.EqualValues(t, 2, r.provider().Inventories[placement.VCPU].AllocationRatio)
	require.Contains(t, r.provider().Traits, "CUSTOM_FAST")

	r = reopen(t, w, store, r, func() { w.host = memhypervisor.New(memhypervisor.Config{Name: "host-1", VCPUs: 7}) })
	require.Equal(t, 7, r.provider().Inventories[placement.VCPU].Total)
	require.Contains(t, r.provider().Traits, "CUSTOM_FAST")
}

// A host whose resource provider was deleted gets no servers, and has it again after a
// restart.
func TestADeletedProviderIsMadeAgain(t *testing.T) {
	w, store := newWorld(), memengine.NewStore(memengine.Options{})
	r := openOn(t, w, store)
	p := r.provider()
	require.NoError(t, r.Placement.Update(r.ctx(), func(tx *state.Tx) error { return r.Placement.Delete(tx, p.ID) }))
	s := r.boot()
	require.Equal(t, "No valid host was found. There are no hosts.", s.Fault.Message)
	r = reopen(t, w, store, r, func() {})
	require.Equal(t, p.Inventories, r.provider().Inventories)
	require.Equal(t, p.Traits, r.provider().Traits)
	require.Equal(t, "ACTIVE", r.boot().Status())
}
