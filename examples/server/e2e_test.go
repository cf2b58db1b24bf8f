package main

import (
	"net"
	"os"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/volumeattach"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/guestimage"
)

const userData = `#!/bin/sh
echo user data ran on $(hostname)
echo served >/tmp/index.html
httpd -p 8080 -h /tmp
`

// waitForDisk is what a guest does until a disk that was just attached is there.
const waitForDisk = "i=0; while [ ! -b /dev/vdb ] && [ $i -lt 100 ]; do usleep 100000; i=$((i+1)); done; "

// TestMainJob is the demonstration in short, by gophercloud: a guest boots, is reached
// and is not, keeps data on a volume, is copied; then nothing is left.
func TestMainJob(t *testing.T) {
	s := startServer(t, "linux")
	o := newOutside(t, s.host())
	file, err := os.Open(guestimage.Path(t))
	require.NoError(t, err)
	defer file.Close()
	key, line := newKey(t)

	imageID := s.upload("guest", guestimage.Format, file)
	keypair := s.newKeypair(line)
	networkID, subnetID := s.newNetwork()
	externalID, routerID := s.newWay(subnetID)
	s.allow(rules.ProtocolTCP, 22)
	s.allow(rules.ProtocolICMP, 0)
	opts := servers.CreateOpts{
		Name: "first", ImageRef: imageID, FlavorRef: s.newFlavor(128, 1),
		Networks: []servers.Network{{UUID: networkID}}, UserData: []byte(userData),
	}

	first := s.boot(opts, keypair)
	console := s.console(first, guestimage.Ready)
	port := s.serverPort(first)
	require.Contains(t, console, "address "+port.FixedIPs[0].IPAddress+" by DHCP")
	require.Contains(t, console, "hostname first from metadata")
	require.Contains(t, console, "ssh key installed")
	require.Contains(t, console, "user data: user data ran on first")

	floating, err := floatingips.Create(t.Context(), s.network, floatingips.CreateOpts{
		FloatingNetworkID: externalID, PortID: port.ID,
	}).Extract()
	require.NoError(t, err)
	guest := o.login(t, floating.FloatingIP, key)
	require.Equal(t, "first", shell(t, guest, "hostname"))
	require.Equal(t, "served", shell(t, guest, "wget -q -O - http://127.0.0.1:8080/"))
	_, err = o.dial(t.Context(), net.JoinHostPort(floating.FloatingIP, "8080"))
	require.Error(t, err, "no rule allows that port")

	volumeID := s.newVolume()
	_, err = volumeattach.Create(t.Context(), s.compute, first, volumeattach.CreateOpts{VolumeID: volumeID}).Extract()
	require.NoError(t, err)
	s.volumeBecomes(volumeID, "in-use")
	require.Equal(t, "kept", shell(t, guest, waitForDisk+
		"echo kept | dd of=/dev/vdb conv=sync 2>/dev/null; sync; echo 3 >/proc/sys/vm/drop_caches; head -n 1 /dev/vdb"))
	require.NoError(t, volumeattach.Delete(t.Context(), s.compute, first, volumeID).ExtractErr())
	s.volumeBecomes(volumeID, "available")
	require.Equal(t, "gone", shell(t, guest, "[ -e /dev/vdb ] || echo gone"))

	// The server may go and come: the guest does not notice.
	s.stop()
	s.start()
	require.Equal(t, "first", shell(t, guest, "hostname"))
	s.becomes(first, "ACTIVE")

	shell(t, guest, "echo from the first >/root/note; sync")
	copyID, err := servers.CreateImage(t.Context(), s.compute, first, servers.CreateImageOpts{Name: "copy"}).ExtractImageID()
	require.NoError(t, err)
	s.imageBecomesActive(copyID)
	opts.Name, opts.ImageRef, opts.UserData = "second", copyID, nil
	second := s.boot(opts, keypair)
	s.console(second, guestimage.Ready)
	address := s.serverPort(second).FixedIPs[0].IPAddress
	require.Contains(t, shell(t, guest, "ping -c 1 -W 10 "+address), "1 packets received")

	require.NoError(t, floatingips.Delete(t.Context(), s.network, floating.ID).ExtractErr())
	s.deleteServers(first, second)
	require.NoError(t, volumes.Delete(t.Context(), s.volume, volumeID, nil).ExtractErr())
	for _, id := range []string{imageID, copyID} {
		require.NoError(t, images.Delete(t.Context(), s.image, id).ExtractErr())
	}
	_, err = routers.RemoveInterface(t.Context(), s.network, routerID, routers.RemoveInterfaceOpts{SubnetID: subnetID}).Extract()
	require.NoError(t, err)
	require.NoError(t, routers.Delete(t.Context(), s.network, routerID).ExtractErr())
	for _, id := range []string{networkID, externalID} {
		require.NoError(t, networks.Delete(t.Context(), s.network, id).ExtractErr())
	}
	s.requireNothingLeft()
}
