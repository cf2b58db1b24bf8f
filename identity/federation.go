package identity

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// FederationConfig says with which identity providers a Service speaks. The zero value
// is: with none.
type FederationConfig struct {
	// Methods speak with the identity providers. They belong to a service that Open
	// returned, and to the caller of New.
	Methods []FederationMethod
	// TrustedDashboards are the addresses that a log-in with a browser may hand a token
	// to, such as "https://dashboard.example/auth/websso/".
	TrustedDashboards []string
	// GroupTTL is how long group memberships that a provider tells hold after a log-in,
	// unless the provider says it. 0: they count in the tokens of that log-in only.
	GroupTTL time.Duration
	// RemoteIDAttribute is that of protocols that name none; empty: who asserts is not
	// held against the remote ids of the provider.
	RemoteIDAttribute string
}

// FederationMethod is the driver of one protocol of one identity provider, which are
// named by their ids. Neither need be there yet.
type FederationMethod struct {
	ProviderID string
	ProtocolID string
	Driver     driver.Protocol
}

// close closes the drivers.
func (c *FederationConfig) close() error {
	var errs []error
	for _, m := range c.Methods {
		errs = append(errs, m.Driver.Close())
	}
	return errors.Join(errs...)
}

// FederatedLogin is a log-in with a credential of an identity provider.
type FederatedLogin struct {
	ProviderID string
	ProtocolID string
	Credential string // such as a bearer token
}

// TokenFederation says how the user of a token came here.
type TokenFederation struct {
	ProviderID string
	ProtocolID string
	GroupIDs   []string // in which the provider said that the user is, at its last log-in
}

// LoginFederated issues an unscoped token to whom an identity provider knows: use it
// with Login to get one with a scope. fault.NotFound if there is no such provider or
// protocol, fault.Forbidden if the provider is disabled, fault.Unavailable if it cannot
// be asked, and fault.Unauthenticated for whatever else is wrong; the log says what.
func (s *Service) LoginFederated(ctx context.Context, l FederatedLogin) (string, *Token, error) {
	token, t, err := s.loginFederated(ctx, l)
	return token, t, fault.Wrap("identity.LoginFederated", err)
}

func (s *Service) loginFederated(ctx context.Context, l FederatedLogin) (string, *Token, error) {
	path := federationPath{l.ProviderID, l.ProtocolID}
	method, err := s.method(path)
	if err != nil {
		return "", nil, err
	}
	if l.Credential == "" {
		return "", nil, errDenied()
	}
	assertion, err := method.Assert(ctx, l.Credential)
	if err != nil {
		return "", nil, s.refused(ctx, path, err)
	}
	return s.loginAsserted(ctx, path, assertion, nil)
}

// method returns the driver of a protocol, if its provider is there and enabled.
func (s *Service) method(path federationPath) (driver.Protocol, error) {
	if _, _, err := s.openPath(s.core.DB.Snapshot(), path); err != nil {
		return nil, err
	}
	for _, m := range s.cfg.Federation.Methods {
		if m.ProviderID == path.ProviderID && m.ProtocolID == path.ProtocolID {
			return m.Driver, nil
		}
	}
	return nil, errDenied().Because(errors.New("the identity provider has no driver for this protocol"))
}

// openPath returns provider and protocol if they may be used.
func (s *Service) openPath(r state.Reader, path federationPath) (IdentityProvider, protocolRow, error) {
	p, err := s.t.providers.Get(r, path.ProviderID)
	if err != nil {
		return p, protocolRow{}, err
	}
	row, err := s.protocol(r, path.ProviderID, path.ProtocolID)
	if err != nil {
		return p, row, err
	}
	if !p.Enabled {
		return p, row, fault.New(fault.Forbidden, "Identity Provider %s is disabled", p.ID)
	}
	return p, row, nil
}

// loginAsserted issues a token to whom a provider has asserted something about, at the
// end of a flow if there is one.
func (s *Service) loginAsserted(ctx context.Context, path federationPath, a driver.Assertion, f *flow) (string, *Token, error) {
	if err := s.refreshKeys(ctx); err != nil {
		return "", nil, err
	}
	var user userRow
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		provider, protocol, err := s.openPath(tx, path)
		if err != nil {
			return err
		}
		if f != nil {
			if err := s.spend(tx, f); err != nil {
				return err
			}
		}
		if err := s.checkRemoteID(provider, protocol, a); err != nil {
			return err
		}
		user, err = s.mapUser(ctx, tx, provider, protocol, a)
		if err == nil && !suffice(&user, methodMapped) {
			err = errDenied().Because(errors.New("the user's rules ask for further methods"))
		}
		return err
	})
	if err != nil {
		return "", nil, s.refused(ctx, path, err)
	}
	p := payload{Methods: methodMapped, UserID: user.ID, Federation: path}
	token, t, err := s.issue(ctx, p, user)
	if err != nil {
		return "", nil, s.refused(ctx, path, err)
	}
	return token, t, nil
}

