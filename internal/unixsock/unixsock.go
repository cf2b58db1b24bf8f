// Package unixsock connects to unix sockets whose path may be longer than the
// kernel's limit of 107 bytes.
package unixsock

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// maxPath is the longest path, in bytes, that the kernel takes.
const maxPath = 107

// Dial connects to the socket at path. A long path is reached by a handle of its
// folder.
func Dial(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	if len(path) <= maxPath {
		return d.DialContext(ctx, "unix", path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return d.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}

// Listen makes a socket at path and listens there. The file stays when the listener is
// closed: it is its owner's to remove.
func Listen(path string) (*net.UnixListener, error) {
	name := path
	if len(path) > maxPath {
		dir, err := os.Open(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		defer dir.Close()
		name = fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false)
	return ln, nil
}
