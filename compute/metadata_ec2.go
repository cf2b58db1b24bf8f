package compute

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// ec2Versions are the versions of EC2's metadata that Nova serves.
var ec2Versions = []string{
	"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01",
	"2009-04-04", "latest",
}

// ec2Files adds EC2's tree.
func (s *Service) ec2Files(ctx context.Context, server *Server, t tree) error {
	addresses, err := s.Addresses(ctx, server.ID)
	if err != nil {
		return err
	}
	meta := s.ec2Meta(server)
	for _, a := range addresses[server.ID] {
		switch {
		case strings.Contains(a.IP, ":"):
		case a.Floating && meta["public-ipv4"] == "":
			meta["public-ipv4"] = a.IP
		case !a.Floating && meta["local-ipv4"] == "":
			meta["local-ipv4"] = a.IP
		}
	}
	for _, version := range ec2Versions {
		base := version + "/"
		for name, value := range meta {
			t[base+"meta-data/"+name] = []byte(value)
		}
		if server.KeyName != "" {
			t[base+"meta-data/public-keys/0/openssh-key"] = []byte(server.PublicKey)
		}
		if server.UserData != "" {
			data, err := base64.StdEncoding.DecodeString(server.UserData)
			if err != nil {
				return err
			}
			t[base+"user-data"] = data
		}
	}
	return nil
}

func (s *Service) ec2Meta(server *Server) map[string]string {
	groups := make([]string, len(server.SecurityGroups))
	for i, g := range server.SecurityGroups {
		groups[i] = g.Name
	}
	return map[string]string{
		"instance-id": ec2ID("i", server.ID), "ami-id": ec2ID("ami", server.ImageID),
		"ami-launch-index": strconv.Itoa(server.LaunchIndex), "ami-manifest-path": "",
		"hostname": server.Hostname, "local-hostname": server.Hostname, "public-hostname": server.Hostname,
		"instance-action": "none", "instance-type": server.Flavor.Name, "reservation-id": server.ReservationID,
		"security-groups": strings.Join(groups, "\n"), "local-ipv4": "", "public-ipv4": "",
		"placement/availability-zone": server.Zone,
		"block-device-mapping/ami":    "vda",
		"block-device-mapping/root":   "/dev/vda",
	}
}

// ec2ID makes an EC2-like id of a UUID.
func ec2ID(kind, id string) string {
	digits := strings.ReplaceAll(id, "-", "")
	return fmt.Sprintf("%s-%s", kind, digits[:min(8, len(digits))])
}
