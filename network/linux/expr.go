package linux

import (
	"bytes"
	"cmp"
	"net"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// expressions are the parts of one rule: matches, then what to do.
type expressions []expr.Any

// join concatenates parts into one rule.
func join(parts ...expressions) expressions { return slices.Concat(parts...) }

var (
	accept = expressions{&expr.Verdict{Kind: expr.VerdictAccept}}
	drop   = expressions{&expr.Verdict{Kind: expr.VerdictDrop}}
)

// equal compares register 1.
func equal(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data}
}

// differs compares register 1.
func differs(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: data}
}

// load puts packet metadata into register 1.
func load(key expr.MetaKey) expr.Any { return &expr.Meta{Key: key, Register: 1} }

// store sets packet metadata from register 1.
func store(key expr.MetaKey) expr.Any {
	return &expr.Meta{Key: key, SourceRegister: true, Register: 1}
}

// payload puts bytes of a header into register 1.
func payload(base expr.PayloadBase, offset, length uint32) expr.Any {
	return &expr.Payload{DestRegister: 1, Base: base, Offset: offset, Len: length}
}

func constant(data []byte) expr.Any { return &expr.Immediate{Register: 1, Data: data} }

// device is an interface name as nftables compares it.
func device(name string) []byte {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	return b
}

func port16(p int) []byte    { return binaryutil.BigEndian.PutUint16(uint16(p)) }
func host32(v uint32) []byte { return binaryutil.NativeEndian.PutUint32(v) }

// etherType matches a frame's protocol.
func etherType(t uint16) expressions {
	return expressions{load(expr.MetaKeyPROTOCOL), equal(binaryutil.BigEndian.PutUint16(t))}
}

// family matches IPv4 or IPv6 in the inet family.
func family(v6 bool) expressions {
	proto := byte(unix.NFPROTO_IPV4)
	if v6 {
		proto = unix.NFPROTO_IPV6
	}
	return expressions{load(expr.MetaKeyNFPROTO), equal([]byte{proto})}
}

// transport matches the protocol above IP.
func transport(proto byte) expressions {
	return expressions{load(expr.MetaKeyL4PROTO), equal([]byte{proto})}
}

// etherSource matches the source MAC.
func etherSource(mac net.HardwareAddr) expressions {
	return expressions{payload(expr.PayloadBaseLLHeader, 6, 6), equal(mac)}
}

// addressAt matches an address in the network header against a prefix.
func addressAt(offset uint32, p netip.Prefix) expressions {
	length := uint32(p.Addr().BitLen() / 8)
	out := expressions{payload(expr.PayloadBaseNetworkHeader, offset, length)}
	if !p.IsSingleIP() {
		out = append(out, &expr.Bitwise{
			SourceRegister: 1, DestRegister: 1, Len: length,
			Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()), Xor: make([]byte, length),
		})
	}
	return append(out, equal(p.Masked().Addr().AsSlice()))
}

// The offsets of addresses in the headers of IPv4, IPv6 and ARP.
const (
	offsetSource4, offsetTarget4 = 12, 16
	offsetSource6, offsetTarget6 = 8, 24
	offsetARPMAC, offsetARPIP    = 8, 14
)

// source and target match the addresses of an IP packet.
func source(p netip.Prefix) expressions {
	if p.Addr().Is4() {
		return addressAt(offsetSource4, p)
	}
	return addressAt(offsetSource6, p)
}

func target(p netip.Prefix) expressions {
	if p.Addr().Is4() {
		return addressAt(offsetTarget4, p)
	}
	return addressAt(offsetTarget6, p)
}

// ports matches source and destination port, each if it is not negative.
func ports(from, to int) expressions {
	var out expressions
	if from >= 0 {
		out = append(out, payload(expr.PayloadBaseTransportHeader, 0, 2), equal(port16(from)))
	}
	if to >= 0 {
		out = append(out, payload(expr.PayloadBaseTransportHeader, 2, 2), equal(port16(to)))
	}
	return out
}

// transportByte matches one byte of the transport header: ICMP type or code.
func transportByte(offset uint32, value byte) expressions {
	return expressions{payload(expr.PayloadBaseTransportHeader, offset, 1), equal([]byte{value})}
}

// connection matches packets whose connection is in one of the states.
func connection(states uint32) expressions {
	return expressions{
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: host32(states), Xor: host32(0)},
		differs(host32(0)),
	}
}

// ranges turns prefixes of one family into the elements of an interval set: they
// are sorted, and those inside others left out.
func ranges(prefixes []netip.Prefix) []nftables.SetElement {
	sorted := slices.Clone(prefixes)
	for i, p := range sorted {
		sorted[i] = p.Masked()
	}
	slices.SortFunc(sorted, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	var out []nftables.SetElement
	var last netip.Prefix
	for _, p := range sorted {
		if last.IsValid() && last.Contains(p.Addr()) {
			continue
		}
		last = p
		start, end := p.Addr().AsSlice(), after(p)
		if n := len(out); n > 0 && bytes.Equal(out[n-1].Key, start) {
			out = out[:n-1] // the range before ends where this one begins
		} else {
			out = append(out, nftables.SetElement{Key: start})
		}
		if end != nil {
			out = append(out, nftables.SetElement{Key: end, IntervalEnd: true})
		}
	}
	return out
}

// after returns the first address behind a prefix, nil if it is the last of all.
func after(p netip.Prefix) []byte {
	b := p.Addr().AsSlice()
	for i := range b {
		host := min(max(p.Bits()-i*8, 0), 8)
		b[i] |= byte(0xff >> host)
	}
	last, _ := netip.AddrFromSlice(b)
	next := last.Next()
	if !next.IsValid() {
		return nil
	}
	return next.AsSlice()
}
