package identity

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// DomainRef names a domain by its id or by its name.
type DomainRef struct {
	ID   string
	Name string
}

// UserRef names a user by its id, or by its name and domain.
type UserRef struct {
	ID     string
	Name   string
	Domain DomainRef
}

// ProjectRef names a project by its id, or by its name and domain.
type ProjectRef struct {
	ID     string
	Name   string
	Domain DomainRef
}

// PasswordLogin is the method "password".
type PasswordLogin struct {
	User     UserRef
	Password string
}

// AppCredentialLogin is the method "application_credential". The credential is
// named by its id, or by its name and user.
type AppCredentialLogin struct {
	ID     string
	Name   string
	User   UserRef
	Secret string
}

// LoginScope says what a token is to be for: one of its fields. With none, the
// user's default project if it has one, else nothing.
type LoginScope struct {
	Unscoped bool // nothing, even if the user has a default project
	Project  *ProjectRef
	Domain   *DomainRef
	System   bool
	TrustID  string
}

// LoginRequest is how someone proves who it is, by one method or several that must
// agree, and what the token is to be for.
type LoginRequest struct {
	Password      *PasswordLogin
	Token         string // an older token: the method "token"
	AppCredential *AppCredentialLogin
	Scope         LoginScope
}

// Login issues a token. fault.Unauthenticated is the answer to whatever is wrong
// with who asks or with the scope, without a word about what it is;
// fault.RateLimited says that too many passwords are being checked.
func (s *Service) Login(ctx context.Context, req LoginRequest) (string, *Token, error) {
	p := payload{}
	if err := s.refreshKeys(ctx); err != nil {
		return "", nil, fault.Wrap("identity.Login", err)
	}
	if err := s.identify(ctx, req, &p); err != nil {
		return "", nil, fault.Wrap("identity.Login", err)
	}
	r := s.core.DB.Snapshot()
	if err := s.chooseScope(r, req.Scope, &p); err != nil {
		return "", nil, fault.Wrap("identity.Login", err)
	}
	s.finish(r, &p)
	t, err := s.resolve(r, &p)
	if err != nil {
		return "", nil, fault.Wrap("identity.Login", err)
	}
	if t.Trust != nil {
		if err := s.useTrust(ctx, t.Trust.ID); err != nil {
			return "", nil, fault.Wrap("identity.Login", err)
		}
	}
	token, err := s.tokenKeys.seal(p.encode(), p.IssuedAt)
	return token, t, fault.Wrap("identity.Login", err)
}

// finish fills in what every new token has of its own. It outlives neither the
// token nor the credential nor the trust that it comes from.
func (s *Service) finish(r state.Reader, p *payload) {
	now := s.core.Clock.Now()
	p.IssuedAt = now
	if p.ExpiresAt.IsZero() {
		p.ExpiresAt = now.Add(s.cfg.TokenTTL)
	}
	if c, err := s.t.appCreds.Get(r, p.AppCredID); err == nil {
		p.ExpiresAt = earlier(p.ExpiresAt, c.ExpiresAt)
	}
	if t, err := s.t.trusts.Get(r, p.Scope.TrustID); err == nil {
		p.ExpiresAt = earlier(p.ExpiresAt, t.ExpiresAt)
	}
	p.IssuedAt, p.ExpiresAt = p.IssuedAt.Truncate(time.Microsecond), p.ExpiresAt.Truncate(time.Microsecond)
	// Audit ids must not be guessable or repeat, so they do not come from a source
	// that a test may have seeded. rand.Read never fails.
	rand.Read(p.AuditID[:])
}

// earlier returns the earlier of two times, the second of which may be none.
func earlier(a time.Time, b *time.Time) time.Time {
	if b != nil && b.Before(a) {
		return *b
	}
	return a
}

// identify runs the methods of a request, which must lead to the same user.
func (s *Service) identify(ctx context.Context, req LoginRequest, p *payload) error {
	var users []userRow
	if req.Password != nil {
		u, err := s.byPassword(ctx, *req.Password)
		if err != nil {
			return err
		}
		users, p.Methods = append(users, u), p.Methods|methodPassword
	}
	if req.AppCredential != nil {
		u, err := s.byAppCredential(ctx, *req.AppCredential, p)
		if err != nil {
			return err
		}
		users = append(users, u)
	}
	if req.Token != "" {
		u, err := s.byToken(ctx, req.Token, p)
		if err != nil {
			return err
		}
		users = append(users, u)
	}
	if len(users) == 0 {
		return fault.New(fault.Invalid, "Expecting to find an authentication method in auth.identity.")
	}
	for _, u := range users[1:] {
		if u.ID != users[0].ID {
			return errDenied()
		}
	}
	p.UserID, p.Epoch = users[0].ID, users[0].Epoch
	return nil
}

