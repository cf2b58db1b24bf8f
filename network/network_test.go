package network_test

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/network"
	"github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/memnetwork"
)

const project = "11111111111111111111111111111111"

// cloud is a service over hosts in memory.
type cloud struct {
	*network.Service
	db    *state.DB
	hosts map[string]*memnetwork.Mechanism
}

// start gives a service with the hosts; "h1" if none is named.
func start(t testing.TB, hosts ...string) *cloud {
	t.Helper()
	if len(hosts) == 0 {
		hosts = []string{"h1"}
	}
	c := &cloud{hosts: map[string]*memnetwork.Mechanism{}}
	for _, h := range hosts {
		c.hosts[h] = memnetwork.New(memnetwork.Config{Name: h})
	}
	c.run(t, nil, nil)
	return c
}

// run makes a service over the cloud's hosts, with an engine or none.
func (c *cloud) run(t testing.TB, engine state.Engine, cfg func(*network.Config)) {
	t.Helper()
	db := state.New(engine, nil)
	log := slog.New(slog.DiscardHandler)
	bundle := &core.Core{
		DB: db, Clock: clock.System{}, IDs: ids.Random(), Quotas: quota.Define(db), Log: log,
		Sagas: saga.New(db, clock.System{}, ids.Random(), log, saga.Config{}),
	}
	conf := network.Config{Mechanisms: map[string]driver.Mechanism{}}
	for name, m := range c.hosts {
		conf.Mechanisms[name] = m
	}
	if cfg != nil {
		cfg(&conf)
	}
	svc, err := network.New(bundle, conf)
	require.NoError(t, err)
	require.NoError(t, db.Open(t.Context()))
	require.NoError(t, svc.Start(t.Context()))
	c.Service, c.db = svc, db
	t.Cleanup(func() {
		require.NoError(t, svc.Close())
		require.NoError(t, db.Close())
	})
}

func (c *cloud) network(t testing.TB, o network.CreateNetworkOptions) network.Network {
	t.Helper()
	n, err := c.CreateNetwork(t.Context(), project, o)
	require.NoError(t, err)
	return n
}

func (c *cloud) subnet(t testing.TB, networkID, cidr string) network.Subnet {
	t.Helper()
	s, err := c.CreateSubnet(t.Context(), project, network.CreateSubnetOptions{NetworkID: networkID, CIDR: netip.MustParsePrefix(cidr)})
	require.NoError(t, err)
	return s
}

func (c *cloud) port(t testing.TB, networkID string) network.Port {
	t.Helper()
	p, err := c.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: networkID})
	require.NoError(t, err)
	return p
}

func (c *cloud) bind(t testing.TB, portID, host string) network.Attachment {
	t.Helper()
	a, err := c.BindPort(t.Context(), portID, network.Binding{Host: host, DeviceID: "server-" + portID, DeviceOwner: "compute:nova", Hostname: "vm"})
	require.NoError(t, err)
	return a
}

// isRefused checks kind and code of an error.
func isRefused(t testing.TB, err error, kind fault.Kind, code string) {
	t.Helper()
	require.Error(t, err)
	var e *fault.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, kind, e.Kind, err)
	require.Equal(t, code, e.Code, err)
}

// settle waits until a condition holds that background work brings about. It looks
// again after each commit and each call of a driver.
func (c *cloud) settle(t testing.TB, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	for !cond() {
		require.NoError(t, clock.Sleep(ctx, clock.System{}, testPause), "it did not come about")
	}
}

func ptr[T any](v T) *T { return &v }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func ips(p network.Port) []string {
	var all []string
	for _, f := range p.FixedIPs {
		all = append(all, f.Address.String())
	}
	return all
}
