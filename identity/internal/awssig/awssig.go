// Package awssig computes the signatures of EC2 and S3 requests, in the versions 1, 2
// and 4, so that a service can tell whether the holder of a secret has signed.
package awssig

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Algorithm is the name of version 4 in requests.
const Algorithm = "AWS4-HMAC-SHA256"

// terminator ends the scope of a version 4 signature.
const terminator = "aws4_request"

// ErrForm is the error for requests that cannot have been signed in any known way.
var ErrForm = errors.New("awssig: not a known form of signature")

// Request is what of an EC2 request is signed.
type Request struct {
	Verb, Host, Path string
	Params           map[string]string // of the query or of a form, without the signature
	Headers          map[string]string // of version 4
	BodyHash         string            // hexadecimal SHA-256 of the body: of version 4
}

// Sign returns the signature of a request, in the version that it asks for.
func (r *Request) Sign(secret string) (string, error) {
	switch r.Params["SignatureVersion"] {
	case "1":
		return r.signV1(secret), nil
	case "2":
		return r.signV2(secret), nil
	case "":
		return r.signV4(secret)
	}
	return "", ErrForm
}

// signV1 signs names and values of the parameters, in the order of the names without
// regard to their case.
func (r *Request) signV1(secret string) string {
	names := slices.SortedFunc(maps.Keys(r.Params), func(a, b string) int {
		if c := strings.Compare(strings.ToLower(a), strings.ToLower(b)); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	var text strings.Builder
	for _, name := range names {
		text.WriteString(name + r.Params[name])
	}
	return base64.StdEncoding.EncodeToString(mac(sha1.New, []byte(secret), text.String()))
}

// signV2 always signs with SHA-256, whatever the request says, as Keystone does.
func (r *Request) signV2(secret string) string {
	params := maps.Clone(r.Params)
	params["SignatureMethod"] = "HmacSHA256"
	text := strings.Join([]string{r.Verb, r.Host, r.Path, query(params)}, "\n")
	return base64.StdEncoding.EncodeToString(mac(sha256.New, []byte(secret), text))
}

// signV4 signs a canonical form of the request, for a day, a region and a service.
func (r *Request) signV4(secret string) (string, error) {
	date := r.Headers["X-Amz-Date"]
	if date == "" {
		date = r.Params["X-Amz-Date"]
	}
	_, scope, _ := strings.Cut(r.detail("Credential"), "/")
	parts := strings.Split(scope, "/")
	if !r.isV4() || len(parts) != 4 || parts[0] == "" || !strings.HasPrefix(date, parts[0]) {
		return "", ErrForm
	}
	sum := sha256.Sum256([]byte(r.canonical()))
	text := strings.Join([]string{Algorithm, date, scope, hex.EncodeToString(sum[:])}, "\n")
	key := SigningKey(secret, parts[0], parts[1], parts[2])
	return hex.EncodeToString(mac(sha256.New, key, text)), nil
}

func (r *Request) isV4() bool {
	return strings.HasPrefix(r.Headers["Authorization"], Algorithm) || r.Params["X-Amz-Algorithm"] == Algorithm
}

// detail is a part of the Authorization header or, of a request that was signed in
// its query, a parameter.
func (r *Request) detail(name string) string {
	header, there := r.Headers["Authorization"]
	if !there {
		return r.Params["X-Amz-"+name]
	}
	_, rest, _ := strings.Cut(header, name+"=")
	value, _, _ := strings.Cut(rest, ",")
	return strings.TrimSpace(value)
}

// canonical is the request in the form that version 4 hashes.
func (r *Request) canonical() string {
	signed := r.detail("SignedHeaders")
	lower := make(map[string]string, len(r.Headers))
	for name, value := range r.Headers {
		lower[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
	}
	var headers []string
	for name := range strings.SplitSeq(signed, ";") {
		if value, there := lower[name]; there {
			headers = append(headers, name+":"+value)
		}
	}
	text := ""
	if verb := strings.ToUpper(r.Verb); verb != "POST" { // it has its parameters in its body
		text = query(r.Params)
	}
	return strings.Join([]string{
		strings.ToUpper(r.Verb), r.Path, text, strings.Join(headers, "\n") + "\n", signed, r.BodyHash,
	}, "\n")
}

// query is the parameters in order of their names, escaped.
func query(params map[string]string) string {
	pairs := make([]string, 0, len(params))
	for _, name := range slices.Sorted(maps.Keys(params)) {
		pairs = append(pairs, escape(name)+"="+escape(params[name]))
	}
	return strings.Join(pairs, "&")
}

// escape encodes all bytes but those that RFC 3986 leaves as they are.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// SignText returns the signature of the text that an S3 request is signed by: in
// version 4 if it begins as such a text does, else in the older one.
func SignText(secret string, text []byte) (string, error) {
	if !strings.HasPrefix(string(text), "AWS4") {
		return base64.StdEncoding.EncodeToString(mac(sha1.New, []byte(secret), string(text))), nil
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 4 || lines[0] != Algorithm {
		return "", ErrForm
	}
	scope := strings.Split(lines[2], "/")
	if len(scope) != 4 || scope[3] != terminator || !slices.Contains([]string{"s3", "iam", "sts"}, scope[2]) {
		return "", ErrForm
	}
	key := SigningKey(secret, scope[0], scope[1], scope[2])
	return hex.EncodeToString(mac(sha256.New, key, string(text))), nil
}

// SigningKey derives the key that version 4 signs with on a day ("20260131"), in a
// region and for a service. The secret cannot be found from it.
func SigningKey(secret, day, region, service string) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range []string{day, region, service, terminator} {
		key = mac(sha256.New, key, part)
	}
	return key
}

func mac(h func() hash.Hash, key []byte, text string) []byte {
	m := hmac.New(h, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}
