package main

import (
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/backups"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/snapshots"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/hypervisors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/stretchr/testify/require"
)

// clear deletes everything and checks that the world is empty.
func (k *soak) clear() {
	k.t.Helper()
	k.clearCustomers()
	used, err := hypervisors.GetStatistics(k.ctx(), k.compute).Extract()
	require.NoError(k.t, err)
	require.Zero(k.t, used.VCPUsUsed)
	require.Zero(k.t, used.MemoryMBUsed)
	require.Zero(k.t, used.RunningVMs)

	require.NoError(k.t, images.Delete(k.ctx(), k.image, k.imageID).ExtractErr())
	_, err = routers.RemoveInterface(k.ctx(), k.network, k.routerID, routers.RemoveInterfaceOpts{SubnetID: k.subnetID}).Extract()
	require.NoError(k.t, err)
	require.NoError(k.t, routers.Delete(k.ctx(), k.network, k.routerID).ExtractErr())
	for _, id := range []string{k.networkID, k.externalID} {
		require.NoError(k.t, networks.Delete(k.ctx(), k.network, id).ExtractErr())
	}
	require.Empty(k.t, k.ports(ports.ListOpts{}))
	require.Eventually(k.t, func() bool { return len(k.files()) == 0 }, wait, 100*time.Millisecond)
	if k.real {
		k.requireNothingLeft()
	}
}

// clearCustomers deletes what the customers have, in as many passes as it takes: what
// hangs on other things goes after them.
func (k *soak) clearCustomers() {
	k.t.Helper()
	var r record
	require.Eventually(k.t, func() bool {
		var err error
		if r, err = k.read(); err != nil {
			return false
		}
		left := len(r.servers) + len(r.volumes) + len(r.snapshots) + len(r.backups) + len(r.images) + len(r.floatingIPs) + len(r.ports)
		if left == 1 { // the image that all are made of
			return true
		}
		k.deleteAll(&r)
		return false
	}, 2*wait, 200*time.Millisecond, "left: %+v", &r)
}

// deleteAll asks once for the deletion of all. What cannot go yet is asked again.
func (k *soak) deleteAll(r *record) {
	for _, f := range r.floatingIPs {
		_ = floatingips.Delete(k.ctx(), k.network, f.ID).ExtractErr()
	}
	for _, s := range r.servers {
		if s.TaskState == "" {
			_ = servers.Delete(k.ctx(), k.compute, s.ID).ExtractErr()
		}
	}
	for _, s := range r.snapshots {
		_ = snapshots.Delete(k.ctx(), k.volume, s.ID).ExtractErr()
	}
	for _, b := range r.backups {
		_ = backups.Delete(k.ctx(), k.volume, b.ID).ExtractErr()
	}
	for _, v := range r.volumes {
		_ = volumes.Delete(k.ctx(), k.volume, v.ID, nil).ExtractErr()
	}
	for _, i := range r.images {
		if i.ID != k.imageID {
			_ = images.Delete(k.ctx(), k.image, i.ID).ExtractErr()
		}
	}
}
