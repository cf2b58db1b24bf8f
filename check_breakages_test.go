package cloud_test

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute"
	hypervisor "github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/placement"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/network"
	mechanism "github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/volume"
)

func breakages() []breakage {
	return slices.Concat(sagaBreakages(), identityBreakages(), imageBreakages(), volumeBreakages(),
		networkBreakages(), computeBreakages(), placementBreakages(), guestBreakages(), betweenBreakages())
}

var longAgo = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func sagaBreakages() []breakage {
	return []breakage{
		{check: "saga.known", lasts: true, wreck: func(w *world) string {
			w.saga(map[string]any{"name": "nobody.knows", "notBefore": time.Now().Add(time.Hour)})
			return "saga/" + stray
		}},
		{check: "saga.owned", wreck: func(w *world) string {
			w.saga(map[string]any{
				"owner": "gone", "created": longAgo,
				"journal": []any{map[string]any{"step": "delete content", "started": longAgo}},
			})
			return "saga/" + stray
		}},
		{check: "saga.one-at-a-time", lasts: true, wreck: func(w *world) string {
			w.saga(map[string]any{"status": "pending"})
			return "saga/" + stray
		}},
		{check: "saga.at-work", wreck: func(w *world) string {
			w.saga(nil)
			return "saga/" + stray
		}},
	}
}

func identityBreakages() []breakage {
	return []breakage{
		{check: "identity.tree", lasts: true, wreck: func(w *world) string {
			w.plant("identity.users", "u", map[string]any{"id": "u", "name": "u", "domain": "gone", "enabled": true})
			return "user/u"
		}},
		{check: "identity.grants", wreck: func(w *world) string {
			w.plant("identity.memberships", state.Key("gone", w.Admin.ID), map[string]any{"group": "gone", "user": w.Admin.ID})
			return "membership/gone/" + w.Admin.ID
		}},
		{check: "identity.credentials", wreck: func(w *world) string {
			w.plant("identity.access_rules", "r", map[string]any{"id": "r", "user": "gone"})
			return "access-rule/r"
		}},
		{check: "identity.directories", wreck: func(w *world) string {
			w.plant("identity.directory_entries", "e", map[string]any{"id": "e", "domain": "default", "noun": "user", "local": "x"})
			return "directory-entry/e"
		}},
		{check: "identity.filters", wreck: func(w *world) string {
			w.plant("identity.project_endpoints", state.Key("gone", "e"), map[string]any{"project": "gone", "endpoint": "e"})
			return "catalog/gone/endpoint/e"
		}},
		{check: "identity.limits", wreck: func(w *world) string {
			w.plant("identity.limits", "l", map[string]any{"id": "l", "registered": "gone", "resource": "loaves"})
			return "limit/l"
		}},
		{check: "identity.federation", wreck: func(w *world) string {
			w.plant("identity.federation_protocols", state.Key("gone", "p"), map[string]any{"id": "p", "provider": "gone"})
			return "gone"
		}},
		{check: "identity.catalog", wreck: func(w *world) string {
			w.plant("identity.endpoints", "e", map[string]any{"id": "e", "service": "gone"})
			return "endpoint/e"
		}},
	}
}

func imageBreakages() []breakage {
	return []breakage{
		{check: "image.content", lasts: true, wreck: func(w *world) string {
			require.NoError(w.t, w.ImageStore.Delete(w.t.Context(), w.PublicImages[0].ID))
			return "image/" + w.PublicImages[0].ID
		}},
		{check: "image.content", name: " size", lasts: true, wreck: func(w *world) string {
			img := w.PublicImages[0]
			img.Size++
			w.plant("image.images", img.ID, img)
			return "image/" + img.ID
		}},
		{check: "image.orphan-content", wreck: func(w *world) string {
			_, err := w.ImageStore.Put(w.t.Context(), stray, strings.NewReader("left over"))
			require.NoError(w.t, err)
			return "image-content/" + stray
		}},
		{check: "image.upload", wreck: func(w *world) string {
			img := w.PublicImages[0]
			img.Status, img.Upload = "saving", "of an earlier process"
			w.plant("image.images", img.ID, img)
			return "image/" + img.ID
		}},
		{check: "image.member", wreck: func(w *world) string {
			w.plant("image.members", state.Key(stray, "p"), map[string]any{"image": stray, "project": "p"})
			return "image-member/" + stray + "/p"
		}},
	}
}

