package compute

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/welkin-cloud/cloud/network"
)

// networkData is network_data.json: what the guest would have to know to set up its
// interfaces without DHCP.
func (s *Service) networkData(ctx context.Context, server *Server) (map[string]any, error) {
	links, networks, services := []any{}, []any{}, []any{}
	data := func() map[string]any {
		return map[string]any{"links": links, "networks": networks, "services": services}
	}
	if s.cfg.Networks == nil {
		return data(), nil
	}
	ports, err := s.cfg.Networks.PortsOf(ctx, server.ID)
	if err != nil {
		return nil, err
	}
	dns := map[netip.Addr]bool{}
	for _, p := range ports {
		n, err := s.cfg.Networks.GetNetwork(ctx, p.NetworkID)
		if err != nil {
			return nil, err
		}
		link := "tap" + p.ID[:min(11, len(p.ID))]
		links = append(links, map[string]any{
			"id": link, "vif_id": p.ID, "type": "bridge", "mtu": n.MTU, "ethernet_mac_address": p.MAC,
		})
		for _, ip := range p.FixedIPs {
			subnet, err := s.cfg.Networks.GetSubnet(ctx, ip.SubnetID)
			if err != nil {
				return nil, err
			}
			networks = append(networks, networkEntry(len(networks), link, p, ip, subnet))
			for _, addr := range subnet.DNS {
				if !dns[addr] {
					dns[addr] = true
					services = append(services, map[string]any{"type": "dns", "address": addr.String()})
				}
			}
		}
	}
	return data(), nil
}

// networkEntry is one address of an interface.
func networkEntry(i int, link string, p network.Port, ip network.FixedIP, subnet network.Subnet) map[string]any {
	e := map[string]any{
		"id": fmt.Sprintf("network%d", i), "link": link, "network_id": p.NetworkID,
	}
	v6 := subnet.CIDR.Addr().Is6()
	switch {
	case subnet.EnableDHCP && !v6:
		e["type"] = "ipv4_dhcp"
		return e
	case v6 && subnet.AddressMode == network.ModeSLAAC:
		e["type"] = "ipv6_slaac"
	case v6 && subnet.AddressMode == network.ModeStateful:
		e["type"] = "ipv6_dhcpv6-stateful"
	case v6 && subnet.AddressMode == network.ModeStateless:
		e["type"] = "ipv6_dhcpv6-stateless"
	case v6:
		e["type"] = "ipv6"
	default:
		e["type"] = "ipv4"
	}
	e["ip_address"] = ip.Address.String()
	e["netmask"] = netmask(subnet.CIDR)
	e["routes"] = routesOf(subnet)
	var servers []any
	for _, addr := range subnet.DNS {
		servers = append(servers, map[string]any{"type": "dns", "address": addr.String()})
	}
	if servers != nil {
		e["services"] = servers
	}
	return e
}

func routesOf(subnet network.Subnet) []any {
	routes := []any{}
	if subnet.Gateway.IsValid() {
		none := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if subnet.Gateway.Is6() {
			none = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		routes = append(routes, route(none, subnet.Gateway))
	}
	for _, r := range subnet.Routes {
		routes = append(routes, route(r.Destination, r.NextHop))
	}
	return routes
}

func route(to netip.Prefix, via netip.Addr) map[string]any {
	return map[string]any{"network": to.Addr().String(), "netmask": netmask(to), "gateway": via.String()}
}

// netmask writes the length of a prefix as an address, as network_data.json wants
// it.
func netmask(p netip.Prefix) string {
	b := p.Addr().AsSlice()
	for i := range b {
		switch bits := p.Bits() - 8*i; {
		case bits >= 8:
			b[i] = 0xff
		case bits <= 0:
			b[i] = 0
		default:
			b[i] = byte(0xff << (8 - bits))
		}
	}
	mask, _ := netip.AddrFromSlice(b)
	return mask.String()
}
