package simulate

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/network"
	"github.com/welkin-cloud/cloud/volume"
)

// ledger is what the clients know: the identifiers that were given to them.
type ledger struct {
	servers, volumes, snapshots, backups, images, networks, ports, floats, groups []string

	public  string // the external network
	image   string
	flavors []string
	deleted map[string]bool   // what a client asked to delete, whatever the answer
	origin  map[string]string // the volume of a snapshot: its deletion may cascade
}

// projects are the clients'.
var projects = []string{"11111111111111111111111111111111", "22222222222222222222222222222222"}

// request is one call of a client.
type request struct {
	*world
	c   *cloud.Cloud
	ctx context.Context
	id  string
}

func (r *request) project() string      { p, _ := pick(r.schedule, projects); return p }
func (r *request) of(l []string) string { id, _ := pick(r.schedule, l); return id }
func (r *request) name() string         { return r.id }

// gone notes that a client asked for the end of a thing.
func (r *request) gone(id string) string {
	r.ledger.deleted[id] = true
	return id
}

// keep adds an acknowledged identifier to a list.
func keep(list *[]string, id string, err error) error {
	if err == nil {
		*list = append(*list, id)
	}
	return err
}

// operation is something that clients do, more often the greater its weight.
type operation struct {
	name   string
	weight int
	do     func(r *request) error
}

