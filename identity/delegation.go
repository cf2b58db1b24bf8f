package identity

import (
	"encoding/json"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Delegated reports whether the token was not got by the user itself, but by a trust,
// an application credential or an OAuth1 access token that stands for it on one
// project.
func (t *Token) Delegated() bool {
	return t.Delegation() != Delegation{}
}

// Delegation names what a token was got by, if not by the user itself: one of these, or
// nothing.
type Delegation struct {
	TrustID         string `json:"trust_id,omitempty"`
	AppCredentialID string `json:"app_cred_id,omitempty"`
	AccessTokenID   string `json:"access_token_id,omitempty"`
}

// Delegation returns what the token was got by.
func (t *Token) Delegation() Delegation {
	var d Delegation
	if t.Trust != nil {
		d.TrustID = t.Trust.ID
	}
	if t.AppCredential != nil {
		d.AppCredentialID = t.AppCredential.ID
	}
	if t.OAuth1 != nil {
		d.AccessTokenID = t.OAuth1.AccessTokenID
	}
	return d
}

// note writes the delegation into the blob of an EC2 credential, in place of any that
// whoever made the blob has put there.
func (d Delegation) note(blob map[string]any) {
	for name, id := range map[string]string{
		"trust_id": d.TrustID, "app_cred_id": d.AppCredentialID, "access_token_id": d.AccessTokenID,
	} {
		if delete(blob, name); id != "" {
			blob[name] = id
		}
	}
}

// Delegation returns what a credential of type "ec2" was made with, and is worth no more
// than.
func (c Credential) Delegation() Delegation {
	var blob ec2Blob
	if c.Type != ec2Type || json.Unmarshal([]byte(c.Blob), &blob) != nil {
		return Delegation{}
	}
	return blob.Delegation
}

// keepsDelegation refuses to change what an EC2 credential was made with.
func keepsDelegation(old, now Credential) error {
	if old.Type != ec2Type || now.Type != ec2Type || old.Blob == now.Blob {
		return nil
	}
	var before, after Delegation
	if json.Unmarshal([]byte(old.Blob), &before) != nil || json.Unmarshal([]byte(now.Blob), &after) != nil {
		return fault.New(fault.Invalid, "Invalid blob in credential")
	}
	name := ""
	switch {
	case before.TrustID != after.TrustID:
		name = "trust_id"
	case before.AppCredentialID != after.AppCredentialID:
		name = "app_cred_id"
	case before.AccessTokenID != after.AccessTokenID:
		name = "access_token_id"
	default:
		return nil
	}
	return fault.New(fault.Invalid, "%s can not be updated for credential", name)
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
