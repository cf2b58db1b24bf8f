package identity

import (
	"context"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// BaseURL in an endpoint's URL stands for how the client reaches the cloud
// ("http://host:port"): who shows the endpoint puts that in its place. Endpoints
// made at bootstrap have it, so that they are right behind any name of the host.
const BaseURL = "%(base_url)s"

// The interfaces of endpoints, in the order in which the catalog shows them.
var interfaces = []string{"public", "internal", "admin"}

// CatalogService is a service that the catalog names.
type CatalogService struct {
	ID          string     `json:"id"`
	Type        string     `json:"type"` // "compute"
	Name        string     `json:"name,omitempty"`
	Description string     `json:"description,omitempty"`
	Enabled     bool       `json:"enabled"`
	Extra       Attributes `json:"extra,omitempty"`
}

// CreateServiceOptions of Service.CreateService.
type CreateServiceOptions struct {
	ID          string // empty for a new one
	Type        string
	Name        string
	Description string
	Disabled    bool // leaves it out of the catalog
	Extra       Attributes
}

// UpdateServiceOptions of Service.UpdateService; nil leaves as it is.
type UpdateServiceOptions struct {
	Type        *string
	Name        *string
	Description *string
	Enabled     *bool
	Extra       Attributes
}

// ListServicesOptions narrow Service.ListServices; nil means all.
type ListServicesOptions struct {
	Type string
	Name string
}

// CatalogItem is a service with the endpoints that clients can use.
type CatalogItem struct {
	Service   CatalogService
	Endpoints []Endpoint
}

// CreateService adds a service to the catalog. Several may have the same type.
func (s *Service) CreateService(ctx context.Context, opts CreateServiceOptions) (CatalogService, error) {
	c := CatalogService{
		ID: opts.ID, Type: opts.Type, Name: opts.Name, Description: opts.Description,
		Enabled: !opts.Disabled, Extra: opts.Extra,
	}
	if c.ID == "" {
		c.ID = s.core.IDs.Hex()
	}
	err := s.update(ctx, "CreateService", func(tx *state.Tx) error {
		if err := checkName("service's type", c.Type, maxName); err != nil {
			return err
		}
		s.emit(ctx, tx, created, "service", c.ID)
		return s.t.services.Insert(tx, c)
	})
	return c, err
}

// GetService returns a service by its id.
func (s *Service) GetService(ctx context.Context, id string) (CatalogService, error) {
	c, err := s.t.services.Get(s.core.DB.Snapshot(), id)
	return c, fault.Wrap("identity.GetService", err)
}

// ListServices returns services in order of their ids.
func (s *Service) ListServices(ctx context.Context, opts *ListServicesOptions) ([]CatalogService, error) {
	if opts == nil {
		opts = &ListServicesOptions{}
	}
	return collect(s.t.services.All(s.core.DB.Snapshot()), func(c *CatalogService) bool {
		return is(opts.Type, c.Type) && is(opts.Name, c.Name)
	}), nil
}

// UpdateService changes a service.
func (s *Service) UpdateService(ctx context.Context, id string, opts UpdateServiceOptions) (CatalogService, error) {
	var c CatalogService
	err := s.update(ctx, "UpdateService", func(tx *state.Tx) error {
		s.emit(ctx, tx, updated, "service", id)
		return s.t.services.Change(tx, id, func(old *CatalogService) error {
			set(&old.Type, opts.Type)
			set(&old.Name, opts.Name)
			set(&old.Description, opts.Description)
			set(&old.Enabled, opts.Enabled)
			old.Extra = old.Extra.merged(opts.Extra)
			c = *old
			return checkName("service's type", c.Type, maxName)
		})
	})
	return c, err
}

// DeleteService removes a service with its endpoints, its limits and the policies
// that it was given.
func (s *Service) DeleteService(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteService", func(tx *state.Tx) error {
		for _, e := range collect(s.t.endpoints.Where(tx, s.t.endpointService, id), nil) {
			if err := s.dropEndpoint(ctx, tx, e.ID); err != nil {
				return err
			}
		}
		s.emit(ctx, tx, deleted, "service", id)
		return firstError(
			s.dropRegisteredLimits(ctx, tx, s.t.registeredService, id),
			deleteAll(tx, s.t.policyPlaces, s.t.placeService, placeKey, id),
			s.t.services.Delete(tx, id),
		)
	})
}

// Catalog returns what clients can use: enabled services with their enabled
// endpoints, in order of the services' names and types.
func (s *Service) Catalog(ctx context.Context) []CatalogItem {
	r := s.core.DB.Snapshot()
	list := []CatalogItem{}
	for c := range s.t.services.Where(r, s.t.serviceType) {
		if !c.Enabled {
			continue
		}
		item := CatalogItem{Service: c, Endpoints: []Endpoint{}}
		for e := range s.t.endpoints.Where(r, s.t.endpointService, c.ID) {
			if e.Enabled {
				item.Endpoints = append(item.Endpoints, e)
			}
		}
		list = append(list, item)
	}
	return list
}

// CatalogOf returns what a project sees of Catalog: if endpoints were put into its
// catalog, those and the services that have them; else everything.
func (s *Service) CatalogOf(ctx context.Context, projectID string) []CatalogItem {
	all := s.Catalog(ctx)
	if projectID == "" {
		return all
	}
	own := s.endpointsOf(s.core.DB.Snapshot(), projectID)
	if len(own) == 0 {
		return all
	}
	list := []CatalogItem{}
	for _, item := range all {
		item.Endpoints = slices.DeleteFunc(item.Endpoints, func(e Endpoint) bool {
			return !slices.ContainsFunc(own, func(o Endpoint) bool { return o.ID == e.ID })
		})
		if len(item.Endpoints) > 0 {
			list = append(list, item)
		}
	}
	return list
}

// CatalogNarrowed reports whether the catalog of a project may differ from that of
// others.
func (s *Service) CatalogNarrowed(ctx context.Context, projectID string) bool {
	r := s.core.DB.Snapshot()
	return projectID != "" && (s.t.projectEndpoints.Count(r, s.t.endpointInProject, projectID) > 0 ||
		s.t.projectGroups.Count(r, s.t.groupInProject, projectID) > 0)
}

// CatalogRevision changes whenever Catalog or CatalogOf may.
func (s *Service) CatalogRevision() uint64 { return s.t.catalogRevision(s.core.DB.Snapshot()) }

// Expand fills in the parts of an endpoint's URL that depend on who asks: how the
// client reaches the cloud, and the scope of its token. It reports false for a URL
// that needs a project when there is none.
func Expand(url, base, projectID, userID string) (string, bool) {
	if !strings.ContainsAny(url, "%$") {
		return url, true
	}
	url = strings.ReplaceAll(url, BaseURL, base)
	for _, name := range []string{"project_id", "tenant_id"} {
		for _, mark := range []string{"%(" + name + ")s", "$(" + name + ")s"} {
			if !strings.Contains(url, mark) {
				continue
			}
			if projectID == "" {
				return "", false
			}
			url = strings.ReplaceAll(url, mark, projectID)
		}
	}
	return strings.NewReplacer("%(user_id)s", userID, "$(user_id)s", userID).Replace(url), true
}
