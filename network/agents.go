package network

import (
	"context"
	"slices"
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
	for _, name := range slices.Sorted(keys(s.cfg.Mechanisms)) {
		host, err := s.cfg.Mechanisms[name].Host(ctx)
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
