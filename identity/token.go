package identity

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"sync/atomic"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Ref names something by its id and its name.
type Ref struct {
	ID   string
	Name string
}

// TokenUser is the user of a token.
type TokenUser struct {
	Ref
	Domain          Ref
	PasswordExpires *time.Time
}

// TokenProject is the project that a token is for.
type TokenProject struct {
	Ref
	Domain   Ref // zero for a domain
	IsDomain bool
}

// TokenAppCredential is the application credential that a token comes from.
type TokenAppCredential struct {
	Ref
	Restricted  bool // may not make further credentials or trusts
	AccessRules []AccessRule
}

// Token is what a valid token says at the moment. It is shared: do not alter it.
type Token struct {
	AuditIDs  []string // its own, and that of the first token of its chain
	Methods   []string // "password", "token", "application_credential"
	IssuedAt  time.Time
	ExpiresAt time.Time
	User      TokenUser
	// One scope at most; none is unscoped.
	Project *TokenProject
	Domain  *Ref
	System  bool
	Roles   []Role // implied ones included, by name; none if unscoped

	AppCredential *TokenAppCredential
	Trust         *Trust
	OAuth1        *TokenOAuth1
	Federation    *TokenFederation

	principal *policy.Principal
}

// Principal is who a token speaks for, as policies see it.
func (t *Token) Principal() *policy.Principal { return t.principal }

// Scoped reports whether the token is for something.
func (t *Token) Scoped() bool { return t.Project != nil || t.Domain != nil || t.System }

// opened is a token that was decrypted once, and what it was last worth.
type opened struct {
	keys     *keys // that it was opened with: others may not know it
	payload  payload
	resolved atomic.Pointer[resolved]
}

// resolved is the worth of a token, and what of the state it rests on.
type resolved struct {
	token     *Token
	footprint *state.Footprint
	until     time.Time // it is worth something else from then on; zero: not by itself
}

// holds reports whether time has not yet changed what the token is worth.
func (r *resolved) holds(now time.Time) bool { return r.until.IsZero() || now.Before(r.until) }

// Authenticate tells who a token belongs to: fault.Unauthenticated if it is not
// valid, or not any more.
func (s *Service) Authenticate(ctx context.Context, token string) (*policy.Principal, error) {
	t, err := s.Validate(ctx, token)
	if err != nil {
		return nil, err
	}
	return t.principal, nil
}

// Validate returns what a token says: fault.Unauthenticated if it is not valid, or
// not any more. As long as nothing about it changes, the same pointer is returned.
func (s *Service) Validate(ctx context.Context, token string) (*Token, error) {
	return s.validate(ctx, token, 0)
}

// validate is Validate for a token that ended no longer than late ago.
func (s *Service) validate(ctx context.Context, token string, late time.Duration) (*Token, error) {
	o, err := s.openedAnew(ctx, token)
	if err != nil {
		return nil, err
	}
	now := s.core.Clock.Now()
	if !now.Before(o.payload.ExpiresAt.Add(late)) {
		return nil, invalidToken("expired")
	}
	if !now.Before(o.payload.ExpiresAt) {
		o.resolved.Store(nil) // what it comes from may have expired since as well
	}
	t, err := s.worth(o)
	if err == nil {
		return t, nil
	}
	// It may come from what another controller has made a moment ago.
	if s.core.DB.Sync(ctx) != nil {
		return nil, err
	}
	return s.worth(o)
}

// openedAnew is openedToken with the newest keys.
func (s *Service) openedAnew(ctx context.Context, token string) (*opened, error) {
	if err := s.refreshKeys(ctx); err != nil {
		return nil, err
	}
	tried := s.tokenKeys.keys.Load()
	o, err := s.openedToken(token)
	if err == nil {
		return o, nil
	}
	// Another controller may have rotated the keys and issued it a moment ago. Whoever
	// else asks at the same time may have read the new keys already.
	if s.core.DB.Sync(ctx) != nil || s.refreshKeys(ctx) != nil || s.tokenKeys.keys.Load() == tried {
		return nil, err
	}
	return s.openedToken(token)
}

// openedToken opens a token, or remembers that it was opened with the keys in service.
func (s *Service) openedToken(token string) (*opened, error) {
	key, keys := sha256.Sum256([]byte(token)), s.tokenKeys.keys.Load()
	if o, ok := s.tokens.Get(key); ok && o.keys == keys {
		return o, nil
	}
	p, err := s.openToken(token)
	if err != nil {
		return nil, err
	}
	o := &opened{keys: keys, payload: p}
	s.tokens.Put(key, o)
	return o, nil
}

// worth returns what a token says by the newest state that is known. It is looked up
// again only when something has changed that was read to find it out.
func (s *Service) worth(o *opened) (*Token, error) {
	snapshot, last := s.core.DB.Snapshot(), o.resolved.Load()
	if last != nil && last.holds(s.core.Clock.Now()) && s.core.DB.Holds(last.footprint, snapshot) {
		return last.token, nil
	}
	trace := s.core.DB.Trace(snapshot)
	t, err := s.resolve(trace, &o.payload)
	if fault.Of(err) == fault.Forbidden { // a log-in is told why a trust is void
		return nil, invalidToken(err.Error())
	}
	if err != nil {
		return nil, err
	}
	until := s.membershipsEnd(trace, &o.payload)
	o.resolved.Store(&resolved{token: t, until: until, footprint: trace.Footprint()})
	return t, nil
}

// maxTokenLen bounds what is taken for a token.
const maxTokenLen = 512

