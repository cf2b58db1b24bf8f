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
	TOTP          *TOTPLogin
	Token         string // an older token: the method "token"
	AppCredential *AppCredentialLogin
	OAuth1        *OAuth1Request // signed with an access token: the method "oauth1"
	// External names a user that the caller itself has made sure of, as a web server
	// does with REMOTE_USER: the method "external". It must not come from a client.
	External *UserRef
	// Receipt of an earlier log-in of the same user, whose methods count as well.
	Receipt string
	Scope   LoginScope
}

// Login issues a token. fault.Unauthenticated is the answer to whatever is wrong
// with who asks or with the scope, without a word about what it is, but for a right
// password that has expired and a *MoreMethodsError; fault.RateLimited says that too
// many passwords are being checked.
func (s *Service) Login(ctx context.Context, req LoginRequest) (string, *Token, error) {
	token, t, err := s.login(ctx, req)
	return token, t, fault.Wrap("identity.Login", err)
}

func (s *Service) login(ctx context.Context, req LoginRequest) (string, *Token, error) {
	if err := s.refreshKeys(ctx); err != nil {
		return "", nil, err
	}
	p := payload{}
	u, err := s.identify(ctx, req, &p)
	if err != nil {
		return "", nil, err
	}
	if err := s.enough(req, &u, &p); err != nil {
		return "", nil, err
	}
	if err := s.chooseScope(s.core.DB.Snapshot(), req.Scope, &p); err != nil {
		return "", nil, err
	}
	token, t, err := s.issue(ctx, p, u)
	if err == nil {
		err = s.noteLogin(ctx, u, req)
	}
	if err != nil {
		return "", nil, err
	}
	return token, t, nil
}

// enough adds the methods of a receipt, and refuses what does not meet the user's
// rules.
func (s *Service) enough(req LoginRequest, u *userRow, p *payload) error {
	if req.Receipt != "" {
		done, err := s.redeem(req.Receipt, u)
		if err != nil {
			return err
		}
		p.Methods |= done
	}
	if suffice(u, p.Methods) {
		return nil
	}
	r := s.core.DB.Snapshot()
	if s.inactive(r, u) {
		return errDenied()
	}
	return s.needMethods(r, u, p.Methods)
}

