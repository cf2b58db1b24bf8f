package linux

import (
	"errors"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/welkin-cloud/cloud/network/driver"
)

// The firewall of a host is two nftables tables. Chains and maps are the same for
// all ports; each port has three chains of its own and elements in the maps.
const (
	priorityMark    = -300 // before the bridge hands packets to the IP hooks
	priorityZone    = -500 // before fragments are put together
	priorityEgress  = -150 // after connections are looked up
	priorityForget  = -201 // before any cloud of the host marks
	priorityForward = -200
	priorityIngress = 0
	chainSpoof      = "spoof-" // what a port may send: addresses
	chainEgress     = "out-"   // what a port may send: rules
	chainIngress    = "in-"    // what a port may get
	chainTunnel     = "tunnel-"
	maxZone         = 1<<16 - 1
)

// tables are the objects that all ports share. They are plain descriptions: the
// kernel has the contents.
type tables struct {
	bridge, inet *nftables.Table
	guests       *nftables.Set // taps of ports with security
	isolated     *nftables.Set // devices from which nothing may reach the host itself
	spoof        *nftables.Set // tap → chain
	tunnels      *nftables.Set // tunnel → chain
	zones        *nftables.Set // bridge → conntrack zone
	egress       *nftables.Set // mark → chain
	ingress      *nftables.Set // mark → chain
}

// tables describes the shared objects.
func (m *Mechanism) tables() *tables {
	b := &nftables.Table{Name: m.tableName(), Family: nftables.TableFamilyBridge}
	i := &nftables.Table{Name: m.tableName(), Family: nftables.TableFamilyINet}
	zone := nftables.TypeInteger
	zone.Bytes = 2
	return &tables{
		bridge: b, inet: i,
		guests:   &nftables.Set{Table: b, ID: 1, Name: "guests", KeyType: nftables.TypeIFName},
		isolated: &nftables.Set{Table: b, ID: 2, Name: "isolated", KeyType: nftables.TypeIFName},
		spoof:    &nftables.Set{Table: b, ID: 3, Name: "spoof", IsMap: true, KeyType: nftables.TypeIFName, DataType: nftables.TypeVerdict},
		tunnels:  &nftables.Set{Table: b, ID: 4, Name: "tunnels", IsMap: true, KeyType: nftables.TypeIFName, DataType: nftables.TypeVerdict},
		zones:    &nftables.Set{Table: i, ID: 5, Name: "zones", IsMap: true, KeyType: nftables.TypeIFName, DataType: zone},
		egress:   &nftables.Set{Table: i, ID: 6, Name: "egress", IsMap: true, KeyType: nftables.TypeMark, DataType: nftables.TypeVerdict},
		ingress:  &nftables.Set{Table: i, ID: 7, Name: "ingress", IsMap: true, KeyType: nftables.TypeMark, DataType: nftables.TypeVerdict},
	}
}

// firstSetID is the first batch-local number that is free for anonymous sets.
const firstSetID = 100

func (t *tables) sets() []*nftables.Set {
	return []*nftables.Set{t.guests, t.isolated, t.spoof, t.tunnels, t.zones, t.egress, t.ingress}
}

// dispatch sends packets to the chain that a map has for the key.
func dispatch(key expr.MetaKey, set *nftables.Set) expressions {
	return expressions{load(key), &expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID, DestRegister: unix.NFT_REG_VERDICT, IsDestRegSet: true}}
}

// member matches packets whose key is in a set.
func member(key expr.MetaKey, set *nftables.Set) expressions {
	return expressions{load(key), &expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID}}
}

