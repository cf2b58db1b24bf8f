package identity

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Limit is how much of a resource one project or one domain may have, in place of the
// default of the registered limit that it rests on.
type Limit struct {
	ID           string  `json:"id"`
	RegisteredID string  `json:"registered"`
	ProjectID    string  `json:"project,omitempty"` // or DomainID
	DomainID     string  `json:"domain,omitempty"`
	ServiceID    string  `json:"service"`
	RegionID     string  `json:"region,omitempty"`
	ResourceName string  `json:"resource"`
	Value        int     `json:"value"` // Unlimited, 0 or more
	Description  *string `json:"description,omitempty"`
}

// CreateLimitOptions are one limit of a project or of a domain. Service, region and
// resource name the registered limit that it rests on.
type CreateLimitOptions struct {
	ID           string // empty for a new one
	ProjectID    string // or DomainID; a domain's id here means the domain
	DomainID     string
	ServiceID    string
	RegionID     string
	ResourceName string
	Value        int
	Description  *string
}

// UpdateLimitOptions of Service.UpdateLimit; nil leaves as it is.
type UpdateLimitOptions struct {
	Value       *int
	Description *string
}

// ListLimitsOptions narrow Service.ListLimits; nil means all.
type ListLimitsOptions struct {
	ServiceID    string
	RegionID     *string // empty: those of no region
	ResourceName string
	ProjectID    string
	DomainID     string
}

// CreateLimits makes limits, all or none: fault.Invalid if something that one names
// does not exist, fault.Forbidden if nothing is registered for it or the hierarchy
// forbids it, fault.AlreadyExists if the project or domain has one.
func (s *Service) CreateLimits(ctx context.Context, all []CreateLimitOptions) ([]Limit, error) {
	var list []Limit
	err := s.update(ctx, "CreateLimits", func(tx *state.Tx) error {
		list = make([]Limit, 0, len(all))
		for _, opts := range all {
			l, err := s.newLimit(tx, opts)
			if err != nil {
				return err
			}
			if err := s.t.limits.Insert(tx, l); err != nil {
				return conflict(err, "limit", "Duplicate entry")
			}
			s.emit(ctx, tx, created, "limit", l.ID)
			list = append(list, l)
		}
		// The hierarchy is looked at once all are there, so that a domain and its
		// projects can be given limits together.
		return s.checkHierarchy(tx, list)
	})
	return list, err
}

// newLimit checks what a limit names, and finds the registered one.
func (s *Service) newLimit(r state.Reader, opts CreateLimitOptions) (Limit, error) {
	l := Limit{
		ID: opts.ID, ProjectID: opts.ProjectID, DomainID: opts.DomainID, ServiceID: opts.ServiceID,
		RegionID: opts.RegionID, ResourceName: opts.ResourceName, Value: opts.Value, Description: opts.Description,
	}
	if l.ID == "" {
		l.ID = s.core.IDs.Hex()
	}
	if !s.t.services.Has(r, l.ServiceID) {
		return l, expecting("service_id", "limit")
	}
	if l.RegionID != "" && !s.t.regions.Has(r, l.RegionID) {
		return l, expecting("region_id", "limit")
	}
	if err := s.placeLimit(r, &l); err != nil {
		return l, err
	}
	registered, ok := s.t.registered.Find(r, s.t.registeredFor, l.ServiceID, l.RegionID, l.ResourceName)
	if !ok {
		return l, fault.New(fault.Forbidden, "Unable to create a limit that has no corresponding registered limit.")
	}
	l.RegisteredID = registered.ID
	return l, checkLimit(l.Value)
}

// placeLimit settles whether a limit is a project's or a domain's.
func (s *Service) placeLimit(r state.Reader, l *Limit) error {
	if (l.ProjectID == "") == (l.DomainID == "") {
		return fault.New(fault.Invalid, "A limit is for a project or for a domain.")
	}
	if l.ProjectID != "" {
		p, err := s.t.projects.Get(r, l.ProjectID)
		if err != nil {
			return expecting("project_id", "limit")
		}
		if p.IsDomain {
			l.ProjectID, l.DomainID = "", p.ID
		}
		return nil
	}
	if _, err := s.domain(r, l.DomainID); err != nil {
		return expecting("domain_id", "limit")
	}
	return nil
}

// GetLimit returns a limit by its id.
func (s *Service) GetLimit(ctx context.Context, id string) (Limit, error) {
	l, err := s.t.limits.Get(s.core.DB.Snapshot(), id)
	return l, fault.Wrap("identity.GetLimit", err)
}

// ListLimits returns limits in order of their ids.
func (s *Service) ListLimits(ctx context.Context, opts *ListLimitsOptions) ([]Limit, error) {
	if opts == nil {
		opts = &ListLimitsOptions{}
	}
	r := s.core.DB.Snapshot()
	all := s.t.limits.All(r)
	switch {
	case opts.ProjectID != "":
		all = s.t.limits.Where(r, s.t.limitProject, opts.ProjectID)
	case opts.DomainID != "":
		all = s.t.limits.Where(r, s.t.limitDomain, opts.DomainID)
	}
	return collect(all, func(l *Limit) bool {
		return is(opts.ServiceID, l.ServiceID) && is(opts.ResourceName, l.ResourceName) &&
			is(opts.ProjectID, l.ProjectID) && is(opts.DomainID, l.DomainID) &&
			(opts.RegionID == nil || *opts.RegionID == l.RegionID)
	}), nil
}

// UpdateLimit changes a limit: fault.Forbidden if the hierarchy forbids the value.
func (s *Service) UpdateLimit(ctx context.Context, id string, opts UpdateLimitOptions) (Limit, error) {
	var l Limit
	err := s.update(ctx, "UpdateLimit", func(tx *state.Tx) error {
		s.emit(ctx, tx, updated, "limit", id)
		err := s.t.limits.Change(tx, id, func(old *Limit) error {
			set(&old.Value, opts.Value)
			if opts.Description != nil {
				old.Description = opts.Description
			}
			l = *old
			return checkLimit(l.Value)
		})
		return firstError(err, s.checkHierarchy(tx, []Limit{l}))
	})
	return l, err
}

// DeleteLimit removes a limit: the default of the registered one holds again.
func (s *Service) DeleteLimit(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteLimit", func(tx *state.Tx) error {
		s.emit(ctx, tx, deleted, "limit", id)
		return s.t.limits.Delete(tx, id)
	})
}
