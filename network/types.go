package network

import "github.com/welkin-cloud/cloud/network/driver"

// Binding says where a port is used, and by what.
type Binding struct {
	Host        string // the compute host's name
	DeviceID    string // the server's id
	DeviceOwner string // "compute:nova"
	Hostname    string // the name that DHCP gives the guest
}

// Attachment is how a hypervisor plugs a bound port.
type Attachment = driver.Attachment

// Address is one address of a device, as the compute API shows it.
type Address struct {
	NetworkID   string
	NetworkName string
	PortID      string
	MAC         string
	IP          string
	Floating    bool
}
