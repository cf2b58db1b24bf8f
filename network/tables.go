package network

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/welkin-cloud/cloud/internal/state"
)

// tables are the service's collections and their indexes.
type tables struct {
	networks  *state.Collection[Network]
	subnets   *state.Collection[Subnet]
	ports     *state.Collection[Port]
	routers   *state.Collection[Router]
	floating  *state.Collection[FloatingIP]
	groups    *state.Collection[SecurityGroup]
	rules     *state.Collection[SecurityGroupRule]
	pools     *state.Collection[SubnetPool]
	scopes    *state.Collection[AddressScope]
	networkBy networkIndexes
	subnetBy  subnetIndexes
	portBy    portIndexes
	routerBy  struct{ project *state.Index[Router] }
	floatBy   floatingIndexes
	groupBy   groupIndexes
	ruleBy    ruleIndexes
	poolBy    struct{ project, scope *state.Index[SubnetPool] }
	scopeBy   struct{ project *state.Index[AddressScope] }
}

type networkIndexes struct {
	project *state.Index[Network]
	shared  *state.Index[Network] // the shared ones only
	segment *state.Index[Network] // unique
}

type subnetIndexes struct {
	project, network, pool *state.Index[Subnet]
}

type portIndexes struct {
	project *state.Index[Port]
	network *state.Index[Port] // network, host
	device  *state.Index[Port] // device, time of creation
	address *state.Index[Port] // subnet, address: unique
	mac     *state.Index[Port] // network, MAC: unique
	group   *state.Index[Port] // each security group
	host    *state.Index[Port] // host, network: of plugged ports
	leg     *state.Index[Port] // network: of the ports of routers
	pending *state.Index[Port] // host: of those that have still to be realised
}

type floatingIndexes struct {
	project, network, router *state.Index[FloatingIP]
	fixed                    *state.Index[FloatingIP] // port, fixed address: unique
	pending                  *state.Index[FloatingIP] // router: of those that have still to be realised
}

type groupIndexes struct {
	project *state.Index[SecurityGroup]
	first   *state.Index[SecurityGroup] // the default group of a project: unique
}

type ruleIndexes struct {
	project, group, remote *state.Index[SecurityGroupRule]
	content                *state.Index[SecurityGroupRule] // what the rule says: unique
}

func (t *tables) define(db *state.DB) {
	t.defineNetworks(db)
	t.definePorts(db)
	t.defineRouters(db)
	t.defineGroups(db)
	t.definePools(db)
}

func (t *tables) defineNetworks(db *state.DB) {
	t.networkBy = networkIndexes{
		project: state.NewIndex("project", func(n *Network) []string { return one(n.ProjectID) }),
		shared:  state.NewIndex("shared", func(n *Network) []string { return when(n.Shared, "shared") }),
		segment: state.NewUnique("segment", func(n *Network) []string { return one(segmentKey(n.Segment)) }),
	}
	t.networks = state.Define(db, state.Spec[Network]{
		Name: "network.networks", Noun: "network", Key: func(n *Network) string { return n.ID },
		Indexes: []*state.Index[Network]{t.networkBy.project, t.networkBy.shared, t.networkBy.segment},
	})
	t.subnetBy = subnetIndexes{
		project: state.NewIndex("project", func(s *Subnet) []string { return one(s.ProjectID) }),
		network: state.NewIndex("network", func(s *Subnet) []string { return one(s.NetworkID, stamp(s.CreatedAt)) }),
		pool:    state.NewIndex("pool", func(s *Subnet) []string { return when(s.SubnetPoolID != "", s.SubnetPoolID) }),
	}
	t.subnets = state.Define(db, state.Spec[Subnet]{
		Name: "network.subnets", Noun: "subnet", Key: func(s *Subnet) string { return s.ID },
		Indexes: []*state.Index[Subnet]{t.subnetBy.project, t.subnetBy.network, t.subnetBy.pool},
	})
}

func (t *tables) definePorts(db *state.DB) {
	t.portBy = portIndexes{
		project: state.NewIndex("project", func(p *Port) []string { return one(p.ProjectID) }),
		network: state.NewIndex("network", func(p *Port) []string { return one(p.NetworkID, p.Host) }),
		device:  state.NewIndex("device", deviceKeys),
		address: state.NewUnique("address", addressKeys),
		mac:     state.NewUnique("mac", func(p *Port) []string { return one(p.NetworkID, p.MAC) }),
		group:   state.NewIndex("group", func(p *Port) []string { return p.SecurityGroups }),
		host: state.NewIndex("host", func(p *Port) []string {
			return when(p.Plugged, p.Host, p.NetworkID)
		}),
		leg: state.NewIndex("leg", func(p *Port) []string { return when(p.isLeg(), p.NetworkID) }),
		pending: state.NewIndex("pending", func(p *Port) []string {
			return when((p.Plugged || p.isLeg()) && p.Status != p.settled(), p.Host)
		}),
	}
	by := t.portBy
	t.ports = state.Define(db, state.Spec[Port]{
		Name: "network.ports", Noun: "port", Key: func(p *Port) string { return p.ID },
		Indexes: []*state.Index[Port]{by.project, by.network, by.device, by.address, by.mac, by.group, by.host, by.leg, by.pending},
	})
}

