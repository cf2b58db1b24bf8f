package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/backups"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/snapshots"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/pagination"
	"github.com/stretchr/testify/require"
)

// record is all that a cloud lists of its customers' things.
type record struct {
	servers     []servers.Server
	volumes     []volumes.Volume
	snapshots   []snapshots.Snapshot
	backups     []backups.Backup
	images      []images.Image
	floatingIPs []floatingips.FloatingIP
	ports       []ports.Port // of servers
}

// read asks for everything.
func (k *soak) read() (record, error) {
	var r record
	err := errors.Join(
		listed(servers.List(k.compute, servers.ListOpts{}), k, servers.ExtractServers, &r.servers),
		listed(volumes.List(k.volume, volumes.ListOpts{}), k, volumes.ExtractVolumes, &r.volumes),
		listed(snapshots.ListDetail(k.volume, snapshots.ListOpts{}), k, snapshots.ExtractSnapshots, &r.snapshots),
		listed(backups.ListDetail(k.volume, backups.ListDetailOpts{}), k, backups.ExtractBackups, &r.backups),
		listed(images.List(k.image, images.ListOpts{}), k, images.ExtractImages, &r.images),
		listed(floatingips.List(k.network, floatingips.ListOpts{}), k, floatingips.ExtractFloatingIPs, &r.floatingIPs),
		listed(ports.List(k.network, ports.ListOpts{DeviceOwner: "compute:nova"}), k, ports.ExtractPorts, &r.ports),
	)
	return r, err
}

func listed[T any](p pagination.Pager, k *soak, extract func(pagination.Page) ([]T, error), to *[]T) error {
	page, err := p.AllPages(k.ctx())
	if err != nil {
		return err
	}
	*to, err = extract(page)
	return err
}

// quietly are the states in which nothing is under way.
var quietly = map[string]bool{
	"ACTIVE": true, "SHUTOFF": true, "VERIFY_RESIZE": true, "ERROR": true,
	"available": true, "in-use": true, "error": true, "active": true, "queued": true,
	"error_deleting": true, "error_extending": true, "error_restoring": true, "DOWN": true,
}

// busy lists what is under way.
func (r *record) busy() []string {
	var all []string
	look := func(kind, id, state, task string) {
		if !quietly[state] || task != "" {
			all = append(all, strings.Join([]string{kind, id, state, task}, " "))
		}
	}
	for _, s := range r.servers {
		look(aServer, s.ID, s.Status, s.TaskState)
	}
	for _, v := range r.volumes {
		look(aVolume, v.ID, v.Status, "")
	}
	for _, s := range r.snapshots {
		look(aSnapshot, s.ID, s.Status, "")
	}
	for _, b := range r.backups {
		look(aBackup, b.ID, b.Status, "")
	}
	for _, i := range r.images {
		look(anImage, i.ID, string(i.Status), "")
	}
	return all
}

// idle waits until nothing is under way, and returns what there is then.
func (k *soak) idle(when string) record {
	k.t.Helper()
	var r record
	var busy []string
	slow := time.AfterFunc(10*time.Second, func() { k.t.Logf("%s, this takes long: %v", when, busy) })
	defer slow.Stop()
	require.Eventually(k.t, func() bool {
		var err error
		if r, err = k.read(); err != nil {
			busy = []string{err.Error()}
			return false
		}
		busy = r.busy()
		return len(busy) == 0
	}, wait, 50*time.Millisecond, "%s, under way: %v", when, &busy)
	return r
}

// noticed is how long it may take until a guest is known to have crashed while something
// was done with its server: hosts are looked through a minute after their last event.
const noticed = 2 * wait

// settle waits until nothing is under way and holds the cloud against the ledger, the
// host and the directories. before are the guests that ran before the crash; victim is
// the one that was killed.
func (k *soak) settle(when string, before map[string]int, victim string) {
	k.t.Helper()
	r := k.idle(when)
	k.forgive(&r, victim)
	var wrong []string
	require.Eventually(k.t, func() bool {
		wrong = append(bothEnds(&r), k.hostDiffers(&r, before, victim)...)
		if len(wrong) == 0 {
			wrong = k.checked() // which puts the next look at the hosts off
		}
		if len(wrong) > 0 {
			r = k.idle(when) // the list of a kind is a little older than that of the next
			k.forgive(&r, victim)
		}
		return len(wrong) == 0
	}, noticed, 300*time.Millisecond, "%s: %v", when, &wrong)
	wrong = append(k.faults, k.compare(&r)...)
	require.Empty(k.t, wrong, when)
}

