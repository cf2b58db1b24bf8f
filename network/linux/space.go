package linux

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/google/nftables"
	mdnetlink "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// spaceDir is where named network namespaces are kept, as ip-netns(8) has it.
const spaceDir = "/run/netns"

// socketBuffer is the size of netlink buffers: a batch of a thousand nftables
// rules does not fit the default.
const socketBuffer = 8 << 20

// space is an open network namespace.
type space struct {
	name string
	fd   netns.NsHandle
	nl   *netlink.Handle
}

// openSpace opens the namespace of that name.
func openSpace(name string) (*space, error) {
	fd, err := netns.GetFromName(name)
	if err != nil {
		return nil, err
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(fd), &fs); err != nil || fs.Type != unix.NSFS_MAGIC {
		fd.Close()
		return nil, os.ErrNotExist // a left-over file on which nothing is mounted
	}
	return newSpace(name, fd)
}

// currentSpace opens the namespace of this process.
func currentSpace() (*space, error) {
	fd, err := netns.GetFromPid(os.Getpid())
	if err != nil {
		return nil, failed("open the namespace of the process", err)
	}
	return newSpace("", fd)
}

func newSpace(name string, fd netns.NsHandle) (*space, error) {
	nl, err := netlink.NewHandleAt(fd, unix.NETLINK_ROUTE, unix.NETLINK_NETFILTER)
	if err != nil {
		fd.Close()
		return nil, failed("talk to namespace "+name, err)
	}
	return &space{name: name, fd: fd, nl: nl}, nil
}

// ensureSpace opens the namespace of that name, and makes it first if it is absent.
func ensureSpace(name string) (*space, error) {
	s, err := openSpace(name)
	if !errors.Is(err, os.ErrNotExist) {
		return s, failed("open namespace "+name, err)
	}
	if err := os.Remove(filepath.Join(spaceDir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, failed("clear namespace "+name, err)
	}
	err = onThread(func() error {
		fd, err := netns.NewNamed(name)
		if err != nil {
			return err
		}
		return fd.Close()
	})
	if err != nil {
		return nil, failed("make namespace "+name, err)
	}
	if s, err = openSpace(name); err != nil {
		return nil, failed("open namespace "+name, err)
	}
	if err := s.up("lo"); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// removeSpace removes the namespace of that name, if it is there.
func removeSpace(name string) error {
	path := filepath.Join(spaceDir, name)
	err := unix.Unmount(path, unix.MNT_DETACH)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return failed("remove namespace "+name, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return failed("remove namespace "+name, err)
	}
	return nil
}

// listSpaces lists the names of all namespaces of the machine.
func listSpaces() ([]string, error) {
	entries, err := os.ReadDir(spaceDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, failed("list namespaces", err)
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// close lets go of the namespace, which stays.
func (s *space) close() {
	s.nl.Close()
	s.fd.Close()
}

// onThread runs f on a thread of its own, which ends with f: f may leave it in
// another namespace.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked, so the thread ends here
		done <- f()
	}()
	return <-done
}

// do runs f on a thread that is in the namespace: for sockets and /proc/sys.
func (s *space) do(f func() error) error {
	return onThread(func() error {
		if err := netns.Set(s.fd); err != nil {
			return err
		}
		return f()
	})
}

// sysctl sets a value below net, in the namespace.
func (s *space) sysctl(key, value string) error {
	return failed("set net/"+key, s.do(func() error {
		return os.WriteFile(filepath.Join("/proc/sys/net", key), []byte(value), 0)
	}))
}

// sysctls sets several values below net, in the namespace.
func (s *space) sysctls(values map[string]string) error {
	return failed("set kernel parameters", s.do(func() error {
		for key, value := range values {
			if err := os.WriteFile(filepath.Join("/proc/sys/net", key), []byte(value), 0); err != nil {
				return err
			}
		}
		return nil
	}))
}

// nft opens a connection to the namespace's nftables.
func (s *space) nft() (*nftables.Conn, error) {
	return nftables.New(nftables.WithNetNSFd(int(s.fd)), nftables.WithSockOptions(func(c *mdnetlink.Conn) error {
		return errors.Join(c.SetReadBuffer(socketBuffer), c.SetWriteBuffer(socketBuffer))
	}))
}

// links lists the links of the namespace.
func (s *space) links() ([]netlink.Link, error) {
	for range 5 {
		links, err := s.nl.LinkList()
		if errors.Is(err, netlink.ErrDumpInterrupted) || errors.Is(err, syscall.EINTR) {
			continue // links changed while they were listed
		}
		return links, failed("list links", err)
	}
	return nil, failed("list links", netlink.ErrDumpInterrupted)
}

// note returns the alias of the namespace's loopback device, which says what the
// namespace is for.
func (s *space) note() (string, error) {
	lo, err := s.nl.LinkByName("lo")
	if err != nil {
		return "", failed("read the loopback device", err)
	}
	return lo.Attrs().Alias, nil
}

// setNote writes the alias of the namespace's loopback device.
func (s *space) setNote(note string) error {
	lo, err := s.nl.LinkByName("lo")
	if err != nil {
		return failed("read the loopback device", err)
	}
	if lo.Attrs().Alias == note {
		return nil
	}
	return failed("mark the loopback device", s.nl.LinkSetAlias(lo, note))
}
