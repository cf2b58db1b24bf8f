package hostbox

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// member is a process of a box.
type member struct {
	pid  int
	name string // as /proc shows it: at most 15 characters
}

// members lists the living processes that see dir as their /run/libvirt.
func members(dir string) ([]member, error) {
	want, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var all []member
	for _, p := range procs {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		root := filepath.Join("/proc", p.Name())
		// A zombie has no root any more, so this also tells the living.
		got, err := os.Stat(filepath.Join(root, "root/run/libvirt"))
		if err != nil || !os.SameFile(want, got) {
			continue
		}
		name, err := os.ReadFile(filepath.Join(root, "comm"))
		if err != nil {
			continue
		}
		all = append(all, member{pid: pid, name: string(bytes.TrimSpace(name))})
	}
	return all, nil
}

// running tells whether a daemon is among the processes. Its helpers and a fork
// that is not done yet have the same name: libvirtd tells them apart by its lock.
func running(all []member, name string) bool {
	for _, m := range all {
		if m.name == name {
			return true
		}
	}
	return false
}

// killMembers ends all processes of a box and waits until they are gone.
func killMembers(ctx context.Context, dir string) error {
	for range 200 {
		all, err := members(dir)
		if err != nil || len(all) == 0 {
			return err
		}
		for _, m := range all {
			killMember(m, dir)
		}
		if err := pause(ctx, checkEvery/10); err != nil {
			return err
		}
	}
	return fmt.Errorf("processes of %s do not end", dir)
}

// killMember kills a process by a handle, after it has looked again that the handle
// is of a process of the box: the process id may have been given to another.
func killMember(m member, dir string) {
	fd, err := unix.PidfdOpen(m.pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	want, err := os.Stat(dir)
	if err != nil {
		return
	}
	got, err := os.Stat(fmt.Sprintf("/proc/%d/root/run/libvirt", m.pid))
	if err != nil || !os.SameFile(want, got) {
		return
	}
	// An error means that it is gone already.
	_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
}
