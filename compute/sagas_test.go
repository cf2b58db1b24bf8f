package compute_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga/sagatest"
	"github.com/welkin-cloud/cloud/volume"
)

// verbTest says how a saga of a server is started and how the server is then.
type verbTest struct {
	saga    string
	forward bool
	prepare func(ctx context.Context, s *compute.Service, w *world, id string) error // after the boot
	start   func(ctx context.Context, s *compute.Service, id string) error
	built   string // status
	clean   string // status after it failed
	check   func(ctx context.Context, s *compute.Service, w *world, server compute.Server) error
	create  bool // the saga is the boot itself
	gone    bool // the server is
}

func verbTests() []verbTest {
	big := func(ctx context.Context, s *compute.Service, _ *world, _ string) error {
		_, err := s.CreateFlavor(ctx, compute.Flavor{ID: "big", Name: "big", VCPUs: 2, MemoryMiB: 1024, DiskGiB: 1, Public: true})
		return err
	}
	resized := func(ctx context.Context, s *compute.Service, w *world, id string) error {
		if err := big(ctx, s, w, id); err != nil {
			return err
		}
		if err := s.ResizeServer(ctx, id, "big"); err != nil {
			return err
		}
		_, err := s.WaitServer(ctx, id)
		return err
	}
	vol := func(ctx context.Context, _ *compute.Service, w *world, _ string) error {
		_, err := w.volumes.CreateVolume(ctx, project, volume.CreateOptions{ID: "vol", SizeGiB: 1})
		return err
	}
	attached := func(ctx context.Context, s *compute.Service, w *world, id string) error {
		if err := vol(ctx, s, w, id); err != nil {
			return err
		}
		if _, err := s.AttachVolume(ctx, id, compute.AttachVolumeOptions{VolumeID: "vol"}); err != nil {
			return err
		}
		_, err := s.WaitServer(ctx, id)
		return err
	}
	return []verbTest{
		{saga: "compute.create", create: true, built: "ACTIVE", clean: "ERROR"},
		{saga: "compute.delete", forward: true, gone: true, start: func(ctx context.Context, s *compute.Service, id string) error { return s.DeleteServer(ctx, id) }},
		power("stop", "SHUTOFF", (*compute.Service).StopServer),
		power("start", "ACTIVE", (*compute.Service).StartServer, (*compute.Service).StopServer),
		power("reboot", "ACTIVE", reboot(false)),
		power("reboot_hard", "ACTIVE", reboot(true), (*compute.Service).PauseServer),
		power("pause", "PAUSED", (*compute.Service).PauseServer),
		power("unpause", "ACTIVE", (*compute.Service).UnpauseServer, (*compute.Service).PauseServer),
		power("suspend", "SUSPENDED", (*compute.Service).SuspendServer),
		power("resume", "ACTIVE", (*compute.Service).ResumeServer, (*compute.Service).SuspendServer),
		{
			saga: "compute.attach_volume", prepare: vol, built: "ACTIVE", clean: "ACTIVE",
			start: func(ctx context.Context, s *compute.Service, id string) error {
				_, err := s.AttachVolume(ctx, id, compute.AttachVolumeOptions{VolumeID: "vol"})
				return err
			},
			check: volumeFollows,
		},
		{
			saga: "compute.detach_volume", prepare: attached, built: "ACTIVE", clean: "ACTIVE",
			start: func(ctx context.Context, s *compute.Service, id string) error { return s.DetachVolume(ctx, id, "vol") },
			check: volumeFollows,
		},
		{
			saga: "compute.attach_interface", built: "ACTIVE", clean: "ACTIVE",
			start: func(ctx context.Context, s *compute.Service, id string) error {
				_, err := s.AttachInterface(ctx, id, compute.NetworkRequest{NetworkID: "net"})
				return err
			},
			check: portsFollow,
		},
		{
			// What was taken from the guest is not given back.
			saga: "compute.detach_interface", built: "ACTIVE", forward: true,
			start: func(ctx context.Context, s *compute.Service, id string) error {
				server, err := s.GetServer(ctx, id)
				if err != nil {
					return err
				}
				return s.DetachInterface(ctx, id, server.NICs[0].PortID)
			},
			check: portsFollow,
		},
		{
			saga: "compute.snapshot", built: "ACTIVE", clean: "ACTIVE",
			start: func(ctx context.Context, s *compute.Service, id string) error {
				_, err := s.CreateImage(ctx, id, "snap", nil)
				return err
			},
		},
		{
			saga: "compute.resize", prepare: big, built: "VERIFY_RESIZE", clean: "ACTIVE",
			start: func(ctx context.Context, s *compute.Service, id string) error { return s.ResizeServer(ctx, id, "big") },
		},
		{
			saga: "compute.confirm_resize", prepare: resized, built: "ACTIVE", clean: "ERROR",
			start: func(ctx context.Context, s *compute.Service, id string) error { return s.ConfirmResize(ctx, id) },
		},
		{
			saga: "compute.revert_resize", prepare: resized, built: "ACTIVE", clean: "ERROR", forward: true,
			start: func(ctx context.Context, s *compute.Service, id string) error { return s.RevertResize(ctx, id) },
		},
		{
			saga: "compute.rebuild", built: "ACTIVE", forward: true,
			start: func(ctx context.Context, s *compute.Service, id string) error {
				_, err := s.RebuildServer(ctx, id, compute.RebuildOptions{ImageID: "cirros"})
				return err
			},
		},
		{
			saga: "compute.shelve", built: "SHELVED_OFFLOADED", clean: "ACTIVE",
			start: func(ctx context.Context, s *compute.Service, id string) error { return s.ShelveServer(ctx, id) },
		},
		{
			saga: "compute.unshelve", built: "ACTIVE", clean: "SHELVED_OFFLOADED",
			prepare: func(ctx context.Context, s *compute.Service, _ *world, id string) error {
				if err := s.ShelveServer(ctx, id); err != nil {
					return err
				}
				_, err := s.WaitServer(ctx, id)
				return err
			},
			start: func(ctx context.Context, s *compute.Service, id string) error { return s.UnshelveServer(ctx, id, "") },
		},
	}
}