func (t *tables) defineRouters(db *state.DB) {
	t.routerBy.project = state.NewIndex("project", func(r *Router) []string { return one(r.ProjectID) })
	t.routers = state.Define(db, state.Spec[Router]{
		Name: "network.routers", Noun: "router", Key: func(r *Router) string { return r.ID },
		Indexes: []*state.Index[Router]{t.routerBy.project},
	})
	t.floatBy = floatingIndexes{
		project: state.NewIndex("project", func(f *FloatingIP) []string { return one(f.ProjectID) }),
		network: state.NewIndex("network", func(f *FloatingIP) []string { return one(f.NetworkID) }),
		router:  state.NewIndex("router", func(f *FloatingIP) []string { return when(f.RouterID != "", f.RouterID) }),
		fixed: state.NewUnique("fixed", func(f *FloatingIP) []string {
			return when(f.PortID != "", f.PortID, addressKey(f.Fixed))
		}),
		pending: state.NewIndex("pending", func(f *FloatingIP) []string {
			return when(f.RouterID != "" && f.Status != Active, f.RouterID)
		}),
	}
	by := t.floatBy
	t.floating = state.Define(db, state.Spec[FloatingIP]{
		Name: "network.floatingips", Noun: "floating IP", Key: func(f *FloatingIP) string { return f.ID },
		Indexes: []*state.Index[FloatingIP]{by.project, by.network, by.router, by.fixed, by.pending},
	})
}

func (t *tables) defineGroups(db *state.DB) {
	t.groupBy = groupIndexes{
		project: state.NewIndex("project", func(g *SecurityGroup) []string { return one(g.ProjectID) }),
		first:   state.NewUnique("default", func(g *SecurityGroup) []string { return when(g.Default, g.ProjectID) }),
	}
	t.groups = state.Define(db, state.Spec[SecurityGroup]{
		Name: "network.security_groups", Noun: "security group", Key: func(g *SecurityGroup) string { return g.ID },
		Indexes: []*state.Index[SecurityGroup]{t.groupBy.project, t.groupBy.first},
	})
	t.ruleBy = ruleIndexes{
		project: state.NewIndex("project", func(r *SecurityGroupRule) []string { return one(r.ProjectID) }),
		group:   state.NewIndex("group", func(r *SecurityGroupRule) []string { return one(r.GroupID, stamp(r.CreatedAt)) }),
		remote: state.NewIndex("remote", func(r *SecurityGroupRule) []string {
			return when(r.RemoteGroupID != "", r.RemoteGroupID)
		}),
		content: state.NewUnique("content", contentKeys),
	}
	by := t.ruleBy
	t.rules = state.Define(db, state.Spec[SecurityGroupRule]{
		Name: "network.security_group_rules", Noun: "security group rule",
		Key:     func(r *SecurityGroupRule) string { return r.ID },
		Indexes: []*state.Index[SecurityGroupRule]{by.project, by.group, by.remote, by.content},
	})
}

func (t *tables) definePools(db *state.DB) {
	t.poolBy.project = state.NewIndex("project", func(p *SubnetPool) []string { return one(p.ProjectID) })
	t.poolBy.scope = state.NewIndex("scope", func(p *SubnetPool) []string {
		return when(p.AddressScopeID != "", p.AddressScopeID)
	})
	t.pools = state.Define(db, state.Spec[SubnetPool]{
		Name: "network.subnetpools", Noun: "subnet pool", Key: func(p *SubnetPool) string { return p.ID },
		Indexes: []*state.Index[SubnetPool]{t.poolBy.project, t.poolBy.scope},
	})
	t.scopeBy.project = state.NewIndex("project", func(a *AddressScope) []string { return one(a.ProjectID) })
	t.scopes = state.Define(db, state.Spec[AddressScope]{
		Name: "network.address_scopes", Noun: "address scope", Key: func(a *AddressScope) string { return a.ID },
		Indexes: []*state.Index[AddressScope]{t.scopeBy.project},
	})
}

func one(parts ...string) []string { return []string{state.Key(parts...)} }

func when(cond bool, parts ...string) []string {
	if !cond {
		return nil
	}
	return one(parts...)
}

func segmentKey(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// stamp orders by time.
func stamp(t time.Time) string { return fmt.Sprintf("%020d", t.UnixNano()) }

// addressKey orders addresses of one IP version.
func addressKey(a netip.Addr) string { return hex.EncodeToString(a.AsSlice()) }

func deviceKeys(p *Port) []string {
	return when(p.DeviceID != "", p.DeviceID, stamp(p.CreatedAt))
}

func addressKeys(p *Port) []string {
	keys := make([]string, len(p.FixedIPs))
	for i, f := range p.FixedIPs {
		keys[i] = state.Key(f.SubnetID, addressKey(f.Address))
	}
	return keys
}

func contentKeys(r *SecurityGroupRule) []string { return one(contentParts(r)...) }

// contentParts is all that distinguishes the rules of a group.
func contentParts(r *SecurityGroupRule) []string {
	return []string{r.GroupID, r.Direction, r.EtherType, r.Protocol,
		portKey(r.PortMin), portKey(r.PortMax), prefixKey(r), r.RemoteGroupID}
}

// prefixKey is the same for rules whose prefix means the same: everything is no
// prefix at all.
func prefixKey(r *SecurityGroupRule) string {
	if !r.RemotePrefix.IsValid() || r.RemotePrefix.Bits() == 0 {
		return ""
	}
	return r.RemotePrefix.String()
}

func portKey(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}
