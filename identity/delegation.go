package identity

import (
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Delegated reports whether the token was not got by the user itself, but by a trust,
// an application credential or an OAuth1 access token that stands for it on one
// project.
func (t *Token) Delegated() bool {
	return t.Trust != nil || t.AppCredential != nil || t.OAuth1 != nil
}

// limitRoles keeps of the holder's roles those that an application credential, an
// access token or a trust passes on. A scoped token without any role is void.
func (s *Service) limitRoles(r state.Reader, p *payload, t *Token, holder string) error {
	var err error
	switch {
	case t.Trust != nil:
		err = s.limitToTrust(r, p, t, holder)
	case p.AppCredID != "":
		err = s.limitToAppCred(r, p, t)
	case p.AccessTokenID != "":
		var allowed []string
		allowed, err = s.applyOAuth1(r, p, t)
		t.Roles = s.intersect(r, t.Roles, allowed)
	}
	if err == nil && len(t.Roles) == 0 {
		err = invalidToken("the user has no role there")
	}
	return err
}

// limitToTrust holds a trust as a whole: if the trustor has lost one of its roles, it is
// worth nothing.
func (s *Service) limitToTrust(r state.Reader, p *payload, t *Token, holder string) error {
	held := s.held(r, holder, p.Scope)
	for _, id := range t.Trust.RoleIDs {
		if !held[id] {
			return fault.New(fault.Forbidden, "Trustee has no delegated roles.")
		}
	}
	t.Roles = s.intersect(r, t.Roles, t.Trust.RoleIDs)
	return nil
}

func (s *Service) limitToAppCred(r state.Reader, p *payload, t *Token) error {
	row, err := s.t.appCreds.Get(r, p.AppCredID)
	if err != nil || row.UserID != p.UserID || row.ProjectID != p.Scope.ProjectID || row.expired(s.core.Clock.Now()) {
		return invalidToken("the application credential is gone or expired")
	}
	t.AppCredential = &TokenAppCredential{
		Ref: Ref{row.ID, row.Name}, Restricted: !row.Unrestricted, AccessRules: row.AccessRules,
	}
	t.Roles = s.intersect(r, t.Roles, row.RoleIDs)
	return nil
}

// intersect keeps the roles that are among the allowed ones or implied by them.
func (s *Service) intersect(r state.Reader, have []Role, allowed []string) []Role {
	ids := map[string]bool{}
	for _, id := range allowed {
		ids[id] = true
	}
	return slices.DeleteFunc(s.globalRoles(r, ids), func(k Role) bool {
		return !slices.ContainsFunc(have, func(h Role) bool { return h.ID == k.ID })
	})
}

// held returns the ids of all roles that a user has on a target, implied ones and
// roles of a domain included.
func (s *Service) held(r state.Reader, userID string, sc scope) map[string]bool {
	given, all := map[string]bool{}, map[string]bool{}
	for _, actor := range s.actors(r, userID) {
		s.given(r, actor, sc, given)
	}
	for id := range given {
		for implied := range s.closure(r, id) {
			all[implied] = true
		}
	}
	return all
}
