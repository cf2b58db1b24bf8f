package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"math/big"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// AccessToken is a user's permission for a consumer to act with some of the user's
// roles on a project.
type AccessToken struct {
	ID         string    `json:"id"`
	ConsumerID string    `json:"consumer"`
	UserID     string    `json:"user"` // who has authorised it
	ProjectID  string    `json:"project"`
	RoleIDs    []string  `json:"roles"`
	ExpiresAt  time.Time `json:"expires"`
}

// OAuth1Secret is a token of the OAuth1 protocol with its secret, which cannot be read
// again.
type OAuth1Secret struct {
	ID        string
	Secret    string
	ExpiresAt time.Time
}

// The characters of verifiers: those that people do not take for one another.
const (
	verifierChars = "abcdefghkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	verifierLen   = 8
)

// CreateRequestToken begins a consumer's way to access to a project: the consumer signs
// the request for it. fault.NotFound if consumer or project do not exist,
// fault.Unauthenticated if the signature is not the consumer's.
func (s *Service) CreateRequestToken(ctx context.Context, req OAuth1Request, projectID string) (OAuth1Secret, error) {
	given := OAuth1Secret{ID: s.core.IDs.Hex(), Secret: s.core.IDs.Hex(), ExpiresAt: s.ends(s.cfg.RequestTokenTTL)}
	err := s.updateSealed(ctx, "CreateRequestToken", func(tx *state.Tx) error {
		signed, err := s.checkOAuth1(tx, req, func(string) (string, string, error) { return "", "", nil })
		if err != nil {
			return err
		}
		// Not before: strangers must not learn which projects there are.
		if _, err := s.t.projects.Get(tx, projectID); err != nil {
			return err
		}
		row := requestToken{ID: given.ID, ConsumerID: signed.Consumer, ProjectID: projectID, ExpiresAt: given.ExpiresAt}
		if row.Sealed, err = s.sealSecret(given.Secret); err != nil {
			return err
		}
		s.emit(ctx, tx, created, "request_token", row.ID)
		return firstError(s.sweepOAuth1(tx), s.t.oauth.requestTokens.Insert(tx, row))
	})
	return given, err
}

// AuthorizeRequestToken lets the consumer that has the request token act as a user,
// with roles that the user has on the token's project. The user hands the verifier
// that is returned to the consumer. fault.Unauthenticated if the user does not have the
// roles or the request token has expired.
func (s *Service) AuthorizeRequestToken(ctx context.Context, id, userID string, roleIDs []string) (string, error) {
	verifier, err := newVerifier()
	if err != nil {
		return "", fault.Wrap("identity.AuthorizeRequestToken", err)
	}
	err = s.updateSealed(ctx, "AuthorizeRequestToken", func(tx *state.Tx) error {
		row, err := s.requestToken(tx, id)
		if err != nil {
			return err
		}
		have := s.rolesOn(tx, userID, scope{ProjectID: row.ProjectID})
		for _, want := range roleIDs {
			if !slices.ContainsFunc(have, func(r Role) bool { return r.ID == want }) {
				return fault.New(fault.Unauthenticated, "authorizing user does not have role required")
			}
		}
		row.UserID, row.RoleIDs = userID, slices.Compact(slices.Sorted(slices.Values(roleIDs)))
		if row.Verifier, err = s.sealSecret(verifier); err != nil {
			return err
		}
		s.emit(ctx, tx, "authorized", "request_token", id)
		return s.t.oauth.requestTokens.Put(tx, row)
	})
	return verifier, err
}

// requestToken returns a request token that has not expired.
func (s *Service) requestToken(r state.Reader, id string) (requestToken, error) {
	row, err := s.t.oauth.requestTokens.Get(r, id)
	if err == nil && !s.core.Clock.Now().Before(row.ExpiresAt) {
		err = fault.New(fault.Unauthenticated, "Request token is expired")
	}
	return row, err
}

