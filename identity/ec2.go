package identity

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net"
	"time"

	"github.com/welkin-cloud/cloud/identity/internal/awssig"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// EC2Request is a request that was signed with the secret of an EC2 credential, in
// version 1, 2 or 4: what of it is signed, and the signature.
type EC2Request struct {
	Access    string
	Signature string
	Verb      string
	Host      string
	Path      string
	Params    map[string]string // without the signature
	Headers   map[string]string // of version 4
	BodyHash  string            // hexadecimal SHA-256 of the body: of version 4
}

// S3Request is the text that an S3 request was signed by, in version 2 or 4, and the
// signature.
type S3Request struct {
	Access       string
	Signature    string
	StringToSign []byte
}

// SigningScope is what a signing key of version 4 is good for.
type SigningScope struct {
	Day     string // "20260131"
	Region  string
	Service string // "s3"
}

// ec2Blob is what the blob of a credential of type "ec2" holds: its keys, and what it
// was made with. It is worth no more than that.
type ec2Blob struct {
	Access string `json:"access"`
	Secret string `json:"secret"`
	Delegation
}

func errSignature() error { return fault.New(fault.Unauthenticated, "Invalid EC2 signature.") }

// LoginEC2 issues a token to whoever has signed a request, for the user and the project
// of the credential: the method "ec2credential". fault.NotFound if there is no such
// access key, fault.Unauthenticated if the signature is wrong or too old.
func (s *Service) LoginEC2(ctx context.Context, req EC2Request) (string, *Token, error) {
	token, t, err := s.loginEC2(ctx, req)
	return token, t, fault.Wrap("identity.LoginEC2", err)
}

func (s *Service) loginEC2(ctx context.Context, req EC2Request) (string, *Token, error) {
	key, err := s.keyPair(ctx, req.Access)
	if err != nil {
		return "", nil, err
	}
	if req.Signature == "" {
		return "", nil, fault.New(fault.Unauthenticated, "EC2 signature not supplied.")
	}
	if !req.signedBy(key.blob.Secret) {
		return "", nil, errSignature()
	}
	if err := s.checkStamp(req.stamp()); err != nil {
		return "", nil, err
	}
	return s.issueEC2(ctx, key)
}

// signedBy compares the signature. Some clients sign the host without its port.
func (req *EC2Request) signedBy(secret string) bool {
	r := awssig.Request{
		Verb: req.Verb, Host: req.Host, Path: req.Path,
		Params: req.Params, Headers: req.Headers, BodyHash: req.BodyHash,
	}
	if signs(r.Sign(secret))(req.Signature) {
		return true
	}
	bare := hostOnly(req.Host)
	if bare == req.Host {
		return false
	}
	r.Host = bare
	return signs(r.Sign(secret))(req.Signature)
}

// signs takes what a signature must be, and compares.
func signs(want string, err error) func(given string) bool {
	return func(given string) bool {
		return err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(given)) == 1
	}
}

// stamp is the time that a request says it is of, which is that of those it might name
// that is signed; before version 4 it may say none.
func (req *EC2Request) stamp() string {
	switch {
	case req.Params["SignatureVersion"] != "":
		return req.Params["Timestamp"]
	case req.Headers["X-Amz-Date"] != "":
		return req.Headers["X-Amz-Date"]
	}
	return req.Params["X-Amz-Date"]
}

// checkStamp refuses requests whose time is too far from now.
func (s *Service) checkStamp(text string) error {
	if text == "" {
		return nil
	}
	for _, form := range []string{time.RFC3339Nano, "20060102T150405Z", "2006-01-02T15:04:05.999999"} {
		at, err := time.Parse(form, text)
		if err != nil {
			continue
		}
		if age := s.core.Clock.Now().Sub(at); age > s.cfg.SignatureTTL || age < -s.cfg.SignatureTTL {
			return fault.New(fault.Unauthenticated, "Credential is expired")
		}
		return nil
	}
	return fault.New(fault.Unauthenticated, "Credential timestamp is invalid")
}

// LoginS3 issues a token to whoever has signed the text of an S3 request, as LoginEC2
// does. The text's own time is for the caller to look at: a presigned request may be
// used for days.
func (s *Service) LoginS3(ctx context.Context, req S3Request) (string, *Token, error) {
	token, t, err := s.loginS3(ctx, req)
	return token, t, fault.Wrap("identity.LoginS3", err)
}

