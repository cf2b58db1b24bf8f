package identity

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Endpoint is where a service is reached.
type Endpoint struct {
	ID        string     `json:"id"`
	ServiceID string     `json:"service"`
	RegionID  string     `json:"region,omitempty"`
	Interface string     `json:"interface"` // "public", "internal" or "admin"
	URL       string     `json:"url"`       // may hold BaseURL, %(project_id)s and %(user_id)s
	Name      string     `json:"name,omitempty"`
	Enabled   bool       `json:"enabled"`
	Extra     Attributes `json:"extra,omitempty"`
}

// CreateEndpointOptions of Service.CreateEndpoint.
type CreateEndpointOptions struct {
	ID        string // empty for a new one
	ServiceID string
	RegionID  string
	Interface string
	URL       string
	Name      string
	Disabled  bool // leaves it out of the catalog
	Extra     Attributes
}

// UpdateEndpointOptions of Service.UpdateEndpoint; nil leaves as it is.
type UpdateEndpointOptions struct {
	ServiceID *string
	RegionID  *string
	Interface *string
	URL       *string
	Name      *string
	Enabled   *bool
	Extra     Attributes
}

// ListEndpointsOptions narrow Service.ListEndpoints; nil means all.
type ListEndpointsOptions struct {
	ServiceID string
	RegionID  string
	Interface string
}

// CreateEndpoint adds an endpoint: fault.Invalid if service or region do not exist
// or the URL is none.
func (s *Service) CreateEndpoint(ctx context.Context, opts CreateEndpointOptions) (Endpoint, error) {
	e := Endpoint{
		ID: opts.ID, ServiceID: opts.ServiceID, RegionID: opts.RegionID, Interface: opts.Interface,
		URL: opts.URL, Name: opts.Name, Enabled: !opts.Disabled, Extra: opts.Extra,
	}
	if e.ID == "" {
		e.ID = s.core.IDs.Hex()
	}
	err := s.update(ctx, "CreateEndpoint", func(tx *state.Tx) error {
		if err := s.checkEndpoint(tx, e); err != nil {
			return err
		}
		s.emit(ctx, tx, created, "endpoint", e.ID)
		return s.t.endpoints.Insert(tx, e)
	})
	return e, err
}

// checkEndpoint refuses an endpoint that points to nothing.
func (s *Service) checkEndpoint(r state.Reader, e Endpoint) error {
	if !s.t.services.Has(r, e.ServiceID) {
		return fault.New(fault.Invalid, "Could not find service: %s.", e.ServiceID)
	}
	if e.RegionID != "" && !s.t.regions.Has(r, e.RegionID) {
		return fault.New(fault.Invalid, "Could not find region: %s.", e.RegionID)
	}
	if !slices.Contains(interfaces, e.Interface) {
		return fault.New(fault.Invalid, "Invalid input for field 'interface': %q is not one of %s.", e.Interface, strings.Join(interfaces, ", "))
	}
	example, _ := Expand(e.URL, "http://host", "project", "user")
	u, err := url.Parse(example)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.Contains(example, "%(") || strings.Contains(example, "$(") {
		return fault.New(fault.Invalid, "Invalid input for field 'url': %q is not a URL that an endpoint can have.", e.URL)
	}
	return nil
}

// GetEndpoint returns an endpoint by its id.
func (s *Service) GetEndpoint(ctx context.Context, id string) (Endpoint, error) {
	e, err := s.t.endpoints.Get(s.core.DB.Snapshot(), id)
	return e, fault.Wrap("identity.GetEndpoint", err)
}

// ListEndpoints returns endpoints in order of their ids.
func (s *Service) ListEndpoints(ctx context.Context, opts *ListEndpointsOptions) ([]Endpoint, error) {
	if opts == nil {
		opts = &ListEndpointsOptions{}
	}
	return collect(s.t.endpoints.All(s.core.DB.Snapshot()), func(e *Endpoint) bool {
		return is(opts.ServiceID, e.ServiceID) && is(opts.RegionID, e.RegionID) && is(opts.Interface, e.Interface)
	}), nil
}

// UpdateEndpoint changes an endpoint.
func (s *Service) UpdateEndpoint(ctx context.Context, id string, opts UpdateEndpointOptions) (Endpoint, error) {
	var e Endpoint
	err := s.update(ctx, "UpdateEndpoint", func(tx *state.Tx) error {
		s.emit(ctx, tx, updated, "endpoint", id)
		return s.t.endpoints.Change(tx, id, func(old *Endpoint) error {
			set(&old.ServiceID, opts.ServiceID)
			set(&old.RegionID, opts.RegionID)
			set(&old.Interface, opts.Interface)
			set(&old.URL, opts.URL)
			set(&old.Name, opts.Name)
			set(&old.Enabled, opts.Enabled)
			old.Extra = old.Extra.merged(opts.Extra)
			e = *old
			return s.checkEndpoint(tx, e)
		})
	})
	return e, err
}

// DeleteEndpoint removes an endpoint, and takes it out of the projects' catalogs.
func (s *Service) DeleteEndpoint(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteEndpoint", func(tx *state.Tx) error {
		return s.dropEndpoint(ctx, tx, id)
	})
}

func (s *Service) dropEndpoint(ctx context.Context, tx *state.Tx, id string) error {
	s.emit(ctx, tx, deleted, "endpoint", id)
	return firstError(
		s.t.endpoints.Delete(tx, id),
		deleteAll(tx, s.t.projectEndpoints, s.t.endpointOf, projectEndpointKey, id),
		deleteAll(tx, s.t.policyPlaces, s.t.placeEndpoint, placeKey, id),
	)
}
