package guestimage_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kdomanski/iso9660"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

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
	g := boot(t, image, "-nic", "none", "-drive", "file="+drive+",format=raw,media=cdrom")
	require.NoError(t, g.Wait(), "the guest powers off by itself")
	require.Subset(t, g.said(), []string{
		"hostname web-1.cloud.local from config drive", "ssh key installed",
		"user data: I am web-1", "user data: me@here",
	})
}

// metadataScript answers one request for a document of the metadata service.
const metadataScript = `#!/bin/sh
read -r method path rest
while read -r line; do [ "$line" = "$(printf '\r')" ] && break; done
file=$(dirname "$0")/${path##*/}
printf 'HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n' $(wc -c <"$file")
cat "$file"
`

func TestGuestTakesAddressAndMetadataFromTheNetworkAndServesSSH(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	key, err := ssh.NewPublicKey(public)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	dir := t.TempDir()
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	for name, text := range map[string]string{
		"meta_data.json": `{"uuid": "u", "hostname": "net-1", "public_keys": {"me": "` + line + ` me\n"}}`,
		"user_data":      "#cloud-config\n",
		"serve":          metadataScript,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700))
	}
	port := freePort(t)
	g := boot(t, guestimage.Path(t), "-nic", "user,model=virtio-net-pci,restrict=on,net=169.254.0.0/16,host=169.254.0.2,dhcpstart=169.254.0.15,"+
		"hostfwd=tcp:127.0.0.1:"+port+"-:22,guestfwd=tcp:169.254.169.254:80-cmd:"+filepath.Join(dir, "serve"))
	var client *ssh.Client
	require.Eventually(t, func() bool { // the key comes after the server
		client, err = ssh.Dial("tcp", "127.0.0.1:"+port, &ssh.ClientConfig{
			User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: 10 * time.Second,
			HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		})
		return err == nil
	}, 2*time.Minute, 500*time.Millisecond)
	defer client.Close()
	session, err := client.NewSession()
	require.NoError(t, err)
	out, err := session.Output("hostname; id -u; poweroff")
	require.NoError(t, err)
	require.Equal(t, "net-1\n0\n", string(out))
	require.NoError(t, g.Wait())
	require.Subset(t, g.said(), []string{
		"address 169.254.0.15 by DHCP", "hostname net-1 from metadata", "ssh key installed", "user data: not a script", "ready",
	})
}

// freePort returns a port of the loopback that nobody uses.
func freePort(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	require.NoError(t, err)
	return port
}

// guest is a QEMU with what it wrote to its serial port.
type guest struct {
	*exec.Cmd
	out bytes.Buffer
}

// boot starts a guest that ends with the test, at the latest.
func boot(t *testing.T, image string, args ...string) *guest {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	all := append([]string{"-machine", "pc", "-accel", "tcg", "-cpu", "Nehalem", "-m", "128",
		"-display", "none", "-monitor", "none", "-serial", "stdio", "-device", "virtio-rng-pci", "-snapshot",
		"-drive", "file=" + image + ",format=qcow2,if=virtio"}, args...)
	g := &guest{Cmd: exec.CommandContext(ctx, "qemu-system-x86_64", all...)}
	g.Stdout = &g.out
	g.WaitDelay = time.Second
	require.NoError(t, g.Start())
	t.Cleanup(func() {
		cancel()
		_ = g.Wait() // it may have been waited for
		if t.Failed() {
			t.Log(g.out.String())
		}
	})
	return g
}

// said returns the guest's own lines, once it has ended.
func (g *guest) said() []string {
	var lines []string
	for line := range strings.Lines(g.out.String()) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "welkin-guest: "); ok {
			lines = append(lines, text)
		}
	}
	return lines
}
