package memhypervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
)

// withGuest returns a host with an image and a running guest "g1".
func withGuest(t testing.TB, cfg memhypervisor.Config) *memhypervisor.Hypervisor {
	h := memhypervisor.New(cfg)
	ctx := t.Context()
	require.NoError(t, h.PutImage(ctx, "img", "raw", strings.NewReader("content")))
	require.NoError(t, h.Create(ctx, driver.Spec{ID: "g1", Name: "web", VCPUs: 1, MemoryMiB: 64,
		Root: &driver.Root{ImageID: "img", Format: "raw", SizeGiB: 3}}))
	require.NoError(t, h.Start(ctx, "g1"))
	return h
}

func TestFaultBeforeAndAfterTheEffect(t *testing.T) {
	h := withGuest(t, memhypervisor.Config{})
	boom := errors.New("boom")
	for _, tt := range []struct {
		op   string
		want driver.Power
	}{{"Stop", driver.Running}, {"Stop/after", driver.Shutdown}} {
		h.SetFault(func(_ context.Context, op, id string) error {
			if op == tt.op && id == "g1" {
				return boom
			}
			return nil
		})
		require.ErrorIs(t, h.Stop(t.Context(), "g1", 0), boom, tt.op)
		g, err := h.Get(t.Context(), "g1")
		require.NoError(t, err)
		require.Equal(t, tt.want, g.Power, tt.op)
	}
	h.SetFault(nil)
	require.NoError(t, h.Start(t.Context(), "g1"))
}

func TestDelayIsOnTheClockAndEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := withGuest(t, memhypervisor.Config{Delay: func(op, _ string) time.Duration {
			if op == "Pause" {
				return time.Minute
			}
			return 0
		}})
		begin := time.Now()
		require.NoError(t, h.Pause(t.Context(), "g1"))
		require.Equal(t, time.Minute, time.Since(begin))

		h.SetDelay(func(string, string) time.Duration { return time.Hour })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, h.Unpause(ctx, "g1"), context.DeadlineExceeded)
		require.Equal(t, driver.Paused, h.Guests()[0].Power)
	})
}

func TestExportIsAnImageThatQemuAccepts(t *testing.T) {
	h := withGuest(t, memhypervisor.Config{})
	r, err := h.Export(t.Context(), "g1", "qcow2")
	require.NoError(t, err)
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	file := filepath.Join(t.TempDir(), "x.qcow2")
	require.NoError(t, os.WriteFile(file, content, 0o600))
	out, err := exec.Command("qemu-img", "check", "-f", "qcow2", file).CombinedOutput()
	require.NoError(t, err, string(out))
	out, err = exec.Command("qemu-img", "info", "-f", "qcow2", file).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "virtual size: 3 GiB")
}

func TestInspection(t *testing.T) {
	h := withGuest(t, memhypervisor.Config{Name: "host-7"})
	require.True(t, h.WriteConsole("g1", "hello from the guest\n"))
	out, err := h.Console(t.Context(), "g1", 21)
	require.NoError(t, err)
	require.Equal(t, "hello from the guest\n", string(out))

	require.True(t, h.SetPower("g1", driver.Crashed))
	require.False(t, h.SetPower("g2", driver.Crashed))
	require.Equal(t, driver.Crashed, h.Guests()[0].Power)
	require.Equal(t, 1, h.Guests()[0].Boots)
	require.Equal(t, "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73", h.Images()[0].SHA256)
}

func TestSlowWatcherIsToldToListAgain(t *testing.T) {
	h := withGuest(t, memhypervisor.Config{})
	events := h.Watch(t.Context())
	for range 1000 {
		require.NoError(t, h.Pause(t.Context(), "g1"))
		require.NoError(t, h.Unpause(t.Context(), "g1"))
	}
	require.NoError(t, h.Close())
	var last driver.Event
	n := 0
	for e := range events {
		last = e
		n++
	}
	require.Less(t, n, 1000)
	require.Equal(t, driver.Event{}, last)
}

func ExampleHypervisor() {
	ctx := context.Background()
	h := memhypervisor.New(memhypervisor.Config{Name: "host-1"})
	if err := h.Create(ctx, driver.Spec{ID: "a", Name: "web", VCPUs: 1, MemoryMiB: 512}); err != nil {
		fmt.Println(err)
	}
	if err := h.Start(ctx, "a"); err != nil {
		fmt.Println(err)
	}
	for _, g := range h.Guests() {
		fmt.Println(g.ID, g.Power, g.Spec.MemoryMiB)
	}
	// Output: a running 512
}
