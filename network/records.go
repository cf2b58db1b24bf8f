package network

import (
	"encoding/json"
	"net/netip"
)

// Statuses of networks, ports, routers and floating IPs, with Neutron's names.
const (
	Active = "ACTIVE"
	Build  = "BUILD"
	Down   = "DOWN"
	Error  = "ERROR"
	// NotApplicable is the status of ports that nothing plugs: those that hold a
	// floating IP's address.
	NotApplicable = "N/A"
)

// Device owners that the service itself gives to ports.
const (
	OwnerDHCP            = "network:dhcp"
	OwnerRouterInterface = "network:router_interface"
	OwnerRouterGateway   = "network:router_gateway"
	OwnerFloatingIP      = "network:floatingip"
)

// Network is the record of a layer-2 network.
type Network struct {
	Meta
	AdminStateUp bool     `json:"up"`
	Shared       bool     `json:"shared,omitempty"`   // with all projects
	External     bool     `json:"external,omitempty"` // floating IPs and gateways come from it
	IsDefault    bool     `json:"default,omitempty"`
	MTU          int      `json:"mtu"`
	Type         string   `json:"type"`               // "vxlan" or "flat"
	Physical     string   `json:"physical,omitempty"` // provider network; "flat" only
	Segment      uint32   `json:"segment"`            // VNI, unique in the cloud
	PortSecurity bool     `json:"port_security"`      // of new ports
	DNSDomain    string   `json:"dns_domain,omitempty"`
	ZoneHints    []string `json:"zone_hints,omitempty"`
}

// Status of the network: ACTIVE unless it is administratively down.
func (n *Network) Status() string {
	if n.AdminStateUp {
		return Active
	}
	return Down
}

// Pool is a range of addresses, both ends included.
type Pool struct {
	Start netip.Addr `json:"start"`
	End   netip.Addr `json:"end"`
}

// Route is a static route.
type Route struct {
	Destination netip.Prefix `json:"destination"`
	NextHop     netip.Addr   `json:"nexthop"`
}

// Subnet is the record of an address range of a network.
type Subnet struct {
	Meta
	NetworkID    string       `json:"network"`
	CIDR         netip.Prefix `json:"cidr"`
	Gateway      netip.Addr   `json:"gateway"` // the zero Addr for none
	EnableDHCP   bool         `json:"dhcp"`
	Pools        []Pool       `json:"pools"` // addresses are given out from them, in order
	DNS          []netip.Addr `json:"dns,omitempty"`
	Routes       []Route      `json:"routes,omitempty"` // given to hosts by DHCP
	RAMode       string       `json:"ra_mode,omitempty"`
	AddressMode  string       `json:"address_mode,omitempty"`
	SubnetPoolID string       `json:"subnetpool,omitempty"`
	ServiceTypes []string     `json:"service_types,omitempty"`
}

// IPVersion is 4 or 6.
func (sub *Subnet) IPVersion() int {
	if sub.CIDR.Addr().Is4() {
		return 4
	}
	return 6
}

// IPv6 address modes of a subnet.
const (
	ModeSLAAC     = "slaac"
	ModeStateful  = "dhcpv6-stateful"
	ModeStateless = "dhcpv6-stateless"
)

// autoAddressed reports whether hosts compute their own addresses from the prefix
// and their MAC.
func (sub *Subnet) autoAddressed() bool {
	return sub.AddressMode == ModeSLAAC || sub.AddressMode == ModeStateless
}

// FixedIP is an address of a port. In a request either part may be missing.
type FixedIP struct {
	SubnetID string     `json:"subnet"`
	Address  netip.Addr `json:"address"`
}

// AddressPair is a further source that a port may send from.
type AddressPair struct {
	MAC     string       `json:"mac,omitempty"` // empty: the port's own
	Address netip.Prefix `json:"address"`
}

// DHCPOption is an option that a port's DHCP answer shall have. Options are kept
// and shown.
type DHCPOption struct {
	Name      string `json:"name"`
	Value     string `json:"value"`
	IPVersion int    `json:"ip_version"`
}