// CreateAccessToken turns a request token that was authorised into an access token, for
// the consumer that signs the request with both secrets and knows the verifier. The
// request token is used up.
func (s *Service) CreateAccessToken(ctx context.Context, req OAuth1Request) (OAuth1Secret, error) {
	given := OAuth1Secret{ID: s.core.IDs.Hex(), Secret: s.core.IDs.Hex(), ExpiresAt: s.ends(s.cfg.AccessTokenTTL)}
	err := s.updateSealed(ctx, "CreateAccessToken", func(tx *state.Tx) error {
		var from requestToken
		signed, err := s.checkOAuth1(tx, req, func(id string) (consumer, secret string, err error) {
			if from, err = s.requestToken(tx, id); err != nil {
				return "", "", err
			}
			secret, err = s.openSecret(from.Sealed)
			return from.ConsumerID, secret, err
		})
		if err != nil {
			return err
		}
		if err := s.checkVerifier(from, signed.Verifier); err != nil {
			return err
		}
		row := accessTokenRow{AccessToken: AccessToken{
			ID: given.ID, ConsumerID: from.ConsumerID, UserID: from.UserID, ProjectID: from.ProjectID,
			RoleIDs: from.RoleIDs, ExpiresAt: given.ExpiresAt,
		}}
		if row.Sealed, err = s.sealSecret(given.Secret); err != nil {
			return err
		}
		s.emit(ctx, tx, created, "access_token", row.ID)
		return firstError(
			s.sweepOAuth1(tx),
			s.t.oauth.requestTokens.Delete(tx, from.ID), s.t.oauth.accessTokens.Insert(tx, row),
		)
	})
	return given, err
}

// checkVerifier tells whether a request token was authorised, with this verifier.
func (s *Service) checkVerifier(from requestToken, verifier string) error {
	want := ""
	if from.Verifier != "" {
		var err error
		if want, err = s.openSecret(from.Verifier); err != nil {
			return err
		}
	}
	if want == "" || subtle.ConstantTimeCompare([]byte(want), []byte(verifier)) != 1 {
		return fault.New(fault.Unauthenticated, "Provided verifier does not match stored verifier")
	}
	return nil
}

// ListAccessTokens returns the access tokens that a user has authorised, in order of
// their ids.
func (s *Service) ListAccessTokens(ctx context.Context, userID string) ([]AccessToken, error) {
	list := []AccessToken{}
	for row := range s.t.oauth.accessTokens.Where(s.core.DB.Snapshot(), s.t.oauth.accessUser, userID) {
		list = append(list, row.AccessToken)
	}
	return list, nil
}

// GetAccessToken returns an access token that a user has authorised.
func (s *Service) GetAccessToken(ctx context.Context, userID, id string) (AccessToken, error) {
	row, err := s.accessToken(s.core.DB.Snapshot(), userID, id)
	return row.AccessToken, fault.Wrap("identity.GetAccessToken", err)
}

// DeleteAccessToken takes a user's permission back; tokens that the consumer got by it
// end at once.
func (s *Service) DeleteAccessToken(ctx context.Context, userID, id string) error {
	return s.update(ctx, "DeleteAccessToken", func(tx *state.Tx) error {
		if _, err := s.accessToken(tx, userID, id); err != nil {
			return err
		}
		s.emit(ctx, tx, deleted, "access_token", id)
		return s.t.oauth.accessTokens.Delete(tx, id)
	})
}

func (s *Service) accessToken(r state.Reader, userID, id string) (accessTokenRow, error) {
	row, err := s.t.oauth.accessTokens.Get(r, id)
	if err == nil && row.UserID != userID {
		return accessTokenRow{}, fault.Missing("access token", id)
	}
	return row, err
}

// ends is when something ends that begins now.
func (s *Service) ends(ttl time.Duration) time.Time {
	return s.core.Clock.Now().Add(ttl).UTC().Truncate(time.Microsecond)
}

// sweepOAuth1 removes a few outdated tokens and nonces: more than a request adds.
func (s *Service) sweepOAuth1(tx *state.Tx) error {
	now, t := s.core.Clock.Now(), &s.t.oauth
	return firstError(
		sweep(tx, t.requestTokens, t.requestTill, requestTokenKey, func(r *requestToken) time.Time { return r.ExpiresAt }, now, sweepAtOnce),
		sweep(tx, t.accessTokens, t.accessTill, accessTokenKey, func(a *accessTokenRow) time.Time { return a.ExpiresAt }, now, sweepAtOnce),
		sweep(tx, t.nonces, t.nonceTill, nonceKey, func(n *usedNonce) time.Time { return n.ExpiresAt }, now, sweepAtOnce),
	)
}

func newVerifier() (string, error) {
	b := make([]byte, verifierLen)
	for i := range b {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(verifierChars))))
		if err != nil {
			return "", fault.New(fault.Internal, "").Because(err)
		}
		b[i] = verifierChars[n.Int64()]
	}
	return string(b), nil
}
