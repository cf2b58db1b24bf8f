package main

import (
	"os"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/guestimage"
)

// tellAll is user data for the real cloud-init: what it says on the console comes from
// what cloud-init did before.
const tellAll = `#!/bin/sh
exec >/dev/ttyS0 2>&1
echo "told: hostname $(hostname)"
echo "told: key $(cut -d' ' -f3 /home/debian/.ssh/authorized_keys)"
echo "told: source $(cloud-id) $(cloud-init query subplatform)"
echo "told: user $(id -un)"
echo "told: all"
`

// TestDebianWithCloudInit boots a real Debian twice, at once: one takes what it is to
// be from the metadata service, and one, which has no network, from its config drive.
func TestDebianWithCloudInit(t *testing.T) {
	path := guestimage.DebianPath(t)
	s := startServer(t, "linux")
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	_, line := newKey(t)
	keypair := s.newKeypair(line)
	networkID, _ := s.newNetwork()
	opts := servers.CreateOpts{
		ImageRef: s.upload("debian", guestimage.Format, file), FlavorRef: s.newFlavor(512, 2), UserData: []byte(tellAll),
	}

	opts.Name, opts.Networks = "by-metadata", []servers.Network{{UUID: networkID}}
	byMetadata := s.boot(opts, keypair)
	yes := true
	s.compute.Microversion = "2.37" // the first that knows servers without a network
	opts.Name, opts.Networks, opts.ConfigDrive = "by-drive", "none", &yes
	byDrive := s.boot(opts, keypair)

	for id, want := range map[string][2]string{
		byMetadata: {"by-metadata", "openstack metadata (http://169.254.169.254)"},
		byDrive:    {"by-drive", "configdrive config-disk (/dev/sr0)"},
	} {
		console := s.console(id, "told: all")
		require.Contains(t, console, "told: hostname "+want[0])
		require.Contains(t, console, "told: key tester")
		require.Contains(t, console, "told: source "+want[1])
		require.Contains(t, console, "told: user root")
	}
	s.deleteServers(byMetadata, byDrive)
}
