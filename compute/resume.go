package compute

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/welkin-cloud/cloud/compute/driver"
)

const (
	// resumeWorkers is how many guests of a host are made again at once.
	resumeWorkers = 16
	// resumeWait bounds how long Start waits for them; the rest follows while the
	// service works.
	resumeWait = time.Second
)

// resumeGuests makes the guests again that a host lost, see Config.ResumeGuests, and
// powers them as recorded. A guest that cannot be made is found lost afterwards. While
// another controller leads, none was lost: it has kept them.
func (s *Service) resumeGuests(ctx context.Context, host string, hv driver.Hypervisor) {
	if !s.core.Sagas.Leads() {
		return
	}
	guests, err := hv.List(ctx)
	if err != nil {
		s.log.Warn("cannot list guests", "host", host, "error", err)
		return
	}
	there := make(map[string]bool, len(guests))
	for _, g := range guests {
		there[g.ID] = true
	}
	var workers errgroup.Group
	workers.SetLimit(resumeWorkers)
	for server := range s.servers.Where(s.core.DB.Snapshot(), s.serverBy.host, host) {
		if there[server.ID] || !hasGuest(server.VMState) || server.TaskState == Deleting {
			continue
		}
		workers.Go(func() error {
			if err := s.resume(ctx, &server, hv); err != nil && ctx.Err() == nil {
				s.log.Error("cannot make a guest again", "server", server.ID, "host", host, "error", err)
			}
			return nil
		})
	}
	_ = workers.Wait() // errors are of single guests, and logged
}

// resume makes the guest of one server again.
func (s *Service) resume(ctx context.Context, server *Server, hv driver.Hypervisor) error {
	nics, err := s.plug(ctx, server, server.NICs)
	if err != nil {
		return err
	}
	disks := make([]driver.Disk, 0, len(server.Volumes))
	for _, v := range server.Volumes {
		disk, err := s.attach(ctx, server, v)
		if err != nil {
			return err
		}
		disks = append(disks, disk)
	}
	if server.ImageID != "" {
		if err := s.fetchImage(ctx, server.Host, server.ImageID); err != nil {
			return err
		}
	}
	if err := s.spawn(ctx, server, server.ImageID, disks, nics); err != nil {
		return err
	}
	return powerAs(ctx, server, hv)
}

// powerAs brings a guest that is off to the power state of its server's record.
func powerAs(ctx context.Context, server *Server, hv driver.Hypervisor) error {
	if server.VMState == Stopped || server.VMState == Resized && server.PowerState != PowerRunning {
		return nil
	}
	if err := hv.Start(ctx, server.ID); err != nil {
		return err
	}
	switch server.VMState {
	case Paused:
		return hv.Pause(ctx, server.ID)
	case Suspended:
		if suspender, ok := hv.(driver.Suspender); ok {
			return suspender.Suspend(ctx, server.ID)
		}
	}
	return nil
}
