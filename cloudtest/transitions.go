package cloudtest

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/welkin-cloud/cloud/internal/hold"
	"github.com/welkin-cloud/cloud/internal/saga"
)

// Transition is a change of a resource that takes its time in real clouds: the resource,
// and what is done with it.
type Transition string

// The transitions. Each is held where a real cloud spends its time, before the driver is
// called: the resource is in its transitional state then, by its own record.
const (
	AnyTransition Transition = "" // those that have no pace of their own

	ServerCreate        Transition = "server create" // BUILD, spawning
	ServerDelete        Transition = "server delete" // deleting
	ServerStart         Transition = "server start"
	ServerStop          Transition = "server stop"
	ServerReboot        Transition = "server reboot" // REBOOT, HARD_REBOOT
	ServerPause         Transition = "server pause"
	ServerUnpause       Transition = "server unpause"
	ServerSuspend       Transition = "server suspend"
	ServerResume        Transition = "server resume"
	ServerRebuild       Transition = "server rebuild" // REBUILD
	ServerResize        Transition = "server resize"  // RESIZE
	ServerConfirmResize Transition = "server confirm resize"
	ServerRevertResize  Transition = "server revert resize"
	ServerShelve        Transition = "server shelve"
	ServerUnshelve      Transition = "server unshelve"
	ServerSnapshot      Transition = "server snapshot"  // image_snapshot; the image is queued
	InterfaceAttach     Transition = "interface attach" // of a port to a server
	InterfaceDetach     Transition = "interface detach"

	VolumeCreate   Transition = "volume create"   // creating
	VolumeExtend   Transition = "volume extend"   // extending
	VolumeDelete   Transition = "volume delete"   // deleting
	VolumeAttach   Transition = "volume attach"   // attaching
	VolumeDetach   Transition = "volume detach"   // detaching
	VolumeUpload   Transition = "volume upload"   // uploading, to an image
	SnapshotCreate Transition = "snapshot create" // creating
	SnapshotDelete Transition = "snapshot delete" // deleting
	BackupCreate   Transition = "backup create"   // creating
	BackupRestore  Transition = "backup restore"  // restoring
	BackupDelete   Transition = "backup delete"   // deleting

	ImageUpload      Transition = "image upload"        // saving; the request waits
	PortActivate     Transition = "port activate"       // BUILD; its server too
	FloatingActivate Transition = "floatingip activate" // a floating IP that is DOWN until its router has it
)

// workPoint is where the work of a transition is held.
type workPoint struct {
	transition Transition
	step       string
}

// workPoints by saga.
var workPoints = map[string]workPoint{
	"compute.create":           {ServerCreate, "compute_spawn"},
	"compute.delete":           {ServerDelete, "compute_destroy"},
	"compute.start":            {ServerStart, "compute_start"},
	"compute.stop":             {ServerStop, "compute_stop"},
	"compute.reboot":           {ServerReboot, "compute_reboot"},
	"compute.reboot_hard":      {ServerReboot, "compute_reboot_hard"},
	"compute.pause":            {ServerPause, "compute_pause"},
	"compute.unpause":          {ServerUnpause, "compute_unpause"},
	"compute.suspend":          {ServerSuspend, "compute_suspend"},
	"compute.resume":           {ServerResume, "compute_resume"},
	"compute.rebuild":          {ServerRebuild, "compute_destroy"},
	"compute.resize":           {ServerResize, "compute_resize"},
	"compute.confirm_resize":   {ServerConfirmResize, "compute_confirm_resize"},
	"compute.revert_resize":    {ServerRevertResize, "compute_revert_resize"},
	"compute.shelve":           {ServerShelve, "compute_snapshot"},
	"compute.unshelve":         {ServerUnshelve, "compute_spawn"},
	"compute.snapshot":         {ServerSnapshot, "compute_snapshot"},
	"compute.attach_interface": {InterfaceAttach, "compute_attach_interface"},
	"compute.detach_interface": {InterfaceDetach, "compute_detach_interface"},
	"compute.attach_volume":    {VolumeAttach, "compute_attach_volume"},
	"compute.detach_volume":    {VolumeDetach, "compute_detach_volume"},
	"volume.create":            {VolumeCreate, "make"},
	"volume.extend":            {VolumeExtend, "extend"},
	"volume.delete":            {VolumeDelete, "delete"},
	"volume.upload":            {VolumeUpload, "upload"},
	"volume.snapshot":          {SnapshotCreate, "snapshot"},
	"volume.snapshot_delete":   {SnapshotDelete, "delete"},
	"volume.backup":            {BackupCreate, "copy"},
	"volume.backup_restore":    {BackupRestore, "copy"},
	"volume.backup_delete":     {BackupDelete, "erase"},
}

