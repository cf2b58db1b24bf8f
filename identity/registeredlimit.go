package identity

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Unlimited is the value of a limit that is none.
const Unlimited = -1

// maxLimit is the highest value of a limit.
const maxLimit = 1<<31 - 1

// RegisteredLimit says that a service limits a resource, and how much of it each
// project may have unless a Limit says otherwise.
type RegisteredLimit struct {
	ID           string  `json:"id"`
	ServiceID    string  `json:"service"`
	RegionID     string  `json:"region,omitempty"` // empty: wherever the service is
	ResourceName string  `json:"resource"`         // "cores"
	Default      int     `json:"default"`          // Unlimited, 0 or more
	Description  *string `json:"description,omitempty"`
}

// CreateRegisteredLimitOptions are one limit to register.
type CreateRegisteredLimitOptions struct {
	ID           string // empty for a new one
	ServiceID    string
	RegionID     string
	ResourceName string
	Default      int
	Description  *string
}

// UpdateRegisteredLimitOptions of Service.UpdateRegisteredLimit; nil leaves as it is.
type UpdateRegisteredLimitOptions struct {
	ServiceID    *string
	RegionID     *string // empty: wherever the service is
	ResourceName *string
	Default      *int
	Description  *string
}

// ListRegisteredLimitsOptions narrow Service.ListRegisteredLimits; nil means all.
type ListRegisteredLimitsOptions struct {
	ServiceID    string
	RegionID     *string // empty: those of no region
	ResourceName string
}

// limitTables are the collections of limits, and their indexes.
type limitTables struct {
	registered        *state.Collection[RegisteredLimit]
	registeredFor     *state.Index[RegisteredLimit]
	registeredService *state.Index[RegisteredLimit]
	registeredRegion  *state.Index[RegisteredLimit]

	limits          *state.Collection[Limit]
	limitFor        *state.Index[Limit]
	limitRegistered *state.Index[Limit]
	limitProject    *state.Index[Limit]
	limitDomain     *state.Index[Limit]
}

func (t *limitTables) defineLimits(db *state.DB) {
	t.registeredFor = state.NewUnique("service, region and resource", func(l *RegisteredLimit) []string {
		return []string{state.Key(l.ServiceID, l.RegionID, l.ResourceName)}
	})
	t.registeredService = state.NewIndex("service id", func(l *RegisteredLimit) []string { return []string{l.ServiceID} })
	t.registeredRegion = state.NewIndex("region id", func(l *RegisteredLimit) []string { return optional(l.RegionID) })
	t.registered = state.Define(db, state.Spec[RegisteredLimit]{
		Name: "identity.registered_limits", Noun: "registered limit",
		Key:     func(l *RegisteredLimit) string { return l.ID },
		Indexes: []*state.Index[RegisteredLimit]{t.registeredFor, t.registeredService, t.registeredRegion},
	})
	t.limitFor = state.NewUnique("registered limit and project", func(l *Limit) []string {
		return []string{state.Key(l.RegisteredID, l.ProjectID, l.DomainID)}
	})
	t.limitRegistered = state.NewIndex("registered limit", func(l *Limit) []string { return []string{l.RegisteredID} })
	t.limitProject = state.NewIndex("project", func(l *Limit) []string { return optional(l.ProjectID) })
	t.limitDomain = state.NewIndex("domain", func(l *Limit) []string { return optional(l.DomainID) })
	t.limits = state.Define(db, state.Spec[Limit]{
		Name: "identity.limits", Noun: "limit", Key: limitKey,
		Indexes: []*state.Index[Limit]{t.limitFor, t.limitRegistered, t.limitProject, t.limitDomain},
	})
}

func limitKey(l *Limit) string { return l.ID }

// CreateRegisteredLimits registers limits, all or none: fault.Invalid if a service or
// region does not exist, fault.AlreadyExists if the service has one for the resource
// in the region.
func (s *Service) CreateRegisteredLimits(ctx context.Context, all []CreateRegisteredLimitOptions) ([]RegisteredLimit, error) {
	var list []RegisteredLimit
	err := s.update(ctx, "CreateRegisteredLimits", func(tx *state.Tx) error {
		list = make([]RegisteredLimit, 0, len(all))
		for _, opts := range all {
			l := RegisteredLimit(opts)
			if l.ID == "" {
				l.ID = s.core.IDs.Hex()
			}
			if err := s.checkRegisteredLimit(tx, l); err != nil {
				return err
			}
			if err := s.t.registered.Insert(tx, l); err != nil {
				return conflict(err, "registered_limit", "Duplicate entry")
			}
			s.emit(ctx, tx, created, "registered_limit", l.ID)
			list = append(list, l)
		}
		return nil
	})
	return list, err
}

