package simulate

import (
	"fmt"

	"github.com/welkin-cloud/cloud/image"
)

// clear has a client delete everything, and looks that nothing is left in the world.
func (r *run) clear() {
	r.schedule.note("clear")
	for range 4 { // what depends on others goes in a later round
		r.ask("clear", func(q *request) error {
			for _, s := range q.c.Compute.ListServers(q.ctx, "", nil) {
				_ = q.c.Compute.DeleteServer(q.ctx, q.gone(s.ID))
			}
			for _, b := range q.c.Volumes.ListBackups(q.ctx, "") {
				_ = q.c.Volumes.DeleteBackup(q.ctx, q.gone(b.ID))
			}
			for _, s := range q.c.Volumes.ListSnapshots(q.ctx, "") {
				_ = q.c.Volumes.DeleteSnapshot(q.ctx, q.gone(s.ID))
			}
			for _, v := range q.c.Volumes.ListVolumes(q.ctx, "") {
				_ = q.c.Volumes.DeleteVolume(q.ctx, q.gone(v.ID))
			}
			for _, i := range q.c.Images.ListImages(q.ctx, image.Filter{Visibility: "all"}) {
				if i.ID != r.ledger.image {
					_ = q.c.Images.DeleteImage(q.ctx, q.gone(i.ID))
				}
			}
			floats, _ := q.c.Networks.ListFloatingIPs(q.ctx)
			for _, f := range floats {
				_ = q.c.Networks.DeleteFloatingIP(q.ctx, q.gone(f.ID))
			}
			ports, _ := q.c.Networks.ListPorts(q.ctx)
			for _, p := range ports {
				if p.DeviceOwner == "" {
					_ = q.c.Networks.DeletePort(q.ctx, p.ID)
				}
			}
			return nil
		})
		r.settle()
	}
	r.inspect()
	for _, c := range r.running()[:1] {
		r.left("server", len(c.cloud.Compute.ListServers(r.ctx, "", nil)))
		r.left("volume", len(c.cloud.Volumes.ListVolumes(r.ctx, "")))
		r.left("snapshot", len(c.cloud.Volumes.ListSnapshots(r.ctx, "")))
		r.left("backup", len(c.cloud.Volumes.ListBackups(r.ctx, "")))
		r.left("attachment", len(r.attachments(c)))
		ports, _ := c.cloud.Networks.ListPorts(r.ctx)
		for _, p := range ports {
			if p.DeviceOwner == "" || p.DeviceOwner[:7] == "compute" {
				r.complain("port %s of %q is left", p.ID, p.DeviceID)
			}
		}
	}
	for _, m := range r.hosts {
		r.left("guest on "+m.name, len(m.hypervisor.Guests()))
	}
}

func (r *run) left(what string, n int) {
	if n > 0 {
		r.complain("%s", fmt.Sprintf("after everything was deleted, %d are left: %s", n, what))
	}
}

// end stops the controllers in good order.
func (r *run) end() {
	r.awaken()
	closed := 0
	for _, c := range r.running() {
		go func() {
			if err := c.cloud.Close(); err != nil {
				r.complain("%s does not close: %v", c.name, err)
			}
			closed++
		}()
	}
	n := len(r.running())
	r.until("the controllers close", func() bool { return closed == n && len(r.fading) == 0 })
}
