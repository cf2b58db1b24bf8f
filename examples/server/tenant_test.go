package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/provider"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	"github.com/stretchr/testify/require"
)

// This file holds what users do, by gophercloud.

// wait is how long anything may take that is not a guest's own doing.
const wait = time.Minute

func (s *server) ctx() context.Context { return s.t.Context() }

func (s *server) upload(name, format string, content io.Reader) string {
	s.t.Helper()
	img, err := images.Create(s.ctx(), s.image, images.CreateOpts{Name: name, DiskFormat: format, ContainerFormat: "bare"}).Extract()
	require.NoError(s.t, err)
	require.NoError(s.t, imagedata.Upload(s.ctx(), s.image, img.ID, content).ExtractErr())
	return img.ID
}

func (s *server) newFlavor(memoryMiB, diskGiB int) string {
	s.t.Helper()
	f, err := flavors.Create(s.ctx(), s.compute, flavors.CreateOpts{Name: "small", RAM: memoryMiB, VCPUs: 1, Disk: &diskGiB}).Extract()
	require.NoError(s.t, err)
	return f.ID
}

func (s *server) newKeypair(public string) string {
	s.t.Helper()
	k, err := keypairs.Create(s.ctx(), s.compute, keypairs.CreateOpts{Name: "tester", PublicKey: public}).Extract()
	require.NoError(s.t, err)
	return k.Name
}

// newNetwork makes a network with one subnet.
func (s *server) newNetwork() (networkID, subnetID string) {
	s.t.Helper()
	n, err := networks.Create(s.ctx(), s.network, networks.CreateOpts{Name: "private"}).Extract()
	require.NoError(s.t, err)
	sub, err := subnets.Create(s.ctx(), s.network, subnets.CreateOpts{
		NetworkID: n.ID, CIDR: "10.20.0.0/24", IPVersion: gophercloud.IPv4,
	}).Extract()
	require.NoError(s.t, err)
	return n.ID, sub.ID
}

// newWay makes the external network and a router from it to a subnet.
func (s *server) newWay(subnetID string) (externalID, routerID string) {
	s.t.Helper()
	yes, no := true, false
	n, err := networks.Create(s.ctx(), s.network, external.CreateOptsExt{
		External:          &yes,
		CreateOptsBuilder: providerNetwork{networks.CreateOpts{Name: "public"}},
	}).Extract()
	require.NoError(s.t, err)
	gateway := externalGateway.String()
	_, err = subnets.Create(s.ctx(), s.network, subnets.CreateOpts{
		NetworkID: n.ID, CIDR: externalRange.String(), IPVersion: gophercloud.IPv4, GatewayIP: &gateway, EnableDHCP: &no,
	}).Extract()
	require.NoError(s.t, err)
	r, err := routers.Create(s.ctx(), s.network, routers.CreateOpts{
		Name: "router", GatewayInfo: &routers.GatewayInfo{NetworkID: n.ID},
	}).Extract()
	require.NoError(s.t, err)
	_, err = routers.AddInterface(s.ctx(), s.network, r.ID, routers.AddInterfaceOpts{SubnetID: subnetID}).Extract()
	require.NoError(s.t, err)
	return n.ID, r.ID
}

// providerNetwork puts a network on the provider bridge.
type providerNetwork struct{ networks.CreateOpts }

func (p providerNetwork) ToNetworkCreateMap() (map[string]any, error) {
	b, err := provider.CreateOptsExt{CreateOptsBuilder: p.CreateOpts}.ToNetworkCreateMap()
	if err == nil {
		n := b["network"].(map[string]any)
		n["provider:network_type"], n["provider:physical_network"] = "flat", physical
	}
	return b, err
}

// allow lets TCP to a port, or all ICMP, into servers of the default group.
func (s *server) allow(protocol rules.RuleProtocol, port int) {
	s.t.Helper()
	page, err := groups.List(s.network, groups.ListOpts{Name: "default"}).AllPages(s.ctx())
	require.NoError(s.t, err)
	all, err := groups.ExtractGroups(page)
	require.NoError(s.t, err)
	require.Len(s.t, all, 1)
	_, err = rules.Create(s.ctx(), s.network, rules.CreateOpts{
		Direction: rules.DirIngress, EtherType: rules.EtherType4, SecGroupID: all[0].ID,
		Protocol: protocol, PortRangeMin: port, PortRangeMax: port,
	}).Extract()
	require.NoError(s.t, err)
}

