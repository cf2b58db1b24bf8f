package compute

import (
	"encoding/json"
	"slices"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Recorded is what the hosts hold if they hold exactly what was recorded at one moment,
// the journals of work under way included. It is safe for concurrent use and never
// changes.
type Recorded struct {
	s    *Service
	snap *state.Snapshot
}

// Recorded returns what is recorded now.
func (s *Service) Recorded() *Recorded { return &Recorded{s, s.core.DB.Snapshot()} }

// Host returns what a host last said of itself.
func (w *Recorded) Host(name string) (driver.Host, bool) {
	h, err := w.s.hosts.Get(w.snap, name)
	return h.Info, err == nil
}

// Hosts returns the names of all hosts.
func (w *Recorded) Hosts() []string {
	var names []string
	for h := range w.s.hosts.All(w.snap) {
		names = append(names, h.Name)
	}
	return names
}

// Guest returns a guest of a host and its power. Of its disks and interfaces only the
// ids are known, and the device names.
func (w *Recorded) Guest(host, id string) (driver.Spec, driver.Power, bool) {
	server, err := w.s.servers.Get(w.snap, id)
	if err != nil || server.Host != host {
		return driver.Spec{}, "", false
	}
	g := guestOf(&server)
	for _, sg := range w.s.core.Sagas.Active(w.snap, resource(id)) {
		for _, step := range sg.Journal {
			if !step.Ended.IsZero() && step.Error == "" {
				g.after(&sg, step)
			}
		}
	}
	return g.spec, g.power, g.there
}

// Guests returns the ids of the guests of a host.
func (w *Recorded) Guests(host string) []string {
	var ids []string
	for server := range w.s.servers.Where(w.snap, w.s.serverBy.host, host) {
		if _, _, there := w.Guest(host, server.ID); there {
			ids = append(ids, server.ID)
		}
	}
	return ids
}

// recordedGuest is a guest as the record of its server lets expect it.
type recordedGuest struct {
	spec  driver.Spec
	power driver.Power
	there bool
	was   bool // it ran before the saga that is under way
}

// guestOf is the guest of a server that nothing is being done with.
func guestOf(server *Server) *recordedGuest {
	g := &recordedGuest{spec: driver.Spec{
		ID: server.ID, Name: server.Name, VCPUs: server.Flavor.VCPUs, MemoryMiB: server.Flavor.MemoryMiB,
		ExtraSpecs: server.Flavor.ExtraSpecs, Properties: server.Image,
		ProjectID: server.ProjectID, UserID: server.UserID,
	}}
	if server.ImageID != "" {
		g.spec.Root = &driver.Root{ImageID: server.ImageID, SizeGiB: server.Flavor.DiskGiB}
	}
	for _, n := range server.NICs {
		g.spec.NICs = append(g.spec.NICs, driver.NIC{PortID: n.PortID, Model: "virtio"})
	}
	for _, v := range server.Volumes {
		g.spec.Disks = append(g.spec.Disks, diskOfVolume(v, "", ""))
	}
	g.power, g.there = recordedPower(server)
	g.was = server.VMState != Stopped && (server.Resize == nil || server.Resize.OldState == Active)
	return g
}

// recordedPower is the power of a server's guest, and whether it has one. A server in
// error has one if it had power last.
func recordedPower(server *Server) (driver.Power, bool) {
	switch server.VMState {
	case Active:
		return driver.Running, true
	case Paused:
		return driver.Paused, true
	case Suspended:
		return driver.Suspended, true
	case Stopped, Resized, Error:
		powers := map[PowerState]driver.Power{
			PowerRunning: driver.Running, PowerPaused: driver.Paused, PowerCrashed: driver.Crashed,
		}
		there := server.VMState != Error || server.PowerState != NoPower
		if power, known := powers[server.PowerState]; known {
			return power, there
		}
		return driver.Shutdown, there
	}
	return driver.Shutdown, false
}

// after notes what a step that has ended did to the guest.
func (g *recordedGuest) after(sg *saga.Saga, step saga.Record) {
	switch step.Step {
	case "compute_spawn":
		g.there, g.power = !step.Undo, driver.Running
	case "compute_destroy":
		g.there = false
	case "compute_offload":
		g.there, g.power = step.Undo, driver.Shutdown
	case "compute_stop", "compute_start":
		g.power = driver.Shutdown
		if g.was && (step.Step == "compute_start") != step.Undo {
			g.power = driver.Running
		}
	case "compute_attach_volume", "compute_detach_volume":
		g.changeDisk(sg, (step.Step == "compute_attach_volume") != step.Undo)
	case "compute_attach_interface", "compute_detach_interface":
		g.changeNIC(sg, (step.Step == "compute_attach_interface") != step.Undo)
	}
}

func (g *recordedGuest) changeDisk(sg *saga.Saga, attached bool) {
	var p volumeParams
	if sg.Decode(&p) != nil {
		return
	}
	g.spec.Disks = slices.DeleteFunc(g.spec.Disks, func(d driver.Disk) bool { return d.ID == p.Volume.VolumeID })
	if attached {
		g.spec.Disks = append(g.spec.Disks, diskOfVolume(p.Volume, "", ""))
	}
}

func (g *recordedGuest) changeNIC(sg *saga.Saga, attached bool) {
	var p interfaceParams
	if sg.Decode(&p) != nil {
		return
	}
	g.spec.NICs = slices.DeleteFunc(g.spec.NICs, func(n driver.NIC) bool { return n.PortID == p.NIC.PortID })
	if attached {
		nic := driver.NIC{PortID: p.NIC.PortID, Model: "virtio"}
		_ = json.Unmarshal(sg.Vars[varNICs], &nic) // without it the id must do
		g.spec.NICs = append(g.spec.NICs, nic)
	}
}
