package identity

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// IdentityProvider is somebody else who tells who users are. Its users live in its
// domain.
type IdentityProvider struct {
	ID          string   `json:"id"`
	DomainID    string   `json:"domain"`
	Description string   `json:"description,omitempty"`
	Enabled     bool     `json:"enabled"`
	RemoteIDs   []string `json:"remote_ids,omitempty"` // as it calls itself; each belongs to one provider only
	// AuthorizationTTL is how long group memberships that it tells hold after a log-in;
	// nil: FederationConfig.GroupTTL.
	AuthorizationTTL *time.Duration `json:"authorization_ttl,omitempty"`
}

// CreateIdentityProviderOptions of Service.CreateIdentityProvider.
type CreateIdentityProviderOptions struct {
	ID               string
	DomainID         string // empty: a new domain
	Description      string
	Enabled          bool
	RemoteIDs        []string
	AuthorizationTTL *time.Duration
}

// UpdateIdentityProviderOptions of Service.UpdateIdentityProvider; nil leaves as it
// is.
type UpdateIdentityProviderOptions struct {
	Description      *string
	Enabled          *bool // false ends the tokens that came by the provider
	RemoteIDs        *[]string
	AuthorizationTTL **time.Duration
}

// ListIdentityProvidersOptions narrow Service.ListIdentityProviders; nil means all.
type ListIdentityProvidersOptions struct {
	ID      string
	Enabled *bool
}

// Limits of what providers say of themselves.
const (
	maxRemoteID  = 255
	maxRemoteIDs = 1000
)

// CreateIdentityProvider makes a provider and, unless a domain is given, a domain for
// its users: fault.AlreadyExists if its id or one of its remote ids is taken.
func (s *Service) CreateIdentityProvider(ctx context.Context, opts CreateIdentityProviderOptions) (IdentityProvider, error) {
	p := IdentityProvider{
		ID: opts.ID, DomainID: opts.DomainID, Description: opts.Description, Enabled: opts.Enabled,
		RemoteIDs: sortedTags(opts.RemoteIDs), AuthorizationTTL: opts.AuthorizationTTL,
	}
	err := s.update(ctx, "CreateIdentityProvider", func(tx *state.Tx) error {
		err := firstError(checkFederationID("identity provider", p.ID), s.checkProvider(tx, &p))
		if err != nil {
			return err
		}
		if s.t.providers.Has(tx, p.ID) {
			return conflict(fault.AlreadyExists, "identity_provider", "Duplicate entry: "+p.ID)
		}
		if p.DomainID, err = s.providerDomain(ctx, tx, p.ID, opts.DomainID); err != nil {
			return err
		}
		s.emit(ctx, tx, created, "identity_provider", p.ID)
		return s.t.providers.Insert(tx, p)
	})
	return p, err
}

// providerDomain returns the domain that was asked for, or makes one.
func (s *Service) providerDomain(ctx context.Context, tx *state.Tx, provider, asked string) (string, error) {
	if asked != "" {
		d, err := s.domain(tx, asked)
		return d.ID, err
	}
	id := s.core.IDs.Hex()
	s.emit(ctx, tx, created, "domain", id)
	return id, s.t.projects.Insert(tx, Project{
		ID: id, Name: id, IsDomain: true, Enabled: true,
		Description: "The domain of the identity provider " + provider,
	})
}

// checkProvider checks what a provider says of itself.
func (s *Service) checkProvider(r state.Reader, p *IdentityProvider) error {
	if p.AuthorizationTTL != nil && *p.AuthorizationTTL < 0 {
		return fault.New(fault.Invalid, "The authorization_ttl must not be negative.")
	}
	if len(p.RemoteIDs) > maxRemoteIDs {
		return fault.New(fault.Invalid, "An identity provider has %d remote ids at most.", maxRemoteIDs)
	}
	for _, id := range p.RemoteIDs {
		if id == "" || len(id) > maxRemoteID {
			return fault.New(fault.Invalid, "A remote id has from 1 to %d bytes.", maxRemoteID)
		}
		if other, taken := s.t.providers.Find(r, s.t.providerRemote, id); taken && other.ID != p.ID {
			return conflict(fault.AlreadyExists, "identity_provider", "Duplicate remote ID: "+id)
		}
	}
	return nil
}

