package identityapi

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// signatureRoutes are for services that take signed requests, and ask whose they are.
func (a *api) signatureRoutes() []httpapi.Route {
	ec2 := withBody("POST", "/v3/ec2tokens", "ec2tokens_validate", signedSchema, nil, a.ec2Token)
	s3 := withBody("POST", "/v3/s3tokens", "s3tokens_validate", signedSchema, nil, a.s3Token)
	return []httpapi.Route{status(http.StatusOK, ec2), status(http.StatusOK, s3)}
}

// signedBody is a signed request. Clients have called it by three names.
type signedBody struct {
	Credentials    *signedRequest `json:"credentials"`
	Credential     *signedRequest `json:"credential"`
	EC2Credentials *signedRequest `json:"ec2Credentials"`
}

type signedRequest struct {
	Access    string         `json:"access"`
	Signature string         `json:"signature"`
	Verb      string         `json:"verb"`
	Host      string         `json:"host"`
	Path      string         `json:"path"`
	Params    map[string]any `json:"params"`
	Headers   map[string]any `json:"headers"`
	BodyHash  string         `json:"body_hash"`
	Token     string         `json:"token"`
}

func readSigned(r *httpapi.Request) (*signedRequest, error) {
	var b signedBody
	if err := r.Decode(&b); err != nil {
		return nil, err
	}
	for _, signed := range []*signedRequest{b.Credentials, b.Credential, b.EC2Credentials} {
		if signed != nil && signed.Access != "" {
			return signed, nil
		}
	}
	return nil, fault.New(fault.Unauthenticated, "EC2 Signature not supplied")
}

// texts turns the values of a JSON object into what was signed.
func texts(values map[string]any) map[string]string {
	all := make(map[string]string, len(values))
	for name, v := range values {
		if text, ok := v.(string); ok {
			all[name] = text
			continue
		}
		all[name] = fmt.Sprint(v)
	}
	return all
}

func (a *api) ec2Token(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	signed, err := readSigned(r)
	if err != nil {
		return nil, err
	}
	token, t, err := a.svc.LoginEC2(ctx, identity.EC2Request{
		Access: signed.Access, Signature: signed.Signature, Verb: signed.Verb, Host: signed.Host, Path: signed.Path,
		Params: texts(signed.Params), Headers: texts(signed.Headers), BodyHash: signed.BodyHash,
	})
	if err != nil {
		return nil, err
	}
	return a.tokenResponse(ctx, r, token, t), nil
}

// s3Token answers with what the token says, but not with the token.
func (a *api) s3Token(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	signed, err := readSigned(r)
	if err != nil {
		return nil, err
	}
	text, err := decodeBase64(signed.Token)
	if err != nil {
		return nil, fault.New(fault.Invalid, "Expecting to find the text that was signed, in base64, in credentials.token.")
	}
	token, t, err := a.svc.LoginS3(ctx, identity.S3Request{
		Access: signed.Access, Signature: signed.Signature, StringToSign: text,
	})
	if err != nil {
		return nil, err
	}
	resp := a.tokenResponse(ctx, r, token, t)
	resp.Header.Del("X-Subject-Token")
	return resp, nil
}

// decodeBase64 reads both alphabets, with or without padding.
func decodeBase64(text string) ([]byte, error) {
	text = strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(strings.TrimSpace(text))
	return base64.RawURLEncoding.DecodeString(text)
}
