package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
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

// CreateApplicationCredentialOptions of Service.CreateApplicationCredential.
type CreateApplicationCredentialOptions struct {
	Name         string
	UserID       string
	ProjectID    string
	RoleIDs      []string // those that they imply are added; default: all roles of the user on the project
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
// which cannot be read again. fault.Invalid if the user does not have the roles,
// fault.Forbidden if it has as many credentials as Settings.MaxAppCredentials.
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
		err = fault.New(fault.Invalid, "The 'expires_at' must not be before now. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.")
	}
	if err == nil {
		err = s.mayAddAppCred(s.core.DB.Snapshot(), row) // before the secret is hashed, which is slow
	}
	if err == nil {
		row.Hash, err = s.hasher.Hash(ctx, secret)
	}
	if err != nil {
		return ApplicationCredential{}, "", fault.Wrap("identity.CreateApplicationCredential", err)
	}
	err = s.update(ctx, "CreateApplicationCredential", func(tx *state.Tx) error {
		if err := s.mayAddAppCred(tx, row); err != nil {
			return err
		}
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

// mayAddAppCred refuses a credential that is there already, or one too many.
func (s *Service) mayAddAppCred(r state.Reader, row appCredentialRow) error {
	if _, taken := s.t.appCreds.Find(r, s.t.appCredName, row.UserID, row.Name); taken {
		return duplicate(fault.AlreadyExists, "application_credential", row.Name, "")
	}
	if most := s.cfg.MaxAppCredentials; most > 0 && s.t.appCreds.Count(r, s.t.appCredUser, row.UserID) >= most {
		return fault.New(fault.Forbidden, "Unable to create additional application credentials, maximum of %d already exceeded for user.", most)
	}
	return nil
}

// delegable returns the roles that a user may pass on: those asked for and implied by
// them, or all.
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
	for _, id := range s.implied(r, ids) {
		if !slices.ContainsFunc(have, func(h Role) bool { return h.ID == id }) {
			return nil, fault.New(fault.Invalid, "Invalid application credential: Could not find role assignment with role: %s, user or group: %s, project, domain, or system: %s.", id, userID, projectID)
		}
	}
	if len(ids) == 0 {
		return nil, fault.New(fault.Invalid, "The user %s has no role on the project %s.", userID, projectID)
	}
	return s.implied(r, ids), nil
}

// implied returns roles with those that they imply, sorted.
func (s *Service) implied(r state.Reader, ids []string) []string {
	all := map[string]bool{}
	for _, id := range ids {
		for role := range s.closure(r, id) {
			all[role] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
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

// dropAppCreds removes all application credentials and access rules of a user, which is
// deleted or disabled.
func (s *Service) dropAppCreds(tx *state.Tx, userID string) error {
	return firstError(
		deleteAll(tx, s.t.appCreds, s.t.appCredUser, appCredKey, userID),
		deleteAll(tx, s.t.accessRules, s.t.accessRuleUser, func(a *AccessRule) string { return a.ID }, userID),
	)
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
