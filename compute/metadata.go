package compute

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/network/driver"
)

// metadataVersions are the versions of the OpenStack tree, oldest first; each has
// all that the former had.
var metadataVersions = []string{
	"2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22", "2018-08-27",
}

// since is the version in which a file of the tree appeared.
var since = map[string]string{
	"meta_data.json": "2012-08-10", "user_data": "2012-08-10", "password": "2013-04-04",
	"vendor_data.json": "2013-10-17", "network_data.json": "2015-10-15", "vendor_data2.json": "2016-10-06",
}

// tree is what a guest may read: the content of files by their path, such as
// "openstack/latest/meta_data.json".
type tree map[string][]byte

// metadata builds everything that a server's guest may read.
func (s *Service) metadata(ctx context.Context, server *Server) (tree, error) {
	files, err := s.openstackFiles(ctx, server)
	if err != nil {
		return nil, err
	}
	t := tree{}
	for _, version := range append(slices.Clone(metadataVersions), "latest") {
		for name, content := range files {
			if version == "latest" || since[name] <= version {
				t["openstack/"+version+"/"+name] = content
			}
		}
	}
	for i, f := range server.Files {
		t["openstack/"+contentPath(i)] = f.Content
	}
	if err := s.ec2Files(ctx, server, t); err != nil {
		return nil, err
	}
	return t, nil
}

func contentPath(i int) string { return fmt.Sprintf("content/%04d", i) }

// openstackFiles are the files of one version of the OpenStack tree.
func (s *Service) openstackFiles(ctx context.Context, server *Server) (map[string][]byte, error) {
	network, err := s.networkData(ctx, server)
	if err != nil {
		return nil, err
	}
	vendor := map[string]any{}
	maps.Copy(vendor, s.cfg.VendorData)
	files := map[string][]byte{}
	for name, v := range map[string]any{
		"meta_data.json":    s.metaData(server),
		"network_data.json": network,
		"vendor_data.json":  vendor,
		"vendor_data2.json": map[string]any{"static": vendor},
	} {
		if files[name], err = json.Marshal(v); err != nil {
			return nil, err
		}
	}
	if server.UserData != "" {
		data, err := base64.StdEncoding.DecodeString(server.UserData)
		if err != nil {
			return nil, err
		}
		files["user_data"] = data
	}
	return files, nil
}

// metaData is meta_data.json.
func (s *Service) metaData(server *Server) map[string]any {
	seed := sha256.Sum256([]byte("random_seed " + server.ID + server.ReservationID))
	m := map[string]any{
		"uuid": server.ID, "name": server.Name, "hostname": server.Hostname, "launch_index": server.LaunchIndex,
		"availability_zone": server.Zone, "project_id": server.ProjectID,
		"random_seed": base64.StdEncoding.EncodeToString(seed[:]),
		"devices":     s.taggedDevices(server), "dedicated_cpus": []int{},
	}
	if len(server.Metadata) > 0 {
		m["meta"] = server.Metadata
	}
	if server.KeyName != "" {
		m["public_keys"] = map[string]string{server.KeyName: server.PublicKey}
		m["keys"] = []map[string]string{{"name": server.KeyName, "type": server.KeyType, "data": server.PublicKey}}
	}
	if len(server.Files) > 0 {
		files := make([]map[string]string, len(server.Files))
		for i, f := range server.Files {
			files[i] = map[string]string{"path": f.Path, "content_path": "/" + contentPath(i)}
		}
		m["files"] = files
	}
	return m
}

// taggedDevices lists the volumes and interfaces that have a tag, and the volumes'
// serials, by which agents find their disks.
func (s *Service) taggedDevices(server *Server) []map[string]any {
	devices := []map[string]any{}
	for _, v := range server.Volumes {
		d := map[string]any{"type": "disk", "bus": "virtio", "address": "none", "serial": v.VolumeID, "path": v.Device}
		if v.Tag != "" {
			d["tags"] = []string{v.Tag}
		}
		devices = append(devices, d)
	}
	for _, n := range server.NICs {
		if n.Tag != "" {
			devices = append(devices, map[string]any{"type": "nic", "bus": "none", "address": "none", "tags": []string{n.Tag}})
		}
	}
	return devices
}

// read returns the content of a path of the tree: a file, or the list of a folder,
// one name a line. A folder in a folder ends with a slash in EC2's tree.
func (t tree) read(path string) ([]byte, bool) {
	path = strings.Trim(path, "/")
	if content, ok := t[path]; ok {
		return content, true
	}
	prefix := path + "/"
	if path == "" {
		prefix = ""
	}
	names := map[string]bool{}
	for p := range t {
		rest, below := strings.CutPrefix(p, prefix)
		if !below {
			continue
		}
		name, more, folder := strings.Cut(rest, "/")
		if folder && !strings.HasPrefix(path, "openstack") && path != "" && more != "" {
			name += "/"
		}
		names[name] = true
	}
	if len(names) == 0 {
		return nil, false
	}
	return []byte(strings.Join(slices.Sorted(maps.Keys(names)), "\n")), true
}

// ServeMetadata answers a guest's request for metadata: who asks is what the
// network says, never what the guest claims.
func (s *Service) ServeMetadata(w http.ResponseWriter, r *http.Request, from driver.MetadataRequest) {
	if r.Header.Get("X-Instance-ID") != "" || r.Header.Get("X-Forwarded-For") != "" && r.Method != http.MethodGet {
		http.Error(w, "400 Bad Request", http.StatusBadRequest)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "405 Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	content, err := s.metadataFor(r.Context(), from, r.URL.Path)
	switch {
	case fault.Of(err) == fault.NotFound:
		http.Error(w, "404 Not Found", http.StatusNotFound)
		return
	case err != nil:
		s.log.Warn("cannot serve metadata", "network", from.NetworkID, "source", from.Source, "error", err)
		http.Error(w, "500 Internal Server Error", http.StatusInternalServerError)
		return
	}
	kind := "text/plain; charset=UTF-8"
	if strings.HasSuffix(r.URL.Path, ".json") {
		kind = "application/json"
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(content)
}

// metadataFor finds the server behind an address and reads a path of its tree.
func (s *Service) metadataFor(ctx context.Context, from driver.MetadataRequest, path string) ([]byte, error) {
	if s.cfg.Networks == nil {
		return nil, fault.Missing("metadata", path)
	}
	port, err := s.cfg.Networks.PortAt(ctx, from.NetworkID, from.Source.String())
	if err != nil {
		return nil, err
	}
	server, err := s.GetServer(ctx, port.DeviceID)
	if err != nil {
		return nil, err
	}
	t, err := s.metadata(ctx, &server)
	if err != nil {
		return nil, err
	}
	content, ok := t.read(path)
	if !ok {
		return nil, fault.Missing("metadata", path)
	}
	return content, nil
}