var operations = []operation{
	{"boot", 12, func(r *request) error {
		o := compute.CreateServerOptions{Name: r.name(), FlavorID: r.of(r.ledger.flavors), ImageID: r.ledger.image}
		switch r.schedule.random.IntN(6) {
		case 0:
			o.ImageID = ""
			o.BlockDevices = []compute.BlockDevice{{
				Source: "image", Destination: "volume", ID: r.ledger.image, SizeGiB: 2, Boot: true,
				DeleteOnTermination: r.schedule.chance(0.5),
			}}
		case 1:
			o.BlockDevices = []compute.BlockDevice{{Source: "volume", ID: r.of(r.ledger.volumes)}}
		case 2:
			o.Networking, o.Networks = compute.NetworksGiven, []compute.NetworkRequest{{PortID: r.of(r.ledger.ports)}}
		case 3:
			o.MaxCount = 2
		case 4:
			o.BlockDevices = []compute.BlockDevice{{Source: "blank", Destination: "volume", SizeGiB: 1, DeleteOnTermination: true}}
		}
		if len(o.Networks) == 0 {
			o.Networking, o.Networks = compute.NetworksGiven, []compute.NetworkRequest{{NetworkID: r.of(r.ledger.networks)}}
		}
		made, err := r.c.Compute.CreateServers(r.ctx, r.project(), o)
		for _, s := range made {
			_ = keep(&r.ledger.servers, s.ID, err)
		}
		return err
	}},
	{"delete server", 8, func(r *request) error { return r.c.Compute.DeleteServer(r.ctx, r.gone(r.of(r.ledger.servers))) }},
	{"stop", 3, func(r *request) error { return r.c.Compute.StopServer(r.ctx, r.of(r.ledger.servers)) }},
	{"start", 3, func(r *request) error { return r.c.Compute.StartServer(r.ctx, r.of(r.ledger.servers)) }},
	{"reboot", 2, func(r *request) error {
		return r.c.Compute.RebootServer(r.ctx, r.of(r.ledger.servers), r.schedule.chance(0.5))
	}},
	{"pause", 1, func(r *request) error { return r.c.Compute.PauseServer(r.ctx, r.of(r.ledger.servers)) }},
	{"unpause", 1, func(r *request) error { return r.c.Compute.UnpauseServer(r.ctx, r.of(r.ledger.servers)) }},
	{"suspend", 1, func(r *request) error { return r.c.Compute.SuspendServer(r.ctx, r.of(r.ledger.servers)) }},
	{"resume", 1, func(r *request) error { return r.c.Compute.ResumeServer(r.ctx, r.of(r.ledger.servers)) }},
	{"resize", 4, func(r *request) error {
		return r.c.Compute.ResizeServer(r.ctx, r.of(r.ledger.servers), r.of(r.ledger.flavors))
	}},
	{"confirm", 3, func(r *request) error { return r.c.Compute.ConfirmResize(r.ctx, r.of(r.ledger.servers)) }},
	{"revert", 3, func(r *request) error { return r.c.Compute.RevertResize(r.ctx, r.of(r.ledger.servers)) }},
	{"shelve", 2, func(r *request) error { return r.c.Compute.ShelveServer(r.ctx, r.of(r.ledger.servers)) }},
	{"unshelve", 3, func(r *request) error { return r.c.Compute.UnshelveServer(r.ctx, r.of(r.ledger.servers), "") }},
	{"rebuild", 2, func(r *request) error {
		_, err := r.c.Compute.RebuildServer(r.ctx, r.of(r.ledger.servers), compute.RebuildOptions{ImageID: r.ledger.image})
		return err
	}},
	{"snapshot server", 2, func(r *request) error {
		id, err := r.c.Compute.CreateImage(r.ctx, r.of(r.ledger.servers), r.name(), nil)
		return keep(&r.ledger.images, r.gone(id), err) // if it fails, the image goes again
	}},
	{"attach volume", 8, func(r *request) error {
		_, err := r.c.Compute.AttachVolume(r.ctx, r.of(r.ledger.servers), compute.AttachVolumeOptions{VolumeID: r.of(r.ledger.volumes)})
		return err
	}},
	{"detach volume", 7, func(r *request) error {
		s, err := r.c.Compute.GetServer(r.ctx, r.of(r.ledger.servers))
		if err != nil {
			return err
		}
		v, _ := pick(r.schedule, s.Volumes)
		return r.c.Compute.DetachVolume(r.ctx, s.ID, v.VolumeID)
	}},
	{"attach interface", 4, func(r *request) error {
		_, err := r.c.Compute.AttachInterface(r.ctx, r.of(r.ledger.servers), compute.NetworkRequest{NetworkID: r.of(r.ledger.networks)})
		return err
	}},
	{"detach interface", 4, func(r *request) error {
		s, err := r.c.Compute.GetServer(r.ctx, r.of(r.ledger.servers))
		if err != nil {
			return err
		}
		n, _ := pick(r.schedule, s.NICs)
		return r.c.Compute.DetachInterface(r.ctx, s.ID, n.PortID)
	}},
	{"create volume", 7, func(r *request) error {
		o := volume.CreateOptions{Name: r.name(), SizeGiB: 1 + r.schedule.random.IntN(2)}
		switch r.schedule.random.IntN(6) {
		case 0:
			o.SourceID = r.of(r.ledger.volumes)
		case 1:
			o.SnapshotID = r.of(r.ledger.snapshots)
		case 2:
			o.ImageID = r.ledger.image
		}
		v, err := r.c.Volumes.CreateVolume(r.ctx, r.project(), o)
		return keep(&r.ledger.volumes, v.ID, err)
	}},
	{"delete volume", 5, func(r *request) error {
		id := r.gone(r.of(r.ledger.volumes))
		if r.schedule.chance(0.2) {
			return r.c.Volumes.DeleteVolumeCascade(r.ctx, id)
		}
		return r.c.Volumes.DeleteVolume(r.ctx, id)
	}},
	{"extend volume", 2, func(r *request) error { return r.c.Volumes.ExtendVolume(r.ctx, r.of(r.ledger.volumes), 4) }},
	{"snapshot volume", 4, func(r *request) error {
		s, err := r.c.Volumes.CreateSnapshot(r.ctx, r.project(), volume.CreateSnapshotOptions{VolumeID: r.of(r.ledger.volumes), Name: r.name(), Force: true})
		r.ledger.origin[s.ID] = s.VolumeID
		return keep(&r.ledger.snapshots, s.ID, err)
	}},
	{"revert volume", 1, func(r *request) error {
		return r.c.Volumes.RevertVolume(r.ctx, r.of(r.ledger.volumes), r.of(r.ledger.snapshots))
	}},
	{"delete snapshot", 3, func(r *request) error { return r.c.Volumes.DeleteSnapshot(r.ctx, r.gone(r.of(r.ledger.snapshots))) }},
	{"create backup", 2, func(r *request) error {
		b, err := r.c.Volumes.CreateBackup(r.ctx, r.project(), volume.CreateBackupOptions{VolumeID: r.of(r.ledger.volumes), Name: r.name(), Force: true})
		return keep(&r.ledger.backups, b.ID, err)
	}},
	{"restore backup", 1, func(r *request) error {
		v, err := r.c.Volumes.RestoreBackup(r.ctx, r.of(r.ledger.backups), "", r.name())
		return keep(&r.ledger.volumes, v.ID, err)
	}},
	{"delete backup", 2, func(r *request) error { return r.c.Volumes.DeleteBackup(r.ctx, r.gone(r.of(r.ledger.backups))) }},
	{"volume to image", 1, func(r *request) error {
		id, err := r.c.Volumes.UploadToImage(r.ctx, r.of(r.ledger.volumes), r.project(), volume.UploadOptions{Name: r.name(), Force: true})
		return keep(&r.ledger.images, r.gone(id), err) // if it fails, the image goes again
	}},
	{"create image", 2, func(r *request) error {
		i, err := r.c.Images.CreateImage(r.ctx, r.project(), image.CreateOptions{Name: r.name(), DiskFormat: "raw", ContainerFormat: "bare"})
		if err := keep(&r.ledger.images, i.ID, err); err != nil {
			return err
		}
		_, err = r.c.Images.UploadImage(r.ctx, i.ID, strings.NewReader("the content of "+i.Name))
		return err
	}},
	{"delete image", 2, func(r *request) error { return r.c.Images.DeleteImage(r.ctx, r.gone(r.of(r.ledger.images))) }},
	{"create network", 2, func(r *request) error {
		n, err := r.c.Networks.CreateNetwork(r.ctx, r.project(), network.CreateNetworkOptions{Name: r.name()})
		if err := keep(&r.ledger.networks, n.ID, err); err != nil {
			return err
		}
		_, err = r.c.Networks.CreateSubnet(r.ctx, n.ProjectID, network.CreateSubnetOptions{
			NetworkID: n.ID, CIDR: netip.MustParsePrefix("10.0.0.0/28"),
		})
		return err
	}},
	{"delete network", 1, func(r *request) error { return r.c.Networks.DeleteNetwork(r.ctx, r.gone(r.of(r.ledger.networks))) }},
	{"create port", 4, func(r *request) error {
		p, err := r.c.Networks.CreatePort(r.ctx, r.project(), network.CreatePortOptions{NetworkID: r.of(r.ledger.networks), Name: r.name()})
		return keep(&r.ledger.ports, p.ID, err)
	}},
	{"change port", 2, func(r *request) error {
		none := []string{}
		_, err := r.c.Networks.UpdatePort(r.ctx, r.of(r.ledger.ports), network.UpdatePortOptions{SecurityGroups: &none})
		return err
	}},
	{"delete port", 3, func(r *request) error { return r.c.Networks.DeletePort(r.ctx, r.gone(r.of(r.ledger.ports))) }},
	{"create floating IP", 3, func(r *request) error {
		f, err := r.c.Networks.CreateFloatingIP(r.ctx, r.project(), network.CreateFloatingIPOptions{NetworkID: r.ledger.public})
		return keep(&r.ledger.floats, f.ID, err)
	}},
	{"associate floating IP", 4, func(r *request) error {
		port := r.of(r.ledger.ports)
		if r.schedule.chance(0.3) {
			port = ""
		}
		_, err := r.c.Networks.UpdateFloatingIP(r.ctx, r.of(r.ledger.floats), network.UpdateFloatingIPOptions{PortID: &port})
		return err
	}},
	{"delete floating IP", 2, func(r *request) error { return r.c.Networks.DeleteFloatingIP(r.ctx, r.gone(r.of(r.ledger.floats))) }},
	{"create group", 1, func(r *request) error {
		g, err := r.c.Networks.CreateSecurityGroup(r.ctx, r.project(), network.CreateSecurityGroupOptions{Name: r.name()})
		return keep(&r.ledger.groups, g.ID, err)
	}},
	{"add rule", 1, func(r *request) error {
		_, err := r.c.Networks.CreateSecurityGroupRule(r.ctx, r.project(), network.CreateSecurityGroupRuleOptions{
			GroupID: r.of(r.ledger.groups), Direction: network.Ingress, RemoteGroupID: r.of(r.ledger.groups),
		})
		return err
	}},
	{"disable host", 1, func(r *request) error {
		off := r.schedule.chance(0.4)
		_, err := r.c.Compute.UpdateHost(r.ctx, r.hosts[r.schedule.random.IntN(len(r.hosts))].name, compute.HostUpdate{Disabled: &off})
		return err
	}},
}

