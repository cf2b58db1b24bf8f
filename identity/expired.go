package identity

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/policy"
)

// ValidateExpired is Validate for a token that may have expired, but no longer ago
// than Settings.ExpiredWindow. Nothing else is forgiven: a token that was revoked, whose
// user, project, trust or credential is gone, disabled or expired itself, or that has
// lost its roles, is void. It is for services that finish for a user what the user
// began while the token was good, and for nobody else.
func (s *Service) ValidateExpired(ctx context.Context, token string) (*Token, error) {
	return s.validate(ctx, token, s.cfg.ExpiredWindow)
}

// AuthenticateExpired tells who a token belongs to that may have expired; see
// ValidateExpired.
func (s *Service) AuthenticateExpired(ctx context.Context, token string) (*policy.Principal, error) {
	t, err := s.ValidateExpired(ctx, token)
	if err != nil {
		return nil, err
	}
	return t.principal, nil
}
