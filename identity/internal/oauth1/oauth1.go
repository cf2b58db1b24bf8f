// Package oauth1 reads and checks requests that are signed as OAuth 1.0a says
// (RFC 5849), with HMAC-SHA1 or, for clients that want nothing better, PLAINTEXT.
package oauth1

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"
)

// The signature methods.
const (
	HMACSHA1  = "HMAC-SHA1"
	Plaintext = "PLAINTEXT"
)

// maxHeader bounds the header and the query that are looked at.
const maxHeader = 8 << 10

// ErrForm is the error for headers that are not of the form of the protocol.
var ErrForm = errors.New("oauth1: the Authorization header is not one of OAuth")

// pair is a parameter, decoded.
type pair struct{ name, value string }

// Request is a signed request.
type Request struct {
	Consumer  string // oauth_consumer_key
	Token     string // oauth_token; empty where there is none yet
	Verifier  string // oauth_verifier
	Method    string // oauth_signature_method
	Timestamp string
	Nonce     string
	Version   string // "1.0" or empty
	signature string
	base      string // the signature base string
}

// Parse reads a request: its verb, its URL as the client has sent it, and its
// Authorization header. A parameter of the protocol that is there twice is an error.
func Parse(verb, rawURL, authorization string) (*Request, error) {
	if len(authorization) > maxHeader || len(rawURL) > maxHeader {
		return nil, ErrForm
	}
	params, err := parseHeader(authorization)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, ErrForm
	}
	r := &Request{}
	fields := map[string]*string{
		"oauth_consumer_key": &r.Consumer, "oauth_token": &r.Token, "oauth_verifier": &r.Verifier,
		"oauth_signature_method": &r.Method, "oauth_timestamp": &r.Timestamp, "oauth_nonce": &r.Nonce,
		"oauth_version": &r.Version, "oauth_signature": &r.signature,
	}
	seen := map[string]bool{}
	for _, p := range params {
		if seen[p.name] {
			return nil, ErrForm
		}
		seen[p.name] = true
		if field := fields[p.name]; field != nil {
			*field = p.value
		}
	}
	more, err := parseForm(u.RawQuery)
	if err != nil {
		return nil, err
	}
	params = slices.DeleteFunc(params, func(p pair) bool { return p.name == "realm" || p.name == "oauth_signature" })
	r.base = baseString(verb, u, append(params, more...))
	return r, nil
}

// Signed reports whether the request was signed by who has the consumer's secret and,
// if there is a token, that of the token.
func (r *Request) Signed(consumerSecret, tokenSecret string) bool {
	want := Escape(consumerSecret) + "&" + Escape(tokenSecret)
	switch r.Method {
	case HMACSHA1:
		m := hmac.New(sha1.New, []byte(want))
		m.Write([]byte(r.base))
		want = base64.StdEncoding.EncodeToString(m.Sum(nil))
	case Plaintext:
	default:
		return false
	}
	return subtle.ConstantTimeCompare([]byte(want), []byte(r.signature)) == 1
}

// parseHeader reads `OAuth name="value", …`.
func parseHeader(header string) ([]pair, error) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "OAuth") {
		return nil, ErrForm
	}
	var params []pair
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return nil, ErrForm
		}
		if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
			value = value[1 : n-1]
		}
		p, err := decode(name, value)
		if err != nil {
			return nil, err
		}
		params = append(params, p)
	}
	return params, nil
}

// parseForm reads the parameters of a query, keeping those that are there twice.
func parseForm(query string) ([]pair, error) {
	var params []pair
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(strings.ReplaceAll(part, "+", "%20"), "=")
		p, err := decode(name, value)
		if err != nil {
			return nil, err
		}
		params = append(params, p)
	}
	return params, nil
}

func decode(name, value string) (pair, error) {
	n, err := url.PathUnescape(name)
	if err != nil {
		return pair{}, ErrForm
	}
	v, err := url.PathUnescape(value)
	if err != nil {
		return pair{}, ErrForm
	}
	return pair{n, v}, nil
}

// baseString is the signature base string of section 3.4.1.
func baseString(verb string, u *url.URL, params []pair) string {
	for i, p := range params {
		params[i] = pair{Escape(p.name), Escape(p.value)}
	}
	slices.SortFunc(params, func(a, b pair) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	text := make([]string, len(params))
	for i, p := range params {
		text[i] = p.name + "=" + p.value
	}
	return strings.ToUpper(verb) + "&" + Escape(baseURL(u)) + "&" + Escape(strings.Join(text, "&"))
}

// baseURL is the URL without query, and without the port that its scheme has anyway.
func baseURL(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return scheme + "://" + host + path
}

// Escape encodes text as section 3.6 says: all bytes but letters, digits, '-', '.',
// '_' and '~'.
func Escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}
