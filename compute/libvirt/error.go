package libvirt

import (
	"errors"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// wrap gives a cause a kind and a message that users may read.
func wrap(kind fault.Kind, message string, cause error) error {
	return fault.New(kind, "%s", message).Because(cause)
}

func missing(id string) error {
	return driver.Errorf(driver.NotFound, "guest %s is not on this host", id)
}

func conflict(id string, power driver.Power) error {
	return driver.Errorf(driver.Conflict, "guest %s is %s", id, power)
}

// unless returns err but for the given kind.
func unless(kind fault.Kind, err error) error {
	if errors.Is(err, kind) {
		return nil
	}
	return err
}
