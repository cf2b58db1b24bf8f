package memnetwork_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/drivertest"
	"github.com/welkin-cloud/cloud/network/memnetwork"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Harness {
		m := memnetwork.New(memnetwork.Config{})
		return drivertest.Harness{
			Mechanism: m, Physical: "physnet1",
			Reopen: func() driver.Mechanism {
				require.NoError(t, m.Close())
				return m
			},
		}
	})
}

func TestFaults(t *testing.T) {
	broken := driver.Errorf(driver.Unavailable, "broken")
	m := memnetwork.New(memnetwork.Config{Fault: memnetwork.FailTimes("EnsureNetwork", 2, broken)})
	n := driver.Network{ID: "n", MTU: 1450}
	for range 2 {
		require.ErrorIs(t, m.EnsureNetwork(t.Context(), n), broken)
		_, there := m.Network("n")
		require.False(t, there)
	}
	require.NoError(t, m.EnsureNetwork(t.Context(), n))

	m.SetFault(memnetwork.FailTimes("EnsurePort/after", -1, broken))
	_, err := m.EnsurePort(t.Context(), driver.Port{ID: "p", NetworkID: "n"})
	require.ErrorIs(t, err, broken)
	held, there := m.Port("p")
	require.True(t, there, "the fault came after the effect")
	require.Equal(t, "n", held.NetworkID)

	m.SetFault(func(_ context.Context, _, id string) error {
		if id == "r" {
			return broken
		}
		return nil
	})
	require.ErrorIs(t, m.EnsureRouter(t.Context(), driver.Router{ID: "r"}), broken)
	require.NoError(t, m.EnsureRouter(t.Context(), driver.Router{ID: "s"}))
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memnetwork.New(memnetwork.Config{})
		m.SetDelay(func(op, _ string) time.Duration {
			if op == "RemoveRouter" {
				return time.Minute
			}
			return 0
		})
		start := time.Now()
		require.NoError(t, m.RemovePort(t.Context(), "p"))
		require.Zero(t, time.Since(start))
		require.NoError(t, m.RemoveRouter(t.Context(), "r"))
		require.Equal(t, time.Minute, time.Since(start))
	})
}

type handler struct{}

func (handler) ServeMetadata(w http.ResponseWriter, r *http.Request, from driver.MetadataRequest) {
	w.Header().Set("X-Seen", "yes")
	w.WriteHeader(http.StatusTeapot)
	fmt.Fprint(w, from.NetworkID, " ", from.Source, " ", r.URL.Path)
}

func TestMetadata(t *testing.T) {
	m := memnetwork.New(memnetwork.Config{})
	source := netip.MustParseAddr("10.0.0.9")
	_, err := m.Get("n", source, "/")
	require.ErrorIs(t, err, driver.Unavailable)
	n := driver.Network{ID: "n", MTU: 1450, Service: driver.ServicePort{PortID: "s"}}
	require.NoError(t, m.EnsureNetwork(t.Context(), n))
	res, err := m.Get("n", source, "/")
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	m.Serve(handler{})
	res, err = m.Get("n", source, "/latest")
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusTeapot, res.StatusCode)
	require.Equal(t, "yes", res.Header.Get("X-Seen"))
	require.Equal(t, "n 10.0.0.9 /latest", string(body))
	require.NoError(t, m.Close())
	_, err = m.Get("n", source, "/")
	require.ErrorIs(t, err, driver.Unavailable)
}

func ExampleMechanism_Get() {
	ctx := context.Background()
	m := memnetwork.New(memnetwork.Config{})
	m.Serve(handler{})
	err := m.EnsureNetwork(ctx, driver.Network{ID: "net", MTU: 1450, Service: driver.ServicePort{PortID: "dhcp"}})
	if err != nil {
		panic(err)
	}
	answer, err := m.Get("net", netip.MustParseAddr("10.0.0.9"), "/openstack")
	if err != nil {
		panic(err)
	}
	_, _ = io.Copy(os.Stdout, answer.Body)
	// Output: net 10.0.0.9 /openstack
}