func volumeBreakages() []breakage {
	return []breakage{
		{check: "volume.refers", wreck: func(w *world) string {
			w.plant("volume.attachments", stray, volume.Attachment{ID: stray, VolumeID: "gone", External: true, Status: volume.InUse})
			return "attachment/" + stray
		}},
		{check: "volume.status", wreck: func(w *world) string {
			w.attached.Status = volume.Available
			w.plant("volume.volumes", w.attached.ID, w.attached)
			return "volume/" + w.attached.ID
		}},
		{check: "volume.work", lasts: true, wreck: func(w *world) string {
			w.free.Status = volume.Extending
			w.plant("volume.volumes", w.free.ID, w.free)
			return "volume/" + w.free.ID
		}},
		{check: "volume.stuck", lasts: true, wreck: func(w *world) string {
			w.saga(map[string]any{"resource": "volume/" + w.free.ID, "status": "stuck", "seq": 1 << 40, "finished": time.Now()})
			return "volume/" + w.free.ID
		}},
		{check: "volume.stored", name: " lost", lasts: true, wreck: func(w *world) string {
			require.NoError(w.t, w.VolumeBackend.Delete(w.t.Context(), w.free.ID))
			return "volume/" + w.free.ID
		}},
		{check: "volume.stored", name: " orphan", lasts: true, wreck: func(w *world) string {
			require.NoError(w.t, w.VolumeBackend.Create(w.t.Context(), stray, 1))
			return "volume/" + stray
		}},
		{check: "volume.stored", name: " orphan snapshot", lasts: true, wreck: func(w *world) string {
			require.NoError(w.t, w.VolumeBackend.Snapshot(w.t.Context(), w.free.ID, stray))
			return "snapshot/" + stray
		}},
		{check: "volume.connected", wreck: func(w *world) string {
			_, err := w.VolumeBackend.Connect(w.t.Context(), w.free.ID, "host-9")
			require.NoError(w.t, err)
			return "volume/" + w.free.ID
		}},
		{check: "volume.connected", name: " not", lasts: true, wreck: func(w *world) string {
			require.NoError(w.t, w.VolumeBackend.Disconnect(w.t.Context(), w.attached.ID, w.server.Host))
			return "volume/" + w.attached.ID
		}},
		{check: "volume.backup", lasts: true, wreck: func(w *world) string {
			_, err := w.BackupStore.Put(w.t.Context(), stray, strings.NewReader("somebody's"))
			require.NoError(w.t, err)
			return "backup/" + stray
		}},
	}
}

// twin is a port like the server's, not plugged, without what must not be twice.
func (w *world) twin() network.Port {
	p := w.port
	p.ID, p.MAC, p.FixedIPs = stray, "fa:16:3e:00:00:01", nil
	p.Plugged, p.Host, p.Status, p.DeviceID, p.DeviceOwner = false, "", network.Down, "", ""
	return p
}

func networkBreakages() []breakage {
	return slices.Concat(uniqueBreakages(), []breakage{
		{check: "network.refers", lasts: true, wreck: func(w *world) string {
			rule := network.SecurityGroupRule{Meta: network.Meta{ID: stray}, GroupID: "gone", Direction: network.Ingress}
			w.plant("network.security_group_rules", stray, rule)
			return "security-group-rule/" + stray
		}},
		{check: "network.port-owner", wreck: func(w *world) string {
			p := w.twin()
			p.DeviceOwner, p.DeviceID, p.Status = network.OwnerFloatingIP, "gone", network.NotApplicable
			w.plant("network.ports", p.ID, p)
			return "port/" + p.ID
		}},
		{check: "network.dhcp", wreck: func(w *world) string {
			ports, err := w.Networks.ListPorts(w.t.Context())
			require.NoError(w.t, err)
			for _, p := range ports {
				if p.DeviceOwner == network.OwnerDHCP && p.NetworkID == w.port.NetworkID {
					require.NoError(w.t, w.Plant(w.t.Context(), state.Row{Collection: "network.ports", Key: p.ID}))
				}
			}
			w.WaitIdle()
			return "network/" + w.port.NetworkID
		}},
		{check: "network.router", lasts: true, wreck: func(w *world) string {
			routers, err := w.Networks.ListRouters(w.t.Context())
			require.NoError(w.t, err)
			r := routers[0]
			r.Gateway.FixedIPs = nil
			w.plant("network.routers", r.ID, r)
			return "router/" + r.ID
		}},
		{check: "network.floating", wreck: func(w *world) string {
			w.floating.Fixed = netip.MustParseAddr("10.0.1.250")
			w.plant("network.floatingips", w.floating.ID, w.floating)
			w.WaitIdle()
			return "floatingip/" + w.floating.ID
		}},
		{check: "network.on-hosts", name: " missing", wreck: func(w *world) string {
			require.NoError(w.t, w.Hosts[0].Network.RemovePort(w.t.Context(), w.port.ID))
			return "port/" + w.port.ID
		}},
		{check: "network.on-hosts", name: " orphan", wreck: func(w *world) string {
			_, err := w.Hosts[0].Network.EnsurePort(w.t.Context(), mechanism.Port{ID: stray, NetworkID: w.port.NetworkID})
			require.NoError(w.t, err)
			return "port/" + stray
		}},
		{check: "network.on-hosts", name: " orphan network", wreck: func(w *world) string {
			require.NoError(w.t, w.Hosts[0].Network.EnsureNetwork(w.t.Context(), mechanism.Network{ID: stray, Segment: 9}))
			return "network/" + stray
		}},
		{check: "network.status", wreck: func(w *world) string {
			w.port.Status = network.Build
			w.plant("network.ports", w.port.ID, w.port)
			return "port/" + w.port.ID
		}},
	})
}