// checkRemoteID holds who asserts against the remote ids of the provider, if it is
// known where the assertion says it.
func (s *Service) checkRemoteID(p IdentityProvider, row protocolRow, a driver.Assertion) error {
	attribute := row.RemoteIDAttribute
	if attribute == "" {
		attribute = s.cfg.Federation.RemoteIDAttribute
	}
	if attribute == "" || len(p.RemoteIDs) == 0 {
		return nil
	}
	for _, id := range a[attribute] {
		if !slices.Contains(p.RemoteIDs, id) {
			return fault.New(fault.Forbidden, "Incoming identity provider identifier not included among the accepted identifiers.")
		}
	}
	if len(a[attribute]) == 0 {
		return errDenied().Because(errors.New("the assertion does not name the identity provider"))
	}
	return nil
}

// refused notes why a federated log-in failed, for the operator, and returns what its
// user may know: whatever is wrong with the mapping or the assertion is a refusal.
func (s *Service) refused(ctx context.Context, path federationPath, err error) error {
	s.core.Log.WarnContext(ctx, "a federated log-in was refused",
		"identity_provider", path.ProviderID, "protocol", path.ProtocolID, "reason", clip(err.Error()))
	switch fault.Of(err) {
	case fault.Invalid, fault.NotFound, fault.AlreadyExists, fault.TooLarge, fault.Unauthenticated:
		return errDenied().Because(err)
	}
	return err
}

// maxReason bounds what the log repeats of what a provider has said.
const maxReason = 500

func clip(text string) string { return text[:min(len(text), maxReason)] }

// applyFederation checks that the path by which a user came is still open, and fills it
// in. Who is mapped to a local user is that user, not a federated one.
func (s *Service) applyFederation(r state.Reader, p *payload, t *Token, epoch *uint16) error {
	if p.Federation.ProviderID == "" {
		return nil
	}
	_, row, err := s.openPath(r, p.Federation)
	if err != nil || !s.t.mappings.Has(r, row.MappingID) {
		return invalidToken("the identity provider, its protocol or the mapping is gone or disabled")
	}
	*epoch += row.Epoch
	for i, name := range t.Methods {
		if name == mappedName {
			t.Methods[i] = row.ID
		}
	}
	if p.Scope.TrustID != "" || !s.knows(r, row.FederationProtocol, p.UserID) {
		return nil
	}
	t.Federation = &TokenFederation{ProviderID: row.ProviderID, ProtocolID: row.ID, GroupIDs: []string{}}
	for m := range s.t.federated.Where(r, s.t.federatedUser, p.UserID) {
		if m.ProviderID == row.ProviderID && m.ProtocolID == row.ID {
			t.Federation.GroupIDs = append(t.Federation.GroupIDs, m.GroupID)
		}
	}
	return nil
}

// knows reports whether a protocol has led to a user.
func (s *Service) knows(r state.Reader, p FederationProtocol, userID string) bool {
	for l := range s.t.links.Where(r, s.t.linkUser, userID) {
		if l.ProviderID == p.ProviderID && l.ProtocolID == p.ID {
			return true
		}
	}
	return false
}

// federatedGroups are the groups of the user of a token, whose roles count if they are
// that user's own.
func (t *Token) federatedGroups(holder string) []string {
	if t.Federation == nil || t.User.ID != holder {
		return nil
	}
	return t.Federation.GroupIDs
}

// ProjectsOfToken returns the enabled projects that a token can be exchanged for one of,
// in order of their ids.
func (s *Service) ProjectsOfToken(ctx context.Context, t *Token) ([]Project, error) {
	return s.projectsOf(s.core.DB.Snapshot(), t.User.ID, t.federatedGroups(t.User.ID)...), nil
}

// DomainsOfToken returns the enabled domains that a token can be exchanged for one of,
// in order of their ids.
func (s *Service) DomainsOfToken(ctx context.Context, t *Token) ([]Domain, error) {
	return s.domainsOf(s.core.DB.Snapshot(), t.User.ID, t.federatedGroups(t.User.ID)...), nil
}
