package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/internal/state"
)

// ApplicationCredential lets a program log in as a user on one project, with some
// of the user's roles, without the user's password.
type ApplicationCredential struct {
	ID           string       `json:"id"`
	Name         string       `json:"name"` // unique for its user
	UserID       string       `json:"user"`
	ProjectID    string       `json:"project"`
	RoleIDs      []string     `json:"roles"`
	Description  string       `json:"description,omitempty"`
	ExpiresAt    *time.Time   `json:"expires,omitempty"`      // nil: never
	Unrestricted bool         `json:"unrestricted,omitempty"` // may make further credentials and trusts
	AccessRules  []AccessRule `json:"access_rules,omitempty"` // nil: no restriction
}

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

// CreateApplicationCredentialOptions of Service.CreateApplicationCredential.
type CreateApplicationCredentialOptions struct {
	Name         string
	UserID       string
	ProjectID    string
	RoleIDs      []string // default: all roles of the user on the project
	Secret       string   // default: a random one
	Description  string
	ExpiresAt    *time.Time
	Unrestricted bool
	AccessRules  []AccessRule // of an existing rule the ID is enough
}

func (a *appCredentialRow) expired(now time.Time) bool {
	return a.ExpiresAt != nil && !now.Before(*a.ExpiresAt)
}

// CreateApplicationCredential makes a credential and returns it with its secret,
// which cannot be read again. fault.Invalid if the user does not have the roles.
func (s *Service) CreateApplicationCredential(ctx context.Context, opts CreateApplicationCredentialOptions) (ApplicationCredential, string, error) {
	row := appCredentialRow{ApplicationCredential: ApplicationCredential{
		ID: s.core.IDs.Hex(), Name: opts.Name, UserID: opts.UserID, ProjectID: opts.ProjectID,
		Description: opts.Description, ExpiresAt: opts.ExpiresAt, Unrestricted: opts.Unrestricted,
	}}
	secret := opts.Secret
	if secret == "" {
		var b [64]byte
		s.core.IDs.Read(b[:])
		secret = base64.RawURLEncoding.EncodeToString(b[:])
	}
	err := checkName("application credential", row.Name, maxName)
	if err == nil && row.expired(s.core.Clock.Now()) {
		err = fault.New(fault.Invalid, "Invalid input for field 'expires_at': it is in the past.")
	}
	if err == nil {
		row.Hash, err = s.hasher.Hash(ctx, secret)
	}
	if err != nil {
		return ApplicationCredential{}, "", fault.Wrap("identity.CreateApplicationCredential", err)
	}
	err = s.update(ctx, "CreateApplicationCredential", func(tx *state.Tx) error {
		if row.RoleIDs, err = s.delegable(tx, row.UserID, row.ProjectID, opts.RoleIDs); err != nil {
			return err
		}
		if row.AccessRules, err = s.storeRules(tx, row.UserID, opts.AccessRules); err != nil {
			return err
		}
		if err := s.t.appCreds.Insert(tx, row); err != nil {
			return duplicate(err, "application_credential", row.Name, "")
		}
		s.emit(ctx, tx, created, "application_credential", row.ID)
		return nil
	})
	return row.ApplicationCredential, secret, err
}