// serverVerb is a method of the service.
type serverVerb func(s *compute.Service, ctx context.Context, id string) error

func reboot(hard bool) serverVerb {
	return func(s *compute.Service, ctx context.Context, id string) error { return s.RebootServer(ctx, id, hard) }
}

// power is the test of a verb that is one call of the hypervisor, done after others.
func power(name, built string, do serverVerb, before ...serverVerb) verbTest {
	return verbTest{
		saga: "compute." + name, built: built, clean: "ERROR",
		start: func(ctx context.Context, s *compute.Service, id string) error { return do(s, ctx, id) },
		prepare: func(ctx context.Context, s *compute.Service, _ *world, id string) error {
			for _, verb := range before {
				if err := verb(s, ctx, id); err != nil {
					return err
				}
				if _, err := s.WaitServer(ctx, id); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// volumeFollows checks that row, guest and volume agree on what is attached.
func volumeFollows(_ context.Context, _ *compute.Service, w *world, server compute.Server) error {
	guest, want := w.host.Guests()[0], volume.Available
	if len(server.Volumes) > 0 {
		want = volume.InUse
	}
	if got := w.volumes.status("vol"); got != want || len(guest.Disks) != len(server.Volumes) {
		return fmt.Errorf("the row has %d volumes, the guest %v, the volume is %s", len(server.Volumes), guest.Disks, got)
	}
	return nil
}

// portsFollow checks that row, guest and network agree on the interfaces.
func portsFollow(_ context.Context, _ *compute.Service, w *world, server compute.Server) error {
	if n := w.networks.count(); n != len(server.NICs) || n != w.networks.plugged() || n != len(w.host.Guests()[0].NICs) {
		return fmt.Errorf("the row has %d interfaces, the network %d ports of which %d plugged, the guest %v",
			len(server.NICs), n, w.networks.plugged(), w.host.Guests()[0].NICs)
	}
	return nil
}

func TestSagasFailAndCrashAnywhere(t *testing.T) {
	for _, v := range verbTests() {
		t.Run(v.saga, func(t *testing.T) {
			sagatest.Run(t, sagatest.Case{
				Saga: v.saga, Forward: v.forward,
				New: func(*testing.T) sagatest.World { return v.world() },
			})
		})
	}
}

// world makes a world in which the verb can be tested.
func (v verbTest) world() sagatest.World {
	w := newWorld()
	var id string
	return func(c *core.Core) (sagatest.Controller, error) {
		cfg := w.cfg
		cfg.Hypervisors = []driver.Hypervisor{w.host}
		cfg.Networks, cfg.Images, cfg.Volumes = w.networks, w.images, w.volumes
		s, err := compute.New(c, cfg)
		if err != nil {
			return sagatest.Controller{}, err
		}
		boot := func(ctx context.Context) error {
			server, err := s.CreateServer(ctx, project, compute.CreateServerOptions{
				Name: "web", FlavorID: "small", ImageID: "cirros", Networking: compute.NetworksGiven,
				Networks:     []compute.NetworkRequest{{NetworkID: "net"}},
				BlockDevices: v.devices(),
			})
			id = server.ID
			return err
		}
		return sagatest.Controller{
			Open: s.Start, Close: s.Close,
			Prepare: func(ctx context.Context) error {
				_, err := s.CreateFlavor(ctx, compute.Flavor{ID: "small", Name: "small", VCPUs: 1, MemoryMiB: 512, DiskGiB: 1, Public: true})
				if err != nil || v.create {
					return err
				}
				if err := boot(ctx); err != nil {
					return err
				}
				if _, err := s.WaitServer(ctx, id); err != nil {
					return err
				}
				if v.prepare == nil {
					return nil
				}
				return v.prepare(ctx, s, w, id)
			},
			Start: func(ctx context.Context) error {
				if v.create {
					return boot(ctx)
				}
				return v.start(ctx, s, id)
			},
			Built: func(ctx context.Context) error { return v.judge(ctx, s, w, id, v.built) },
			Clean: func(ctx context.Context) error { return v.judge(ctx, s, w, id, v.clean) },
		}, nil
	}
}

// devices are the further disks of the server: a boot has one of its own.
func (v verbTest) devices() []compute.BlockDevice {
	if !v.create {
		return nil
	}
	return []compute.BlockDevice{{Source: "blank", Destination: "volume", SizeGiB: 1, DeleteOnTermination: true}}
}

// judge compares the server with the status that it should have, and the world with
// the server.
func (v verbTest) judge(ctx context.Context, s *compute.Service, w *world, id, status string) error {
	server, err := s.WaitServer(ctx, id)
	if v.gone {
		if fault.Of(err) != fault.NotFound {
			return fmt.Errorf("the server is still there: %w", err)
		}
		return v.nothingLeft(ctx, s, w, 0)
	}
	if err != nil {
		return err
	}
	if server.Status() != status || server.TaskState != compute.Idle {
		return fmt.Errorf("the server is %s (%s), not %s: %+v", server.Status(), server.TaskState, status, server.Fault)
	}
	if v.create && status == "ERROR" {
		return v.nothingLeft(ctx, s, w, 0)
	}
	if server.Host == "" {
		return v.nothingLeft(ctx, s, w, len(server.NICs))
	}
	if v.check != nil {
		if err := v.check(ctx, s, w, server); err != nil {
			return err
		}
	}
	return v.consistent(ctx, s, w, server)
}

// nothingLeft checks that the host has no guest and no claim, and the network just
// so many ports.
func (v verbTest) nothingLeft(ctx context.Context, s *compute.Service, w *world, ports int) error {
	_, attachments := w.volumes.counts()
	h := s.ListHosts(ctx)[0]
	if g := w.host.Guests(); len(g) != 0 || w.networks.plugged() != 0 || w.networks.count() != ports || attachments != 0 || h.UsedVCPUs != 0 {
		return fmt.Errorf("left behind: guests %v, %d plugged of %d ports, %d attachments, %d vCPUs",
			g, w.networks.plugged(), w.networks.count(), attachments, h.UsedVCPUs)
	}
	return nil
}

// consistent checks that the host runs the server as its row says.
func (v verbTest) consistent(ctx context.Context, s *compute.Service, w *world, server compute.Server) error {
	guests := w.host.Guests()
	if len(guests) != 1 || guests[0].ID != server.ID {
		return fmt.Errorf("the host has guests %v", guests)
	}
	running := guests[0].Power == driver.Running
	if running != slices.Contains([]string{"ACTIVE", "VERIFY_RESIZE"}, server.Status()) && server.Status() != "ERROR" {
		return fmt.Errorf("the server is %s and the guest %s", server.Status(), guests[0].Power)
	}
	if h := s.ListHosts(ctx)[0]; h.UsedVCPUs < server.Flavor.VCPUs || h.UsedVCPUs > 2 {
		return fmt.Errorf("the claim is %d vCPUs, the flavor has %d", h.UsedVCPUs, server.Flavor.VCPUs)
	}
	return nil
}
