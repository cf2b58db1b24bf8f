package ldap

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/google/uuid"

	"github.com/welkin-cloud/cloud/identity/driver"
)

const (
	objectGUID = "objectGUID"
	entryUUID  = "entryUUID"
)

// madeByServer reports whether clients cannot choose an attribute.
func madeByServer(attribute string) bool {
	return slices.ContainsFunc([]string{objectGUID, entryUUID, "ipaUniqueID", "nsUniqueId"}, func(s string) bool {
		return strings.EqualFold(s, attribute)
	})
}

// user returns the user of an entry; ok is false for an entry that cannot be one.
func (d *Directory) user(e *goldap.Entry) (u driver.User, ok bool) {
	c := &d.cfg.Users
	u = driver.User{
		ID: idOf(e, c.ID), Name: e.GetEqualFoldAttributeValue(c.Name), Enabled: d.enabled(e),
		Email: e.GetEqualFoldAttributeValue(c.Mail), Description: e.GetEqualFoldAttributeValue(c.Description),
		Locator: e.DN,
	}
	if c.DefaultProjectID != "" {
		u.DefaultProjectID = e.GetEqualFoldAttributeValue(c.DefaultProjectID)
	}
	return u, u.ID != "" && u.Name != ""
}

// group returns the group of an entry.
func (d *Directory) group(e *goldap.Entry) (g driver.Group, ok bool) {
	c := &d.cfg.Groups
	g = driver.Group{
		ID: idOf(e, c.ID), Name: e.GetEqualFoldAttributeValue(c.Name),
		Description: e.GetEqualFoldAttributeValue(c.Description),
	}
	return g, g.ID != "" && g.Name != ""
}

// idOf returns the id of an entry: as text where the attribute is binary.
func idOf(e *goldap.Entry, attribute string) string {
	if !strings.EqualFold(attribute, objectGUID) {
		return e.GetEqualFoldAttributeValue(attribute)
	}
	id, err := uuid.FromBytes(swap(e.GetEqualFoldRawAttributeValue(attribute)))
	if err != nil {
		return ""
	}
	return id.String()
}

// swap turns the bytes of a GUID as Windows keeps them into their order in text, and
// back: the first three fields have their least byte first.
func swap(b []byte) []byte {
	if len(b) != 16 {
		return nil
	}
	b = slices.Clone(b)
	slices.Reverse(b[:4])
	slices.Reverse(b[4:6])
	slices.Reverse(b[6:8])
	return b
}

// equals is the filter for an attribute that has a value.
func equals(attribute, value string) string {
	return "(" + attribute + "=" + goldap.EscapeFilter(value) + ")"
}

// hasID is the filter for an id; empty if nothing can have it.
func hasID(attribute, id string) string {
	if id == "" {
		return ""
	}
	if !strings.EqualFold(attribute, objectGUID) {
		return equals(attribute, id)
	}
	parsed, err := uuid.Parse(id)
	if err != nil {
		return ""
	}
	var b strings.Builder
	for _, x := range swap(parsed[:]) {
		b.WriteString(`\` + hex.EncodeToString([]byte{x}))
	}
	return "(" + attribute + "=" + b.String() + ")"
}

// enabled reports whether the user of an entry is enabled.
func (d *Directory) enabled(e *goldap.Entry) bool {
	c := &d.cfg.Users
	if c.Enabled == "" {
		return true
	}
	value := e.GetEqualFoldAttributeValue(c.Enabled)
	text(&value, c.EnabledDefault)
	if c.EnabledMask != 0 {
		n, err := strconv.ParseInt(value, 10, 64)
		return err == nil && n&int64(c.EnabledMask) == 0
	}
	on := slices.Contains([]string{"true", "yes", "on", "1"}, strings.ToLower(value))
	return on != c.EnabledInvert
}

// enabledValue is what the attribute of a user is to be; old is what it is.
func (d *Directory) enabledValue(old string, on bool) string {
	c := &d.cfg.Users
	if c.EnabledMask == 0 {
		return strings.ToUpper(fmt.Sprint(on != c.EnabledInvert))
	}
	text(&old, c.EnabledDefault)
	n, _ := strconv.ParseInt(old, 10, 64)
	n &^= int64(c.EnabledMask)
	if !on {
		n |= int64(c.EnabledMask)
	}
	return strconv.FormatInt(n, 10)
}
