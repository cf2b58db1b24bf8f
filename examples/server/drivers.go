package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/libvirt"
	"github.com/welkin-cloud/cloud/compute/libvirt/hostbox"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/image/filestore"
	mechanism "github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/linux"
	"github.com/welkin-cloud/cloud/network/memnetwork"
	backend "github.com/welkin-cloud/cloud/volume/driver"
	"github.com/welkin-cloud/cloud/volume/filevolume"
)

const (
	hostName = "host-1" // of the one compute host
	physical = "public" // the provider network of external networks
)

// addDrivers opens the drivers that the command line asks for. The returned function
// releases what the cloud does not own.
func addDrivers(ctx context.Context, cfg *cloud.Config, o options, log *slog.Logger) (func(), error) {
	if err := addFiles(cfg, o.state); err != nil {
		return nil, err
	}
	switch o.drivers {
	case "memory":
		addMemory(cfg)
		return func() {}, nil
	case "linux":
		return addLinux(ctx, cfg, o, log)
	}
	return nil, fmt.Errorf("-drivers %q is none of memory, linux", o.drivers)
}

// addFiles keeps images, volumes and backups as files: these drivers need no
// privileges.
func addFiles(cfg *cloud.Config, dir string) (err error) {
	if cfg.Images, err = filestore.Open(filepath.Join(dir, "images")); err != nil {
		return err
	}
	if cfg.Backups, err = filestore.Open(filepath.Join(dir, "backups")); err != nil {
		return err
	}
	volumes, err := filevolume.Open(filevolume.Config{Dir: filepath.Join(dir, "volumes"), CapacityGiB: 1 << 20})
	cfg.Volumes = []backend.Backend{volumes}
	return err
}

func addMemory(cfg *cloud.Config) {
	cfg.ExternalNetwork = physical
	cfg.ResumeGuests = true
	cfg.Hypervisors = []driver.Hypervisor{memhypervisor.New(memhypervisor.Config{
		Name: hostName, VCPUs: 1 << 14, MemoryMiB: 1 << 26, DiskGiB: 1 << 22,
	})}
	cfg.Networks = map[string]mechanism.Mechanism{
		hostName: memnetwork.New(memnetwork.Config{Name: hostName, Physical: []string{physical}}),
	}
}

// host names what a server with linux drivers makes on its machine, so that a later
// start or a teardown with the same state directory finds it.
type host struct {
	tag       string // of this cloud: at most 7 characters, from the state directory
	namespace string
	box       hostbox.Config
	network   linux.Config
}

func hostOf(o options, log *slog.Logger) host {
	sum := sha256.Sum256([]byte(o.state))
	tag := "w" + hex.EncodeToString(sum[:])[:6]
	h := host{tag: tag, namespace: tag + "-host"}
	h.box = hostbox.Config{
		Dir: filepath.Join(o.state, "host"), Namespace: h.namespace, Hostname: hostName, Log: log,
	}
	h.network = linux.Config{
		HostName: hostName, Namespace: h.namespace, Prefix: tag,
		Physical: map[string]string{physical: "br-" + physical}, Log: log,
	}
	return h
}

// addLinux starts a libvirtd of the server's own, in a network namespace in which the
// networks live too: no packet of a guest gets to the machine's own interfaces.
func addLinux(ctx context.Context, cfg *cloud.Config, o options, log *slog.Logger) (func(), error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("-drivers linux needs root")
	}
	h := hostOf(o, log)
	box, err := hostbox.Start(ctx, h.box)
	if err != nil {
		return nil, err
	}
	release := func() {
		if err := box.Close(); err != nil {
			log.Error("the host's daemons could not be released", "error", err)
		}
	}
	hypervisor, err := libvirt.New(ctx, libvirt.Config{
		Socket: box.Socket(), Dir: filepath.Join(o.state, "guests"), HostName: hostName,
		Prefix: h.tag, VirtType: o.virt, Log: log,
	})
	if err != nil {
		release()
		return nil, err
	}
	networks, err := linux.New(ctx, h.network)
	if err != nil {
		release()
		return nil, errors.Join(err, hypervisor.Close())
	}
	cfg.ExternalNetwork = physical
	cfg.Hypervisors = []driver.Hypervisor{hypervisor}
	cfg.Networks = map[string]mechanism.Mechanism{hostName: networks}
	return release, nil
}

// removeHost removes what a server with linux drivers made outside its state
// directory: guests, daemons, networks and namespaces.
func removeHost(ctx context.Context, o options, log *slog.Logger) error {
	if os.Geteuid() != 0 {
		return errors.New("teardown needs root")
	}
	h := hostOf(o, log)
	if _, err := os.Stat(h.box.Dir); errors.Is(err, os.ErrNotExist) {
		return nil // no server with linux drivers ever ran here
	}
	box, err := hostbox.Start(ctx, h.box)
	if err != nil {
		return err
	}
	networks, err := linux.New(ctx, h.network)
	if err == nil {
		err = networks.Teardown(ctx)
	}
	return errors.Join(err, box.Teardown(ctx))
}
