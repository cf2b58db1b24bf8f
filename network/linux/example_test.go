package linux_test

import (
	"context"
	"fmt"

	"github.com/welkin-cloud/cloud/network/linux"
)

func ExampleNew() {
	ctx := context.Background()
	m, err := linux.New(ctx, linux.Config{
		HostName: "compute-1", Prefix: "example",
		Namespace: "example-host", CreateNamespace: true,
		Physical: map[string]string{"internet": "br-internet"},
	})
	if err != nil {
		panic(err)
	}
	host, err := m.Host(ctx)
	fmt.Println(host.Name, host.Type, host.Physical, err)
	fmt.Println(m.Teardown(ctx))
	// Output:
	// compute-1 linux [internet] <nil>
	// <nil>
}
