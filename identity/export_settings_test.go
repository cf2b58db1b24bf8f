package identity

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"
)

// SettingsTable is the table of all options for the documentation.
func SettingsTable() string {
	var b strings.Builder
	for _, o := range options() {
		fmt.Fprintf(&b, "| `[%s] %s` | `%s` | %s | %s | %s |\n", o.section, o.name, o.field, o.unit(), cmp.Or(o.usually(), "none"), o.doc)
	}
	return b.String()
}

// OptionFields are the fields of Settings that a file can set.
func OptionFields() []string {
	var fields []string
	for _, o := range options() {
		fields = append(fields, o.field)
	}
	return fields
}

// SettingsFields are the fields of Settings.
func SettingsFields() []string {
	var fields []string
	for f := range reflect.TypeFor[Settings]().Fields() {
		if f.Type != reflect.TypeFor[PasswordRules]() {
			fields = append(fields, f.Name)
			continue
		}
		for rule := range f.Type.Fields() {
			fields = append(fields, f.Name+"."+rule.Name)
		}
	}
	return fields
}
