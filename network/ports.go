package network

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

const (
	maxFixedIPs = 20
	maxPairs    = 10
)

// CreatePortOptions describe a port.
type CreatePortOptions struct {
	ID          string // makes the call repeatable; empty for a new one
	NetworkID   string // required
	Name        string
	Description string
	Tags        []string
	MAC         string // empty: one is made up
	// FixedIPs are the addresses. nil means one of each IP version, if the
	// network has subnets; empty means none. A part of an entry may be missing.
	FixedIPs []FixedIP
	// SecurityGroups are ids. nil means the project's default group; empty none.
	SecurityGroups []string
	AdminStateUp   *bool // nil: true
	PortSecurity   *bool // nil: as the network says
	Pairs          []AddressPair
	DeviceID       string
	DeviceOwner    string
	DNSName        string
	DHCPOptions    []DHCPOption
	Host           string // binding:host_id, where the port is going to be used
	VNICType       string // empty: "normal"
	Profile        []byte // binding:profile, a JSON object
}

// CreatePort makes a port. With opts.ID set, a port of that id that exists
// already is returned as it is.
func (s *Service) CreatePort(ctx context.Context, projectID string, opts CreatePortOptions) (Port, error) {
	var p Port
	err := s.update(ctx, "CreatePort", func(tx *state.Tx) (err error) {
		if opts.ID != "" {
			if p, err = s.t.ports.Get(tx, opts.ID); err == nil {
				return nil
			}
		}
		if err := s.checkQuota(tx, projectID, quotaPort); err != nil {
			return err
		}
		p, err = s.insertPort(ctx, tx, projectID, opts)
		return err
	})
	return p, err
}

// insertPort makes a port in a transaction.
func (s *Service) insertPort(ctx context.Context, tx *state.Tx, projectID string, o CreatePortOptions) (Port, error) {
	n, err := s.getNetwork(tx, o.NetworkID)
	if err != nil {
		return Port{}, err
	}
	meta, err := s.fresh(o.ID, projectID, o.Name, o.Description, o.Tags)
	if err != nil {
		return Port{}, err
	}
	p := Port{
		Meta: meta, NetworkID: n.ID, AdminStateUp: orTrue(o.AdminStateUp), Status: Down,
		DeviceID: o.DeviceID, DeviceOwner: o.DeviceOwner, SecurityGroups: o.SecurityGroups, Pairs: o.Pairs,
		PortSecurity: n.PortSecurity, DNSName: o.DNSName, DHCPOptions: o.DHCPOptions, Host: o.Host,
		VNICType: o.VNICType, Profile: json.RawMessage(o.Profile),
	}
	if p.VNICType == "" {
		p.VNICType = "normal"
	}
	if err := s.secure(ctx, tx, &p, o.PortSecurity); err != nil {
		return p, err
	}
	if p.MAC, err = s.takeMAC(tx, n.ID, o.MAC); err != nil {
		return p, err
	}
	a := addressing{s: s, tx: tx, port: &p, subnets: s.subnetsOf(tx, n.ID)}
	if p.FixedIPs, err = a.assign(o.FixedIPs); err != nil {
		return p, err
	}
	if err := s.checkPort(tx, &p); err != nil {
		return p, err
	}
	s.emit(ctx, tx, "port.create.end", "port", &p.Meta)
	return p, s.t.ports.Insert(tx, p)
}

// isServiceOwner reports whether the service itself uses the ports of that owner.
func isServiceOwner(owner string) bool { return strings.HasPrefix(owner, "network:") }

// isLeg reports whether the port is a router's.
func (p *Port) isLeg() bool {
	return p.DeviceOwner == OwnerRouterInterface || p.DeviceOwner == OwnerRouterGateway
}

// secure decides on port security and security groups of a new port.
func (s *Service) secure(ctx context.Context, tx *state.Tx, p *Port, want *bool) error {
	set(&p.PortSecurity, want)
	if isServiceOwner(p.DeviceOwner) && want == nil {
		p.PortSecurity = false
	}
	if p.SecurityGroups != nil || !p.PortSecurity || isServiceOwner(p.DeviceOwner) {
		return nil
	}
	group, err := s.ensureDefaultGroup(ctx, tx, p.ProjectID)
	p.SecurityGroups = []string{group.ID}
	return err
}

// takeMAC checks the wanted MAC, or makes one up.
func (s *Service) takeMAC(tx *state.Tx, networkID, want string) (string, error) {
	if want != "" {
		mac, err := normalMAC(want)
		if err != nil {
			return "", err
		}
		if _, taken := s.t.ports.Find(tx, s.t.portBy.mac, networkID, mac); taken {
			return "", refused(fault.Conflict, "MacAddressInUse",
				"Unable to complete operation for network %s. The mac address %s is in use.", networkID, mac)
		}
		return mac, nil
	}
	for range probes {
		n := s.ids.Int64N(1 << 24)
		mac := fmt.Sprintf("fa:16:3e:%02x:%02x:%02x", byte(n>>16), byte(n>>8), byte(n))
		if _, taken := s.t.ports.Find(tx, s.t.portBy.mac, networkID, mac); !taken {
			return mac, nil
		}
	}
	return "", refused(fault.Exhausted, "MacAddressGenerationFailure", "Unable to generate unique mac on network %s.", networkID)
}

