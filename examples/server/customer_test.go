package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/volumeattach"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/welkin-cloud/cloud/internal/guestimage"
)

// customer is one client of a cloud that is killed again and again. It does one
// thing after the other with what it owns.
type customer struct {
	*soak
	name string
	rng  *rand.Rand
	ctx  context.Context // of the round
	cut  bool            // the server did not answer
}

// rare is how seldom a customer copies a whole volume, which takes seconds.
const rare = 8

// How much one customer has at most.
const (
	maxServers = 2
	maxOthers  = 2 // of each other kind
)

// work does things until the server is gone.
func (c *customer) work() {
	verbs := []func(){
		c.bootServer, c.bootServer, c.deleteServer, c.changePower, c.resize, c.resize, c.attach, c.attach, c.detach,
		c.snapshotServer, c.makeFloatingIP, c.dropFloatingIP,
		c.makeVolume, c.makeVolume, c.cloneVolume, c.deleteOther, c.snapshotVolume, c.backUp, c.uploadImage, c.download,
		c.volumeToImage,
	}
	for !c.cut && c.ctx.Err() == nil {
		verbs[c.rng.IntN(len(verbs))]()
		select { // there may be nothing to do
		case <-c.ctx.Done():
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// ask makes one request for e and writes down what its answer says: with no answer
// the fate is during, with an acknowledgement it is after, and with a refusal it is
// what it was. It tells whether the request was acknowledged.
func (c *customer) ask(what string, e *entry, during, after fate, request func() error) bool {
	before := e.fate
	e.touched, e.fate = true, during
	c.asked(what)
	err := request()
	answer := answerOf(err)
	e.last += fmt.Sprintf(" %q: %v;", what, answer)
	switch answer {
	case acknowledged:
		e.fate = after
		c.ledger.note(c.ledger.done, what)
		return true
	case refused:
		e.fate = before
		if during == unsure {
			c.ledger.drop(e)
		}
		c.ledger.note(c.ledger.refused, what+": "+shortly(err))
	default:
		c.cut = true
		c.ledger.note(c.ledger.refused, "no answer")
		if answer == broken {
			c.complain(what + " " + e.name + ": " + err.Error())
		}
	}
	return false
}

// change makes one request for a server that shall have a status then.
func (c *customer) change(what string, e *entry, status string, request func() error) {
	before := e.may
	e.may = append([]string{status}, before...)
	if c.ask(what, e, there, there, request) {
		e.may = []string{status}
	} else if !c.cut {
		e.may = before
	}
}

// answer is the kind of an answer.
type answer int

const (
	acknowledged answer = iota
	refused             // by the server, in so many words
	cutOff              // the connection broke, or the server says that it is going
	broken              // a 500: a bug
)

func (a answer) String() string { return [...]string{"done", "refused", "no answer", "broken"}[a] }

func answerOf(err error) answer {
	var code gophercloud.ErrUnexpectedResponseCode
	switch {
	case err == nil:
		return acknowledged
	case !errors.As(err, &code):
		return cutOff
	case code.Actual == 503:
		return cutOff
	case code.Actual >= 500:
		return broken
	}
	return refused
}

// shortly gives the status and the beginning of a refusal, without ids.
func shortly(err error) string {
	var code gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &code) {
		return "?"
	}
	return fmt.Sprint(code.Actual)
}

// one picks one of the customer's things of a kind that is surely there and passes
// the filter, or nil.
func (c *customer) one(kind string, filter func(e *entry) bool) *entry {
	all := slices.DeleteFunc(c.ledger.of(kind, c.name), func(e *entry) bool {
		return e.fate != there || filter != nil && !filter(e)
	})
	if len(all) == 0 {
		return nil
	}
	return all[c.rng.IntN(len(all))]
}

// full tells whether the customer has enough of a kind.
func (c *customer) full(kind string, limit int) bool {
	return len(c.ledger.of(kind, c.name)) >= limit
}

func (c *customer) bootServer() {
	if c.full(aServer, maxServers) {
		return
	}
	e := c.ledger.add(aServer, c.name, "ACTIVE")
	o := c.opts
	o.Name = e.name
	c.ask("boot", e, unsure, there, func() error {
		s, err := servers.Create(c.ctx, c.compute, o, nil).Extract()
		if err == nil {
			e.id = s.ID
		}
		return err
	})
}

func (c *customer) deleteServer() {
	e := c.one(aServer, nil)
	if e == nil || c.rng.IntN(2) == 0 || c.real && c.rng.IntN(rare) > 0 { // real guests shall get to boot
		return
	}
	// Its attachments go with it, and an image that is being made of it.
	with := c.ledger.attached(e)
	for _, i := range c.ledger.of(anImage, c.name) {
		if i.server == e && i.touched {
			i.fate = max(i.fate, going)
		}
	}
	if c.ask("delete server", e, going, gone, func() error { return servers.Delete(c.ctx, c.compute, e.id).ExtractErr() }) || c.cut {
		for _, a := range with {
			a.fate, a.volume.may = max(a.fate, going), []string{"available", "in-use"}
		}
	}
}

// status is what a server has to be in for verbs that need it idle.
func status(s string) func(e *entry) bool {
	return func(e *entry) bool { return len(e.may) == 1 && e.may[0] == s }
}

func (c *customer) changePower() {
	if c.real && c.rng.IntN(rare) > 0 {
		return
	}
	if e := c.one(aServer, status("SHUTOFF")); e != nil {
		c.change("start", e, "ACTIVE", func() error { return servers.Start(c.ctx, c.compute, e.id).ExtractErr() })
		return
	}
	e := c.one(aServer, status("ACTIVE"))
	switch {
	case e == nil:
	case c.rng.IntN(2) == 0:
		c.change("stop", e, "SHUTOFF", func() error { return servers.Stop(c.ctx, c.compute, e.id).ExtractErr() })
	default:
		c.change("reboot", e, "ACTIVE", func() error {
			return servers.Reboot(c.ctx, c.compute, e.id, servers.RebootOpts{Type: servers.HardReboot}).ExtractErr()
		})
	}
}

// resize gives a server the other flavor, and confirms or reverts it afterwards.
func (c *customer) resize() {
	if c.real && c.rng.IntN(rare) > 0 {
		return
	}
	if e := c.one(aServer, status("VERIFY_RESIZE")); e != nil {
		what, f := "confirm", servers.ConfirmResize
		if c.rng.IntN(2) == 0 {
			what, f = "revert", func(ctx context.Context, sc *gophercloud.ServiceClient, id string) servers.ActionResult {
				return servers.RevertResize(ctx, sc, id)
			}
		}
		c.change(what, e, "ACTIVE", func() error { return f(c.ctx, c.compute, e.id).ExtractErr() })
		return
	}
	e := c.one(aServer, status("ACTIVE"))
	if e == nil || c.rng.IntN(2) == 0 {
		return
	}
	s, err := servers.Get(c.ctx, c.compute, e.id).Extract()
	if err != nil {
		c.cut = answerOf(err) != refused
		return
	}
	to := c.flavors[0]
	if s.Flavor["id"] == to || s.Flavor["original_name"] == "small" {
		to = c.flavors[1]
	}
	c.change("resize", e, "VERIFY_RESIZE", func() error {
		return servers.Resize(c.ctx, c.compute, e.id, servers.ResizeOpts{FlavorRef: to}).ExtractErr()
	})
}

func (c *customer) attach() {
	server := c.one(aServer, status("ACTIVE"))
	volume := c.one(aVolume, func(e *entry) bool { return len(c.ledger.attached(e)) == 0 })
	if server == nil || volume == nil {
		return
	}
	e := c.ledger.attachment(server, volume)
	volume.may = []string{"available", "in-use"}
	c.ask("attach", e, unsure, there, func() error {
		_, err := volumeattach.Create(c.ctx, c.compute, server.id, volumeattach.CreateOpts{VolumeID: volume.id}).Extract()
		e.id = volume.id
		return err
	})
}

// detach takes a volume from a guest that can let go of it.
func (c *customer) detach() {
	e := c.one(anAttachment, func(e *entry) bool { return e.server.fate == there })
	if e == nil || !c.letsGo(e.server) {
		return
	}
	e.volume.may = []string{"available", "in-use"}
	c.ask("detach", e, going, gone, func() error {
		return volumeattach.Delete(c.ctx, c.compute, e.server.id, e.volume.id).ExtractErr()
	})
}

// letsGo tells whether a guest can be asked to let go of a disk: it has booted, or it
// is simulated.
func (c *customer) letsGo(server *entry) bool {
	if !c.real {
		return true
	}
	console, err := servers.ShowConsoleOutput(c.ctx, c.compute, server.id, servers.ShowConsoleOutputOpts{}).Extract()
	return err == nil && strings.Contains(console, guestimage.Ready)
}

func (c *customer) makeFloatingIP() {
	server := c.one(aServer, status("ACTIVE"))
	if server == nil || c.full(aFloatingIP, maxOthers) {
		return
	}
	page, err := ports.List(c.network, ports.ListOpts{DeviceID: server.id}).AllPages(c.ctx)
	if err != nil {
		c.cut = answerOf(err) != refused
		return
	}
	all, err := ports.ExtractPorts(page)
	if err != nil || len(all) == 0 {
		return // the server is still being built
	}
	e := c.ledger.add(aFloatingIP, c.name)
	c.ask("floating ip", e, unsure, there, func() error {
		f, err := floatingips.Create(c.ctx, c.network, floatingips.CreateOpts{
			FloatingNetworkID: c.externalID, PortID: all[0].ID, Description: e.name,
		}).Extract()
		if err == nil {
			e.id = f.ID
		}
		return err
	})
}

func (c *customer) dropFloatingIP() {
	if e := c.one(aFloatingIP, nil); e != nil {
		c.ask("delete floating ip", e, going, gone, func() error {
			return floatingips.Delete(c.ctx, c.network, e.id).ExtractErr()
		})
	}
}

// snapshotServer makes an image of a server.
func (c *customer) snapshotServer() {
	server := c.one(aServer, status("ACTIVE"))
	if server == nil || c.full(anImage, maxOthers) {
		return
	}
	e := c.ledger.add(anImage, c.name, "active")
	e.server = server
	c.ask("image of server", e, unsure, there, func() error {
		id, err := servers.CreateImage(c.ctx, c.compute, server.id, servers.CreateImageOpts{Name: e.name}).ExtractImageID()
		e.id = id
		return err
	})
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
