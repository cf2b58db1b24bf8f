package linux

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/network/driver"
)

// Config says which host the mechanism serves and what it may touch there.
type Config struct {
	// HostName is the host's name, the same as its hypervisor's.
	HostName string
	// Namespace is the name of the network namespace that holds bridges and taps,
	// and in which QEMU runs; empty for the namespace of this process.
	Namespace string
	// CreateNamespace makes Namespace if it is absent. Teardown removes it then.
	CreateNamespace bool
	// Prefix is the tag of the cloud: one to twelve lower case letters and digits.
	// Clouds with different prefixes may share a host.
	Prefix string
	// Physical gives the bridge in Namespace for each provider network. A bridge
	// that is absent is made.
	Physical map[string]string
	// Underlay is the host's address for VXLAN; the zero Addr for a cloud of one host.
	Underlay netip.Addr
	// UnderlayDevice is the device that has Underlay; empty to let the kernel choose.
	UnderlayDevice string
	// LeaseTime is what DHCP gives; one day if zero.
	LeaseTime time.Duration
	// Domain is the DNS domain that DHCP gives; "openstacklocal" if empty.
	Domain string
	// Log gets what goes wrong outside of any call; nil for silence.
	Log *slog.Logger
}

// Mechanism realises networks with the Linux kernel. It implements
// [driver.Mechanism].
type Mechanism struct {
	cfg  Config
	host *space
	made bool // the host namespace is ours

	life context.Context // of what is served from this process
	stop context.CancelFunc

	firewall sync.Mutex // serialises nftables batches in the host namespace

	mu       sync.Mutex
	closed   bool
	services map[string]*service // by network id
	subnets  map[string][]driver.Subnet
	running  map[string]*advertiser // by router id
	rules    map[string]*rulebook   // by port id

	handler atomic.Pointer[driver.MetadataHandler]
}

var _ driver.Mechanism = (*Mechanism)(nil)

var prefixPattern = regexp.MustCompile(`^[a-z0-9]{1,12}$`)