// checkPort reports what is wrong with a port as it would be recorded.
func (s *Service) checkPort(tx *state.Tx, p *Port) error {
	if len(p.FixedIPs) > maxFixedIPs {
		return invalid("Exceeded maximum amount of fixed ips per port.")
	}
	if len(p.Profile) > 0 && !json.Valid(p.Profile) {
		return invalid("Invalid input for binding:profile. Reason: it is not an object.")
	}
	if !p.PortSecurity && len(p.SecurityGroups) > 0 {
		return refused(fault.Conflict, "PortSecurityPortHasSecurityGroup",
			"Port has security group associated. Cannot disable port security or IP address until security group is removed.")
	}
	for _, g := range p.SecurityGroups {
		if _, err := s.getGroup(tx, g); err != nil {
			return err
		}
	}
	return checkPairs(p)
}

func checkPairs(p *Port) error {
	switch {
	case len(p.Pairs) == 0:
		return nil
	case !p.PortSecurity:
		return refused(fault.Conflict, "AddressPairAndPortSecurityRequired",
			"Port Security must be enabled in order to have allowed address pairs on a port.")
	case len(p.Pairs) > maxPairs:
		return refused(fault.Invalid, "AllowedAddressPairExhausted",
			"The number of allowed address pair exceeds the maximum %d.", maxPairs)
	}
	seen := map[AddressPair]bool{}
	for i, pair := range p.Pairs {
		if !pair.Address.IsValid() {
			return invalid("AllowedAddressPair must contain ip_address")
		}
		if pair.MAC != "" {
			mac, err := normalMAC(pair.MAC)
			if err != nil {
				return err
			}
			pair.MAC = mac
		}
		if seen[pair] {
			return refused(fault.Invalid, "DuplicateAddressPairInRequest",
				"Request contains duplicate address pair: mac_address %s ip_address %s.", pair.MAC, pair.Address)
		}
		seen[pair] = true
		p.Pairs = slices.Clone(p.Pairs)
		p.Pairs[i] = pair
	}
	return nil
}

// GetPort returns one port.
func (s *Service) GetPort(_ context.Context, id string) (Port, error) {
	return s.getPort(s.db.Snapshot(), id)
}

func (s *Service) getPort(r state.Reader, id string) (Port, error) {
	p, err := s.t.ports.Get(r, id)
	return p, missing(err, "PortNotFound", "Port %s could not be found.", id)
}

// ListPorts returns all ports.
func (s *Service) ListPorts(context.Context) ([]Port, error) {
	return list(s.t.ports.All(s.db.Snapshot())), nil
}

// PortsOf returns the ports of a device, in order of creation.
func (s *Service) PortsOf(_ context.Context, deviceID string) ([]Port, error) {
	return s.portsOf(s.db.Snapshot(), deviceID), nil
}

func (s *Service) portsOf(r state.Reader, deviceID string) []Port {
	return list(s.t.ports.Where(r, s.t.portBy.device, deviceID))
}

// PortsOn returns the ports of a network.
func (s *Service) PortsOn(_ context.Context, networkID string) ([]Port, error) {
	return list(s.t.ports.Where(s.db.Snapshot(), s.t.portBy.network, networkID)), nil
}

// PortAt tells which port has an address on a network.
func (s *Service) PortAt(_ context.Context, networkID, address string) (Port, error) {
	snap := s.db.Snapshot()
	if a, err := netip.ParseAddr(address); err == nil {
		for _, sub := range s.subnetsOf(snap, networkID) {
			if p, ok := s.t.ports.Find(snap, s.t.portBy.address, sub.ID, addressKey(a.Unmap())); ok {
				return p, nil
			}
		}
	}
	return Port{}, refused(fault.NotFound, "PortNotFound", "No port of network %s has the address %s.", networkID, address)
}

// DeletePort removes the port: NotFound if it is gone. A port that is plugged is
// unplugged. Conflict for the ports of routers and floating IPs.
func (s *Service) DeletePort(ctx context.Context, id string) error {
	return s.update(ctx, "DeletePort", func(tx *state.Tx) error {
		p, err := s.getPort(tx, id)
		if err != nil {
			return err
		}
		switch p.DeviceOwner {
		case OwnerRouterInterface, OwnerRouterGateway, OwnerFloatingIP:
			if s.ownerExists(tx, &p) {
				return refused(fault.Conflict, "L3PortInUse",
					"Port %s cannot be deleted directly via the port API: has device owner %s.", id, p.DeviceOwner)
			}
		}
		if p.DeviceID != "" && s.taken != nil {
			if err := s.taken(ctx, tx, p); err != nil {
				return err
			}
		}
		return s.dropPort(ctx, tx, &p)
	})
}

// ownerExists reports whether the router or floating IP is there that a port says
// it belongs to.
func (s *Service) ownerExists(tx *state.Tx, p *Port) bool {
	return s.t.routers.Has(tx, p.DeviceID) || s.t.floating.Has(tx, p.DeviceID)
}

// dropPort removes a port and takes floating IPs from it.
func (s *Service) dropPort(ctx context.Context, tx *state.Tx, p *Port) error {
	if err := s.looseFloating(ctx, tx, p, nil); err != nil {
		return err
	}
	s.emit(ctx, tx, "port.delete.end", "port", &p.Meta)
	return s.t.ports.Delete(tx, p.ID)
}

// putPort records a changed port.
func (s *Service) putPort(ctx context.Context, tx *state.Tx, p *Port) error {
	if err := s.looseFloating(ctx, tx, p, p.FixedIPs); err != nil {
		return err
	}
	s.touch(&p.Meta)
	s.emit(ctx, tx, "port.update.end", "port", &p.Meta)
	return s.t.ports.Put(tx, *p)
}
