package compute

import (
	"context"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// followImages removes images from the hosts when they are deleted, until ctx is
// done. What is missed, and images that guests still use then, are found by
// reconcile.
func (s *Service) followImages(ctx context.Context, from uint64) {
	for ctx.Err() == nil {
		for commit, err := range s.core.DB.Watch(ctx, from) {
			if err != nil { // too slow: commits were missed
				from = s.core.DB.Snapshot().Revision()
				break
			}
			from = commit.Revision
			for _, e := range commit.Events {
				if e.Type == "image.delete" {
					s.images.forgetEverywhere(e.ID) // whoever removes it there
					s.reclaimEverywhere(ctx)
				}
			}
		}
	}
}

func (s *Service) reclaimEverywhere(ctx context.Context) {
	for host, hv := range s.hypervisors.AllOpened() {
		s.reclaim(ctx, host, hv)
	}
}

// reclaim removes the images from a host that are deleted and that no guest there
// uses any more.
func (s *Service) reclaim(ctx context.Context, host string, hv driver.Hypervisor) {
	if s.cfg.Images == nil || !s.core.Sagas.Leads() {
		return
	}
	ids, err := hv.ListImages(ctx)
	if err == nil {
		err = s.core.DB.Sync(ctx) // now the images that they are of are known
	}
	if err != nil {
		if ctx.Err() == nil {
			s.log.Warn("cannot list a host's images", "host", host, "error", err)
		}
		return
	}
	for _, id := range ids {
		if _, err := s.cfg.Images.GetImage(ctx, id); fault.Of(err) != fault.NotFound {
			continue
		}
		s.images.forget(host, id)
		switch err := hv.DropImage(ctx, id); {
		case err == nil:
			s.log.Info("removed a deleted image from a host", "image", id, "host", host)
		case fault.Of(err) != fault.Conflict && ctx.Err() == nil:
			s.log.Warn("cannot remove an image from a host", "image", id, "host", host, "error", err)
		}
	}
}