// checkRegisteredLimit refuses what no service could ask for.
func (s *Service) checkRegisteredLimit(r state.Reader, l RegisteredLimit) error {
	if !s.t.services.Has(r, l.ServiceID) {
		return expecting("service_id", "registered_limit")
	}
	if l.RegionID != "" && !s.t.regions.Has(r, l.RegionID) {
		return expecting("region_id", "registered_limit")
	}
	return firstError(checkName("limited resource", l.ResourceName, maxName), checkLimit(l.Default))
}

func checkLimit(value int) error {
	if value < Unlimited || value > maxLimit {
		return fault.New(fault.Invalid, "A limit is %d, for none, or from 0 to %d.", Unlimited, maxLimit)
	}
	return nil
}

// expecting is the error of an attribute that names nothing.
func expecting(attribute, target string) error {
	return fault.New(fault.Invalid, "Expecting to find %s in %s. The request names what does not exist, or is not of the expected form.", attribute, target)
}

// GetRegisteredLimit returns a registered limit by its id.
func (s *Service) GetRegisteredLimit(ctx context.Context, id string) (RegisteredLimit, error) {
	l, err := s.t.registered.Get(s.core.DB.Snapshot(), id)
	return l, fault.Wrap("identity.GetRegisteredLimit", err)
}

// ListRegisteredLimits returns registered limits in order of their ids.
func (s *Service) ListRegisteredLimits(ctx context.Context, opts *ListRegisteredLimitsOptions) ([]RegisteredLimit, error) {
	if opts == nil {
		opts = &ListRegisteredLimitsOptions{}
	}
	return collect(s.t.registered.All(s.core.DB.Snapshot()), func(l *RegisteredLimit) bool {
		return is(opts.ServiceID, l.ServiceID) && is(opts.ResourceName, l.ResourceName) &&
			(opts.RegionID == nil || *opts.RegionID == l.RegionID)
	}), nil
}

// UpdateRegisteredLimit changes a registered limit: fault.Forbidden while limits of
// projects or domains rest on it.
func (s *Service) UpdateRegisteredLimit(ctx context.Context, id string, opts UpdateRegisteredLimitOptions) (RegisteredLimit, error) {
	var l RegisteredLimit
	err := s.update(ctx, "UpdateRegisteredLimit", func(tx *state.Tx) error {
		if err := s.unusedLimit(tx, id); err != nil {
			return err
		}
		s.emit(ctx, tx, updated, "registered_limit", id)
		err := s.t.registered.Change(tx, id, func(old *RegisteredLimit) error {
			set(&old.ServiceID, opts.ServiceID)
			set(&old.RegionID, opts.RegionID)
			set(&old.ResourceName, opts.ResourceName)
			set(&old.Default, opts.Default)
			if opts.Description != nil {
				old.Description = opts.Description
			}
			l = *old
			return s.checkRegisteredLimit(tx, l)
		})
		return conflict(err, "registered_limit", "Duplicate entry")
	})
	return l, err
}

// DeleteRegisteredLimit removes a registered limit: fault.Forbidden while limits of
// projects or domains rest on it.
func (s *Service) DeleteRegisteredLimit(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteRegisteredLimit", func(tx *state.Tx) error {
		if err := s.unusedLimit(tx, id); err != nil {
			return err
		}
		s.emit(ctx, tx, deleted, "registered_limit", id)
		return s.t.registered.Delete(tx, id)
	})
}

// unusedLimit refuses to touch a registered limit that others rest on.
func (s *Service) unusedLimit(r state.Reader, id string) error {
	if s.t.limits.Count(r, s.t.limitRegistered, id) > 0 {
		return fault.New(fault.Forbidden, "Unable to update or delete registered limit %s because there are project limits associated with it.", id)
	}
	return nil
}

// dropRegisteredLimits removes the limits that an index holds under a key, and those
// of projects and domains that rest on them.
func (s *Service) dropRegisteredLimits(ctx context.Context, tx *state.Tx, ix *state.Index[RegisteredLimit], key string) error {
	for _, l := range collect(s.t.registered.Where(tx, ix, key), nil) {
		s.emit(ctx, tx, deleted, "registered_limit", l.ID)
		err := firstError(
			deleteAll(tx, s.t.limits, s.t.limitRegistered, limitKey, l.ID),
			s.t.registered.Delete(tx, l.ID),
		)
		if err != nil {
			return err
		}
	}
	return nil
}
