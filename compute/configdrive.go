package compute

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/kdomanski/iso9660"
)

// configDrive is the metadata of a server as an ISO 9660 image with the label by
// which guests find it.
func (s *Service) configDrive(ctx context.Context, server *Server) ([]byte, error) {
	t, err := s.metadata(ctx, server)
	if err != nil {
		return nil, err
	}
	w, err := iso9660.NewWriter()
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Cleanup() }()
	for _, path := range slices.Sorted(maps.Keys(t)) {
		if err := w.AddFile(bytes.NewReader(t[path]), drivePath(path)); err != nil {
			return nil, err
		}
	}
	var iso bytes.Buffer
	if err := w.WriteTo(&iso, "config-2"); err != nil {
		return nil, err
	}
	return iso.Bytes(), nil
}

// drivePath is where a file of the tree is on a config drive: EC2's has a folder of
// its own.
func drivePath(path string) string {
	if strings.HasPrefix(path, "openstack/") {
		return path
	}
	return "ec2/" + path
}