func uniqueBreakages() []breakage {
	return []breakage{
		{check: "network.address-once", lasts: true, wreck: func(w *world) string {
			p := w.twin()
			p.FixedIPs = w.port.FixedIPs
			w.plant("network.ports", p.ID, p)
			return "port/"
		}},
		{check: "network.mac-once", lasts: true, wreck: func(w *world) string {
			p := w.twin()
			p.MAC = w.port.MAC
			w.plant("network.ports", p.ID, p)
			return "port/"
		}},
		{check: "network.segment-once", lasts: true, wreck: func(w *world) string {
			n := w.External
			n.ID = stray
			w.plant("network.networks", n.ID, n)
			return "network/"
		}},
		{check: "network.subnet", lasts: true, wreck: func(w *world) string {
			sub := w.Projects[0].Subnets[0]
			a := netip.MustParseAddr("192.0.2.7")
			sub.Pools = []network.Pool{{Start: a, End: a}}
			w.plant("network.subnets", sub.ID, sub)
			w.WaitIdle()
			return "subnet/" + sub.ID
		}},
		{check: "network.address-fits", lasts: true, wreck: func(w *world) string {
			p := w.twin()
			p.FixedIPs = []network.FixedIP{{SubnetID: w.port.FixedIPs[0].SubnetID, Address: netip.MustParseAddr("192.0.2.7")}}
			w.plant("network.ports", p.ID, p)
			return "port/" + p.ID
		}},
	}
}

func computeBreakages() []breakage {
	server := func(change func(w *world, s *compute.Server)) func(w *world) string {
		return func(w *world) string {
			change(w, &w.server)
			w.plant("compute.servers", w.server.ID, w.server)
			return "server/" + w.server.ID
		}
	}
	return []breakage{
		{check: "compute.task", wreck: server(func(_ *world, s *compute.Server) { s.TaskState = compute.Rebooting })},
		{check: "compute.state", lasts: true, wreck: server(func(_ *world, s *compute.Server) { s.VMState = compute.Resized })},
		{check: "compute.stuck", lasts: true, wreck: func(w *world) string {
			w.saga(map[string]any{"resource": "server/" + w.server.ID, "status": "stuck", "seq": 1 << 40, "finished": time.Now()})
			return "server/" + w.server.ID
		}},
		{check: "compute.hosts", lasts: true, wreck: func(w *world) string {
			w.plant("compute.aggregates", "0000000001", compute.Aggregate{ID: 1, Name: "racks", Hosts: []string{"gone"}})
			return "aggregate/1"
		}},
		{check: "compute.group", lasts: true, wreck: func(w *world) string {
			w.plant("compute.groups", "g", compute.ServerGroup{ID: "g", Name: "apart", Policy: "anti-affinity"})
			_, err := w.Compute.CreateServer(w.t.Context(), w.Projects[0].ID, compute.CreateServerOptions{
				Name: "web-2", FlavorID: w.Flavors[0].ID, ImageID: w.PublicImages[0].ID,
			})
			require.NoError(w.t, err)
			w.WaitIdle()
			for _, s := range w.Compute.ListServers(w.t.Context(), "", nil) {
				s.GroupID = "g"
				w.plant("compute.servers", s.ID, s)
			}
			return "server-group/g"
		}},
		{check: "compute.claim", name: " of nobody", wreck: func(w *world) string {
			w.claim(stray, 1)
			return "consumer/" + stray
		}},
		{check: "compute.claim", name: " of too much", wreck: func(w *world) string {
			w.claim(w.server.ID, 5)
			return "server/" + w.server.ID
		}},
		{check: "compute.usage", wreck: func(w *world) string {
			w.plant("compute.usages", w.server.ProjectID, compute.Usage{ProjectID: w.server.ProjectID, Instances: 7})
			return "project/" + w.server.ProjectID
		}},
	}
}

// provider is the resource provider of the only host.
func (w *world) provider() placement.Provider {
	p, ok := w.Compute.Placement.Find(w.Compute.Placement.Snapshot(), "host-1")
	require.True(w.t, ok)
	return p
}