// GetIdentityProvider returns a provider by its id.
func (s *Service) GetIdentityProvider(ctx context.Context, id string) (IdentityProvider, error) {
	p, err := s.t.providers.Get(s.core.DB.Snapshot(), id)
	return p, fault.Wrap("identity.GetIdentityProvider", err)
}

// ListIdentityProviders returns providers in order of their ids.
func (s *Service) ListIdentityProviders(ctx context.Context, opts *ListIdentityProvidersOptions) ([]IdentityProvider, error) {
	if opts == nil {
		opts = &ListIdentityProvidersOptions{}
	}
	return collect(s.t.providers.All(s.core.DB.Snapshot()), func(p *IdentityProvider) bool {
		return is(opts.ID, p.ID) && (opts.Enabled == nil || *opts.Enabled == p.Enabled)
	}), nil
}

// UpdateIdentityProvider changes a provider. Disabling one ends at once the tokens
// that came by it.
func (s *Service) UpdateIdentityProvider(ctx context.Context, id string, opts UpdateIdentityProviderOptions) (IdentityProvider, error) {
	var p IdentityProvider
	err := s.update(ctx, "UpdateIdentityProvider", func(tx *state.Tx) error {
		disabled := false
		err := s.t.providers.Change(tx, id, func(old *IdentityProvider) error {
			disabled = old.Enabled && opts.Enabled != nil && !*opts.Enabled
			set(&old.Description, opts.Description)
			set(&old.Enabled, opts.Enabled)
			set(&old.AuthorizationTTL, opts.AuthorizationTTL)
			if opts.RemoteIDs != nil {
				old.RemoteIDs = sortedTags(*opts.RemoteIDs)
			}
			p = *old
			return s.checkProvider(tx, old)
		})
		if err != nil {
			return err
		}
		if disabled {
			err = s.endProtocols(tx, slices.Collect(s.t.protocols.Where(tx, s.t.protocolProvider, id)))
		}
		s.emit(ctx, tx, updated, "identity_provider", id)
		return err
	})
	return p, err
}

// DeleteIdentityProvider removes a provider with its protocols, and with the users
// that are known by it alone. Its domain stays.
func (s *Service) DeleteIdentityProvider(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteIdentityProvider", func(tx *state.Tx) error {
		p, err := s.t.providers.Get(tx, id)
		if err != nil {
			return err
		}
		return s.dropProvider(ctx, tx, p)
	})
}

func (s *Service) dropProvider(ctx context.Context, tx *state.Tx, p IdentityProvider) error {
	for _, row := range slices.Collect(s.t.protocols.Where(tx, s.t.protocolProvider, p.ID)) {
		if err := s.dropProtocol(ctx, tx, row); err != nil {
			return err
		}
	}
	s.emit(ctx, tx, deleted, "identity_provider", p.ID)
	return s.t.providers.Delete(tx, p.ID)
}

// dropDomainProviders removes the providers of a domain.
func (s *Service) dropDomainProviders(ctx context.Context, tx *state.Tx, domainID string) error {
	for _, p := range slices.Collect(s.t.providers.Where(tx, s.t.providerDomain, domainID)) {
		if err := s.dropProvider(ctx, tx, p); err != nil {
			return err
		}
	}
	return nil
}

// checkFederationID refuses ids that are empty or too long for a token.
func checkFederationID(noun, id string) error {
	if id == "" {
		return fault.New(fault.Invalid, "The id of the %s must not be empty.", noun)
	}
	if strings.ContainsFunc(id, unicode.IsControl) {
		return fault.New(fault.Invalid, "The id of the %s must be text without control characters.", noun)
	}
	return firstError(checkID(noun, id), checkName(noun, id, maxID))
}