// Port is the record of an attachment point of a network.
type Port struct {
	Meta
	NetworkID      string        `json:"network"`
	MAC            string        `json:"mac"`
	FixedIPs       []FixedIP     `json:"fixed_ips,omitempty"`
	AdminStateUp   bool          `json:"up"`
	Status         string        `json:"status"`
	DeviceID       string        `json:"device,omitempty"`
	DeviceOwner    string        `json:"owner,omitempty"`
	SecurityGroups []string      `json:"groups,omitempty"` // ids
	Pairs          []AddressPair `json:"pairs,omitempty"`
	PortSecurity   bool          `json:"security"`
	DNSName        string        `json:"dns_name,omitempty"`
	DHCPOptions    []DHCPOption  `json:"dhcp_options,omitempty"`
	// Host is where the port is bound; empty while it is not.
	Host string `json:"host,omitempty"`
	// Plugged is set while the port is plugged for the guest on Host, or shall be:
	// between BindPort and UnbindPort.
	Plugged  bool            `json:"plugged,omitempty"`
	Hostname string          `json:"hostname,omitempty"` // what DHCP calls the guest
	VNICType string          `json:"vnic_type,omitempty"`
	Profile  json.RawMessage `json:"profile,omitempty"` // binding:profile, kept and shown
}

// FloatingIP is the record of an external address that may stand for a fixed one.
type FloatingIP struct {
	Meta
	NetworkID string     `json:"network"` // the external one
	SubnetID  string     `json:"subnet"`
	Address   netip.Addr `json:"address"`
	Status    string     `json:"status"`
	// HolderID is the port on the external network that holds the address.
	HolderID string `json:"holder"`
	// PortID, Fixed and RouterID are set while it is associated.
	PortID   string     `json:"port,omitempty"`
	Fixed    netip.Addr `json:"fixed"`
	RouterID string     `json:"router,omitempty"`
}

// Gateway is a router's way out.
type Gateway struct {
	NetworkID string    `json:"network"`
	PortID    string    `json:"port"`
	FixedIPs  []FixedIP `json:"fixed_ips"`
	SNAT      bool      `json:"snat"`
}

// Router is the record of a router.
type Router struct {
	Meta
	AdminStateUp bool     `json:"up"`
	Status       string   `json:"status"`
	Gateway      *Gateway `json:"gateway,omitempty"`
	Routes       []Route  `json:"routes,omitempty"`
	ZoneHints    []string `json:"zone_hints,omitempty"`
}

// SecurityGroup is the record of a set of rules.
type SecurityGroup struct {
	Meta
	// Default is set for the group that ports get that ask for none.
	Default bool `json:"default,omitempty"`
}

// SecurityGroupRule is the record of what a security group lets pass.
type SecurityGroupRule struct {
	Meta
	GroupID   string `json:"group"`
	Direction string `json:"direction"` // Ingress or Egress
	EtherType string `json:"ethertype"` // IPv4 or IPv6
	Protocol  string `json:"protocol,omitempty"`
	// PortMin and PortMax are of the destination, or the type and the code of
	// ICMP; nil for any.
	PortMin *int `json:"port_min,omitempty"`
	PortMax *int `json:"port_max,omitempty"`
	// At most one of RemotePrefix and RemoteGroupID is set.
	RemotePrefix  netip.Prefix `json:"remote_prefix"`
	RemoteGroupID string       `json:"remote_group,omitempty"`
}

// Directions and EtherTypes of rules.
const (
	Ingress = "ingress"
	Egress  = "egress"
	IPv4    = "IPv4"
	IPv6    = "IPv6"
)

// SubnetPool is the record of prefixes that subnets may be cut from.
type SubnetPool struct {
	Meta
	Prefixes       []netip.Prefix `json:"prefixes"`
	DefaultLength  int            `json:"default_length"`
	MinLength      int            `json:"min_length"`
	MaxLength      int            `json:"max_length"`
	Shared         bool           `json:"shared,omitempty"`
	IsDefault      bool           `json:"default,omitempty"`
	DefaultQuota   *int           `json:"default_quota,omitempty"` // of addresses (IPv4) or /64 (IPv6) for each project
	AddressScopeID string         `json:"scope,omitempty"`
}

// IPVersion is 4 or 6.
func (p *SubnetPool) IPVersion() int {
	if len(p.Prefixes) > 0 && p.Prefixes[0].Addr().Is6() {
		return 6
	}
	return 4
}

// AddressScope is the record of a set of subnet pools whose addresses do not
// overlap.
type AddressScope struct {
	Meta
	Version int  `json:"ip_version"`
	Shared  bool `json:"shared,omitempty"`
}
