package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// webSSOTime is how long a log-in with a browser may take.
const webSSOTime = 10 * time.Minute

// webSSOVersion is the first byte of a sealed flow. No token begins with it.
const webSSOVersion = 0x20

// WebSSOOptions of Service.BeginWebSSO.
type WebSSOOptions struct {
	ProviderID string
	ProtocolID string
	Origin     string // where the token is to go: one of FederationConfig.TrustedDashboards
	Redirect   string // where the provider is to send the browser back to
}

// WebSSO is a log-in with a browser that has begun.
type WebSSO struct {
	URL   string // where the browser is to go
	State string // comes back from there
	// Sealed is for FinishWebSSO. The browser must keep it to itself: whoever has it and
	// the state can end the log-in.
	Sealed string
	// Posts says that the provider sends the browser back with a form, from its own site.
	Posts bool
}

// flow is what is sealed of a log-in with a browser.
type flow struct {
	driver.Flow
	ProviderID string
	ProtocolID string
	Origin     string
	Until      time.Time
}

// WebSSOProvider returns the identity provider whose users log in with a browser by a
// protocol, if there is only one: fault.Invalid if there are several, fault.NotFound if
// there is none.
func (s *Service) WebSSOProvider(ctx context.Context, protocolID string) (string, error) {
	var found []string
	for _, m := range s.cfg.Federation.Methods {
		_, browser := m.Driver.(driver.Browser)
		_, _, err := s.openPath(s.core.DB.Snapshot(), federationPath{m.ProviderID, protocolID})
		if m.ProtocolID == protocolID && browser && err == nil {
			found = append(found, m.ProviderID)
		}
	}
	switch len(found) {
	case 0:
		return "", fault.Wrap("identity.WebSSOProvider", fault.Missing("federation protocol", protocolID))
	case 1:
		return found[0], nil
	}
	return "", fault.Wrap("identity.WebSSOProvider",
		fault.New(fault.Invalid, "Several identity providers have the protocol %s: name one.", protocolID))
}

// BeginWebSSO begins a log-in with a browser. fault.Unauthenticated if the origin is not
// trusted; otherwise its errors are those of LoginFederated.
func (s *Service) BeginWebSSO(ctx context.Context, opts WebSSOOptions) (WebSSO, error) {
	started, err := s.beginWebSSO(ctx, opts)
	return started, fault.Wrap("identity.BeginWebSSO", err)
}

func (s *Service) beginWebSSO(ctx context.Context, opts WebSSOOptions) (WebSSO, error) {
	if err := s.trusted(opts.Origin); err != nil {
		return WebSSO{}, err
	}
	path := federationPath{opts.ProviderID, opts.ProtocolID}
	browser, err := s.browser(path)
	if err != nil {
		return WebSSO{}, err
	}
	f := s.newFlow(path, opts.Origin, opts.Redirect)
	address, err := browser.Begin(ctx, f.Flow)
	if err != nil {
		return WebSSO{}, s.refused(ctx, path, err)
	}
	sealed, err := s.sealFlow(f)
	_, posts := browser.(driver.Publisher)
	return WebSSO{URL: address, State: f.State, Sealed: sealed, Posts: posts}, err
}

// newFlow draws the secrets of a log-in.
func (s *Service) newFlow(path federationPath, origin, redirect string) flow {
	return flow{
		Flow:       driver.Flow{Redirect: redirect, State: secret(), Nonce: secret(), Verifier: secret()},
		ProviderID: path.ProviderID, ProtocolID: path.ProtocolID, Origin: origin,
		Until: s.core.Clock.Now().Add(webSSOTime),
	}
}

// sealFlow makes a flow something that only openFlow reads.
func (s *Service) sealFlow(f flow) (string, error) {
	message, err := json.Marshal(f)
	if err != nil {
		return "", err
	}
	return s.tokenKeys.seal(append([]byte{webSSOVersion}, message...), s.core.Clock.Now())
}

// FinishWebSSO ends a log-in with a browser that came back with a query: it returns an
// unscoped token and the origin that it is for. A log-in ends once.
func (s *Service) FinishWebSSO(ctx context.Context, providerID, protocolID, sealed string, query url.Values) (token, origin string, err error) {
	f, err := s.openFlow(ctx, sealed)
	if err == nil {
		token, err = s.finishWebSSO(ctx, f, federationPath{providerID, protocolID}, query)
	}
	return token, f.Origin, fault.Wrap("identity.FinishWebSSO", err)
}

func (s *Service) finishWebSSO(ctx context.Context, f flow, path federationPath, query url.Values) (string, error) {
	state := query.Get("state")
	if path != (federationPath{f.ProviderID, f.ProtocolID}) || subtle.ConstantTimeCompare([]byte(state), []byte(f.State)) != 1 {
		return "", s.refused(ctx, path, errDenied().Because(errors.New("the browser did not begin this log-in")))
	}
	if err := s.trusted(f.Origin); err != nil {
		return "", err
	}
	browser, err := s.browser(path)
	if err != nil {
		return "", err
	}
	assertion, err := browser.Finish(ctx, f.Flow, query)
	if err != nil {
		return "", s.refused(ctx, path, err)
	}
	token, _, err := s.loginAsserted(ctx, path, assertion, &f)
	return token, err
}

// browser returns the driver of a protocol, if it can log in with a browser.
func (s *Service) browser(path federationPath) (driver.Browser, error) {
	method, err := s.method(path)
	if err != nil {
		return nil, err
	}
	if browser, ok := method.(driver.Browser); ok {
		return browser, nil
	}
	return nil, errDenied().Because(errors.New("the driver cannot log in with a browser"))
}

// openFlow returns a flow that this cloud has sealed, and that has not expired.
func (s *Service) openFlow(ctx context.Context, sealed string) (flow, error) {
	var f flow
	if err := s.refreshKeys(ctx); err != nil {
		return f, err
	}
	message, ok := s.tokenKeys.open(sealed)
	if !ok || len(message) == 0 || message[0] != webSSOVersion || json.Unmarshal(message[1:], &f) != nil {
		return flow{}, errDenied()
	}
	if !s.core.Clock.Now().Before(f.Until) {
		return flow{}, errDenied()
	}
	return f, nil
}

// trusted refuses origins that a token must not go to.
func (s *Service) trusted(origin string) error {
	if origin == "" {
		return fault.New(fault.Invalid, "Request must have an origin query parameter")
	}
	same := func(dashboard string) bool { return lowerHost(dashboard) == lowerHost(origin) }
	if !slices.ContainsFunc(s.cfg.Federation.TrustedDashboards, same) {
		return fault.New(fault.Unauthenticated, "%s is not a trusted dashboard host", clip(origin))
	}
	return nil
}

// lowerHost writes the scheme and the host of an address in small letters. Everything
// after them must be the same to the letter.
func lowerHost(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	return strings.ToLower(scheme) + "://" + strings.ToLower(rest[:end]) + rest[end:]
}

// secret draws a text that nobody can guess.
func secret() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