// boot makes a server and waits until it is active.
func (s *server) boot(o servers.CreateOpts, key string) string {
	s.t.Helper()
	made, err := servers.Create(s.ctx(), s.compute, keypairs.CreateOptsExt{CreateOptsBuilder: o, KeyName: key}, nil).Extract()
	require.NoError(s.t, err)
	s.becomes(made.ID, "ACTIVE")
	return made.ID
}

// becomes waits until a server has a status and nothing is done with it.
func (s *server) becomes(id, status string) *servers.Server {
	s.t.Helper()
	var last *servers.Server
	var err error
	require.Eventually(s.t, func() bool {
		last, err = servers.Get(s.ctx(), s.compute, id).Extract()
		return err == nil && last.Status == status && last.TaskState == "" || err == nil && last.Status == "ERROR"
	}, wait, 100*time.Millisecond, "server %s", id)
	require.Equal(s.t, status, last.Status, "fault: %+v", last.Fault)
	return last
}

// console returns what a guest wrote, once the wanted text is among it.
func (s *server) console(id, want string) string {
	s.t.Helper()
	var text string
	require.Eventually(s.t, func() bool {
		var err error
		text, err = servers.ShowConsoleOutput(s.ctx(), s.compute, id, servers.ShowConsoleOutputOpts{}).Extract()
		return err == nil && strings.Contains(text, want)
	}, 4*time.Minute, 300*time.Millisecond, "%q on the console of %s", want, id)
	return text
}

// serverPort returns the only port of a server.
func (s *server) serverPort(id string) ports.Port {
	s.t.Helper()
	all := s.ports(ports.ListOpts{DeviceID: id})
	require.Len(s.t, all, 1)
	return all[0]
}

func (s *server) ports(o ports.ListOpts) []ports.Port {
	s.t.Helper()
	page, err := ports.List(s.network, o).AllPages(s.ctx())
	require.NoError(s.t, err)
	all, err := ports.ExtractPorts(page)
	require.NoError(s.t, err)
	return all
}

func (s *server) servers() []servers.Server {
	s.t.Helper()
	page, err := servers.List(s.compute, servers.ListOpts{}).AllPages(s.ctx())
	require.NoError(s.t, err)
	all, err := servers.ExtractServers(page)
	require.NoError(s.t, err)
	return all
}

func (s *server) volumes() []volumes.Volume {
	s.t.Helper()
	page, err := volumes.List(s.volume, volumes.ListOpts{}).AllPages(s.ctx())
	require.NoError(s.t, err)
	all, err := volumes.ExtractVolumes(page)
	require.NoError(s.t, err)
	return all
}

// newVolume makes a volume of one GiB.
func (s *server) newVolume() string {
	s.t.Helper()
	v, err := volumes.Create(s.ctx(), s.volume, volumes.CreateOpts{Name: "data", Size: 1}, nil).Extract()
	require.NoError(s.t, err)
	s.volumeBecomes(v.ID, "available")
	return v.ID
}

func (s *server) volumeBecomes(id, status string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		v, err := volumes.Get(s.ctx(), s.volume, id).Extract()
		return err == nil && v.Status == status
	}, wait, 100*time.Millisecond, "volume %s becomes %s", id, status)
}

// deleteServers deletes servers and waits until they are gone.
func (s *server) deleteServers(ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		require.NoError(s.t, servers.Delete(s.ctx(), s.compute, id).ExtractErr())
	}
	for _, id := range ids {
		require.Eventually(s.t, func() bool {
			err := servers.Get(s.ctx(), s.compute, id).Err
			return gophercloud.ResponseCodeIs(err, http.StatusNotFound)
		}, wait, 100*time.Millisecond, "server %s goes", id)
	}
}

func (s *server) imageBecomesActive(id string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		i, err := images.Get(s.ctx(), s.image, id).Extract()
		return err == nil && i.Status == images.ImageStatusActive
	}, wait, 100*time.Millisecond, "image %s", id)
}
