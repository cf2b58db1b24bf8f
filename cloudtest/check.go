package cloudtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/volume"
)

// CheckClean fails the test unless the drivers hold what is recorded and nothing else:
// no guest, port, network, volume or image that nobody owns, and none that is missing.
// It waits for work under way. Call it after deletions, and after faults have ended.
func (c *Cloud) CheckClean() {
	c.t.Helper()
	c.WaitIdle()
	ctx, cancel := context.WithTimeout(c.t.Context(), Patience)
	defer cancel()
	// Networks follow their record in their own time, without a saga to wait for.
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		wrong, err := c.differences(ctx)
		if err != nil {
			c.t.Fatalf("cloudtest: cannot compare the drivers with the record: %v", err)
		}
		if len(wrong) == 0 {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			c.t.Fatalf("cloudtest: the drivers do not hold what is recorded:\n\t%s", strings.Join(wrong, "\n\t"))
		}
	}
}

// Differences tells in words how the drivers differ from the record at this moment:
// what CheckClean would complain of.
func (c *Cloud) Differences() []string {
	c.t.Helper()
	wrong, err := c.differences(c.t.Context())
	if err != nil {
		c.t.Fatalf("cloudtest: cannot compare the drivers with the record: %v", err)
	}
	return wrong
}

func (c *Cloud) differences(ctx context.Context) ([]string, error) {
	var wrong []string
	for _, compare := range []func(context.Context) ([]string, error){
		c.guests, c.attachments, c.networks, c.volumes, c.images,
	} {
		d, err := compare(ctx)
		if err != nil {
			return nil, err
		}
		wrong = append(wrong, d...)
	}
	return wrong, nil
}

// guests compares the guests of each host with its servers.
func (c *Cloud) guests(ctx context.Context) ([]string, error) {
	var wrong []string
	for _, h := range c.Hosts {
		var want, have []string
		for _, s := range c.Compute.ServersOn(ctx, h.Name) {
			if hasGuest(s.VMState) {
				want = append(want, s.ID)
			}
		}
		for _, g := range h.Hypervisor.Guests() {
			have = append(have, g.ID)
		}
		wrong = append(wrong, differ(h.Name+": guest", want, have)...)
	}
	return wrong, nil
}

// hasGuest reports whether a server in that state must have a guest.
func hasGuest(s compute.VMState) bool {
	switch s {
	case compute.Active, compute.Stopped, compute.Paused, compute.Suspended, compute.Resized:
		return true
	}
	return false
}

// attachments compares the interfaces and disks of each guest with the record.
func (c *Cloud) attachments(ctx context.Context) ([]string, error) {
	var wrong []string
	for _, h := range c.Hosts {
		for _, g := range h.Hypervisor.Guests() {
			var want, have []string
			ports, err := c.Networks.PortsOf(ctx, g.ID)
			if err != nil {
				return nil, err
			}
			for _, p := range ports {
				want = append(want, p.ID)
			}
			wrong = append(wrong, differ("guest "+g.ID+": port", want, g.NICs)...)
			want = nil
			for _, a := range c.Volumes.ListAttachments(ctx, volume.AttachmentFilter{ServerID: g.ID}) {
				want, have = append(want, a.VolumeID), g.Disks
			}
			wrong = append(wrong, differ("guest "+g.ID+": disk", want, have)...)
		}
	}
	return wrong, nil
}

// networks compares the ports on each host, and where they are the networks and
// routers, with the record.
func (c *Cloud) networks(ctx context.Context) ([]string, error) {
	ports, err := c.Networks.ListPorts(ctx)
	if err != nil {
		return nil, err
	}
	routers, err := c.Networks.ListRouters(ctx)
	if err != nil {
		return nil, err
	}
	var wrong []string
	for _, h := range c.Hosts {
		have, err := h.Network.Inventory(ctx)
		if err != nil {
			return nil, err
		}
		var wantPorts, wantNetworks, wantRouters []string
		for _, p := range ports {
			if p.Plugged && p.Host == h.Name {
				wantPorts = append(wantPorts, p.ID)
			}
		}
		networks, err := c.Networks.NetworksOn(ctx, h.Name)
		if err != nil {
			return nil, err
		}
		for _, n := range networks {
			wantNetworks = append(wantNetworks, n.ID)
		}
		if h.Name == c.Networks.RouterHost() {
			for _, r := range routers {
				wantRouters = append(wantRouters, r.ID)
			}
		}
		wrong = append(wrong, differ(h.Name+": port", wantPorts, have.Ports)...)
		wrong = append(wrong, differ(h.Name+": network", wantNetworks, have.Networks)...)
		wrong = append(wrong, differ(h.Name+": router", wantRouters, have.Routers)...)
	}
	return wrong, nil
}

// volumes compares the backend's volumes, snapshots and connections with the record.
func (c *Cloud) volumes(ctx context.Context) ([]string, error) {
	var want, have, wantSnapshots, haveSnapshots, wrong []string
	kept, err := c.VolumeBackend.Volumes(ctx)
	if err != nil {
		return nil, err
	}
	for _, v := range kept {
		have = append(have, v.ID)
	}
	for _, v := range c.Volumes.ListVolumes(ctx, "") {
		if v.Status != volume.Error || slices.Contains(have, v.ID) {
			want = append(want, v.ID)
		}
		var hosts []string
		for _, a := range c.Volumes.ListAttachments(ctx, volume.AttachmentFilter{VolumeID: v.ID}) {
			if a.Host != "" && !a.External {
				hosts = append(hosts, a.Host)
			}
		}
		slices.Sort(hosts)
		hosts = slices.Compact(hosts)
		wrong = append(wrong, differ("volume "+v.ID+": connection to", hosts, c.VolumeBackend.Connected(v.ID))...)
	}
	snapshots, err := c.VolumeBackend.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range snapshots {
		haveSnapshots = append(haveSnapshots, s.ID)
	}
	for _, s := range c.Volumes.ListSnapshots(ctx, "") {
		if s.Status != volume.Error || slices.Contains(haveSnapshots, s.ID) {
			wantSnapshots = append(wantSnapshots, s.ID)
		}
	}
	wrong = append(wrong, differ("backend: volume", want, have)...)
	return append(wrong, differ("backend: snapshot", wantSnapshots, haveSnapshots)...), nil
}

// images compares the store's contents with the images that have one.
func (c *Cloud) images(ctx context.Context) ([]string, error) {
	have, err := c.ImageStore.List(ctx)
	if err != nil {
		return nil, err
	}
	var want []string
	for _, hidden := range []bool{false, true} {
		for _, i := range c.Images.ListImages(ctx, image.Filter{Visibility: "all", Hidden: hidden}) {
			if i.Status == image.Active || i.Status == image.Deactivated {
				want = append(want, i.ID)
			}
		}
	}
	return differ("store: image", want, have), nil
}

// differ tells what is missing and what is too much.
func differ(what string, want, have []string) []string {
	var d []string
	for _, id := range want {
		if !slices.Contains(have, id) {
			d = append(d, fmt.Sprintf("%s %s is recorded but not there", what, id))
		}
	}
	for _, id := range have {
		if !slices.Contains(want, id) {
			d = append(d, fmt.Sprintf("%s %s is there but not recorded", what, id))
		}
	}
	return d
}