// byPassword is the method "password".
func (s *Service) byPassword(ctx context.Context, l PasswordLogin) (userRow, error) {
	r := s.core.DB.Snapshot()
	u, known := s.findUser(r, l.User)
	if !known {
		u = userRow{}
	}
	if err := s.hasher.Compare(ctx, u.Hash, l.Password); err != nil {
		return userRow{}, err
	}
	// The state may have changed while the password was checked.
	now, err := s.t.users.Get(s.core.DB.Snapshot(), u.ID)
	if err != nil || now.Hash != u.Hash {
		return userRow{}, errDenied()
	}
	return now, nil
}

// byToken is the method "token": the new token ends with the old one.
func (s *Service) byToken(ctx context.Context, token string, p *payload) (userRow, error) {
	t, err := s.Validate(ctx, token)
	if err != nil {
		return userRow{}, err
	}
	old, err := s.openToken(token)
	if err != nil {
		return userRow{}, err
	}
	if t.Trust != nil {
		return userRow{}, fault.New(fault.Forbidden, "A token of a trust cannot be used to get another.")
	}
	p.Methods |= old.Methods | methodToken
	p.ExpiresAt, p.ChainID = old.ExpiresAt, old.ChainID
	if p.ChainID == [auditLen]byte{} {
		p.ChainID = old.AuditID
	}
	if old.AppCredID != "" {
		p.AppCredID, p.Scope = old.AppCredID, old.Scope
	}
	return s.t.users.Get(s.core.DB.Snapshot(), old.UserID)
}

// findUser looks a user up.
func (s *Service) findUser(r state.Reader, ref UserRef) (userRow, bool) {
	if ref.ID != "" {
		u, err := s.t.users.Get(r, ref.ID)
		return u, err == nil
	}
	domain, ok := s.findDomain(r, ref.Domain)
	if !ok {
		return userRow{}, false
	}
	return s.t.users.Find(r, s.t.userName, domain.ID, ref.Name)
}

func (s *Service) findDomain(r state.Reader, ref DomainRef) (Project, bool) {
	if ref.ID != "" {
		p, err := s.domain(r, ref.ID)
		return p, err == nil
	}
	return s.t.projects.Find(r, s.t.projectName, "", ref.Name)
}

func (s *Service) findProject(r state.Reader, ref ProjectRef) (Project, bool) {
	if ref.ID != "" {
		p, err := s.t.projects.Get(r, ref.ID)
		return p, err == nil
	}
	domain, ok := s.findDomain(r, ref.Domain)
	if !ok {
		return Project{}, false
	}
	return s.t.projects.Find(r, s.t.projectName, domain.ID, ref.Name)
}

// chooseScope settles what the token is for. Whether the user has a role there is
// found out when the payload is resolved.
func (s *Service) chooseScope(r state.Reader, want LoginScope, p *payload) error {
	if p.AppCredID != "" {
		return s.keepScope(r, want, p)
	}
	switch {
	case want.Unscoped:
	case want.TrustID != "":
		t, err := s.t.trusts.Get(r, want.TrustID)
		if err != nil {
			return errDenied()
		}
		p.Scope = scope{ProjectID: t.ProjectID, TrustID: t.ID}
	case want.System:
		p.Scope.System = true
	case want.Domain != nil:
		d, ok := s.findDomain(r, *want.Domain)
		if !ok {
			return errDenied()
		}
		p.Scope.DomainID = d.ID
	case want.Project != nil:
		project, ok := s.findProject(r, *want.Project)
		if !ok {
			return errDenied()
		}
		p.Scope.ProjectID = project.ID
	default:
		p.Scope.ProjectID = s.defaultProject(r, p.UserID)
	}
	return nil
}

// keepScope refuses any scope but that of the application credential.
func (s *Service) keepScope(r state.Reader, want LoginScope, p *payload) error {
	if want.Unscoped || want.System || want.Domain != nil || want.TrustID != "" {
		return errDenied()
	}
	if want.Project != nil {
		if project, ok := s.findProject(r, *want.Project); !ok || project.ID != p.Scope.ProjectID {
			return errDenied()
		}
	}
	return nil
}

// defaultProject is the user's default project if the user can use it.
func (s *Service) defaultProject(r state.Reader, userID string) string {
	u, err := s.t.users.Get(r, userID)
	if err != nil || u.DefaultProjectID == "" {
		return ""
	}
	sc := scope{ProjectID: u.DefaultProjectID}
	if s.applyScope(r, sc, &Token{}) != nil || len(s.rolesOn(r, userID, sc)) == 0 {
		return ""
	}
	return u.DefaultProjectID
}
