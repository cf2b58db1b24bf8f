// Package network is networking as a service: networks, subnets, ports, routers,
// floating IPs and security groups, with the behaviour of OpenStack Neutron.
package network

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/network/driver"
)

// Config of a Service. The zero value serves without hosts: ports can be made, not
// bound.
type Config struct {
	// Mechanisms realise the networks, by the name of their host.
	Mechanisms map[string]driver.Mechanism
	// RouterHost is where routers live; empty means the first host by name.
	RouterHost string
	// Zone is the availability zone of networks and routers; empty means "nova".
	Zone string
	// MTU of tenant networks; 0 means 1450, what VXLAN leaves of 1500.
	MTU int
	// ExternalPhysical is the provider network of external networks that are made
	// without one; empty leaves them virtual.
	ExternalPhysical string
	// Workers is how many background driver calls run at once; 0 means 4.
	Workers int
}

// Service is networking. Its methods are safe for concurrent use and trust their
// caller: who may do what is decided where requests come in.
type Service struct{}

// New defines the service's collections in c.DB, which must not be open yet.
func New(c *core.Core, cfg Config) (*Service, error) { panic("stub") }

// Start begins to realise networks. The DB must be open.
func (s *Service) Start(ctx context.Context) error { panic("stub") }

// Close waits for the work under way. What the drivers made stays.
func (s *Service) Close() error { panic("stub") }

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
	panic("stub")
}

// GetPort returns one port.
func (s *Service) GetPort(ctx context.Context, id string) (Port, error) { panic("stub") }

// PortsOf returns the ports of a device, in order of creation.
func (s *Service) PortsOf(ctx context.Context, deviceID string) ([]Port, error) { panic("stub") }

// BindPort gives the port to a device on a host, plugs it there, and returns when
// it is ACTIVE. Conflict if another device has it.
func (s *Service) BindPort(ctx context.Context, id string, b Binding) (Attachment, error) {
	panic("stub")
}

// UnbindPort takes the port from the device and unplugs it: nil if the port is
// gone or is not the device's.
func (s *Service) UnbindPort(ctx context.Context, id, deviceID string) error { panic("stub") }

// DeletePort removes the port: NotFound if it is gone.
func (s *Service) DeletePort(ctx context.Context, id string) error { panic("stub") }

// GetNetwork returns one network.
func (s *Service) GetNetwork(ctx context.Context, id string) (Network, error) { panic("stub") }

// GetSubnet returns one subnet.
func (s *Service) GetSubnet(ctx context.Context, id string) (Subnet, error) { panic("stub") }

// VisibleNetworks returns the networks on which a server of the project may be
// booted.
func (s *Service) VisibleNetworks(ctx context.Context, projectID string) ([]Network, error) {
	panic("stub")
}

// FindSecurityGroup resolves a name or an id in a project.
func (s *Service) FindSecurityGroup(ctx context.Context, projectID, nameOrID string) (SecurityGroup, error) {
	panic("stub")
}

// Addresses returns the addresses of devices.
func (s *Service) Addresses(ctx context.Context, deviceIDs ...string) (map[string][]Address, error) {
	panic("stub")
}

// PortAt tells which port has an address on a network.
func (s *Service) PortAt(ctx context.Context, networkID, address string) (Port, error) {
	panic("stub")
}
