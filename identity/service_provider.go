package identity

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// ServiceProvider is another cloud that takes assertions of this one. The cloud tells
// users of it; it makes no assertions itself.
type ServiceProvider struct {
	ID               string `json:"id"`
	AuthURL          string `json:"auth_url"` // where its users log in
	URL              string `json:"sp_url"`   // where it takes assertions
	Description      string `json:"description,omitempty"`
	Enabled          bool   `json:"enabled"`
	RelayStatePrefix string `json:"relay_state_prefix"` // default "ss:mem:"
}

// UpdateServiceProviderOptions of Service.UpdateServiceProvider; nil leaves as it is.
type UpdateServiceProviderOptions struct {
	AuthURL          *string
	URL              *string
	Description      *string
	Enabled          *bool
	RelayStatePrefix *string
}

// ListServiceProvidersOptions narrow Service.ListServiceProviders; nil means all.
type ListServiceProvidersOptions struct {
	ID      string
	Enabled *bool
}

// relayStatePrefix is what Keystone puts before RelayState values.
const relayStatePrefix = "ss:mem:"

// CreateServiceProvider stores a service provider: fault.AlreadyExists if its id is
// taken.
func (s *Service) CreateServiceProvider(ctx context.Context, p ServiceProvider) (ServiceProvider, error) {
	if p.RelayStatePrefix == "" {
		p.RelayStatePrefix = relayStatePrefix
	}
	err := s.update(ctx, "CreateServiceProvider", func(tx *state.Tx) error {
		if err := firstError(checkFederationID("service provider", p.ID), p.check()); err != nil {
			return err
		}
		if s.t.serviceProviders.Has(tx, p.ID) {
			return conflict(fault.AlreadyExists, "service_provider", "Duplicate entry found with ID "+p.ID)
		}
		s.emit(ctx, tx, created, "service_provider", p.ID)
		return s.t.serviceProviders.Insert(tx, p)
	})
	return p, err
}

func (p *ServiceProvider) check() error {
	if p.AuthURL == "" || p.URL == "" {
		return fault.New(fault.Invalid, "A service provider needs an auth_url and an sp_url.")
	}
	return nil
}

// GetServiceProvider returns a service provider by its id.
func (s *Service) GetServiceProvider(ctx context.Context, id string) (ServiceProvider, error) {
	p, err := s.t.serviceProviders.Get(s.core.DB.Snapshot(), id)
	return p, fault.Wrap("identity.GetServiceProvider", err)
}

// ListServiceProviders returns service providers in order of their ids.
func (s *Service) ListServiceProviders(ctx context.Context, opts *ListServiceProvidersOptions) ([]ServiceProvider, error) {
	if opts == nil {
		opts = &ListServiceProvidersOptions{}
	}
	return collect(s.t.serviceProviders.All(s.core.DB.Snapshot()), func(p *ServiceProvider) bool {
		return is(opts.ID, p.ID) && (opts.Enabled == nil || *opts.Enabled == p.Enabled)
	}), nil
}

// UpdateServiceProvider changes a service provider.
func (s *Service) UpdateServiceProvider(ctx context.Context, id string, opts UpdateServiceProviderOptions) (ServiceProvider, error) {
	var p ServiceProvider
	err := s.update(ctx, "UpdateServiceProvider", func(tx *state.Tx) error {
		s.emit(ctx, tx, updated, "service_provider", id)
		return s.t.serviceProviders.Change(tx, id, func(old *ServiceProvider) error {
			set(&old.AuthURL, opts.AuthURL)
			set(&old.URL, opts.URL)
			set(&old.Description, opts.Description)
			set(&old.Enabled, opts.Enabled)
			set(&old.RelayStatePrefix, opts.RelayStatePrefix)
			p = *old
			return old.check()
		})
	})
	return p, err
}

// DeleteServiceProvider removes a service provider.
func (s *Service) DeleteServiceProvider(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteServiceProvider", func(tx *state.Tx) error {
		s.emit(ctx, tx, deleted, "service_provider", id)
		return s.t.serviceProviders.Delete(tx, id)
	})
}
