package identity

import "slices"

// activeRules are the multi-factor rules of a user, as sets of methods. As in
// Keystone, methods that do not exist are left out of a rule, and a rule of such only
// is left out, so that a mistake locks nobody out.
func activeRules(u *userRow) []methods {
	if enabled, ok := u.Options[mfaEnabled].(bool); ok && !enabled {
		return nil
	}
	rules, _ := readRules(u.Options[mfaRules])
	var active []methods
	for _, rule := range rules {
		if set := methodSet(rule); set != 0 {
			active = append(active, set)
		}
	}
	return active
}

// methodSet is the set of the methods with these names.
func methodSet(list []string) methods {
	var set methods
	for i, name := range methodNames {
		if slices.Contains(list, name) {
			set |= 1 << i
		}
	}
	return set
}

// suffice reports whether methods meet one of the user's rules.
func suffice(u *userRow, done methods) bool {
	rules := activeRules(u)
	return len(rules) == 0 || slices.ContainsFunc(rules, func(rule methods) bool { return done&rule == rule })
}

// requiredMethods are the rules of a user that methods are part of.
func requiredMethods(u *userRow, done methods) [][]string {
	list := [][]string{}
	for _, rule := range activeRules(u) {
		if rule&done != 0 {
			list = append(list, rule.names())
		}
	}
	return list
}