func (s *Service) openToken(token string) (payload, error) {
	if token == "" || len(token) > maxTokenLen {
		return payload{}, invalidToken("not a token")
	}
	message, ok := s.tokenKeys.open(token)
	if !ok {
		return payload{}, invalidToken("not signed by a key of this cloud")
	}
	p, err := decodePayload(message)
	if err != nil {
		return payload{}, invalidToken(err.Error())
	}
	return p, nil
}

// invalidToken is the error for every token that is not valid; the reason is for
// logs.
func invalidToken(reason string) error {
	return errDenied().Because(&tokenFault{reason})
}

type tokenFault struct{ reason string }

func (e *tokenFault) Error() string { return "the token is void: " + e.reason }

// resolve looks up what a payload is worth in a state.
func (s *Service) resolve(r state.Reader, p *payload) (*Token, error) {
	if s.revoked(r, p) {
		return nil, invalidToken("revoked")
	}
	t, epoch, err := s.look(r, p)
	if err != nil {
		return nil, err
	}
	if epoch != p.Epoch {
		return nil, invalidToken("the user has changed its password, or something that the token rests on was disabled since")
	}
	return t, nil
}

// look says what a payload stands for, and the sum of the epochs of the users and
// projects that it rests on. Epochs only rise, so that the sum is another one for ever
// once one of them has risen.
func (s *Service) look(r state.Reader, p *payload) (*Token, uint16, error) {
	u, err := s.t.users.Get(r, p.UserID)
	if err != nil {
		return nil, 0, invalidToken("the user is gone")
	}
	userDomain, err := s.enabledUser(r, u.User)
	if err != nil {
		return nil, 0, err
	}
	t := &Token{
		AuditIDs: []string{auditID(p.AuditID)}, Methods: p.Methods.names(),
		IssuedAt: p.IssuedAt, ExpiresAt: p.ExpiresAt, User: tokenUser(u.User, userDomain),
	}
	if p.ChainID != [auditLen]byte{} {
		t.AuditIDs = append(t.AuditIDs, auditID(p.ChainID))
	}
	epoch := u.Epoch + userDomain.Epoch
	holder := p.UserID // whose roles count
	if p.Scope.TrustID != "" {
		trustor, epochs, err := s.applyTrust(r, p, t)
		if err != nil {
			return nil, 0, err
		}
		holder, epoch = trustor, epoch+epochs
	}
	if err := s.applyFederation(r, p, t, &epoch); err != nil {
		return nil, 0, err
	}
	if err := s.applyScope(r, p.Scope, t, &epoch); err != nil {
		return nil, 0, err
	}
	if t.Scoped() {
		t.Roles = s.rolesOn(r, holder, p.Scope, t.federatedGroups(holder)...)
		if err := s.limitRoles(r, p, t, holder); err != nil {
			return nil, 0, err
		}
	}
	t.principal = t.newPrincipal()
	return t, epoch, nil
}

// enabledUser returns the domain of a user if both are enabled.
func (s *Service) enabledUser(r state.Reader, u User) (Project, error) {
	domain, err := s.domain(r, u.DomainID)
	if err != nil || !domain.Enabled || !u.Enabled {
		return Project{}, invalidToken("the user or its domain is disabled")
	}
	return domain, nil
}

func tokenUser(u User, domain Project) TokenUser {
	return TokenUser{
		Ref: Ref{u.ID, u.Name}, Domain: Ref{domain.ID, domain.Name},
		PasswordExpires: u.PasswordExpires,
	}
}

// applyScope fills in what the token is for, if it is there and enabled, and adds its
// epochs to the sum.
func (s *Service) applyScope(r state.Reader, sc scope, t *Token, epoch *uint16) error {
	switch {
	case sc.System:
		t.System = true
	case sc.DomainID != "":
		d, err := s.domain(r, sc.DomainID)
		if err != nil || !d.Enabled {
			return invalidToken("the domain is gone or disabled")
		}
		t.Domain, *epoch = &Ref{d.ID, d.Name}, *epoch+d.Epoch
	case sc.ProjectID != "":
		p, err := s.t.projects.Get(r, sc.ProjectID)
		if err != nil || !p.Enabled {
			return invalidToken("the project is gone or disabled")
		}
		t.Project = &TokenProject{Ref: Ref{p.ID, p.Name}, IsDomain: p.IsDomain}
		*epoch += p.Epoch
		if !p.IsDomain {
			d, err := s.domain(r, p.DomainID)
			if err != nil || !d.Enabled {
				return invalidToken("the domain of the project is disabled")
			}
			t.Project.Domain = Ref{d.ID, d.Name}
			*epoch += d.Epoch
		}
	}
	return nil
}

func (t *Token) newPrincipal() *policy.Principal {
	p := &policy.Principal{
		UserID: t.User.ID, UserName: t.User.Name,
		UserDomainID: t.User.Domain.ID, UserDomainName: t.User.Domain.Name,
		System: t.System, Methods: t.Methods, TokenID: t.AuditIDs[0],
	}
	if t.Project != nil {
		p.ProjectID, p.ProjectName = t.Project.ID, t.Project.Name
		p.ProjectDomainID, p.ProjectDomainName = t.Project.Domain.ID, t.Project.Domain.Name
	}
	if t.AppCredential != nil {
		p.AccessRules = accessRules(t.AppCredential.AccessRules)
	}
	if t.Domain != nil {
		p.DomainID, p.DomainName = t.Domain.ID, t.Domain.Name
	}
	for _, r := range t.Roles {
		p.Roles = append(p.Roles, r.Name)
		p.RoleIDs = append(p.RoleIDs, r.ID)
	}
	return p
}

func auditID(id [auditLen]byte) string { return base64.RawURLEncoding.EncodeToString(id[:]) }