func (s *Service) loginS3(ctx context.Context, req S3Request) (string, *Token, error) {
	key, err := s.keyPair(ctx, req.Access)
	if err != nil {
		return "", nil, err
	}
	want, err := awssig.SignText(key.blob.Secret, req.StringToSign)
	if errors.Is(err, awssig.ErrForm) {
		return "", nil, errSignature()
	}
	if !signs(want, err)(req.Signature) {
		return "", nil, fault.New(fault.Unauthenticated, "Credential signature mismatch")
	}
	return s.issueEC2(ctx, key)
}

// SigningKey derives the key that the holder of an access key signs with on one day,
// in one region and for one service. A service that takes signed streams checks their
// chunks with it; the secret itself never leaves the identity service. Call LoginS3
// first: it tells whether the access key is worth anything.
func (s *Service) SigningKey(ctx context.Context, access string, sc SigningScope) ([]byte, error) {
	if _, err := time.Parse("20060102", sc.Day); err != nil || sc.Region == "" || sc.Service == "" {
		return nil, fault.Wrap("identity.SigningKey", fault.New(fault.Invalid, "A signing key is for a day, a region and a service."))
	}
	key, err := s.keyPair(ctx, access)
	if err != nil {
		return nil, fault.Wrap("identity.SigningKey", err)
	}
	return awssig.SigningKey(key.blob.Secret, sc.Day, sc.Region, sc.Service), nil
}

// keyPair is an EC2 credential with what is in its blob.
type keyPair struct {
	Credential
	blob ec2Blob
}

// keyPair returns the credential with an access key.
func (s *Service) keyPair(ctx context.Context, access string) (keyPair, error) {
	c, err := s.GetCredential(ctx, EC2CredentialID(access))
	if fault.Of(err) == fault.NotFound || err == nil && c.Type != ec2Type {
		return keyPair{}, fault.New(fault.NotFound, "EC2 access key not found.")
	}
	key := keyPair{Credential: c}
	if err != nil {
		return key, err
	}
	if json.Unmarshal([]byte(c.Blob), &key.blob) != nil || key.blob.Secret == "" {
		return key, fault.New(fault.NotFound, "EC2 access key not found.")
	}
	return key, nil
}

// issueEC2 issues the token that an EC2 credential stands for.
func (s *Service) issueEC2(ctx context.Context, key keyPair) (string, *Token, error) {
	if err := s.refreshKeys(ctx); err != nil {
		return "", nil, err
	}
	r := s.core.DB.Snapshot()
	p := payload{
		Methods: methodEC2, UserID: key.UserID, Scope: scope{ProjectID: key.ProjectID, TrustID: key.blob.TrustID},
		AppCredID: key.blob.AppCredentialID, AccessTokenID: key.blob.AccessTokenID,
	}
	if err := s.checkKeyPair(r, key, &p); err != nil {
		return "", nil, err
	}
	u, err := s.t.users.Get(r, p.UserID)
	if err != nil {
		return "", nil, errDenied()
	}
	return s.issue(ctx, p, u)
}

// checkKeyPair holds a credential against what it was made with. One that was made with
// a trust that impersonates is kept for the trustor, but used by the trustee.
func (s *Service) checkKeyPair(r state.Reader, key keyPair, p *payload) error {
	switch {
	case key.blob.TrustID != "":
		t, err := s.t.trusts.Get(r, key.blob.TrustID)
		if err == nil {
			_, err = s.usableTrust(r, t)
		}
		if err != nil {
			return err
		}
		if t.Impersonation && t.TrustorID == key.UserID {
			p.UserID = t.TrusteeID
		}
	case key.blob.AppCredentialID != "":
		c, err := s.t.appCreds.Get(r, key.blob.AppCredentialID)
		if err != nil {
			return err
		}
		if c.ProjectID != key.ProjectID {
			return fault.New(fault.Unauthenticated, "EC2 credential project does not match the application credential project.")
		}
	case key.blob.AccessTokenID != "":
		a, err := s.t.oauth.accessTokens.Get(r, key.blob.AccessTokenID)
		if err != nil {
			return err
		}
		if a.ProjectID != key.ProjectID {
			return fault.New(fault.Unauthenticated, "EC2 credential project does not match the OAuth1 access token project.")
		}
	}
	_, err := s.t.projects.Get(r, key.ProjectID)
	return err
}

// hostOnly is a host without its port.
func hostOnly(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return host
}
