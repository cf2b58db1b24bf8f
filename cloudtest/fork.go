package cloudtest

import (
	"slices"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/network/memnetwork"
)

// Fork returns a copy of the cloud as it is now, on fakes of its own, that ends with the
// test: see cloud.Cloud.Fork. What the Model has made is in it under the same ids, and
// everybody may log in there too. Faults of the original are not in the fork; those
// that are injected into the fork strike at its drivers and at its API, not at the steps
// of its work, and Transitions have no part in it.
func (c *Cloud) Fork() *Cloud {
	c.t.Helper()
	started, err := c.Cloud.Fork(c.t.Context())
	if err != nil {
		c.t.Fatalf("cloudtest: the cloud cannot be forked: %v", err)
	}
	f := &Cloud{t: c.t, model: c.model, Admin: c.Admin, External: c.External}
	f.Projects, f.Flavors, f.PublicImages = slices.Clone(c.Projects), slices.Clone(c.Flavors), slices.Clone(c.PublicImages)
	f.model.Dir = ""
	f.adopt(started)
	return f
}

// adopt makes a started cloud on fakes that the root package has made the test's own.
func (c *Cloud) adopt(started *cloud.Cloud) {
	c.Cloud = started
	c.live.Store(started)
	c.transitions.cloud = c
	fakes := started.Fakes()
	for _, name := range fakes.Hosts() {
		h := Host{Name: name}
		if h.Hypervisor, _ = fakes.Hypervisor(name); h.Hypervisor == nil {
			h.Hypervisor = memhypervisor.New(memhypervisor.Config{Name: name})
		}
		if h.Network, _ = fakes.Network(name); h.Network == nil {
			h.Network = memnetwork.New(memnetwork.Config{Name: name})
		}
		c.Hosts = append(c.Hosts, h)
		h.Hypervisor.SetFault(c.asked("hypervisor", name))
		h.Network.SetFault(c.asked("network", name))
	}
	c.VolumeBackend = fakes.Volumes[started.Volumes.BackendNames()[0]]
	c.VolumeBackend.SetFault(c.asked("volume", ""))
	c.ImageStore, c.BackupStore = fakes.Images, fakes.Backups
	c.ImageStore.SetFault(c.asked("image", ""))
	if c.BackupStore != nil {
		c.BackupStore.SetFault(c.asked("backup", ""))
	}
	c.t.Cleanup(c.close)
	c.t.Cleanup(c.checkAtEnd)
}