// prepareFirewall makes the shared objects, and writes the shared rules anew; the
// maps keep what they have.
func (m *Mechanism) prepareFirewall() error {
	m.firewall.Lock()
	defer m.firewall.Unlock()
	c, err := m.host.nft()
	if err != nil {
		return failed("open nftables", err)
	}
	t := m.tables()
	c.AddTable(t.bridge)
	c.AddTable(t.inet)
	for _, s := range t.sets() {
		if err := c.AddSet(s, nil); err != nil {
			return failed("describe the firewall", err)
		}
	}
	base := func(table *nftables.Table, name string, hook *nftables.ChainHook, priority int32, rules ...expressions) {
		p := nftables.ChainPriority(priority)
		chain := c.AddChain(&nftables.Chain{
			Name: name, Table: table, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: &p,
		})
		fill(c, chain, rules)
	}
	base(t.bridge, "prerouting", nftables.ChainHookPrerouting, priorityMark, dispatch(expr.MetaKeyIIFNAME, t.spoof))
	base(t.bridge, "forget", nftables.ChainHookForward, priorityForget,
		join(member(expr.MetaKeyIIFNAME, t.guests), expressions{constant(host32(0)), store(expr.MetaKeyMARK)}))
	base(t.bridge, "forward", nftables.ChainHookForward, priorityForward,
		dispatch(expr.MetaKeyOIFNAME, t.tunnels),
		join(member(expr.MetaKeyOIFNAME, t.guests), expressions{load(expr.MetaKeyOIF), store(expr.MetaKeyMARK)}))
	base(t.bridge, "input", nftables.ChainHookInput, priorityForward, join(member(expr.MetaKeyIIFNAME, t.isolated), drop))
	base(t.inet, "zone", nftables.ChainHookPrerouting, priorityZone, expressions{
		load(expr.MetaKeyIIFNAME),
		&expr.Lookup{SourceRegister: 1, DestRegister: 1, IsDestRegSet: true, SetName: t.zones.Name, SetID: t.zones.ID},
		&expr.Ct{Key: expr.CtKeyZONE, Register: 1, SourceRegister: true},
	})
	base(t.inet, "egress", nftables.ChainHookPrerouting, priorityEgress, dispatch(expr.MetaKeyMARK, t.egress))
	base(t.inet, "ingress", nftables.ChainHookForward, priorityIngress, dispatch(expr.MetaKeyMARK, t.ingress))
	return failed("prepare the firewall", c.Flush())
}

// fill gives a chain exactly the rules.
func fill(c *nftables.Conn, chain *nftables.Chain, rules []expressions) {
	c.FlushChain(chain)
	for _, r := range rules {
		c.AddRule(&nftables.Rule{Table: chain.Table, Chain: chain, Exprs: r})
	}
}

// addGuarded adds to an inventory what has a part of the firewall: its links may be
// gone, if their remover was cut off before it got to the firewall.
func (m *Mechanism) addGuarded(inv *driver.Inventory) error {
	c, err := m.host.nft()
	if err != nil {
		return failed("open nftables", err)
	}
	chains, err := c.ListChains()
	if err != nil {
		return failed("list the firewall", err)
	}
	for _, chain := range chains {
		if chain.Table.Name != m.tableName() {
			continue
		}
		for _, prefix := range []string{chainSpoof, chainEgress, chainIngress} {
			if id, ok := strings.CutPrefix(chain.Name, prefix); ok {
				inv.Ports = append(inv.Ports, id)
			}
		}
		if id, ok := strings.CutPrefix(chain.Name, chainTunnel); ok {
			inv.Networks = append(inv.Networks, id)
		}
	}
	return nil
}

// removeFirewall removes both tables.
func (m *Mechanism) removeFirewall() error {
	m.firewall.Lock()
	defer m.firewall.Unlock()
	c, err := m.host.nft()
	if err != nil {
		return failed("open nftables", err)
	}
	t := m.tables()
	for _, table := range []*nftables.Table{t.bridge, t.inet} {
		c.AddTable(table) // so that removing it cannot fail
		c.DelTable(table)
	}
	return failed("remove the firewall", c.Flush())
}

// elements lists what a set holds.
func elements(c *nftables.Conn, s *nftables.Set) ([]nftables.SetElement, error) {
	all, err := c.GetSetElements(s)
	return all, failed("read set "+s.Name, err)
}

// hasKey reports whether an element with the key is there.
func hasKey(all []nftables.SetElement, key []byte) bool {
	return slices.ContainsFunc(all, func(e nftables.SetElement) bool { return slices.Equal(e.Key, key) })
}

