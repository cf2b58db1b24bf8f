package compute_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

// A server found no host: the decision says which filter refused which host, and with
// which figures.
func ExampleService_ExplainPlacement() {
	ctx := context.Background()
	svc, closeAll := threeHosts(ctx)
	defer closeAll()
	disabled := true
	_, err := svc.UpdateHost(ctx, "host-3", compute.HostUpdate{Disabled: &disabled})
	check(err)
	server, err := svc.CreateServer(ctx, "my-project", compute.CreateServerOptions{
		Name: "database", FlavorID: "large", ImageID: "cirros", Networking: compute.NetworksNone,
	})
	check(err)
	server, err = svc.WaitServer(ctx, server.ID)
	check(err)
	fmt.Println(server.Status())

	decisions, err := svc.ExplainPlacement(ctx, server.ID)
	check(err)
	fmt.Println(decisions[0].String())
	for _, figure := range decisions[0].Rejected[0].Figures {
		fmt.Println(figure.Resource, "needed", figure.Needed, "free", figure.Free, "capacity", figure.Capacity, "ratio", figure.Ratio)
	}
	// Output:
	// ERROR
	// No valid host was found among 3.
	// host-1 needs 8 VCPU, 4 of 4 free (resources)
	// host-2 needs 8 VCPU, 4 of 4 free (resources)
	// host-3 is disabled (enabled)
	// VCPU needed 8 free 4 capacity 4 ratio 1
}

// Before host-1 is taken away, the plan says where its servers and some new ones would
// go, and what would make room for those that do not fit.
func ExampleService_WhatFits() {
	ctx := context.Background()
	svc, closeAll := threeHosts(ctx)
	defer closeAll()
	for _, name := range []string{"web", "mail"} {
		server, err := svc.CreateServer(ctx, "my-project", compute.CreateServerOptions{
			Name: name, FlavorID: "small", ImageID: "cirros", Networking: compute.NetworksNone,
		})
		check(err)
		_, err = svc.WaitServer(ctx, server.ID)
		check(err)
	}
	plan, err := svc.WhatFits(ctx, compute.WhatFitsOptions{
		Drain:   []string{"host-1"},
		Servers: []compute.WantedServers{{FlavorID: "large"}, {FlavorID: "small", Count: 2}},
	})
	check(err)
	fmt.Println(plan)
	change, err := json.Marshal(plan.Changes[0])
	check(err)
	fmt.Println(string(change))
	// Output:
	// 1 of 4 servers do not fit. To make them fit: raise the allocation ratio of VCPU to 1.5.
	// large: -> nowhere. No valid host was found. host-2: needs 8 VCPU, 4 of 4 free; host-3: needs 8 VCPU, 6 of 8 free; host-1: is excluded
	// mail: host-1 -> host-2
	// small 1: -> host-3
	// small 2: -> host-3
	// either raise the allocation ratio of VCPU to 1.5
	// or add 4 VCPU to host-3
	// or add one more host like host-3, with a capacity of 8 VCPU, 8192 MiB of memory, 10000 GiB of disk
	// {"kind":"raise_ratio","reason":"raise the allocation ratio of VCPU to 1.5","resource":"VCPU","ratio":1.5}
}

// threeHosts is a compute service with hosts of 4, 4 and 8 processors that are not
// overcommitted, and flavors of 2 and 8.
func threeHosts(ctx context.Context) (svc *compute.Service, closeAll func()) {
	db, log := state.New(nil, nil), slog.New(slog.DiscardHandler)
	c := &core.Core{
		DB: db, Clock: clock.System{}, IDs: ids.Seeded(1), Quotas: quota.Define(db), Log: log,
		Sagas: saga.New(db, clock.System{}, ids.Seeded(1), log, saga.Config{}),
	}
	var hosts []driver.Hypervisor
	for i, vcpus := range []int{4, 4, 8} {
		hosts = append(hosts, memhypervisor.New(memhypervisor.Config{Name: fmt.Sprint("host-", i+1), VCPUs: vcpus, MemoryMiB: 1024 * vcpus}))
	}
	svc, err := compute.New(c, compute.Config{Hypervisors: hosts, Images: newFakeImages(), CPURatio: 1})
	check(err)
	check(db.Open(ctx))
	check(svc.Start(ctx))
	check(c.Sagas.Open(ctx))
	for name, vcpus := range map[string]int{"small": 2, "large": 8} {
		_, err := svc.CreateFlavor(ctx, compute.Flavor{ID: name, Name: name, VCPUs: vcpus, MemoryMiB: 512 * vcpus, DiskGiB: 1, Public: true})
		check(err)
	}
	return svc, func() {
		check(c.Sagas.Close())
		check(svc.Close())
		check(db.Close())
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