// callPoints are the transitions that are held at calls of drivers.
var callPoints = map[string]Transition{
	"image.Put":            ImageUpload,
	"network.EnsurePort":   PortActivate,
	"network.EnsureRouter": FloatingActivate,
}

// Transitions say how long changes take; those that are not named take no time.
type Transitions map[Transition]Pace

// Pace is how a transition comes to its end. The zero Pace is Immediately.
type Pace struct {
	after  time.Duration
	polls  int
	byHand bool
	each   bool // before each step
}

// Immediately lets transitions end as soon as the fakes have done them.
func Immediately() Pace { return Pace{} }

// After lets transitions end once a time has passed on the cloud's clock since they were
// asked for: Clock.Advance of the test's own clock moves them on.
func After(d time.Duration) Pace { return Pace{after: d} }

// AfterPolls lets n polls over HTTP see the transitional state, and the next one its
// end. A poll is a GET of a resource that the transition is about (the server, and the
// volume that is attached to it), or a list of its kind. Go's calls do not count: there
// is ByHand for them.
func AfterPolls(n int) Pace { return Pace{polls: n} }

// ByHand holds transitions until Cloud.Release.
func ByHand() Pace { return Pace{byHand: true} }

// StepByStep holds before each step of the work, until Cloud.Release: scheduling,
// network, volumes, image, spawning of a server. What is no work of several steps is
// held as by ByHand.
func StepByStep() Pace { return Pace{byHand: true, each: true} }

// SetTransition changes the pace of a transition from now on. What is held of it goes
// on.
func (c *Cloud) SetTransition(which Transition, pace Pace) {
	t := &c.transitions
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.paces == nil {
		t.paces = Transitions{}
	}
	t.paces[which] = pace
	for h := range t.held {
		if h.transition == which || which == AnyTransition {
			h.End()
		}
	}
}

// WaitHeld returns when a transition of a resource is held, and tells where: "server
// create/compute_spawn". It fails the test if that takes longer than Patience.
func (c *Cloud) WaitHeld(id string) (where string) {
	c.t.Helper()
	return c.transitions.await(c, id).String()
}

// Release waits until a transition of a resource is held, lets it go on, and tells where
// it was held. Cloud.WaitIdle then waits until it has ended, or is held again.
func (c *Cloud) Release(id string) (where string) {
	c.t.Helper()
	h := c.transitions.await(c, id)
	h.End()
	return h.String()
}

// transitions are the paces, and what is held by them.
type transitions struct {
	cloud *Cloud

	mu      sync.Mutex
	paces   Transitions
	held    map[*heldTransition]struct{}
	changed chan struct{} // closed when something is held; nil if nobody waits
}

// heldTransition is one that is held.
type heldTransition struct {
	*hold.Hold
	transition Transition
	step       string // empty at calls
	ids        []string
	pace       Pace
	seen       int // polls
}

// String tells where it is held.
func (h *heldTransition) String() string {
	if h.step == "" {
		return string(h.transition)
	}
	return string(h.transition) + "/" + h.step
}

func (t *transitions) pace(of Transition) Pace {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p, own := t.paces[of]; own {
		return p
	}
	return t.paces[AnyTransition]
}

// uuids finds identifiers in the parameters of work.
var uuids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// step holds work before a step, if its transition is held there.
func (t *transitions) step(ctx context.Context, r *saga.Run, name, step string) error {
	point, known := workPoints[name]
	pace := t.pace(point.transition)
	if !known || step != point.step && !pace.each {
		return nil
	}
	work := r.Saga()
	_, id, _ := strings.Cut(work.Resource, "/")
	return t.hold(ctx, work.CreatedAt, &heldTransition{
		transition: point.transition, step: step, pace: pace,
		ids: append(uuids.FindAllString(string(work.Params), -1), id),
	})
}

