package drivertest

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute/driver"
)

func (s *suite) testStartStop() {
	id := s.created().ID
	s.twice(func() error { return s.hv.Stop(s.ctx, id, 0) })
	s.power(id, driver.Shutdown)
	s.twice(func() error { return s.hv.Start(s.ctx, id) })
	s.power(id, driver.Running)
	s.twice(func() error { return s.hv.Stop(s.ctx, id, 0) })
	s.power(id, driver.Shutdown)
	require.NoError(s, s.hv.Start(s.ctx, id))
	require.NoError(s, s.hv.Pause(s.ctx, id))
	require.NoError(s, s.hv.Stop(s.ctx, id, Grace), "a paused guest is cut off")
	s.power(id, driver.Shutdown)
}

func (s *suite) testStopGracefully() {
	id := s.booted(s.created()).ID
	begin := time.Now()
	require.NoError(s, s.hv.Stop(s.ctx, id, Grace))
	require.Less(s, time.Since(begin), Grace, "the guest was asked and obeyed")
	s.power(id, driver.Shutdown)
}

func (s *suite) testReboot() {
	id := s.created().ID
	require.ErrorIs(s, s.hv.Reboot(s.ctx, id, false), driver.Conflict)
	require.NoError(s, s.hv.Reboot(s.ctx, id, true), "hard also starts a guest that is off")
	s.power(id, driver.Running)
	s.wait(id)
	require.NoError(s, s.hv.Reboot(s.ctx, id, false))
	s.power(id, driver.Running)
	require.NoError(s, s.hv.Reboot(s.ctx, id, true))
	s.power(id, driver.Running)
	require.NoError(s, s.hv.Pause(s.ctx, id))
	require.NoError(s, s.hv.Reboot(s.ctx, id, true))
	s.power(id, driver.Running)
}

func (s *suite) testPause() {
	id := s.created().ID
	require.ErrorIs(s, s.hv.Pause(s.ctx, id), driver.Conflict)
	require.ErrorIs(s, s.hv.Unpause(s.ctx, id), driver.Conflict)
	require.NoError(s, s.hv.Start(s.ctx, id))
	s.twice(func() error { return s.hv.Pause(s.ctx, id) })
	s.power(id, driver.Paused)
	s.twice(func() error { return s.hv.Unpause(s.ctx, id) })
	s.power(id, driver.Running)
	require.NoError(s, s.hv.Pause(s.ctx, id))
	require.NoError(s, s.hv.Start(s.ctx, id), "a paused guest goes on")
	s.power(id, driver.Running)
}

func (s *suite) testSuspend() {
	suspender, ok := s.hv.(driver.Suspender)
	if !ok {
		return
	}
	id := s.created().ID
	require.ErrorIs(s, suspender.Suspend(s.ctx, id), driver.Conflict)
	require.NoError(s, s.hv.Start(s.ctx, id))
	s.twice(func() error { return suspender.Suspend(s.ctx, id) })
	s.power(id, driver.Suspended)
	require.NoError(s, s.hv.Stop(s.ctx, id, 0))
	s.power(id, driver.Suspended)
	require.ErrorIs(s, s.hv.AttachDisk(s.ctx, id, s.Disk(s.T, 1<<20)), driver.Conflict)
	require.ErrorIs(s, s.hv.Resize(s.ctx, id, 2, 256, 0), driver.Conflict)
	require.NoError(s, s.hv.Start(s.ctx, id))
	s.power(id, driver.Running)

	require.NoError(s, suspender.Suspend(s.ctx, id))
	require.NoError(s, s.hv.Reboot(s.ctx, id, true), "hard also starts one that is suspended")
	s.power(id, driver.Running)
	require.NoError(s, suspender.Suspend(s.ctx, id))
	require.NoError(s, s.hv.Destroy(s.ctx, id))
	_, err := s.hv.Get(s.ctx, id)
	require.ErrorIs(s, err, driver.NotFound)
}

func (s *suite) testWatch() {
	watcher, ok := s.hv.(driver.Watcher)
	if !ok {
		return
	}
	id := s.created().ID
	ctx, cancel := context.WithCancel(s.ctx)
	events := watcher.Watch(ctx)
	expect := func(want driver.Power) {
		s.Helper()
		for deadline := time.After(Grace); ; {
			select {
			case e, ok := <-events:
				require.True(s, ok)
				if e.ID == id && e.Power == want {
					return
				}
			case <-deadline:
				require.Fail(s, "no event", string(want))
			}
		}
	}
	require.NoError(s, s.hv.Start(s.ctx, id))
	expect(driver.Running)
	require.NoError(s, s.hv.Pause(s.ctx, id))
	expect(driver.Paused)
	require.NoError(s, s.hv.Unpause(s.ctx, id))
	expect(driver.Running)
	s.PowerOff(s.T, id)
	expect(driver.Shutdown)
	cancel()
	for deadline := time.After(Grace); ; { // must close the channel
		select {
		case _, ok := <-events:
			if !ok {
				return
			}
		case <-deadline:
			require.Fail(s, "the channel stays open")
		}
	}
}

func (s *suite) testConsole() {
	id := s.created().ID
	log, err := s.hv.Console(s.ctx, id, 1000)
	require.NoError(s, err)
	require.Empty(s, log)

	s.booted(driver.Spec{ID: id})
	log, err = s.hv.Console(s.ctx, id, 1<<20)
	require.NoError(s, err)
	require.NotEmpty(s, log)
	end, err := s.hv.Console(s.ctx, id, 5)
	require.NoError(s, err)
	require.Len(s, end, 5)

	// Across restarts.
	require.NoError(s, s.hv.Stop(s.ctx, id, 0))
	before, err := s.hv.Console(s.ctx, id, 1<<20)
	require.NoError(s, err)
	require.NoError(s, s.hv.Start(s.ctx, id))
	after, err := s.hv.Console(s.ctx, id, 1<<20)
	require.NoError(s, err)
	require.True(s, strings.HasPrefix(string(after), string(before)))
}

func (s *suite) testAgain() {
	if s.Again == nil {
		return
	}
	spec := s.spec()
	nic := s.NIC(s.T)
	spec.NICs = []driver.NIC{nic}
	require.NoError(s, s.hv.Create(s.ctx, spec))
	require.NoError(s, s.hv.Start(s.ctx, spec.ID))
	second := s.Again(s.T)
	g, err := second.Get(s.ctx, spec.ID)
	require.NoError(s, err)
	require.Equal(s, driver.Guest{ID: spec.ID, Power: driver.Running, NICs: []string{nic.PortID}}, g)
	require.ErrorIs(s, second.DropImage(s.ctx, spec.Root.ImageID), driver.Conflict)
	require.NoError(s, second.Stop(s.ctx, spec.ID, 0))
	s.power(spec.ID, driver.Shutdown)
	require.NoError(s, second.Close())
}

func (s *suite) testConcurrent() {
	spec := s.spec()
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		wg.Go(func() {
			if errs[i] = s.hv.Create(s.ctx, spec); errs[i] == nil {
				errs[i] = s.hv.Start(s.ctx, spec.ID)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(s, err)
	}
	s.power(spec.ID, driver.Running)
	for i := range errs {
		wg.Go(func() { errs[i] = s.hv.Destroy(s.ctx, spec.ID) })
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(s, err)
	}
}
