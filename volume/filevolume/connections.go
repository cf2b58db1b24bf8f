package filevolume

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/welkin-cloud/cloud/volume/driver"
)

var _ driver.ConnectionLister = (*Backend)(nil)

// Connections lists what is connected, from the names of the marker files.
func (b *Backend) Connections(context.Context) ([]driver.Connected, error) {
	entries, err := os.ReadDir(filepath.Join(b.cfg.Dir, connectDir))
	if err != nil {
		return nil, kind(err)
	}
	var list []driver.Connected
	for _, e := range entries {
		if id, host, ok := strings.Cut(e.Name(), "_"); ok {
			list = append(list, driver.Connected{VolumeID: id, Host: host})
		}
	}
	return list, nil
}