// claim makes a server claim that many VCPUs.
func (w *world) claim(server string, vcpus int) {
	p, ctx := w.provider(), w.t.Context()
	require.NoError(w.t, w.Compute.Placement.Update(ctx, func(tx *state.Tx) error {
		return w.Compute.Placement.Claim(tx, placement.Consumer{
			ID: server, Type: "INSTANCE", Allocations: map[string]map[string]int{p.ID: {placement.VCPU: vcpus}},
		})
	}))
}

func placementBreakages() []breakage {
	return []breakage{
		{check: "placement.usage", wreck: func(w *world) string {
			p := w.provider()
			w.plant("placement.usages", p.ID, placement.Usage{ProviderID: p.ID, Used: map[string]int{placement.VCPU: 60}})
			return "resource-provider/" + p.ID
		}},
		{check: "placement.capacity", lasts: true, wreck: func(w *world) string {
			p := w.provider()
			memory := p.Inventories[placement.MemoryMB]
			memory.Total = 1
			p.Inventories[placement.MemoryMB] = memory
			w.plant("placement.providers", p.ID, p)
			return "resource-provider/" + p.ID
		}},
		{check: "placement.refers", lasts: true, wreck: func(w *world) string {
			w.plant("placement.providers", stray, placement.Provider{ID: stray, Name: "shelf", ParentID: "gone"})
			return "resource-provider/" + stray
		}},
	}
}

func guestBreakages() []breakage {
	return []breakage{
		{check: "compute.guest", name: " orphan", wreck: func(w *world) string {
			require.NoError(w.t, w.Hosts[0].Hypervisor.Create(w.t.Context(), hypervisor.Spec{ID: stray, VCPUs: 1, MemoryMiB: 1}))
			return "guest/" + stray
		}},
		{check: "compute.guest", name: " lost", wreck: func(w *world) string {
			require.NoError(w.t, w.Hosts[0].Hypervisor.Destroy(w.t.Context(), w.server.ID))
			return "server/" + w.server.ID
		}},
		{check: "compute.power", wreck: func(w *world) string {
			w.server.VMState, w.server.PowerState = compute.Stopped, compute.PowerShutdown
			w.plant("compute.servers", w.server.ID, w.server)
			return "server/" + w.server.ID
		}},
		{check: "compute.devices", name: " interface", lasts: true, wreck: func(w *world) string {
			require.NoError(w.t, w.Hosts[0].Hypervisor.DetachNIC(w.t.Context(), w.server.ID, w.port.ID))
			return "server/" + w.server.ID
		}},
		{check: "compute.devices", name: " volume", lasts: true, wreck: func(w *world) string {
			disk := hypervisor.Disk{ID: stray, Path: "/memory/" + stray, Format: "raw", Bus: "virtio", Device: "vdz"}
			require.NoError(w.t, w.Hosts[0].Hypervisor.AttachDisk(w.t.Context(), w.server.ID, disk))
			return "server/" + w.server.ID
		}},
		{check: "compute.ports", wreck: func(w *world) string {
			require.NoError(w.t, w.Networks.UnbindPort(w.t.Context(), w.port.ID, w.server.ID))
			w.WaitIdle()
			return "server/" + w.server.ID
		}},
	}
}

func betweenBreakages() []breakage {
	return []breakage{
		{check: "cloud.attachment", wreck: func(w *world) string {
			w.free.Status = volume.InUse
			w.plant("volume.volumes", w.free.ID, w.free)
			w.plant("volume.attachments", stray, volume.Attachment{ID: stray, VolumeID: w.free.ID, ServerID: "gone", Status: volume.InUse})
			return "attachment/" + stray
		}},
		{check: "cloud.attachment", name: " half", wreck: func(w *world) string {
			w.attached.Status = volume.Detaching
			w.plant("volume.volumes", w.attached.ID, w.attached)
			a := w.Volumes.ListAttachments(w.t.Context(), volume.AttachmentFilter{VolumeID: w.attached.ID})[0]
			a.Status = volume.Detaching
			w.plant("volume.attachments", a.ID, a)
			return "attachment/" + a.ID
		}},
		{check: "cloud.device", wreck: func(w *world) string {
			p := w.twin()
			p.Plugged, p.Host, p.DeviceID, p.DeviceOwner, p.Status = true, "host-1", "gone", "compute:nova", network.Build
			w.plant("network.ports", p.ID, p)
			w.WaitIdle()
			return "port/" + p.ID
		}},
		{check: "cloud.shelved", lasts: true, wreck: func(w *world) string {
			require.NoError(w.t, w.Compute.ShelveServer(w.t.Context(), w.server.ID))
			w.WaitIdle()
			shelved, err := w.Compute.GetServer(w.t.Context(), w.server.ID)
			require.NoError(w.t, err)
			require.Empty(w.t, w.Differences())
			require.NoError(w.t, w.Images.DeleteImage(w.t.Context(), shelved.ShelvedImage))
			w.WaitIdle()
			return "server/" + w.server.ID
		}},
	}
}
