package network

import (
	"net"
	"net/netip"
	"slices"
)

// lastAddr is the highest address of a prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// hosts gives the first and the last address that a host may have. IPv4 keeps the
// network's and the broadcast address back, where the prefix has room for that;
// IPv6 only the subnet-router anycast address.
func hosts(p netip.Prefix) (first, last netip.Addr) {
	first, last = p.Masked().Addr(), lastAddr(p)
	switch left := first.BitLen() - p.Bits(); {
	case left < 2:
		return first, last
	case first.Is4():
		return first.Next(), last.Prev()
	}
	return first.Next(), last
}

// isHost reports whether a host may have the address in a subnet of that prefix.
func isHost(p netip.Prefix, a netip.Addr) bool {
	first, last := hosts(p)
	return p.Contains(a) && !a.Less(first) && !last.Less(a)
}

// defaultPools gives all host addresses but the gateway.
func defaultPools(p netip.Prefix, gateway netip.Addr) []Pool {
	first, last := hosts(p)
	if !gateway.IsValid() || gateway.Less(first) || last.Less(gateway) {
		return []Pool{{first, last}}
	}
	var pools []Pool
	if first.Less(gateway) {
		pools = append(pools, Pool{first, gateway.Prev()})
	}
	if gateway.Less(last) {
		pools = append(pools, Pool{gateway.Next(), last})
	}
	return pools
}

// contains reports whether the address is in the pool.
func (p Pool) contains(a netip.Addr) bool { return !a.Less(p.Start) && !p.End.Less(a) }

// checkPools reports what is wrong with the pools of a subnet.
func checkPools(cidr netip.Prefix, pools []Pool) error {
	sorted := slices.SortedFunc(slices.Values(pools), func(a, b Pool) int { return a.Start.Compare(b.Start) })
	for i, p := range sorted {
		if p.Start.BitLen() != cidr.Addr().BitLen() || p.End.BitLen() != p.Start.BitLen() || p.End.Less(p.Start) {
			return refusedPool("InvalidAllocationPool", "The allocation pool %s-%s is not valid.", p.Start, p.End)
		}
		if !isHost(cidr, p.Start) || !isHost(cidr, p.End) {
			return refusedPool("OutOfBoundsAllocationPool",
				"The allocation pool %s-%s spans beyond the subnet cidr %s.", p.Start, p.End, cidr)
		}
		if i > 0 && !sorted[i-1].End.Less(p.Start) {
			return refusedOverlap(sorted[i-1], p, cidr)
		}
	}
	return nil
}

// interfaceAddr is the address that a host computes from a prefix of 64 bits and
// its MAC (RFC 4291, appendix A).
func interfaceAddr(p netip.Prefix, mac string) (netip.Addr, error) {
	hw, err := net.ParseMAC(mac)
	if err != nil || len(hw) != 6 {
		return netip.Addr{}, invalid("'%s' is not a valid MAC address.", mac)
	}
	b := p.Masked().Addr().As16()
	copy(b[8:], []byte{hw[0] ^ 2, hw[1], hw[2], 0xff, 0xfe, hw[3], hw[4], hw[5]})
	return netip.AddrFrom16(b), nil
}

// normalMAC gives a unicast MAC in lower case with colons.
func normalMAC(mac string) (string, error) {
	hw, err := net.ParseMAC(mac)
	if err != nil || len(hw) != 6 || hw[0]&1 == 1 || slices.Equal(hw, make([]byte, 6)) {
		return "", invalid("Invalid input for mac_address. Reason: '%s' is not a valid MAC address.", mac)
	}
	return hw.String(), nil
}