// checked asks the server to check itself.
func (k *soak) checked() (wrong []string) {
	report, _, err := findWrong(k.ctx(), []string{"-state", k.o.state})
	if err != nil {
		return []string{"check: " + err.Error()}
	}
	for _, f := range report.Findings {
		wrong = append(wrong, f.Check+": "+f.Resource+": "+f.Problem)
	}
	return wrong
}

// forgive lets the server of a guest that was killed be off.
func (k *soak) forgive(r *record, victim string) {
	for _, s := range r.servers {
		e := k.ledger.things[s.Name]
		if e == nil {
			continue
		}
		if e.dead = e.dead || s.ID == victim; e.dead && s.Status == "SHUTOFF" {
			e.may = []string{"SHUTOFF"}
		}
	}
}

// compare holds what is listed against the ledger.
func (k *soak) compare(r *record) []string {
	all := map[string]map[string]thing{}
	for _, kind := range []string{aServer, aVolume, aSnapshot, aBackup, anImage, aFloatingIP, anAttachment} {
		all[kind] = map[string]thing{}
	}
	names := map[string]string{}
	add := func(kind, name, id, state, why string) {
		all[kind][name] = thing{id, state, why}
		names[id] = name
	}
	for _, s := range r.servers {
		add(aServer, s.Name, s.ID, s.Status, s.Fault.Message)
	}
	var wrong []string
	for _, v := range r.volumes {
		state := "available"
		for _, a := range v.Attachments {
			all[anAttachment][names[a.ServerID]+" "+v.Name] = thing{id: v.ID}
			state = "in-use"
		}
		if v.Status != state {
			wrong = append(wrong, fmt.Sprintf("volume %s is %s with %d attachments", v.ID, v.Status, len(v.Attachments)))
		}
		add(aVolume, v.Name, v.ID, v.Status, "")
	}
	for _, s := range r.snapshots {
		add(aSnapshot, s.Name, s.ID, s.Status, "")
	}
	for _, b := range r.backups {
		add(aBackup, b.Name, b.ID, b.Status, b.FailReason)
	}
	for _, i := range r.images {
		if i.ID != k.imageID {
			add(anImage, i.Name, i.ID, string(i.Status), "")
		}
	}
	for _, f := range r.floatingIPs {
		add(aFloatingIP, f.Description, f.ID, f.Status, "")
	}
	// Attachments are last: they look at their ends.
	for _, kind := range []string{aServer, aVolume, aSnapshot, aBackup, anImage, aFloatingIP, anAttachment} {
		wrong = append(wrong, k.ledger.compare(kind, all[kind])...)
	}
	for _, e := range k.ledger.of(aVolume, "") {
		e.may = []string{"available"}
		if len(k.ledger.attached(e)) > 0 {
			e.may = []string{"in-use"}
		}
	}
	return wrong
}

// bothEnds checks what has two ends: attachments, and ports of servers.
func bothEnds(r *record) (wrong []string) {
	ends := map[string]int{}
	for _, v := range r.volumes {
		for _, a := range v.Attachments {
			ends[a.ServerID+" "+v.ID]++
		}
	}
	ids := map[string]bool{}
	for _, s := range r.servers {
		ids[s.ID] = true
		for _, v := range s.AttachedVolumes {
			ends[s.ID+" "+v.ID] += 2
		}
	}
	for pair, n := range ends {
		if n != 3 {
			wrong = append(wrong, "the attachment "+pair+" is known at one end only")
		}
	}
	for _, p := range r.ports {
		if !ids[p.DeviceID] {
			wrong = append(wrong, "port "+p.ID+" is of a server that is not there")
		}
		delete(ids, p.DeviceID)
	}
	for id := range ids {
		wrong = append(wrong, "server "+id+" has no port")
	}
	return wrong
}
