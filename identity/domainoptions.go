package identity

import (
	"maps"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// sensitiveOptions are those that are never shown.
var sensitiveOptions = map[string][]string{"ldap": {"password"}}

// domainDefaults are the options that domains may have and that are shown, with their
// values where a domain sets none. Names and values are those of Keystone.
var domainDefaults = DomainConfig{
	"identity": {"driver": "sql", "list_limit": nil},
	"ldap": {
		"url": "ldap://localhost", "user": nil, "suffix": "cn=example,cn=com",
		"query_scope": "one", "page_size": 0, "alias_dereferencing": "default",
		"debug_level": nil, "chase_referrals": nil,

		"user_tree_dn": nil, "user_filter": nil, "user_objectclass": "inetOrgPerson",
		"user_id_attribute": "cn", "user_name_attribute": "sn", "user_mail_attribute": "mail",
		"user_description_attribute": "description", "user_pass_attribute": "userPassword",
		"user_enabled_attribute": "enabled", "user_enabled_invert": false, "user_enabled_mask": 0,
		"user_enabled_default": "True", "user_attribute_ignore": []string{"default_project_id"},
		"user_default_project_id_attribute": nil, "user_enabled_emulation": false,
		"user_enabled_emulation_dn": nil, "user_enabled_emulation_use_group_config": false,
		"user_additional_attribute_mapping": []string{},

		"group_tree_dn": nil, "group_filter": nil, "group_objectclass": "groupOfNames",
		"group_id_attribute": "cn", "group_name_attribute": "ou", "group_members_are_ids": false,
		"group_member_attribute": "member", "group_desc_attribute": "description",
		"group_attribute_ignore": []string{}, "group_additional_attribute_mapping": []string{},
		"group_ad_nesting": false,

		"tls_cacertfile": nil, "tls_cacertdir": nil, "use_tls": false, "tls_req_cert": "demand",
		"connection_timeout": -1,
		"use_pool":           true, "pool_size": 10, "pool_retry_max": 3, "pool_retry_delay": 0.1,
		"pool_connection_timeout": -1, "pool_connection_lifetime": 600, "use_auth_pool": true,
		"auth_pool_size": 100, "auth_pool_connection_lifetime": 60,
	},
}

// DefaultDomainConfig returns what holds where a domain sets nothing else: all of it,
// one group, or one option. fault.Forbidden if there is no such option, or if it is a
// sensitive one.
func DefaultDomainConfig(group, option string) (DomainConfig, error) {
	if err := supported(group, option); err != nil {
		return nil, err
	}
	if option != "" && !domainDefaults.has(group, option) {
		return nil, badConfig("Reading the default for option " + option + " in group " + group + " is not supported")
	}
	found := DomainConfig{}
	for g, options := range domainDefaults {
		for name, value := range options {
			if is(group, g) && is(option, name) {
				found.lay(DomainConfig{g: {name: value}})
			}
		}
	}
	return found, nil
}

// PasswordPatterns returns what new passwords must match, all of it, and what users are
// told of that: the part of PasswordRules that everybody may read.
func (s *Service) PasswordPatterns() (patterns []string, description string) {
	return slices.Clone(s.cfg.Passwords.Patterns), s.cfg.Passwords.Description
}

// supported refuses groups and options that domains cannot have.
func supported(group, option string) error {
	options, known := domainDefaults[group]
	if group != "" && !known {
		return badConfig("Group " + group + " is not supported for domain specific configurations")
	}
	if _, known := options[option]; option != "" && !known && !slices.Contains(sensitiveOptions[group], option) {
		return badConfig("Option " + option + " in group " + group + " is not supported for domain specific configurations")
	}
	return nil
}

// check refuses an empty configuration, and options that domains cannot have.
func (c DomainConfig) check() error {
	if len(c) == 0 {
		return badConfig("No options specified")
	}
	for _, group := range slices.Sorted(maps.Keys(c)) {
		if len(c[group]) == 0 {
			return badConfig("The value of group " + group + " specified in the config should be a dictionary of options")
		}
		for _, option := range slices.Sorted(maps.Keys(c[group])) {
			if err := supported(group, option); err != nil {
				return err
			}
			if err := checkOption(group, option, c[group][option]); err != nil {
				return err
			}
		}
	}
	return nil
}

// The bounds of an option's value.
const (
	maxOption = 64 << 10 // bytes of a text
	maxValues = 1000     // texts of a list
)

// checkOption refuses values that no option has.
func checkOption(group, option string, value any) error {
	bad := func() error {
		return badConfig("The value of option " + option + " in group " + group + " is not a text, a number, a boolean or a list of texts")
	}
	switch v := value.(type) {
	case nil, bool, float64, int:
	case string:
		if len(v) > maxOption {
			return bad()
		}
	case []string:
		if len(v) > maxValues {
			return bad()
		}
	case []any:
		for _, item := range v {
			if text, ok := item.(string); !ok || len(text) > maxOption || len(v) > maxValues {
				return bad()
			}
		}
	default:
		return bad()
	}
	return nil
}

// only refuses a change of more, or of something else, than the group or option that
// is named.
func (c DomainConfig) only(group, option string) error {
	if group == "" {
		return nil
	}
	if len(c) != 1 || option != "" && len(c[group]) > 1 {
		return badConfig("Trying to update " + part(group, option) + ", so that, and only that, must be specified in the config")
	}
	if !c.has(group, option) {
		return badConfig("Trying to update " + part(group, option) + ", but the config provided contains something else instead")
	}
	return nil
}

// part names a group, or one of its options.
func part(group, option string) string {
	switch {
	case group == "":
		return "any options"
	case option == "":
		return "group " + group
	}
	return "option " + option + " in group " + group
}

func badConfig(why string) error {
	return fault.New(fault.Forbidden, "Invalid domain specific configuration: %s.", why)
}

func notConfigured(domainID, group, option string) error {
	return fault.New(fault.NotFound, "Could not find %s in domain configuration for domain %s.", part(group, option), domainID)
}
