package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/welkin-cloud/cloud/identity/internal/oauth1"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Bounds of what identifies a signed request.
const (
	oauth1Skew = 10 * time.Minute // of its time from now, at most
	maxNonce   = 128
)

// OAuth1Request is a request that is signed as OAuth 1.0a says (RFC 5849).
type OAuth1Request struct {
	Verb          string // "POST"
	URL           string // as the client has sent it, with the query
	Authorization string // the header
}

// TokenOAuth1 is the OAuth1 access token that a token comes from.
type TokenOAuth1 struct {
	AccessTokenID string
	ConsumerID    string
}

// checkOAuth1 tells whether a request is signed by a consumer and, if it names a token
// of the protocol, with that token's secret: find gives the token's consumer and
// secret. Each request is taken once.
func (s *Service) checkOAuth1(tx *state.Tx, req OAuth1Request, find func(token string) (consumer, secret string, err error)) (*oauth1.Request, error) {
	signed, err := oauth1.Parse(req.Verb, req.URL, req.Authorization)
	if err != nil {
		return nil, fault.New(fault.Invalid, "Expecting to find a valid OAuth Authorization header in the request.")
	}
	if signed.Consumer == "" {
		return nil, fault.New(fault.Invalid, "Expecting to find oauth_consumer_key in request.")
	}
	consumer, err := s.t.oauth.consumers.Get(tx, signed.Consumer)
	if err != nil {
		return nil, err
	}
	secret, err := s.openSecret(consumer.Sealed)
	if err != nil {
		return nil, err
	}
	owner, tokenSecret, err := find(signed.Token)
	if err != nil {
		return nil, err
	}
	if owner != "" && owner != consumer.ID {
		return nil, fault.New(fault.Unauthenticated, "Provided consumer key does not match stored consumer key.")
	}
	if err := s.checkFresh(signed); err != nil {
		return nil, err
	}
	if !signed.Signed(secret, tokenSecret) {
		return nil, fault.New(fault.Unauthenticated, "Invalid signature")
	}
	return signed, s.useNonce(tx, signed)
}

// checkFresh refuses requests that are not of now.
func (s *Service) checkFresh(signed *oauth1.Request) error {
	seconds, err := strconv.ParseInt(signed.Timestamp, 10, 64)
	if err != nil || signed.Nonce == "" || len(signed.Nonce) > maxNonce {
		return fault.New(fault.Invalid, "Validation failed with errors: invalid_request, detail message is: Missing mandatory OAuth parameters.")
	}
	if signed.Version != "" && signed.Version != "1.0" {
		return fault.New(fault.Invalid, "Validation failed with errors: invalid_request, detail message is: Invalid OAuth version.")
	}
	most := min(s.cfg.SignatureTTL, oauth1Skew)
	if age := s.core.Clock.Now().Sub(time.Unix(seconds, 0)); age > most || age < -most {
		return fault.New(fault.Invalid, "Validation failed with errors: invalid_request, detail message is: Timestamp given is invalid, differ from allowed by over %d seconds", int(most.Seconds()))
	}
	return nil
}

// useNonce remembers a request until its time is over, and refuses it when it comes
// again.
func (s *Service) useNonce(tx *state.Tx, signed *oauth1.Request) error {
	sum := sha256.Sum256([]byte(state.Key(signed.Consumer, signed.Token, signed.Timestamp, signed.Nonce)))
	n := usedNonce{Key: hex.EncodeToString(sum[:16]), ExpiresAt: s.ends(2 * oauth1Skew)}
	if s.t.oauth.nonces.Has(tx, n.Key) {
		return fault.New(fault.Unauthenticated, "The request was made before.")
	}
	return s.t.oauth.nonces.Insert(tx, n)
}

// byOAuth1 is the method "oauth1": a consumer that has an access token signs the
// request.
func (s *Service) byOAuth1(ctx context.Context, req OAuth1Request, p *payload) (userRow, error) {
	var token accessTokenRow
	var user userRow
	err := s.updateSealed(ctx, "Login", func(tx *state.Tx) error {
		_, err := s.checkOAuth1(tx, req, func(id string) (consumer, secret string, err error) {
			if id == "" {
				return "", "", fault.New(fault.Invalid, "Expecting to find oauth_token in request.")
			}
			if token, err = s.t.oauth.accessTokens.Get(tx, id); err != nil {
				return "", "", errDenied()
			}
			if !s.core.Clock.Now().Before(token.ExpiresAt) {
				return "", "", fault.New(fault.Unauthenticated, "Access token is expired")
			}
			secret, err = s.openSecret(token.Sealed)
			return token.ConsumerID, secret, err
		})
		if err != nil {
			return err
		}
		if user, err = s.t.users.Get(tx, token.UserID); err != nil {
			return errDenied()
		}
		return s.sweepOAuth1(tx)
	})
	if err != nil {
		return userRow{}, err
	}
	p.Methods |= methodOAuth1
	p.AccessTokenID, p.Scope = token.ID, scope{ProjectID: token.ProjectID}
	return user, nil
}

// applyOAuth1 fills in the access token of a token, and returns the roles that it
// passes on.
func (s *Service) applyOAuth1(r state.Reader, p *payload, t *Token) ([]string, error) {
	row, err := s.t.oauth.accessTokens.Get(r, p.AccessTokenID)
	if err != nil || row.UserID != p.UserID || row.ProjectID != p.Scope.ProjectID || !s.core.Clock.Now().Before(row.ExpiresAt) {
		return nil, invalidToken("the access token is gone or expired")
	}
	t.OAuth1 = &TokenOAuth1{AccessTokenID: row.ID, ConsumerID: row.ConsumerID}
	return row.RoleIDs, nil
}
