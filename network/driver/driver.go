// Package driver is for implementers of network mechanisms. Application code uses
// package network.
//
// A [Mechanism] realises networks on one host. The interface is level-based: the
// cloud says what a network, a port or a router shall be, the mechanism makes it so
// and forgets what it was; the same call again changes nothing. Removing what is
// not there is a success. All values are plain and can be carried as JSON. Methods
// are called concurrently, though never two at once for the same id.
//
// Package drivertest holds the conformance suite; every sentence with "must" is
// tested there.
package driver

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// The kinds of error that a driver may return.
const (
	NotFound    = fault.NotFound
	Conflict    = fault.Conflict
	Invalid     = fault.Invalid
	Exhausted   = fault.Exhausted
	Unsupported = fault.Unsupported
	Unavailable = fault.Unavailable
)

// Errorf returns an error of the kind whose message API users may read.
func Errorf(kind fault.Kind, format string, args ...any) error {
	return fault.New(kind, format, args...)
}

// Network is one layer-2 segment with what serves it.
type Network struct {
	ID       string
	Segment  uint32 // VNI: unique in the cloud
	MTU      int
	Physical string // name of a provider network (external networks); empty for a tenant network
	Subnets  []Subnet
	// Peers are the underlay addresses of other hosts with ports on the network.
	Peers []netip.Addr
	// Leases are the addresses that DHCP gives out: all ports of the network with
	// an address in a DHCP subnet, on whatever host.
	Leases []Lease
	// Service is the port from which DHCP and metadata are served on this
	// network; zero if no subnet has DHCP.
	Service ServicePort
}

// Subnet is one address range of a network.
type Subnet struct {
	ID      string
	CIDR    netip.Prefix
	Gateway netip.Addr // invalid for none
	DHCP    bool
	DNS     []netip.Addr
	Routes  []Route
	// RAMode is "slaac", "dhcpv6-stateful", "dhcpv6-stateless" or empty.
	RAMode string
}

// Route is a static route.
type Route struct {
	Destination netip.Prefix
	NextHop     netip.Addr
}

// ServicePort is the address and MAC of the DHCP and metadata server.
type ServicePort struct {
	PortID    string
	MAC       string
	Addresses []netip.Addr // one for each DHCP subnet
}

// Lease is one DHCP reservation.
type Lease struct {
	PortID   string
	MAC      string
	Address  netip.Addr
	SubnetID string
	Hostname string
}

// Port is an attachment of a guest.
type Port struct {
	ID        string
	NetworkID string
	MAC       string
	Addresses []netip.Addr
	Up        bool // admin_state_up
	// Security is port_security_enabled: with it, only traffic from MAC and
	// Addresses (and Pairs) leaves the guest, and Rules hold. Without it, all
	// passes.
	Security bool
	Pairs    []AddressPair
	// Rules is what may pass, of all security groups of the port, with remote
	// groups resolved to addresses. What no rule allows is dropped; answers to
	// what was allowed pass. DHCP of the guest always passes.
	Rules []Rule
}

// AddressPair is a further source that a port may use.
type AddressPair struct {
	MAC    string
	Prefix netip.Prefix
}

// Rule allows traffic.
type Rule struct {
	Ingress  bool
	IPv6     bool
	Protocol string // "", "tcp", "udp", "icmp", "icmpv6", or a number
	// PortMin and PortMax: of the destination, or ICMP type and code; -1 for any.
	PortMin, PortMax int
	// Remotes: the other side is in one of them; empty means anybody. So a rule
	// whose remote group has no members must be left out, not be given as empty.
	Remotes []netip.Prefix
}

// Attachment is what a hypervisor needs to plug a port.
type Attachment struct {
	Tap string // tap device name, at most 15 bytes
	MTU int
}

// Router joins networks, and one of them to the outside.
type Router struct {
	ID       string
	Up       bool
	Ports    []RouterPort
	Gateway  *Gateway
	Floating []Floating
	Routes   []Route
}

// RouterPort is a router's leg in a network.
type RouterPort struct {
	PortID    string
	NetworkID string
	MAC       string
	Addresses []netip.Prefix // address with the subnet's length
}

// Gateway is a router's leg in an external network.
type Gateway struct {
	RouterPort
	NextHops []netip.Addr // gateways of the external subnets
	SNAT     bool         // masquerade what leaves
}

// Floating maps an external address to a fixed one, both ways.
type Floating struct {
	ID       string
	External netip.Addr
	Fixed    netip.Addr
}

// Inventory is what a mechanism has on its host, for finding orphans.
type Inventory struct {
	Networks, Ports, Routers []string // ids
}

// MetadataRequest says who asks the metadata service: what the mechanism knows,
// never what the guest claims.
type MetadataRequest struct {
	NetworkID string
	Source    netip.Addr
}

// MetadataHandler serves 169.254.169.254 (and fe80::a9fe:a9fe) to guests. The
// mechanism calls it in its own goroutine for each request.
type MetadataHandler interface {
	ServeMetadata(w http.ResponseWriter, r *http.Request, from MetadataRequest)
}

// Host is what a mechanism says of its host, as Neutron's agents do.
type Host struct {
	Name     string   // same as the hypervisor's
	Type     string   // "linux", "fake"
	Physical []string // the provider networks that this host reaches
	Underlay netip.Addr
}

// Mechanism realises networks, ports and routers on one host.
type Mechanism interface {
	Host(ctx context.Context) (Host, error)
	// Serve gives the handler for metadata requests; before it is called they
	// are answered with 503. Calling it again replaces the handler.
	Serve(h MetadataHandler)

	// EnsureNetwork makes the network so on this host: segment, DHCP, metadata.
	EnsureNetwork(ctx context.Context, n Network) error
	// RemoveNetwork must return Conflict while ports of it are left.
	RemoveNetwork(ctx context.Context, id string) error

	// EnsurePort plugs the port: its network must be there (NotFound). A port
	// whose Rules change keeps its tap and its allowed connections; those that no
	// rule allows any more must end.
	EnsurePort(ctx context.Context, p Port) (Attachment, error)
	RemovePort(ctx context.Context, id string) error

	// EnsureRouter makes the router so. Its networks must be there (NotFound). What
	// it advertises is known from the Subnets that EnsureNetwork got last.
	EnsureRouter(ctx context.Context, r Router) error
	RemoveRouter(ctx context.Context, id string) error

	// Inventory lists what is there, whoever made it, that belongs to this cloud.
	Inventory(ctx context.Context) (Inventory, error)

	// Close stops what the driver serves from this process. Bridges, taps and
	// routers stay: guests keep their connections, and the next EnsureNetwork
	// takes everything over.
	Close() error
}