// New opens the mechanism of one host. It prepares the host namespace and takes
// over what an earlier process left there.
func New(ctx context.Context, cfg Config) (*Mechanism, error) {
	if !prefixPattern.MatchString(cfg.Prefix) {
		return nil, driver.Errorf(driver.Invalid, "the prefix must be 1 to 12 lower case letters and digits")
	}
	if cfg.LeaseTime <= 0 {
		cfg.LeaseTime = 24 * time.Hour
	}
	if cfg.Domain == "" {
		cfg.Domain = "openstacklocal"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	m := &Mechanism{
		cfg:      cfg,
		services: make(map[string]*service),
		subnets:  make(map[string][]driver.Subnet),
		running:  make(map[string]*advertiser),
		rules:    make(map[string]*rulebook),
	}
	if err := m.openHost(); err != nil {
		return nil, err
	}
	m.life, m.stop = context.WithCancel(context.Background())
	if err := m.prepareHost(ctx); err != nil {
		m.stop()
		m.host.close()
		return nil, err
	}
	return m, nil
}

// openHost opens the host namespace, and makes it if it may.
func (m *Mechanism) openHost() error {
	var err error
	if m.cfg.Namespace == "" {
		m.host, err = currentSpace()
		return err
	}
	m.host, err = openSpace(m.cfg.Namespace)
	if errors.Is(err, os.ErrNotExist) && m.cfg.CreateNamespace {
		if m.host, err = ensureSpace(m.cfg.Namespace); err == nil {
			err = m.host.setNote(m.alias(kindHost, m.cfg.HostName))
		}
	}
	return failed("open namespace "+m.cfg.Namespace, err)
}

// prepareHost sets what all networks of the host rely on.
func (m *Mechanism) prepareHost(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	note, err := m.host.note()
	if err != nil {
		return err
	}
	tag, ok := m.parseAlias(note)
	m.made = ok && tag.kind == kindHost
	for _, key := range []string{"bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables"} {
		if err := m.host.sysctl(key, "1"); err != nil {
			return failed("hand bridged packets to the firewall", err)
		}
	}
	if err := m.host.up("lo"); err != nil {
		return err
	}
	for _, bridge := range m.cfg.Physical {
		if err := m.ensurePhysical(bridge); err != nil {
			return err
		}
	}
	return m.prepareFirewall()
}

// ensurePhysical makes the bridge of a provider network unless somebody made it.
func (m *Mechanism) ensurePhysical(bridge string) error {
	_, err := m.host.nl.LinkByName(bridge)
	if isMissing(err) {
		_, err = m.ensureBridge(bridge, m.alias(kindPhysical, bridge), 0)
		return err
	}
	return failed("find bridge "+bridge, err)
}

// Host describes the host.
func (m *Mechanism) Host(ctx context.Context) (driver.Host, error) {
	h := driver.Host{Name: m.cfg.HostName, Type: "linux", Underlay: m.cfg.Underlay}
	for name := range m.cfg.Physical {
		h.Physical = append(h.Physical, name)
	}
	slices.Sort(h.Physical)
	return h, ctx.Err()
}

// Serve sets the handler of metadata requests.
func (m *Mechanism) Serve(h driver.MetadataHandler) { m.handler.Store(&h) }

// Inventory lists what the kernel holds for this cloud.
func (m *Mechanism) Inventory(ctx context.Context) (driver.Inventory, error) {
	if err := ctx.Err(); err != nil {
		return driver.Inventory{}, err
	}
	names, err := listSpaces()
	if err != nil {
		return driver.Inventory{}, err
	}
	inv := driver.Inventory{
		Networks: idsOf(names, m.spaceName(kindNetwork, "")),
		Routers:  idsOf(names, m.spaceName(kindRouter, "")),
	}
	tagged, err := m.tagged()
	if err != nil {
		return driver.Inventory{}, err
	}
	for _, t := range tagged {
		switch t.kind {
		case kindPort:
			inv.Ports = append(inv.Ports, t.id)
		case kindBridge, kindTunnel, kindService:
			inv.Networks = append(inv.Networks, t.id)
		case kindLeg:
			inv.Routers = append(inv.Routers, t.id)
		}
	}
	if err := m.addGuarded(&inv); err != nil {
		return driver.Inventory{}, err
	}
	for _, ids := range []*[]string{&inv.Networks, &inv.Ports, &inv.Routers} {
		slices.Sort(*ids)
		*ids = slices.Compact(*ids)
	}
	return inv, nil
}

// Teardown removes everything of this cloud from the host, then closes the
// mechanism. It goes on after an error and returns all of them.
func (m *Mechanism) Teardown(ctx context.Context) error {
	inv, err := m.Inventory(ctx)
	errs := []error{err}
	for _, id := range inv.Routers {
		errs = append(errs, m.RemoveRouter(ctx, id))
	}
	for _, id := range inv.Ports {
		errs = append(errs, m.RemovePort(ctx, id))
	}
	for _, id := range inv.Networks {
		errs = append(errs, m.RemoveNetwork(ctx, id))
	}
	tagged, err := m.tagged()
	errs = append(errs, err)
	for _, t := range tagged {
		if t.kind != kindHost {
			errs = append(errs, m.host.removeLink(t.link))
		}
	}
	errs = append(errs, m.removeFirewall(), m.Close())
	if m.made {
		errs = append(errs, removeSpace(m.cfg.Namespace))
	}
	return errors.Join(errs...)
}

// Close stops DHCP, metadata and router advertisements of this process.
func (m *Mechanism) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	services, running := m.services, m.running
	m.services, m.running = map[string]*service{}, map[string]*advertiser{}
	m.mu.Unlock()
	m.stop()
	for _, s := range services {
		s.close()
	}
	for _, a := range running {
		a.close()
	}
	m.host.close()
	return nil
}

// failed wraps an error of the kernel for the cloud, nil for nil. Errors that
// have a kind already keep it.
func failed(what string, err error) error {
	if err == nil {
		return nil
	}
	var kinded *fault.Error
	if errors.As(err, &kinded) {
		return err
	}
	return fault.New(driver.Unavailable, "the network mechanism cannot %s", what).Because(err)
}

// isMissing reports whether err says that a link is not there.
func isMissing(err error) bool {
	var missing netlink.LinkNotFoundError
	return errors.As(err, &missing)
}
