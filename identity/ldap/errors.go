package ldap

import (
	"context"
	"errors"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// failure turns an error of the protocol into one of the contract. What the server says
// is kept for logs: it may tell where the directory is and how it is built.
func failure(err error) error {
	var known *fault.Error
	var protocol *goldap.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, driver.Unavailable) || !errors.As(err, &protocol):
		return unavailable(err)
	}
	switch protocol.ResultCode {
	case goldap.LDAPResultSizeLimitExceeded:
		return because(driver.TooLarge, "The directory does not list so many entries.", err)
	case goldap.LDAPResultEntryAlreadyExists:
		return because(driver.AlreadyExists, "The directory has such an entry.", err)
	case goldap.LDAPResultInsufficientAccessRights, goldap.LDAPResultUnwillingToPerform,
		goldap.LDAPResultStrongAuthRequired, goldap.LDAPResultConfidentialityRequired:
		return because(driver.Forbidden, "The directory does not allow this.", err)
	case goldap.LDAPResultConstraintViolation, goldap.LDAPResultInvalidAttributeSyntax,
		goldap.LDAPResultUndefinedAttributeType, goldap.LDAPResultObjectClassViolation,
		goldap.LDAPResultNamingViolation, goldap.LDAPResultInvalidDNSyntax, goldap.LDAPResultNotAllowedOnRDN,
		goldap.LDAPResultNotAllowedOnNonLeaf, goldap.LDAPResultProtocolError:
		return because(driver.Invalid, "The directory does not take these values.", err)
	}
	return unavailable(err)
}

func unavailable(err error) error {
	return because(driver.Unavailable, "The directory cannot be reached.", err)
}

func because(kind fault.Kind, message string, err error) error {
	return driver.Because(driver.Errorf(kind, "%s", message), err)
}

func missing(noun string) error {
	return driver.Errorf(driver.NotFound, "The directory has no such %s.", noun)
}

func tooMany(limit int) error {
	return driver.Errorf(driver.TooLarge, "The directory has more than %d entries that match.", limit)
}