// choose returns an operation by its weight.
func choose(s *schedule) operation {
	total := 0
	for _, o := range operations {
		total += o.weight
	}
	n := s.random.IntN(total)
	for _, o := range operations {
		if n -= o.weight; n < 0 {
			return o
		}
	}
	panic("the weights do not add up")
}

// furnish makes what clients find: an external network, a network, flavors, an image.
func (w *world) furnish(ctx context.Context, c *cloud.Cloud) error {
	w.ledger.deleted, w.ledger.origin = map[string]bool{}, map[string]string{}
	for i := range 3 {
		f, err := c.Compute.CreateFlavor(ctx, compute.Flavor{
			Name: fmt.Sprintf("f%d", i), VCPUs: 1 + i, MemoryMiB: 512 << i, DiskGiB: 2 * i, Public: true,
		})
		if err != nil {
			return err
		}
		w.ledger.flavors = append(w.ledger.flavors, f.ID)
	}
	public, err := c.Networks.CreateNetwork(ctx, projects[0], network.CreateNetworkOptions{Name: "public", External: true, Shared: true})
	if err != nil {
		return err
	}
	w.ledger.public = public.ID
	off := false
	if _, err = c.Networks.CreateSubnet(ctx, projects[0], network.CreateSubnetOptions{
		NetworkID: public.ID, CIDR: netip.MustParsePrefix("203.0.113.0/28"), EnableDHCP: &off,
	}); err != nil {
		return err
	}
	n, err := c.Networks.CreateNetwork(ctx, projects[0], network.CreateNetworkOptions{Name: "shared", Shared: true})
	if err != nil {
		return err
	}
	w.ledger.networks = append(w.ledger.networks, n.ID)
	sub, err := c.Networks.CreateSubnet(ctx, projects[0], network.CreateSubnetOptions{NetworkID: n.ID, CIDR: netip.MustParsePrefix("10.1.0.0/27")})
	if err != nil {
		return err
	}
	router, err := c.Networks.CreateRouter(ctx, projects[0], network.CreateRouterOptions{
		Name: "router", Gateway: &network.GatewayOptions{NetworkID: public.ID},
	})
	if err != nil {
		return err
	}
	if _, err = c.Networks.AddRouterInterface(ctx, router.ID, network.Interface{SubnetID: sub.ID}); err != nil {
		return err
	}
	img, err := c.Images.CreateImage(ctx, projects[0], image.CreateOptions{
		Name: "image", Visibility: image.Public, DiskFormat: "raw", ContainerFormat: "bare",
	})
	if err != nil {
		return err
	}
	w.ledger.image = img.ID
	if _, err = c.Images.UploadImage(ctx, img.ID, strings.NewReader("a disk")); err != nil {
		return err
	}
	for _, p := range projects {
		if err := c.Compute.SetQuota(ctx, p, map[string]int{"instances": 8, "cores": 12}, true); err != nil {
			return err
		}
		if err := c.Volumes.SetQuotas(ctx, p, map[string]int{"volumes": 10, "gigabytes": 30}); err != nil {
			return err
		}
	}
	return nil
}
