package linux_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/nftables"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/drivertest"
	"github.com/welkin-cloud/cloud/network/linux"
)

const (
	physical = "outside"
	provider = "br-outside"
)

var clouds atomic.Uint32

// host is a host of a cloud of its own, in a namespace of its own.
type host struct {
	cfg linux.Config
	m   *linux.Mechanism
}

// newHost makes a host that ends with the test.
func newHost(t *testing.T, change ...func(*linux.Config)) *host {
	t.Helper()
	prefix := fmt.Sprintf("t%xn%d", os.Getpid(), clouds.Add(1))
	cfg := linux.Config{
		HostName: "host-" + prefix, Namespace: prefix + "-host", CreateNamespace: true, Prefix: prefix,
		Physical: map[string]string{physical: provider},
	}
	for _, c := range change {
		c(&cfg)
	}
	h := &host{cfg: cfg}
	h.open(t)
	t.Cleanup(func() {
		require.NoError(t, h.m.Close())
		h.open(t)
		require.NoError(t, h.m.Teardown(context.WithoutCancel(t.Context())))
		for _, name := range spaces(t) {
			require.False(t, strings.HasPrefix(name, prefix+"-"), "namespace %s is left", name)
		}
	})
	return h
}

func (h *host) open(t *testing.T) {
	t.Helper()
	m, err := linux.New(context.WithoutCancel(t.Context()), h.cfg)
	require.NoError(t, err)
	h.m = m
}

// left lists the links and the sets of the host, and the namespaces of its cloud.
func (h *host) left(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, name := range spaces(t) {
		if strings.HasPrefix(name, h.cfg.Prefix+"-") {
			all = append(all, "namespace "+name)
		}
	}
	fd, err := netns.GetFromName(h.cfg.Namespace)
	require.NoError(t, err)
	defer fd.Close()
	nl, err := netlink.NewHandleAt(fd)
	require.NoError(t, err)
	defer nl.Close()
	links, err := nl.LinkList()
	require.NoError(t, err)
	for _, l := range links {
		all = append(all, "link "+l.Attrs().Name)
	}
	c, err := nftables.New(nftables.WithNetNSFd(int(fd)))
	require.NoError(t, err)
	chains, err := c.ListChains()
	require.NoError(t, err)
	for _, chain := range chains {
		all = append(all, fmt.Sprintf("chain %s %s", chain.Table.Name, chain.Name))
		sets, err := c.GetSets(chain.Table)
		require.NoError(t, err)
		for _, s := range sets {
			elements, err := c.GetSetElements(s)
			require.NoError(t, err)
			all = append(all, fmt.Sprintf("set %s has %d", s.Name, len(elements)))
		}
	}
	return all
}

func spaces(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/run/netns")
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}

func harness(t *testing.T) drivertest.Harness {
	h := newHost(t)
	return drivertest.Harness{
		Mechanism: h.m, Physical: physical, Probe: &probe{host: h},
		Left: func() []string { return h.left(t) },
		Reopen: func() driver.Mechanism {
			require.NoError(t, h.m.Close())
			h.open(t)
			return h.m
		},
	}
}

func TestConformance(t *testing.T) {
	drivertest.Run(t, harness)
}