// delegable returns the roles that a user may pass on: those asked for, or all.
func (s *Service) delegable(r state.Reader, userID, projectID string, ids []string) ([]string, error) {
	if _, err := s.t.users.Get(r, userID); err != nil {
		return nil, err
	}
	if _, err := s.t.projects.Get(r, projectID); err != nil {
		return nil, err
	}
	have := s.rolesOn(r, userID, scope{ProjectID: projectID})
	if len(ids) == 0 {
		for _, role := range have {
			ids = append(ids, role.ID)
		}
	}
	for _, id := range ids {
		if !slices.ContainsFunc(have, func(h Role) bool { return h.ID == id }) {
			return nil, fault.New(fault.Invalid, "Could not find role assignment with role: %s, user or group: %s, project, domain, or system: %s.", id, userID, projectID)
		}
	}
	if len(ids) == 0 {
		return nil, fault.New(fault.Invalid, "The user %s has no role on the project %s.", userID, projectID)
	}
	return ids, nil
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

func (s *Service) findRule(r state.Reader, userID string, want AccessRule) (AccessRule, bool) {
	for rule := range s.t.accessRules.Where(r, s.t.accessRuleUser, userID) {
		same := rule.Service == want.Service && rule.Method == want.Method && rule.Path == want.Path
		if want.ID != "" && want.Service == "" && rule.ID == want.ID || same {
			return rule, true
		}
	}
	return AccessRule{}, false
}

// GetApplicationCredential returns a credential by its id.
func (s *Service) GetApplicationCredential(ctx context.Context, id string) (ApplicationCredential, error) {
	row, err := s.t.appCreds.Get(s.core.DB.Snapshot(), id)
	return row.ApplicationCredential, fault.Wrap("identity.GetApplicationCredential", err)
}

// ListApplicationCredentials returns the credentials of a user in order of their
// ids; with a name, the one of that name.
func (s *Service) ListApplicationCredentials(ctx context.Context, userID, name string) ([]ApplicationCredential, error) {
	list := []ApplicationCredential{}
	for row := range s.t.appCreds.Where(s.core.DB.Snapshot(), s.t.appCredUser, userID) {
		if is(name, row.Name) {
			list = append(list, row.ApplicationCredential)
		}
	}
	return list, nil
}

// DeleteApplicationCredential removes a credential; its tokens end at once.
func (s *Service) DeleteApplicationCredential(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteApplicationCredential", func(tx *state.Tx) error {
		s.emit(ctx, tx, deleted, "application_credential", id)
		return s.t.appCreds.Delete(tx, id)
	})
}

// byAppCredential is the method "application_credential".
func (s *Service) byAppCredential(ctx context.Context, l AppCredentialLogin, p *payload) (userRow, error) {
	r := s.core.DB.Snapshot()
	row, err := s.t.appCreds.Get(r, l.ID)
	if l.ID == "" {
		row, err = appCredentialRow{}, fault.NotFound
		if u, ok := s.findUser(r, l.User); ok {
			if found, ok := s.t.appCreds.Find(r, s.t.appCredName, u.ID, l.Name); ok {
				row, err = found, nil
			}
		}
	}
	if err != nil {
		row = appCredentialRow{}
	}
	if err := s.checkSecret(ctx, row, l.Secret); err != nil {
		return userRow{}, err
	}
	if row.expired(s.core.Clock.Now()) {
		return userRow{}, errDenied()
	}
	p.Methods |= methodAppCred
	p.AppCredID, p.Scope.ProjectID = row.ID, row.ProjectID
	u, err := s.t.users.Get(r, row.UserID)
	if err != nil {
		return userRow{}, errDenied()
	}
	return u, nil
}

// checkSecret compares a secret with that of a credential. What bcrypt has accepted
// once is remembered by a keyed hash, since programs log in often.
func (s *Service) checkSecret(ctx context.Context, row appCredentialRow, secret string) error {
	sum := sha256.Sum256([]byte(s.secretSalt + row.Hash + "\x00" + secret))
	if known, ok := s.secrets.Get(row.ID); ok && subtle.ConstantTimeCompare(known[:], sum[:]) == 1 {
		return nil
	}
	if err := s.hasher.Compare(ctx, row.Hash, secret); err != nil {
		return err
	}
	s.secrets.Put(row.ID, sum)
	return nil
}

// GetAccessRule returns an access rule of a user.
func (s *Service) GetAccessRule(ctx context.Context, userID, id string) (AccessRule, error) {
	rule, err := s.t.accessRules.Get(s.core.DB.Snapshot(), id)
	if err == nil && rule.UserID != userID {
		err = fault.Missing("access rule", id)
	}
	return rule, fault.Wrap("identity.GetAccessRule", err)
}

// ListAccessRules returns the access rules of a user in order of their ids.
func (s *Service) ListAccessRules(ctx context.Context, userID string) ([]AccessRule, error) {
	return collect(s.t.accessRules.Where(s.core.DB.Snapshot(), s.t.accessRuleUser, userID), nil), nil
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
				return fault.New(fault.Forbidden, "Access rule %s is in use by an application credential.", id)
			}
		}
		return s.t.accessRules.Delete(tx, id)
	})
}
