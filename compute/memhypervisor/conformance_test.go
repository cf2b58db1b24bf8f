package memhypervisor_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/drivertest"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(*testing.T) drivertest.Harness {
		h := memhypervisor.New(memhypervisor.Config{})
		return drivertest.Harness{
			Hypervisor: h, Image: make([]byte, 4096), ImageFormat: "raw",
			Disk: func(*testing.T, int64) driver.Disk {
				return driver.Disk{ID: uuid.NewString(), Path: "/volume", Format: "raw", Bus: "virtio"}
			},
			NIC: func(*testing.T) driver.NIC {
				return driver.NIC{PortID: uuid.NewString(), MAC: "fa:16:3e:00:00:01", Tap: "tap0", MTU: 1450, Model: "virtio"}
			},
			PowerOff: func(t *testing.T, id string) { require.True(t, h.SetPower(id, driver.Shutdown)) },
			Again:    func(*testing.T) driver.Hypervisor { return h },
		}
	})
}
