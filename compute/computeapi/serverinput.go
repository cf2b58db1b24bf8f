package computeapi

import (
	"encoding/json"
	"strings"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// networksIn is "auto", "none" or a list.
type networksIn struct {
	mode compute.NetworkMode
	list []compute.NetworkRequest
}

// UnmarshalJSON reads either form.
func (n *networksIn) UnmarshalJSON(data []byte) error {
	var word string
	if json.Unmarshal(data, &word) == nil {
		n.mode = compute.NetworkMode(word)
		return nil
	}
	var list []struct {
		UUID    string `json:"uuid"`
		Port    string `json:"port"`
		FixedIP string `json:"fixed_ip"`
		Tag     string `json:"tag"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	for _, e := range list {
		if e.UUID == "" && e.Port == "" {
			return fault.New(fault.Invalid, "Bad networks format: network uuid is missing")
		}
		n.list = append(n.list, compute.NetworkRequest{NetworkID: e.UUID, PortID: e.Port, FixedIP: e.FixedIP, Tag: e.Tag})
	}
	// An empty list is as if none was given.
	if len(n.list) > 0 {
		n.mode = compute.NetworksGiven
	}
	return nil
}

// hintsIn are the scheduler hints that are heeded.
type hintsIn struct {
	Group         string `json:"group"`
	SameHost      texts  `json:"same_host"`
	DifferentHost texts  `json:"different_host"`
}

// texts is one text or a list of them.
type texts []string

// UnmarshalJSON reads either form.
func (t *texts) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(t))
}

// blockDeviceIn is an entry of block_device_mapping_v2.
type blockDeviceIn struct {
	Source      string    `json:"source_type"`
	Destination string    `json:"destination_type"`
	UUID        string    `json:"uuid"`
	BootIndex   *looseInt `json:"boot_index"`
	Size        looseInt  `json:"volume_size"`
	Device      string    `json:"device_name"`
	Delete      looseBool `json:"delete_on_termination"`
	Type        string    `json:"volume_type"`
	Tag         string    `json:"tag"`
}

func (b blockDeviceIn) device() compute.BlockDevice {
	return compute.BlockDevice{
		Source: b.Source, Destination: b.Destination, ID: b.UUID, SizeGiB: int(b.Size), Device: b.Device,
		Boot: b.BootIndex != nil && *b.BootIndex == 0, Type: b.Type, Tag: b.Tag, DeleteOnTermination: bool(b.Delete),
	}
}

// destination reads "zone:host:node", by which admins choose a host.
func (a *api) destination(r *httpapi.Request, zone, host string) (string, string, error) {
	zone, rest, forced := strings.Cut(zone, ":")
	if !forced {
		return zone, host, nil
	}
	name, node, _ := strings.Cut(rest, ":")
	if name == "" {
		name = node
	}
	return zone, name, r.Policy.Check("compute", "os_compute_api:servers:create:forced_host", r.Principal, own(r))
}
