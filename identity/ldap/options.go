package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strconv"
	"strings"
	"time"
)

// ParseOptions returns the configuration that options of the section [ldap] of Keystone
// describe, by their names there and with its defaults: "url", "user_tree_dn" and so on.
// One more is known, "writable". Options about what is not there are refused if they ask
// for it: enabling users by a group, following referrals, dereferencing aliases. Other
// ones, about logs and pools, make no difference.
func ParseOptions(options map[string]string) (Config, error) {
	o := &parser{options: options}
	c := Config{
		URLs: o.list("url", "ldap://localhost"), StartTLS: o.flag("use_tls"),
		User: o.text("user", ""), Password: o.text("password", ""),
		Subtree: o.choice("query_scope", "one", "sub") == "sub", PageSize: o.number("page_size", 0),
		PoolSize: o.number("pool_size", 10), Writable: o.flag("writable"),
		Timeout: time.Duration(o.number("connection_timeout", -1)) * time.Second,
		Users:   o.users(), Groups: o.groups(),
	}
	if c.PageSize == 0 {
		c.PageSize = -1 // as in Keystone: no pages
	}
	c.TLS = o.tls()
	for _, name := range []string{"user_enabled_emulation", "chase_referrals"} {
		if o.flag(name) {
			o.refuse(name)
		}
	}
	o.choice("alias_dereferencing", "default", "never")
	if o.err != nil {
		return Config{}, o.err
	}
	return c.withDefaults()
}

func (o *parser) users() UserConfig {
	return UserConfig{
		Tree: o.text("user_tree_dn", o.text("suffix", "")), Filter: o.text("user_filter", ""),
		ObjectClass: o.text("user_objectclass", "inetOrgPerson"),
		ID:          o.text("user_id_attribute", "cn"), Name: o.text("user_name_attribute", "sn"),
		Mail: o.text("user_mail_attribute", "mail"), Description: o.text("user_description_attribute", "description"),
		DefaultProjectID: o.text("user_default_project_id_attribute", ""),
		Enabled:          o.text("user_enabled_attribute", "enabled"), EnabledMask: o.number("user_enabled_mask", 0),
		EnabledInvert: o.flag("user_enabled_invert"), EnabledDefault: o.text("user_enabled_default", ""),
	}
}

func (o *parser) groups() GroupConfig {
	c := GroupConfig{
		Tree: o.text("group_tree_dn", o.text("suffix", "")), Filter: o.text("group_filter", ""),
		ObjectClass: o.text("group_objectclass", "groupOfNames"),
		ID:          o.text("group_id_attribute", "cn"), Name: o.text("group_name_attribute", "ou"),
		Description: o.text("group_desc_attribute", "description"),
		Member:      o.text("group_member_attribute", "member"), MembersAreIDs: o.flag("group_members_are_ids"),
		Nested: o.flag("group_ad_nesting"),
	}
	if c.Nested {
		c.MemberOf = "memberOf"
	}
	return c
}

// tls says whom to trust, which is a question even if no URL needs it.
func (o *parser) tls() *tls.Config {
	c := new(tls.Config)
	if o.choice("tls_req_cert", "demand", "allow", "never") != "demand" {
		c.InsecureSkipVerify = true
	}
	if o.text("tls_cacertdir", "") != "" {
		o.refuse("tls_cacertdir")
	}
	file := o.text("tls_cacertfile", "")
	if file == "" {
		return c
	}
	// Of what is wrong with the file nothing is told: who sets options may not be who
	// may read it.
	b, err := os.ReadFile(file)
	c.RootCAs = x509.NewCertPool()
	if err != nil || !c.RootCAs.AppendCertsFromPEM(b) {
		o.refuse("tls_cacertfile")
	}
	return c
}

// parser reads options and keeps the first error.
type parser struct {
	options map[string]string
	err     error
}

func (o *parser) refuse(name string) {
	if o.err == nil {
		o.err = invalid("the value of option " + name + " cannot be used")
	}
}

func (o *parser) text(name, otherwise string) string {
	if v := strings.TrimSpace(o.options[name]); v != "" {
		return v
	}
	return otherwise
}

func (o *parser) list(name, otherwise string) []string {
	var list []string
	for v := range strings.SplitSeq(o.text(name, otherwise), ",") {
		list = append(list, strings.TrimSpace(v))
	}
	return list
}

func (o *parser) number(name string, otherwise int) int {
	v := o.text(name, "")
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		o.refuse(name)
	}
	return n
}

func (o *parser) flag(name string) bool {
	switch strings.ToLower(o.text(name, "false")) {
	case "true", "1", "yes", "on":
		return true
	case "false", "0", "no", "off":
		return false
	}
	o.refuse(name)
	return false
}

// choice returns one of the values that an option may have; the first is the default.
func (o *parser) choice(name string, values ...string) string {
	v := strings.ToLower(o.text(name, values[0]))
	for _, allowed := range values {
		if v == allowed {
			return v
		}
	}
	o.refuse(name)
	return values[0]
}