// issue makes the token that a payload describes, for a user as it was when it had
// proved who it is: what was changed about it since, its password for one, refuses.
func (s *Service) issue(ctx context.Context, p payload, proved userRow) (string, *Token, error) {
	r := s.core.DB.Snapshot()
	if u, err := s.t.users.Get(r, proved.ID); err != nil || u.Epoch != proved.Epoch || s.inactive(r, &u) {
		return "", nil, errDenied()
	}
	p.UserID = proved.ID
	s.finish(r, &p)
	t, epoch, err := s.look(r, &p)
	if err != nil {
		return "", nil, err
	}
	p.Epoch = epoch
	if t.Trust != nil {
		if err := s.useTrust(ctx, t.Trust.ID); err != nil {
			return "", nil, err
		}
	}
	token, err := s.tokenKeys.seal(p.encode(), p.IssuedAt)
	return token, t, err
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
	if a, err := s.t.oauth.accessTokens.Get(r, p.AccessTokenID); err == nil {
		p.ExpiresAt = earlier(p.ExpiresAt, &a.ExpiresAt)
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

// proof is one method of a log-in: it notes in the payload what the token owes to
// it, and tells who asks.
type proof func(ctx context.Context, p *payload) (userRow, error)

// proofs are the methods that a request uses, in the order in which they are checked.
func (s *Service) proofs(req LoginRequest) []proof {
	var list []proof
	add := func(used bool, f proof) {
		if used {
			list = append(list, f)
		}
	}
	add(req.External != nil, func(ctx context.Context, p *payload) (userRow, error) {
		return s.byExternal(ctx, *req.External, p)
	})
	add(req.Password != nil, func(ctx context.Context, p *payload) (userRow, error) {
		return s.byPassword(ctx, *req.Password, p)
	})
	add(req.TOTP != nil, func(ctx context.Context, p *payload) (userRow, error) {
		return s.byPasscode(ctx, *req.TOTP, req.Password != nil, p)
	})
	add(req.AppCredential != nil, func(ctx context.Context, p *payload) (userRow, error) {
		return s.byAppCredential(ctx, *req.AppCredential, p)
	})
	add(req.OAuth1 != nil, func(ctx context.Context, p *payload) (userRow, error) {
		return s.byOAuth1(ctx, *req.OAuth1, p)
	})
	add(req.Token != "", func(ctx context.Context, p *payload) (userRow, error) {
		return s.byToken(ctx, req.Token, req.Scope, p)
	})
	return list
}

// identify runs the methods of a request, which must lead to the same user.
func (s *Service) identify(ctx context.Context, req LoginRequest, p *payload) (userRow, error) {
	list := s.proofs(req)
	if len(list) == 0 {
		return userRow{}, fault.New(fault.Invalid, "Expecting to find an authentication method in auth.identity.")
	}
	var user userRow
	for i, prove := range list {
		u, err := prove(ctx, p)
		if err != nil {
			return userRow{}, err
		}
		if i > 0 && (u.ID != user.ID || u.Epoch != user.Epoch) {
			return userRow{}, errDenied()
		}
		user = u
	}
	p.UserID = user.ID
	return user, nil
}

// byExternal is the method "external".
func (s *Service) byExternal(ctx context.Context, ref UserRef, p *payload) (userRow, error) {
	if ref.ID == "" && ref.Domain == (DomainRef{}) {
		ref.Domain.ID = DefaultDomainID
	}
	if err := s.seeExternal(ctx, ref); err != nil {
		return userRow{}, err
	}
	u, known := s.findUser(s.core.DB.Snapshot(), ref)
	if !known {
		return userRow{}, errDenied()
	}
	p.Methods |= methodExternal
	return u, nil
}

// byToken is the method "token": the new token ends with the old one.
func (s *Service) byToken(ctx context.Context, token string, want LoginScope, p *payload) (userRow, error) {
	opened, err := s.openedAnew(ctx, token)
	if err != nil {
		return userRow{}, err
	}
	old := &opened.payload
	// The user is read before the token is validated: what changes in between is
	// noticed when the new token is issued.
	u, gone := s.t.users.Get(s.core.DB.Snapshot(), old.UserID)
	t, err := s.Validate(ctx, token)
	if err != nil {
		return userRow{}, err
	}
	if gone != nil {
		return userRow{}, errDenied()
	}
	if err := t.mayBecome(want); err != nil {
		return userRow{}, err
	}
	p.Methods |= old.Methods | methodToken
	p.ExpiresAt, p.ChainID = old.ExpiresAt, old.ChainID
	if p.ChainID == [auditLen]byte{} {
		p.ChainID = old.AuditID
	}
	if old.AppCredID != "" || old.Methods&methodEC2 != 0 { // which are for one project
		p.AppCredID, p.Scope = old.AppCredID, old.Scope
	}
	p.Federation = old.Federation
	return u, nil
}

// mayBecome refuses to exchange a token that stands for less than its user for one of
// another scope, or for any.
func (t *Token) mayBecome(want LoginScope) error {
	reason := ""
	switch {
	case t.OAuth1 != nil:
		reason = "Using OAuth-scoped token to create another token. Create a new OAuth-scoped token instead."
	case t.Trust != nil:
		reason = "Using trust-scoped token to create another token. Create a new trust-scoped token instead."
	case t.AppCredential != nil && want != (LoginScope{}):
		reason = "Using an application credential token to create a scoped token is not allowed."
	case t.System && (want.Project != nil || want.Domain != nil):
		reason = "Using a system-scoped token to create a project-scoped or domain-scoped token is not allowed."
	default:
		return nil
	}
	return fault.New(fault.Forbidden, "You are not authorized to perform the requested action: %s", reason)
}
