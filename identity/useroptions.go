package identity

import (
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// The options of users that this service acts on.
const (
	ignoreFirstUse   = "ignore_change_password_upon_first_use"
	ignoreExpiry     = "ignore_password_expiry"
	ignoreLockout    = "ignore_lockout_failure_attempts"
	ignoreInactivity = "ignore_user_inactivity"
	lockPassword     = "lock_password"
	mfaEnabled       = "multi_factor_auth_enabled"
	mfaRules         = "multi_factor_auth_rules"
	immutableOption  = "immutable"
)

var booleanOptions = []string{
	ignoreFirstUse, ignoreExpiry, ignoreLockout, ignoreInactivity, lockPassword, mfaEnabled, immutableOption,
}

// option reports whether an option that is off by default is on.
func (u *userRow) option(name string) bool { return u.Options[name] == true }

// checkUserOptions refuses options that are not known, or not of their type; nil takes
// an option away.
func checkUserOptions(options Attributes) error {
	for name, value := range options {
		if value == nil {
			continue
		}
		if name == mfaRules {
			if _, ok := readRules(value); !ok {
				return fault.New(fault.Invalid, "Invalid input for field 'options/%s': it must be a list of lists of strings, none of them empty and none of them twice.", name)
			}
			continue
		}
		if !slices.Contains(booleanOptions, name) {
			return fault.New(fault.Invalid, "Invalid input for field 'options': a user has no option %q.", name)
		}
		if _, ok := value.(bool); !ok {
			return fault.New(fault.Invalid, "Invalid input for field 'options/%s': it must be true or false.", name)
		}
	}
	return nil
}

// readRules reads multi-factor rules: each is a list of methods that suffice together.
func readRules(value any) ([][]string, bool) {
	var rules [][]string
	switch v := value.(type) {
	case [][]string:
		rules = v
	case []any: // as JSON has it
		for _, item := range v {
			rule, ok := readRule(item)
			if !ok {
				return nil, false
			}
			rules = append(rules, rule)
		}
	default:
		return nil, false
	}
	for i, rule := range rules {
		if len(rule) == 0 || hasTwice(rule) || slices.ContainsFunc(rules[:i], func(r []string) bool { return slices.Equal(r, rule) }) {
			return nil, false
		}
	}
	return rules, true
}

func readRule(value any) ([]string, bool) {
	if rule, ok := value.([]string); ok {
		return rule, true
	}
	items, ok := value.([]any)
	if !ok {
		return nil, false
	}
	rule := make([]string, len(items))
	for i, item := range items {
		if rule[i], ok = item.(string); !ok {
			return nil, false
		}
	}
	return rule, true
}

func hasTwice(list []string) bool {
	return len(slices.Compact(slices.Sorted(slices.Values(list)))) < len(list)
}
