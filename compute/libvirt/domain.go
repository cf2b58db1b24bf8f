package libvirt

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"strings"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"github.com/welkin-cloud/cloud/compute/driver"
)

// domain is one guest's domain as libvirt shows it.
type domain struct {
	golibvirt.Domain
	id    string
	power driver.Power
	live  *xmlDomain // what QEMU has now; the definition if the guest is off
}

// isOff tells whether the guest has no QEMU and nothing saved.
func (d *domain) isOff() bool { return d.power == driver.Shutdown || d.power == driver.Crashed }

// isActive tells whether the guest has a QEMU.
func (d *domain) isActive() bool { return d.power == driver.Running || d.power == driver.Paused }

// find returns the guest's domain: NotFound if there is none of this cloud.
func (h *Hypervisor) find(ctx context.Context, id string) (*domain, error) {
	u, err := uuid.Parse(id)
	if err != nil {
		return nil, missing(id)
	}
	d := &domain{id: id}
	err = h.rpc.call(ctx, func(l *link) error {
		dom, err := l.DomainLookupByUUID(golibvirt.UUID(u))
		if err != nil {
			return err
		}
		state, reason, err := l.DomainGetState(dom, 0)
		if err != nil {
			return err
		}
		power := powerOf(state, reason)
		if power == driver.Shutdown || power == driver.Crashed {
			saved, err := l.DomainHasManagedSaveImage(dom, 0)
			if err != nil {
				return err
			}
			if saved != 0 {
				power = driver.Suspended
			}
		}
		text, err := l.DomainGetXMLDesc(dom, 0)
		if err != nil {
			return err
		}
		d.Domain, d.power = dom, power
		d.live, err = parse(text)
		return err
	})
	if err == nil && d.Name != h.domainName(id) {
		err = missing(id)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// record returns what the guest's definition says; what a running guest has may
// differ while a device comes or goes.
func (h *Hypervisor) record(ctx context.Context, d *domain) (*record, error) {
	var r *record
	err := h.rpc.call(ctx, func(l *link) error {
		text, err := l.DomainGetXMLDesc(d.Domain, golibvirt.DomainXMLInactive)
		if err != nil {
			return err
		}
		x, err := parse(text)
		if err != nil {
			return err
		}
		rec := &record{}
		if err := json.Unmarshal([]byte(x.Metadata.Guest.Record), rec); err != nil {
			return err
		}
		r = rec
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// save makes the record the guest's definition. A running guest keeps what it has
// until it starts again. It takes a moment, and whether it happened must be known, so
// it does not end with the context.
func (h *Hypervisor) save(ctx context.Context, r *record) error {
	text, err := h.define(r)
	if err != nil {
		return err
	}
	return h.rpc.call(context.WithoutCancel(ctx), func(l *link) error {
		_, err := l.DomainDefineXMLFlags(text, 0)
		return err
	})
}

// domains returns the domains of this cloud, with their power states but without
// their XML.
func (h *Hypervisor) domains(ctx context.Context) ([]domain, error) {
	var all []domain
	err := h.rpc.call(ctx, func(l *link) error {
		list, _, err := l.ConnectListAllDomains(1, golibvirt.ConnectListDomainsPersistent)
		if err != nil {
			return err
		}
		saved, _, err := l.ConnectListAllDomains(1, golibvirt.ConnectListDomainsManagedsave)
		if err != nil {
			return err
		}
		isSaved := map[golibvirt.UUID]bool{}
		for _, d := range saved {
			isSaved[d.UUID] = true
		}
		mine := make([]domain, 0, len(list))
		for _, dom := range list {
			id, ok := strings.CutPrefix(dom.Name, h.cfg.Prefix+"-")
			if !ok || uuid.UUID(dom.UUID).String() != id {
				continue
			}
			state, reason, err := l.DomainGetState(dom, 0)
			if golibvirt.IsNotFound(err) {
				continue
			}
			if err != nil {
				return err
			}
			d := domain{Domain: dom, id: id, power: powerOf(state, reason)}
			if d.isOff() && isSaved[dom.UUID] {
				d.power = driver.Suspended
			}
			mine = append(mine, d)
		}
		all = mine
		return nil
	})
	return all, err
}

// parse reads a domain's XML.
func parse(text string) (*xmlDomain, error) {
	x := &xmlDomain{}
	if err := xml.Unmarshal([]byte(text), x); err != nil {
		return nil, err
	}
	return x, nil
}

// powerOf gives libvirt's states their names here. A guest that is shutting down
// still runs.
func powerOf(state, reason int32) driver.Power {
	switch golibvirt.DomainState(state) {
	case golibvirt.DomainRunning, golibvirt.DomainBlocked, golibvirt.DomainShutdown:
		return driver.Running
	case golibvirt.DomainPaused, golibvirt.DomainPmsuspended:
		return driver.Paused
	case golibvirt.DomainCrashed:
		return driver.Crashed
	}
	if golibvirt.DomainShutoffReason(reason) == golibvirt.DomainShutoffCrashed {
		return driver.Crashed
	}
	return driver.Shutdown
}

// guest returns what the contract shows of a domain.
func (d *domain) guest() driver.Guest {
	g := driver.Guest{ID: d.id, Power: d.power}
	for i := range d.live.Devices.Disks {
		id, ok := aliased(d.live.Devices.Disks[i].Alias, diskKind)
		if ok && id != "root" && id != "config" {
			g.Disks = append(g.Disks, id)
		}
	}
	for i := range d.live.Devices.Interfaces {
		if id, ok := aliased(d.live.Devices.Interfaces[i].Alias, nicKind); ok {
			g.NICs = append(g.NICs, id)
		}
	}
	return g
}

// disk returns an attached disk as libvirt shows it, or nil.
func (x *xmlDomain) disk(id string) *xmlDisk {
	for i := range x.Devices.Disks {
		if got, ok := aliased(x.Devices.Disks[i].Alias, diskKind); ok && got == id {
			return &x.Devices.Disks[i]
		}
	}
	return nil
}

// nic returns an attached network interface as libvirt shows it, or nil.
func (x *xmlDomain) nic(portID string) *xmlInterface {
	for i := range x.Devices.Interfaces {
		if got, ok := aliased(x.Devices.Interfaces[i].Alias, nicKind); ok && got == portID {
			return &x.Devices.Interfaces[i]
		}
	}
	return nil
}
