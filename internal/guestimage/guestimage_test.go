package guestimage_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kdomanski/iso9660"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/guestimage"
)

// configDrive writes a config drive with the two documents.
func configDrive(t *testing.T, metadata, userData string) string {
	w, err := iso9660.NewWriter()
	require.NoError(t, err)
	defer func() { require.NoError(t, w.Cleanup()) }()
	require.NoError(t, w.AddFile(strings.NewReader(metadata), "openstack/latest/meta_data.json"))
	require.NoError(t, w.AddFile(strings.NewReader(userData), "openstack/latest/user_data"))
	path := filepath.Join(t.TempDir(), "config.iso")
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, w.WriteTo(f, "config-2"))
	require.NoError(t, f.Close())
	return path
}

func TestGuestBootsFromDiskAndTakesItsConfigDrive(t *testing.T) {
	image := guestimage.Path(t)
	require.Equal(t, image, guestimage.Path(t), "built once")
	info, err := os.Stat(image)
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(60<<20))

	drive := configDrive(t, `{"uuid": "d8e02d56-2648-49a3-bf97-6be8f1204f38", "hostname": "web-1.cloud.local", "name": "web 1",
 "public_keys": {"me": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA me@here\n"}}`,
		"#!/bin/sh\necho I am $(hostname)\ncut -d' ' -f3 /root/.ssh/authorized_keys\npoweroff\n")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-machine", "pc", "-accel", "tcg", "-cpu", "Nehalem", "-m", "128",
		"-display", "none", "-monitor", "none", "-nic", "none", "-serial", "stdio", "-device", "virtio-rng-pci", "-snapshot",
		"-drive", "file="+image+",format=qcow2,if=virtio", "-drive", "file="+drive+",format=raw,media=cdrom")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if line := strings.TrimSpace(lines.Text()); strings.HasPrefix(line, "welkin-guest:") {
			said = append(said, strings.TrimPrefix(line, "welkin-guest: "))
		}
	}
	require.NoError(t, cmd.Wait(), "the guest powers off by itself")
	require.Subset(t, said, []string{
		"hostname web-1.cloud.local from config drive", "ssh key installed",
		"user data: I am web-1", "user data: me@here",
	})
}
