package cloud

import (
	"context"
	"fmt"
	"strings"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/check"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/volume"
)

// checksBetween are the invariants between services that do not know each other.
func (c *Cloud) checksBetween() []check.Check {
	return []check.Check{
		{
			Name: "cloud.attachment", Run: c.checkAttachments,
			Doc: "Every volume of a server has an attachment in use, and every attachment of the compute service a server that has the volume.",
		},
		{
			Name: "cloud.device", Run: c.checkDevices,
			Doc: "Every port that is plugged for a server belongs to one that exists and has it.",
		},
		{
			Name: "cloud.shelved", Run: c.checkShelved,
			Doc: "The image that keeps the disk of a shelved server exists and has content.",
		},
	}
}

// servers are all servers by id.
func (c *Cloud) servers(ctx context.Context) map[string]compute.Server {
	all := map[string]compute.Server{}
	for _, s := range c.Compute.ListServers(ctx, "", nil) {
		all[s.ID] = s
	}
	return all
}

func (c *Cloud) checkAttachments(ctx context.Context, l *check.Look) error {
	servers, attachments := c.servers(ctx), map[string]volume.Attachment{}
	for _, a := range c.Volumes.ListAttachments(ctx, volume.AttachmentFilter{}) {
		attachments[a.ID] = a
		if a.External || a.ServerID == "" || l.Busy("server", a.ServerID) {
			continue
		}
		s, exists := servers[a.ServerID]
		switch {
		case !exists:
			l.FoundMendable("attachment/"+a.ID, fmt.Sprintf("gives volume %s to server %s, which does not exist.", a.VolumeID, a.ServerID),
				"Delete the attachment.", func(ctx context.Context) error { return c.dropAttachment(ctx, a) })
		case !hasVolume(&s, a):
			l.Found("attachment/"+a.ID, fmt.Sprintf("gives volume %s to server %s, which does not have it.", a.VolumeID, a.ServerID),
				"Look whether the guest uses the volume; delete the attachment if it does not.")
		case a.Status == volume.Detaching:
			l.FoundMendable("attachment/"+a.ID, fmt.Sprintf("takes volume %s from server %s, but nothing is being done with it.", a.VolumeID, a.ServerID),
				"Roll the detachment back.", func(ctx context.Context) error { return c.rollDetach(ctx, a) })
		case a.Status != volume.InUse:
			l.Found("attachment/"+a.ID, fmt.Sprintf("of volume %s to server %s is %s, but nothing is being done with it.", a.VolumeID, a.ServerID, a.Status),
				"Detach the volume from the server.")
		}
	}
	for _, s := range servers {
		for _, v := range s.Volumes {
			if a, ok := attachments[v.AttachmentID]; !l.Busy("server", s.ID) && (!ok || a.VolumeID != v.VolumeID || a.ServerID != s.ID) {
				l.Found("server/"+s.ID, fmt.Sprintf("has the volume %s, but no attachment of it.", v.VolumeID),
					"Detach the volume from the server, and attach it again.")
			}
		}
	}
	return nil
}

func hasVolume(s *compute.Server, a volume.Attachment) bool {
	for _, v := range s.Volumes {
		if v.AttachmentID == a.ID && v.VolumeID == a.VolumeID {
			return true
		}
	}
	return false
}

// dropAttachment ends an attachment to a server that does not exist: servers are
// recorded before anything is attached to them, and ids are not used again.
func (c *Cloud) dropAttachment(ctx context.Context, a volume.Attachment) error {
	if _, err := c.Compute.GetServer(ctx, a.ServerID); fault.Of(err) != fault.NotFound {
		return err
	}
	return c.Volumes.Release(ctx, a.ID)
}

// rollDetach shows a volume as in use that nobody goes on detaching.
func (c *Cloud) rollDetach(ctx context.Context, a volume.Attachment) error {
	if len(c.core.Sagas.Active(c.core.DB.Snapshot(), "server/"+a.ServerID)) > 0 {
		return nil
	}
	return c.Volumes.RollDetach(ctx, a.ID)
}

func (c *Cloud) checkDevices(ctx context.Context, l *check.Look) error {
	ports, err := c.Networks.ListPorts(ctx)
	if err != nil {
		return err
	}
	servers := c.servers(ctx)
	for _, p := range ports {
		if !p.Plugged || !strings.HasPrefix(p.DeviceOwner, "compute:") || l.Busy("server", p.DeviceID) {
			continue
		}
		s, exists := servers[p.DeviceID]
		switch {
		case !exists:
			l.FoundMendable("port/"+p.ID, fmt.Sprintf("is plugged for server %s, which does not exist.", p.DeviceID),
				"Unplug the port. It is not deleted: somebody may want its address.",
				func(ctx context.Context) error { return c.unplug(ctx, p.ID, p.DeviceID) })
		case !hasPort(&s, p.ID):
			l.Found("port/"+p.ID, fmt.Sprintf("is plugged for server %s, which does not have it.", p.DeviceID),
				"Delete the port, or attach it to the server.")
		}
	}
	return nil
}

func hasPort(s *compute.Server, id string) bool {
	for _, n := range s.NICs {
		if n.PortID == id {
			return true
		}
	}
	return false
}

// unplug takes a port from a server that does not exist.
func (c *Cloud) unplug(ctx context.Context, port, server string) error {
	if _, err := c.Compute.GetServer(ctx, server); fault.Of(err) != fault.NotFound {
		return err
	}
	return c.Networks.UnbindPort(ctx, port, server)
}

func (c *Cloud) checkShelved(ctx context.Context, l *check.Look) error {
	for _, s := range c.servers(ctx) {
		if s.ShelvedImage == "" || l.Busy("server", s.ID) {
			continue
		}
		img, err := c.Images.GetImage(ctx, s.ShelvedImage)
		if err == nil && (img.Status == "active" || img.Status == "deactivated") {
			continue
		}
		l.Found("server/"+s.ID, fmt.Sprintf("keeps its disk in image %s, which does not exist or has no content.", s.ShelvedImage),
			"Delete the server: its disk is lost.")
	}
	return nil
}
