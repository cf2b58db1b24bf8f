package network

import (
	"context"
	"net/netip"
	"strconv"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// CreateSecurityGroupRuleOptions describe a rule.
type CreateSecurityGroupRuleOptions struct {
	GroupID     string // required
	Description string
	Direction   string // Ingress or Egress; required
	EtherType   string // IPv4 or IPv6; empty: IPv4
	// Protocol is a name that Neutron knows, a number, or empty for any.
	Protocol string
	// PortMin and PortMax are of the destination, or the type and the code of
	// ICMP; nil for any.
	PortMin, PortMax *int
	// At most one of the two may be set.
	RemotePrefix  netip.Prefix
	RemoteGroupID string
}

// protocols are the names of protocols that rules may give, with their numbers.
var protocols = map[string]int{
	"ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "icmp": 1, "icmpv6": 58, "igmp": 2, "ipip": 4,
	"ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43,
	"ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
}

// The protocols whose ports, or type and code, a rule may name.
const (
	protoICMP    = 1
	protoTCP     = 6
	protoUDP     = 17
	protoDCCP    = 33
	protoICMPv6  = 58
	protoSCTP    = 132
	protoUDPLite = 136
)

// CreateSecurityGroupRule lets more traffic pass.
func (s *Service) CreateSecurityGroupRule(ctx context.Context, projectID string, opts CreateSecurityGroupRuleOptions) (SecurityGroupRule, error) {
	var r SecurityGroupRule
	err := s.update(ctx, "CreateSecurityGroupRule", func(tx *state.Tx) error {
		g, err := s.getGroup(tx, opts.GroupID)
		if err != nil {
			return err
		}
		if err := s.checkQuota(tx, projectID, quotaRule); err != nil {
			return err
		}
		if r, err = s.newRule(tx, projectID, opts); err != nil {
			return err
		}
		if other, taken := s.t.rules.Find(tx, s.t.ruleBy.content, contentParts(&r)...); taken {
			return refused(fault.Conflict, "SecurityGroupRuleExists", "Security group rule already exists. Rule id is %s.", other.ID)
		}
		s.emit(ctx, tx, "security_group_rule.create.end", "security_group_rule", &r.Meta)
		if err := s.t.rules.Insert(tx, r); err != nil {
			return err
		}
		return s.putGroup(ctx, tx, &g)
	})
	return r, err
}

func (s *Service) newRule(tx *state.Tx, projectID string, o CreateSecurityGroupRuleOptions) (SecurityGroupRule, error) {
	meta, err := s.fresh("", projectID, "", o.Description, nil)
	if err != nil {
		return SecurityGroupRule{}, err
	}
	r := SecurityGroupRule{
		Meta: meta, GroupID: o.GroupID, Direction: o.Direction, EtherType: o.EtherType, Protocol: o.Protocol,
		PortMin: o.PortMin, PortMax: o.PortMax, RemotePrefix: o.RemotePrefix, RemoteGroupID: o.RemoteGroupID,
	}
	if r.EtherType == "" {
		r.EtherType = IPv4
	}
	if r.Protocol == "any" {
		r.Protocol = ""
	}
	if r.RemotePrefix.IsValid() {
		r.RemotePrefix = r.RemotePrefix.Masked()
	}
	if r.RemoteGroupID != "" {
		if _, err := s.getGroup(tx, r.RemoteGroupID); err != nil {
			return r, err
		}
	}
	return r, r.check()
}

// check reports what is wrong with a rule by itself.
func (r *SecurityGroupRule) check() error {
	if r.Direction != Ingress && r.Direction != Egress {
		return invalid("Invalid input for direction. Reason: '%s' is not in ['ingress', 'egress'].", r.Direction)
	}
	if r.EtherType != IPv4 && r.EtherType != IPv6 {
		return refused(fault.Invalid, "SecurityGroupRuleInvalidEtherType",
			"Security group rule for ethertype '%s' not supported. Allowed values are IPv4, IPv6.", r.EtherType)
	}
	if r.RemotePrefix.IsValid() && r.RemoteGroupID != "" {
		return refused(fault.Invalid, "SecurityGroupMultipleRemoteEntitites", "Only one of remote_ip_prefix or remote_group_id may be provided.")
	}
	if r.RemotePrefix.IsValid() && r.RemotePrefix.Addr().Is4() != (r.EtherType == IPv4) {
		return refused(fault.Invalid, "SecurityGroupRuleParameterConflict",
			"Conflicting value ethertype %s for CIDR %s", r.EtherType, r.RemotePrefix)
	}
	number, err := protocolNumber(r.Protocol)
	if err != nil {
		return err
	}
	if number == protoICMPv6 && r.EtherType == IPv4 && r.Protocol != "icmp" {
		return refused(fault.Invalid, "SecurityGroupEthertypeConflictWithProtocol",
			"Invalid ethertype %s for protocol %s.", r.EtherType, r.Protocol)
	}
	return r.checkPorts(number)
}

// protocolNumber gives the number of a protocol; -1 for any.
func protocolNumber(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	if n, ok := protocols[name]; ok {
		return n, nil
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n <= 255 {
		return n, nil
	}
	return 0, refused(fault.Invalid, "SecurityGroupRuleInvalidProtocol",
		"Security group rule protocol %s not supported. Only protocol names and integers 0 to 255 are allowed.", name)
}

func (r *SecurityGroupRule) checkPorts(protocol int) error {
	switch protocol {
	case protoICMP, protoICMPv6:
		for _, n := range []*int{r.PortMin, r.PortMax} {
			if n != nil && (*n < 0 || *n > 255) {
				return refused(fault.Invalid, "SecurityGroupInvalidIcmpValue",
					"Invalid value for ICMP type or code: %d. It must be 0 to 255.", *n)
			}
		}
		if r.PortMin == nil && r.PortMax != nil {
			return refused(fault.Invalid, "SecurityGroupMissingIcmpType",
				"ICMP code (port-range-max) %d is provided but ICMP type (port-range-min) is missing.", *r.PortMax)
		}
		return nil
	case protoTCP, protoUDP, protoDCCP, protoSCTP, protoUDPLite:
		return r.checkRange()
	}
	if r.PortMin != nil || r.PortMax != nil {
		if protocol < 0 {
			return refused(fault.Invalid, "SecurityGroupProtocolRequiredWithPorts",
				"Must also specify protocol if port range is given.")
		}
		return refused(fault.Invalid, "SecurityGroupInvalidPortRange", "Invalid port range for protocol %s: it has no ports.", r.Protocol)
	}
	return nil
}

func (r *SecurityGroupRule) checkRange() error {
	if r.PortMin == nil && r.PortMax == nil {
		return nil
	}
	bad := refused(fault.Invalid, "SecurityGroupInvalidPortRange",
		"For TCP/UDP protocols, port_range_min must be <= port_range_max")
	if r.PortMin == nil || r.PortMax == nil || *r.PortMin > *r.PortMax {
		return bad
	}
	if *r.PortMin < 1 || *r.PortMax > 65535 {
		return refused(fault.Invalid, "SecurityGroupInvalidPortValue", "Invalid value for port: it must be 1 to 65535.")
	}
	return nil
}

// GetSecurityGroupRule returns one rule.
func (s *Service) GetSecurityGroupRule(_ context.Context, id string) (SecurityGroupRule, error) {
	return s.getRule(s.db.Snapshot(), id)
}

func (s *Service) getRule(r state.Reader, id string) (SecurityGroupRule, error) {
	rule, err := s.t.rules.Get(r, id)
	return rule, missing(err, "SecurityGroupRuleNotFound", "Security group rule %s does not exist", id)
}

// ListSecurityGroupRules returns all rules.
func (s *Service) ListSecurityGroupRules(context.Context) ([]SecurityGroupRule, error) {
	return list(s.t.rules.All(s.db.Snapshot())), nil
}

// RulesOf returns the rules of a security group, oldest first.
func (s *Service) RulesOf(_ context.Context, groupID string) ([]SecurityGroupRule, error) {
	return list(s.t.rules.Where(s.db.Snapshot(), s.t.ruleBy.group, groupID)), nil
}

// DeleteSecurityGroupRule lets less traffic pass.
func (s *Service) DeleteSecurityGroupRule(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteSecurityGroupRule", func(tx *state.Tx) error {
		r, err := s.getRule(tx, id)
		if err != nil {
			return err
		}
		g, err := s.getGroup(tx, r.GroupID)
		if err != nil {
			return err
		}
		s.emit(ctx, tx, "security_group_rule.delete.end", "security_group_rule", &r.Meta)
		if err := s.t.rules.Delete(tx, id); err != nil {
			return err
		}
		return s.putGroup(ctx, tx, &g)
	})
}
