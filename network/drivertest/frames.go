package drivertest

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// broadcast is the MAC of everybody.
var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// frame builds an Ethernet frame.
func frame(to, from net.HardwareAddr, etherType uint16, payload []byte) []byte {
	return slices.Concat(to, from, []byte{byte(etherType >> 8), byte(etherType)}, payload)
}

// arpClaim builds a broadcast frame from source in which mac claims an address.
func arpClaim(source, mac net.HardwareAddr, address netip.Addr) []byte {
	ip := address.AsSlice()
	return frame(broadcast, source, unix.ETH_P_ARP, slices.Concat(
		[]byte{0, 1, 8, 0, 6, 4, 0, 2}, mac, ip, broadcast, ip))
}

// udp4 builds a broadcast IPv4 frame with an empty UDP packet.
func udp4(mac net.HardwareAddr, from, to netip.Addr, sourcePort, targetPort uint16) []byte {
	header := []byte{0x45, 0, 0, 28, 0, 1, 0, 0, 64, unix.IPPROTO_UDP, 0, 0}
	header = slices.Concat(header, from.AsSlice(), to.AsSlice())
	var sum uint32
	for i := 0; i < len(header); i += 2 {
		sum += uint32(header[i])<<8 | uint32(header[i+1])
	}
	sum = ^(sum&0xffff + sum>>16)
	header[10], header[11] = byte(sum>>8), byte(sum)
	return frame(broadcast, mac, unix.ETH_P_IP, slices.Concat(header, []byte{
		byte(sourcePort >> 8), byte(sourcePort), byte(targetPort >> 8), byte(targetPort), 0, 8, 0, 0,
	}))
}

// packetSocket opens a raw socket on the guest's device.
func packetSocket(t *testing.T, g Guest) int {
	t.Helper()
	var fd int
	require.NoError(t, g.Do(func() error {
		device, err := net.InterfaceByName(g.Device())
		if err != nil {
			return err
		}
		all := uint16(unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8)
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(all)); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: device.Index})
	}))
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// arrives sends a frame from one guest and reports whether it reaches another.
func arrives(t *testing.T, from, to Guest, sent []byte) bool {
	t.Helper()
	out := packetSocket(t, from)
	return hears(t, to, func(frame []byte) bool {
		return len(frame) >= len(sent) && slices.Equal(frame[:len(sent)], sent)
	}, func() {
		_, err := unix.Write(out, sent)
		require.NoError(t, err)
	})
}

// hears runs do and reports whether a frame that matches comes to the guest then.
func hears(t *testing.T, g Guest, match func(frame []byte) bool, do func()) bool {
	t.Helper()
	in := packetSocket(t, g)
	tv := unix.NsecToTimeval(int64(silence / 4))
	require.NoError(t, unix.SetsockoptTimeval(in, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv))
	do()
	buffer := make([]byte, 2048)
	for end := time.Now().Add(silence); time.Now().Before(end); {
		n, _, err := unix.Recvfrom(in, buffer, 0)
		if err == nil && match(buffer[:n]) {
			return true
		}
	}
	return false
}

// hardware parses a MAC.
func hardware(t *testing.T, mac string) net.HardwareAddr {
	t.Helper()
	hw, err := net.ParseMAC(mac)
	require.NoError(t, err)
	return hw
}
