package network_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/network"
	"github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/memnetwork"
)

// A server's port is made on a network and plugged on a host.
func ExampleService_BindPort() {
	ctx := context.Background()
	db, log := state.New(nil, nil), slog.New(slog.DiscardHandler)
	svc, err := network.New(&core.Core{
		DB: db, Clock: clock.System{}, IDs: ids.Seeded(1), Quotas: quota.Define(db), Log: log,
		Sagas: saga.New(db, clock.System{}, ids.Seeded(1), log, saga.Config{}),
	}, network.Config{Mechanisms: map[string]driver.Mechanism{"host-1": memnetwork.New(memnetwork.Config{Name: "host-1"})}})
	check(err)
	check(db.Open(ctx))
	check(svc.Start(ctx))
	defer db.Close()
	defer svc.Close()

	net, err := svc.CreateNetwork(ctx, "my-project", network.CreateNetworkOptions{Name: "private"})
	check(err)
	_, err = svc.CreateSubnet(ctx, "my-project", network.CreateSubnetOptions{NetworkID: net.ID, CIDR: netip.MustParsePrefix("10.0.0.0/24")})
	check(err)
	port, err := svc.CreatePort(ctx, "my-project", network.CreatePortOptions{NetworkID: net.ID})
	check(err)
	_, err = svc.BindPort(ctx, port.ID, network.Binding{Host: "host-1", DeviceID: "server-1", DeviceOwner: "compute:nova"})
	check(err)
	port, err = svc.GetPort(ctx, port.ID)
	check(err)
	fmt.Println(port.FixedIPs[0].Address, port.Status, "on", port.Host)
	// Output: 10.0.0.3 ACTIVE on host-1
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
