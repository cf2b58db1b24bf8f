package identity

import (
	"context"
	"errors"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// BeginMessage begins a log-in of a client that carries messages between this cloud and
// an identity provider: it returns the first one. The answer comes to redirect. Its
// errors are those of LoginFederated.
func (s *Service) BeginMessage(ctx context.Context, providerID, protocolID, redirect string) ([]byte, error) {
	message, err := s.beginMessage(ctx, federationPath{providerID, protocolID}, redirect)
	return message, fault.Wrap("identity.BeginMessage", err)
}

func (s *Service) beginMessage(ctx context.Context, path federationPath, redirect string) ([]byte, error) {
	messenger, err := s.messenger(path)
	if err != nil {
		return nil, err
	}
	// It is for no dashboard, so that no browser can end it.
	f := s.newFlow(path, "", redirect)
	sealed, err := s.sealFlow(f)
	if err != nil {
		return nil, err
	}
	message, err := messenger.Ask(ctx, f.Flow, sealed)
	if err != nil {
		return nil, s.refused(ctx, path, err)
	}
	return message, nil
}

// FinishMessage ends such a log-in with the answer of the provider: it returns an
// unscoped token. A log-in ends once. Its errors are those of LoginFederated.
func (s *Service) FinishMessage(ctx context.Context, providerID, protocolID string, answer []byte) (string, *Token, error) {
	token, t, err := s.finishMessage(ctx, federationPath{providerID, protocolID}, answer)
	return token, t, fault.Wrap("identity.FinishMessage", err)
}

func (s *Service) finishMessage(ctx context.Context, path federationPath, answer []byte) (string, *Token, error) {
	messenger, err := s.messenger(path)
	if err != nil {
		return "", nil, err
	}
	sealed, err := messenger.Relayed(answer)
	if err != nil {
		return "", nil, s.refused(ctx, path, err)
	}
	f, err := s.openFlow(ctx, sealed)
	if err != nil {
		return "", nil, err
	}
	if path != (federationPath{f.ProviderID, f.ProtocolID}) || f.Origin != "" {
		return "", nil, s.refused(ctx, path, errDenied().Because(errors.New("the answer is of another log-in")))
	}
	assertion, err := messenger.Answer(ctx, f.Flow, answer)
	if err != nil {
		return "", nil, s.refused(ctx, path, err)
	}
	return s.loginAsserted(ctx, path, assertion, &f)
}

// messenger returns the driver of a protocol, if its clients carry messages.
func (s *Service) messenger(path federationPath) (driver.Messenger, error) {
	method, err := s.method(path)
	if err != nil {
		return nil, err
	}
	if messenger, ok := method.(driver.Messenger); ok {
		return messenger, nil
	}
	return nil, errDenied().Because(errors.New("the protocol has no messages that clients carry"))
}