// discard removes from a set the elements whose key or comment is the given one,
// except for the key to keep.
func discard(c *nftables.Conn, s *nftables.Set, key []byte, comment string, keep []byte) error {
	all, err := elements(c, s)
	if err != nil {
		return err
	}
	var gone []nftables.SetElement
	for _, e := range all {
		mine := slices.Equal(e.Key, key) || comment != "" && e.Comment == comment
		if mine && (keep == nil || !slices.Equal(e.Key, keep)) {
			gone = append(gone, nftables.SetElement{Key: e.Key})
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return failed("change set "+s.Name, c.SetDeleteElements(s, gone))
}

// ensureZone gives a tenant's bridge its own connection table, so that tenants
// with the same addresses do not share connections. A bridge keeps its zone.
func (m *Mechanism) ensureZone(bridge string) error {
	m.firewall.Lock()
	defer m.firewall.Unlock()
	c, err := m.host.nft()
	if err != nil {
		return failed("open nftables", err)
	}
	t := m.tables()
	all, err := elements(c, t.zones)
	if err != nil || hasKey(all, device(bridge)) {
		return err
	}
	l, err := m.host.nl.LinkByName(bridge)
	if err != nil {
		return failed("find bridge "+bridge, err)
	}
	zone, err := freeZone(all, l.Attrs().Index)
	if err != nil {
		return err
	}
	err = c.SetAddElements(t.zones, []nftables.SetElement{{Key: device(bridge), Val: binaryutil.NativeEndian.PutUint16(zone)}})
	return failed("set the zone of "+bridge, errors.Join(err, c.Flush()))
}

// freeZone picks a zone that is not in use. It begins at the bridge's index, which
// no bridge of another cloud has.
func freeZone(taken []nftables.SetElement, index int) (uint16, error) {
	used := make(map[uint16]bool)
	for _, e := range taken {
		used[binaryutil.NativeEndian.Uint16(e.Val)] = true
	}
	for i := range maxZone {
		if z := uint16((index+i-1)%maxZone + 1); !used[z] {
			return z, nil
		}
	}
	return 0, driver.Errorf(driver.Exhausted, "this host has no connection zone left")
}

// zoneOf returns the conntrack zone of a bridge: 0 if it has none of its own.
func (m *Mechanism) zoneOf(c *nftables.Conn, bridge string) (uint16, error) {
	all, err := elements(c, m.tables().zones)
	if err != nil {
		return 0, err
	}
	for _, e := range all {
		if slices.Equal(e.Key, device(bridge)) && len(e.Val) >= 2 {
			return binaryutil.NativeEndian.Uint16(e.Val), nil
		}
	}
	return 0, nil
}

// guardTunnel keeps the service port of this host from answering on other hosts,
// which have one with the same addresses.
func (m *Mechanism) guardTunnel(n driver.Network, name string) error {
	m.firewall.Lock()
	defer m.firewall.Unlock()
	c, err := m.host.nft()
	if err != nil {
		return failed("open nftables", err)
	}
	t := m.tables()
	chain := c.AddChain(&nftables.Chain{Name: chainTunnel + n.ID, Table: t.bridge})
	var rules []expressions
	if n.Service.PortID != "" {
		mac, err := parseMAC(n.Service.MAC)
		if err != nil {
			return err
		}
		rules = append(rules, join(etherSource(mac), drop))
	}
	fill(c, chain, rules)
	err = errors.Join(
		c.SetAddElements(t.tunnels, []nftables.SetElement{jump(device(name), chain.Name, n.ID)}),
		c.SetAddElements(t.isolated, []nftables.SetElement{{Key: device(name)}}),
		c.Flush())
	return failed("guard tunnel "+name, err)
}

// jump is a map element that leads to a chain.
func jump(key []byte, chain, comment string) nftables.SetElement {
	return nftables.SetElement{Key: key, Comment: comment, VerdictData: &expr.Verdict{Kind: expr.VerdictJump, Chain: chain}}
}

// forgetNetwork removes what the firewall has for a network.
func (m *Mechanism) forgetNetwork(id string) error {
	m.firewall.Lock()
	defer m.firewall.Unlock()
	c, err := m.host.nft()
	if err != nil {
		return failed("open nftables", err)
	}
	t := m.tables()
	err = errors.Join(
		discard(c, t.zones, device(bridgeName(id)), "", nil),
		discard(c, t.isolated, device(tunnelName(id)), "", nil),
		discard(c, t.tunnels, device(tunnelName(id)), "", nil))
	if err != nil {
		return err
	}
	removeChains(c, t.bridge, chainTunnel+id)
	return failed("forget network "+id, c.Flush())
}

// removeChains removes chains, present or not.
func removeChains(c *nftables.Conn, table *nftables.Table, names ...string) {
	for _, name := range names {
		chain := c.AddChain(&nftables.Chain{Name: name, Table: table}) // so that removing cannot fail
		c.FlushChain(chain)
		c.DelChain(chain)
	}
}

// cutConnections ends the tracking of connections in a zone that match.
func cutConnections(nl *netlink.Handle, filter netlink.CustomConntrackFilter) error {
	for _, f := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		_, err := nl.ConntrackDeleteFilters(netlink.ConntrackTable, f, filter)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) && !errors.Is(err, unix.ENOENT) {
			return failed("end connections", err)
		}
	}
	return nil
}
