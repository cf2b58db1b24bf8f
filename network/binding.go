package network

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// BindPort gives the port to a device on a host, plugs it there, and returns when
// it is ACTIVE (or plugged but DOWN, if it is administratively so). Conflict if
// another device has it. A port that is plugged on another host moves.
func (s *Service) BindPort(ctx context.Context, id string, b Binding) (Attachment, error) {
	if !s.cfg.Hosts.Has(b.Host) {
		return Attachment{}, fault.Wrap("network.BindPort", refused(fault.Invalid, "HostNotFound", "There is no network host %q.", b.Host))
	}
	var p Port
	err := s.update(ctx, "BindPort", func(tx *state.Tx) (err error) {
		if p, err = s.getPort(tx, id); err != nil {
			return err
		}
		if p.DeviceID != "" && p.DeviceID != b.DeviceID || isServiceOwner(p.DeviceOwner) {
			return portInUse(&p)
		}
		if p.Plugged && p.Host == b.Host && p.DeviceOwner == b.DeviceOwner && p.Hostname == b.Hostname {
			return nil
		}
		if !p.Plugged || p.Host != b.Host {
			p.Status = Build
		}
		p.Plugged, p.Host, p.Hostname = true, b.Host, b.Hostname
		p.DeviceID, p.DeviceOwner = b.DeviceID, b.DeviceOwner
		return s.putPort(ctx, tx, &p)
	})
	if err != nil {
		return Attachment{}, err
	}
	now := s.db.Snapshot().Revision()
	if _, err := s.rec.await(ctx, key{kindNetwork, b.Host, p.NetworkID}, now); err != nil {
		return Attachment{}, fault.Wrap("network.BindPort", err)
	}
	a, err := s.rec.await(ctx, key{kindPort, b.Host, id}, now)
	return a, fault.Wrap("network.BindPort", err)
}

// UnbindPort takes the port from the device and unplugs it: nil if the port is
// gone or is not the device's (any more).
func (s *Service) UnbindPort(ctx context.Context, id, deviceID string) error {
	var host string
	err := s.update(ctx, "UnbindPort", func(tx *state.Tx) error {
		host = ""
		p, err := s.t.ports.Get(tx, id)
		if err != nil || p.DeviceID != deviceID || isServiceOwner(p.DeviceOwner) {
			return nil
		}
		host = p.Host
		p.Plugged, p.Host, p.Hostname, p.Status = false, "", "", Down
		p.DeviceID, p.DeviceOwner = "", ""
		return s.putPort(ctx, tx, &p)
	})
	if err != nil || !s.cfg.Hosts.Has(host) {
		return err
	}
	s.rec.overtake(key{kindPort, host, id})
	_, err = s.rec.await(ctx, key{kindPort, host, id}, s.db.Snapshot().Revision())
	return fault.Wrap("network.UnbindPort", err)
}

// Addresses returns the addresses of devices, floating ones included, in order of
// port creation, from one snapshot.
func (s *Service) Addresses(_ context.Context, deviceIDs ...string) (map[string][]Address, error) {
	snap := s.db.Snapshot()
	names := map[string]string{}
	all := make(map[string][]Address, len(deviceIDs))
	for _, id := range deviceIDs {
		for _, p := range s.portsOf(snap, id) {
			name, known := names[p.NetworkID]
			if !known {
				n, _ := s.t.networks.Get(snap, p.NetworkID)
				name = n.Name
				names[p.NetworkID] = name
			}
			all[id] = append(all[id], s.addressesOf(snap, &p, name)...)
		}
	}
	return all, nil
}

// addressesOf gives a port's fixed addresses, each with the floating one that
// stands for it.
func (s *Service) addressesOf(r state.Reader, p *Port, network string) []Address {
	var all []Address
	for _, f := range p.FixedIPs {
		a := Address{NetworkID: p.NetworkID, NetworkName: network, PortID: p.ID, MAC: p.MAC, IP: f.Address.String()}
		all = append(all, a)
		if fip, ok := s.t.floating.Find(r, s.t.floatBy.fixed, p.ID, addressKey(f.Address)); ok {
			a.IP, a.Floating = fip.Address.String(), true
			all = append(all, a)
		}
	}
	return all
}
