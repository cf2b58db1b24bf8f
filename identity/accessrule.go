package identity

import (
	"context"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/internal/state"
)

// AccessRule is a kind of request that an application credential may be used for.
// It is handed on in tokens, and enforced wherever requests come in.
type AccessRule struct {
	ID      string `json:"id"`
	UserID  string `json:"user"`
	Service string `json:"service"` // "compute"
	Method  string `json:"method"`  // "GET"
	Path    string `json:"path"`    // "/v2.1/servers/*/ips"
}

// accessRules are the rules as those who enforce them want them.
func accessRules(rules []AccessRule) *policy.AccessRules {
	list := make([]policy.AccessRule, len(rules))
	for i, r := range rules {
		list[i] = policy.AccessRule{Service: r.Service, Method: r.Method, Path: r.Path}
	}
	return policy.NewAccessRules(list)
}

// storeRules returns the access rules with their ids; a rule that the user has
// already is used again.
func (s *Service) storeRules(tx *state.Tx, userID string, rules []AccessRule) ([]AccessRule, error) {
	if rules == nil {
		return nil, nil
	}
	stored := make([]AccessRule, 0, len(rules))
	for _, rule := range rules {
		found, ok := s.findRule(tx, userID, rule)
		if !ok && rule.ID != "" && rule.Service == "" {
			return nil, fault.New(fault.Invalid, "Could not find access rule: %s.", rule.ID)
		}
		if !ok {
			found = AccessRule{
				ID: s.core.IDs.Hex(), UserID: userID,
				Service: rule.Service, Method: rule.Method, Path: rule.Path,
			}
			if err := s.t.accessRules.Insert(tx, found); err != nil {
				return nil, err
			}
		}
		stored = append(stored, found)
	}
	return stored, nil
}

// findRule returns the user's rule of an id, if no more is given, or of the same content.
func (s *Service) findRule(r state.Reader, userID string, want AccessRule) (AccessRule, bool) {
	if want.ID != "" && want.Service == "" {
		rule, err := s.t.accessRules.Get(r, want.ID)
		return rule, err == nil && rule.UserID == userID
	}
	for rule := range s.t.accessRules.Where(r, s.t.accessRuleText, userID, want.Service, want.Method, want.Path) {
		return rule, true
	}
	return AccessRule{}, false
}

// GetAccessRule returns an access rule of a user.
func (s *Service) GetAccessRule(ctx context.Context, userID, id string) (AccessRule, error) {
	rule, err := s.t.accessRules.Get(s.core.DB.Snapshot(), id)
	if err == nil && rule.UserID != userID {
		err = fault.Missing("access rule", id)
	}
	return rule, fault.Wrap("identity.GetAccessRule", err)
}

// ListAccessRulesOptions narrow Service.ListAccessRules; nil means all.
type ListAccessRulesOptions struct {
	Service string
	Method  string
	Path    string
}

// ListAccessRules returns the access rules of a user in order of their ids.
func (s *Service) ListAccessRules(ctx context.Context, userID string, opts *ListAccessRulesOptions) ([]AccessRule, error) {
	if opts == nil {
		opts = &ListAccessRulesOptions{}
	}
	all := s.t.accessRules.Where(s.core.DB.Snapshot(), s.t.accessRuleUser, userID)
	return collect(all, func(a *AccessRule) bool {
		return is(opts.Service, a.Service) && is(opts.Method, a.Method) && is(opts.Path, a.Path)
	}), nil
}

// DeleteAccessRule removes an access rule of a user: fault.Forbidden while an
// application credential uses it.
func (s *Service) DeleteAccessRule(ctx context.Context, userID, id string) error {
	return s.update(ctx, "DeleteAccessRule", func(tx *state.Tx) error {
		rule, err := s.t.accessRules.Get(tx, id)
		if err != nil || rule.UserID != userID {
			return fault.Missing("access rule", id)
		}
		for row := range s.t.appCreds.Where(tx, s.t.appCredUser, userID) {
			if slices.ContainsFunc(row.AccessRules, func(a AccessRule) bool { return a.ID == id }) {
				return fault.New(fault.Forbidden, "May not delete access rule in use")
			}
		}
		s.emit(ctx, tx, deleted, "access_rule", id)
		return s.t.accessRules.Delete(tx, id)
	})
}
