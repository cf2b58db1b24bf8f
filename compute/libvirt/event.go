package libvirt

import (
	"context"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"github.com/welkin-cloud/cloud/compute/driver"
)

// Watch tells of changes of guests. After a broken connection to libvirtd it tells
// to list again.
func (h *Hypervisor) Watch(ctx context.Context) <-chan driver.Event { return h.events.Watch(ctx) }

// listen passes on the events of one connection until it breaks.
func (h *Hypervisor) listen(l *link) {
	lifecycle, err := l.SubscribeEvents(h.life, golibvirt.DomainEventIDLifecycle, nil)
	if err != nil {
		l.conn.Close()
		return
	}
	reboots, err := l.SubscribeEvents(h.life, golibvirt.DomainEventIDReboot, nil)
	if err != nil {
		l.conn.Close()
		reboots = nil
	}
	// What happened before the subscription was not heard.
	h.events.Send(driver.Event{})
	for lifecycle != nil || reboots != nil {
		select {
		case e, ok := <-lifecycle:
			if !ok {
				lifecycle = nil
			} else if msg, ok := e.(*golibvirt.DomainEventCallbackLifecycleMsg); ok {
				h.tell(&msg.Msg)
			}
		case e, ok := <-reboots:
			if !ok {
				reboots = nil
			} else if msg, ok := e.(*golibvirt.DomainEventCallbackRebootMsg); ok {
				h.reboots.notify(uuid.UUID(msg.Msg.Dom.UUID).String())
			}
		}
	}
}

// tell passes on one event if it is of this cloud's guest and of its power.
func (h *Hypervisor) tell(msg *golibvirt.DomainEventLifecycleMsg) {
	id := uuid.UUID(msg.Dom.UUID).String()
	if msg.Dom.Name != h.domainName(id) {
		return
	}
	var power driver.Power
	switch golibvirt.DomainEventType(msg.Event) {
	case golibvirt.DomainEventStarted, golibvirt.DomainEventResumed:
		power = driver.Running
	case golibvirt.DomainEventSuspended:
		power = driver.Paused
	case golibvirt.DomainEventCrashed:
		power = driver.Crashed
	case golibvirt.DomainEventStopped:
		power = stopped(msg.Detail)
	default:
		return
	}
	h.events.Send(driver.Event{ID: id, Power: power})
}

// stopped returns the power state of a guest that stopped for a reason.
func stopped(detail int32) driver.Power {
	switch golibvirt.DomainEventStoppedDetailType(detail) {
	case golibvirt.DomainEventStoppedSaved:
		return driver.Suspended
	case golibvirt.DomainEventStoppedCrashed, golibvirt.DomainEventStoppedFailed:
		return driver.Crashed
	}
	return driver.Shutdown
}
