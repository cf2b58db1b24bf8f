package ldap

// Equals is the filter for an attribute that has a value.
func Equals(attribute, value string) string { return equals(attribute, value) }

// NewEntryDN is the DN of a new entry with a name.
func NewEntryDN(tree, name string) string {
	return newEntry(tree, "cn", "cn", "cn", name, nil, map[string]string{}).DN
}
