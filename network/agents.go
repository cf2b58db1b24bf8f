package network

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Agent is one of the parts of a network host that Neutron's clients expect to see.
type Agent struct {
	ID           string // stable: it follows from host and type
	Type         string // "DHCP agent", "L3 agent", "Linux bridge agent"
	Binary       string
	Topic        string
	Host         string
	Zone         string // empty for those that have none
	Alive        bool
	Heartbeat    time.Time
	Physical     []string // provider networks that the host reaches
	TunnelIP     string   // underlay address; empty if there is none
	AdminStateUp bool
}

// Agents returns what runs on each host, in order of hosts. A host that does not
// answer is not alive.
func (s *Service) Agents(ctx context.Context) ([]Agent, error) {
	var all []Agent
	for name, m := range s.cfg.Hosts.All() {
		host, err := m.Host(ctx)
		base := Agent{Host: name, Alive: err == nil, Heartbeat: s.now(), Physical: host.Physical, AdminStateUp: true}
		if host.Underlay.IsValid() {
			base.TunnelIP = host.Underlay.String()
		}
		add := func(kind, binary, topic, zone string) {
			a := base
			a.Type, a.Binary, a.Topic, a.Zone = kind, binary, topic, zone
			a.ID = uuid.NewSHA1(uuid.NameSpaceURL, []byte("agent:"+strings.ToLower(kind)+":"+name)).String()
			all = append(all, a)
		}
		add("Linux bridge agent", "neutron-linuxbridge-agent", "N/A", "")
		add("DHCP agent", "neutron-dhcp-agent", "dhcp_agent", s.cfg.Zone)
		if name == s.cfg.RouterHost {
			add("L3 agent", "neutron-l3-agent", "l3_agent", s.cfg.Zone)
		}
	}
	return all, nil
}

// NetworksOn returns the networks that are, or shall be, on a host.
func (s *Service) NetworksOn(_ context.Context, host string) ([]Network, error) {
	snap, seen, nets := s.db.Snapshot(), map[string]bool{}, []Network{}
	add := func(id string) {
		if n, err := s.t.networks.Get(snap, id); err == nil && !seen[id] {
			seen[id] = true
			nets = append(nets, n)
		}
	}
	for p := range s.t.ports.Where(snap, s.t.portBy.host, host) {
		add(p.NetworkID)
	}
	if host == s.cfg.RouterHost {
		for p := range s.t.ports.Where(snap, s.t.portBy.leg) {
			add(p.NetworkID)
		}
	}
	return nets, nil
}

// RouterHost is the host on which routers live; empty if there is none.
func (s *Service) RouterHost() string { return s.cfg.RouterHost }
