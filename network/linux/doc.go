// Package linux realises networks with the Linux kernel alone: bridges, taps,
// network namespaces, VXLAN and nftables, all through netlink. It starts no
// process. DHCP, metadata and router advertisements are served from this process,
// through sockets that were opened inside the namespaces.
//
// # What there is
//
// The host namespace (Config.Namespace) holds the bridges and taps; the hypervisor
// runs in it. Each network and each router has a namespace of its own besides.
//
//	PREFIX-net-ID              host namespace                        PREFIX-rtr-ID
//	┌──────────────┐  veth   ┌──────────────────────────────┐  veth  ┌─────────────┐
//	│ service      ├─────────┤ws…    ┌───────────┐      wr… ├────────┤ in…         │
//	│  DHCP :67    │         │  └────┤ bridge    ├──────┘   │        │  forwarding │
//	│  metadata:80 │         │       │ wb…       │          │        │  metadata:80│
//	└──────────────┘         │  ┌────┤           ├──────┐   │        │  routes     │
//	                         │ tap…  └───────────┘     wx… ─┼─ VXLAN │  SNAT, DNAT │
//	  guest (QEMU) ──────────┼─ tap…                        │  peers │             │
//	                         │       ┌───────────┐          │        │             │
//	  the world ─────────────┼───────┤ provider  ├──────wr… ├────────┤ gw          │
//	                         │       │ bridge    │          │        └─────────────┘
//	                         └───────┴───────────┴──────────┘
//
// Names of devices are short forms of ids; the alias of a device has the whole id,
// the prefix of the cloud and what the device is for ("ip link" shows it). The alias
// of the loopback device in a network's namespace says which bridge and which MTU
// the network has. So the kernel alone remembers what there is: a mechanism that is
// opened again finds everything, and clouds with different prefixes can share a
// host.
//
// # The way of a frame
//
// Bridged packets are handed to the IP hooks (net.bridge.bridge-nf-call-iptables):
// only there does the kernel know connections. But there the devices are the bridge,
// not the ports of it. So the tables of family bridge, which see the ports, mark each
// packet with the index of the tap that it came from or goes to, and the table of
// family inet finds the port's chain by that mark.
//
//	from a guest                                                to a guest
//	    │                                                           ▲
//	    ▼  bridge: prerouting (-300)                                │
//	 spoof-PORT    may it use this MAC, address, ARP sender?        │
//	    │          mark = the tap it came from                      │
//	    ▼  inet: prerouting (-500)                                  │
//	 zone          connection table of the bridge                   │
//	    ▼  inet: prerouting (-150)                                  │
//	 out-PORT      known connection, or an egress rule?             │
//	    ▼  bridge: forward (-201, -200)                             │
//	               mark = none, or the tap it goes to               │
//	    ▼  inet: forward (0)                                        │
//	 in-PORT       known connection, or an ingress rule? ───────────┘
//
// Each tenant bridge has a conntrack zone, so that tenants with the same addresses
// share no connection. Provider bridges share the host's table: their addresses are
// the world's. The bridge's input hook keeps guests of tenant networks away from the
// host itself; nothing is asked of packets that the host sends.
//
// The three chains and the map elements of a port change in one transaction. Known
// connections pass whatever the rules, so a connection that new rules do not allow
// is removed from the connection table; others go on.
//
// # Routers
//
// The nftables table in a router's namespace has a destination chain (floating to
// fixed address) and a source chain (fixed to floating address, or to the gateway's
// where SNAT is on). A guest that asks for a floating address of its own router is
// given a new source too, or the answer would not come back that way. A floating
// address is announced by gratuitous ARP. When it goes, its connections end.
//
// # Limits
//
// There is no VLAN, no DHCPv6 and no DNS forwarder. A drop policy that somebody else
// puts on the forward hook of the host namespace (some container engines do) also
// drops bridged packets.
package linux
