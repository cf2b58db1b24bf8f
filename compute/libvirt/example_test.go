package libvirt_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/welkin-cloud/cloud/compute/libvirt"
	"github.com/welkin-cloud/cloud/compute/libvirt/hostbox"
)

// A host of its own on this machine.
func ExampleNew() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	box, err := hostbox.Start(ctx, hostbox.Config{Dir: filepath.Join(dir, "box"), Namespace: "wkexample"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Teardown(ctx)
	hv, err := libvirt.New(ctx, libvirt.Config{
		Socket: box.Socket(), Dir: filepath.Join(dir, "guests"), HostName: "host-1", VirtType: "qemu",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hv.Close()
	host, err := hv.Host(ctx)
	fmt.Println(host.Name, host.Type, host.Arch, err)
	// Output: host-1 QEMU x86_64 <nil>
}