// call holds a call of a driver, if it is where a transition is held.
func (t *transitions) call(ctx context.Context, at call) error {
	which, known := callPoints[at.op]
	pace := t.pace(which)
	if !known || pace == Immediately() {
		return nil
	}
	ids := t.pending(ctx, which, at.id)
	if len(ids) == 0 {
		return nil
	}
	return t.hold(ctx, t.cloud.clock().Now(), &heldTransition{transition: which, pace: pace, ids: ids})
}

// pending names the resources that a call is going to bring to their final state.
func (t *transitions) pending(ctx context.Context, which Transition, id string) (ids []string) {
	live := t.cloud.live.Load()
	switch {
	case which == ImageUpload:
		return uuids.FindAllString(id, 1) // a number follows if an upload has failed before
	case live == nil:
		return nil
	case which == PortActivate:
		if p, err := live.Networks.GetPort(ctx, id); err == nil && p.Status != "ACTIVE" {
			ids = []string{id, p.DeviceID}
		}
		return ids
	}
	all, _ := live.Networks.ListFloatingIPs(ctx)
	for _, f := range all {
		if f.RouterID == id && f.Status != "ACTIVE" {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

// hold holds until the pace has it that the transition ends.
func (t *transitions) hold(ctx context.Context, since time.Time, h *heldTransition) error {
	left := since.Add(h.pace.after).Sub(t.cloud.clock().Now())
	if h.pace == Immediately() || h.pace.after > 0 && left <= 0 {
		return nil
	}
	h.Hold = hold.Begin(ctx)
	if h.pace.after > 0 {
		defer t.cloud.clock().AfterFunc(left, h.End)()
	}
	t.mu.Lock()
	if t.held == nil {
		t.held = map[*heldTransition]struct{}{}
	}
	t.held[h] = struct{}{}
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.held, h)
	}()
	return h.Wait(ctx)
}

// end lets go of all, and holds nothing any more.
func (t *transitions) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.paces = nil
	for h := range t.held {
		h.End()
	}
}

// await returns a transition of a resource that is held.
func (t *transitions) await(c *Cloud, id string) *heldTransition {
	c.t.Helper()
	patience := time.NewTimer(Patience)
	defer patience.Stop()
	for {
		t.mu.Lock()
		for h := range t.held {
			if slices.Contains(h.ids, id) && !h.Ended() {
				t.mu.Unlock()
				return h
			}
		}
		if t.changed == nil {
			t.changed = make(chan struct{})
		}
		changed := t.changed
		t.mu.Unlock()
		select {
		case <-changed:
		case <-patience.C:
			c.t.Fatalf("cloudtest: no transition of %s is held", id)
		}
	}
}

// polled counts polls before it passes requests on.
func (t *transitions) polled(next http.Handler) http.Handler {
	t.mu.Lock()
	defer t.mu.Unlock()
	polling := false
	for _, p := range t.paces {
		polling = polling || p.polls > 0
	}
	if !polling {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			t.rest(r.Context())
			if t.poll(r.URL.Path) {
				t.rest(r.Context())
			}
		}
		next.ServeHTTP(w, r)
	})
}

// rest waits until what was asked for has ended or is held, so that a poll sees what it
// ought to.
func (t *transitions) rest(ctx context.Context) {
	if live := t.cloud.live.Load(); live != nil {
		ctx, cancel := context.WithTimeout(ctx, Patience)
		defer cancel()
		_ = live.Idle(ctx) // then the poll sees what there is
	}
}

// poll counts a poll for all that it shows, and reports whether something was let go.
func (t *transitions) poll(path string) (released bool) {
	segments := strings.Split(strings.TrimSuffix(strings.TrimSuffix(path, "/"), "/detail"), "/")
	last := segments[len(segments)-1]
	t.mu.Lock()
	defer t.mu.Unlock()
	for h := range t.held {
		kind, _, _ := strings.Cut(string(h.transition), " ")
		if h.pace.polls == 0 || last != kind+"s" && !slices.ContainsFunc(h.ids, func(id string) bool { return slices.Contains(segments, id) }) {
			continue
		}
		if h.seen++; h.seen > h.pace.polls {
			h.End()
			released = true
		}
	}
	return released
}
