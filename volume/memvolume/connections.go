package memvolume

import (
	"context"
	"maps"
	"slices"

	"github.com/welkin-cloud/cloud/volume/driver"
)

var _ driver.ConnectionLister = (*Backend)(nil)

// Connections lists the hosts that volumes are connected to, by volume and host.
func (b *Backend) Connections(context.Context) ([]driver.Connected, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []driver.Connected
	for _, id := range b.volumes.Keys() {
		d, _ := b.volumes.Get(id)
		for _, host := range slices.Sorted(maps.Keys(d.hosts)) {
			list = append(list, driver.Connected{VolumeID: id, Host: host})
		}
	}
	return list, nil
}
