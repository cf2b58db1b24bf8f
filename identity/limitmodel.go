package identity

import (
	"context"
	"fmt"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// The models of how limits of a domain and of its projects go together.
const (
	// LimitsFlat lets each limit stand for itself.
	LimitsFlat = "flat"
	// LimitsStrictTwoLevel keeps the limit of a project at most as high as that of
	// its domain, and allows no project below another.
	LimitsStrictTwoLevel = "strict_two_level"
)

// LimitModel is how limits of domains and projects go together in this cloud.
type LimitModel struct {
	Name        string // LimitsFlat or LimitsStrictTwoLevel
	Description string
}

// EffectiveLimitOptions say which limit Service.EffectiveLimit looks for.
type EffectiveLimitOptions struct {
	ProjectID    string // or the id of a domain
	ServiceID    string
	RegionID     string // of the endpoint that was asked
	ResourceName string
}

// LimitModel tells which model this cloud goes by: Settings.LimitModel.
func (s *Service) LimitModel() LimitModel {
	if s.cfg.LimitModel == LimitsStrictTwoLevel {
		return LimitModel{LimitsStrictTwoLevel, "Projects are directly below domains, and no project has a higher limit than its domain."}
	}
	return LimitModel{LimitsFlat, "Each limit stands for itself: the hierarchy of projects does not matter."}
}

// EffectiveLimit returns how much of a resource a project may have: its own limit, or
// else the registered default; Unlimited is -1. What is registered for the region goes
// before what is registered for all. fault.NotFound if nothing is registered: it is
// the service's to say what that means. In the model LimitsStrictTwoLevel the projects
// of a domain together must also keep within the limit of the domain.
func (s *Service) EffectiveLimit(ctx context.Context, opts EffectiveLimitOptions) (int, error) {
	r := s.core.DB.Snapshot()
	p, err := s.t.projects.Get(r, opts.ProjectID)
	if err != nil {
		return 0, fault.Wrap("identity.EffectiveLimit", err)
	}
	regions := []string{opts.RegionID}
	if opts.RegionID != "" {
		regions = append(regions, "")
	}
	for _, region := range regions {
		if l, ok := s.t.registered.Find(r, s.t.registeredFor, opts.ServiceID, region, opts.ResourceName); ok {
			return s.limitOn(r, l, p), nil
		}
	}
	return 0, fault.Wrap("identity.EffectiveLimit",
		fault.New(fault.NotFound, "No limit is registered for the resource %s of this service.", opts.ResourceName))
}

// limitOn is the limit of a project or of a domain, or else the default.
func (s *Service) limitOn(r state.Reader, registered RegisteredLimit, p Project) int {
	project, domain := p.ID, ""
	if p.IsDomain {
		project, domain = "", p.ID
	}
	if own, ok := s.t.limits.Find(r, s.t.limitFor, registered.ID, project, domain); ok {
		return own.Value
	}
	return registered.Default
}

// checkHierarchy holds limits, which are stored already, against those above and
// below them.
func (s *Service) checkHierarchy(r state.Reader, limits []Limit) error {
	if s.cfg.LimitModel != LimitsStrictTwoLevel {
		return nil
	}
	for _, l := range limits {
		registered, err := s.t.registered.Get(r, l.RegisteredID)
		if err != nil {
			return err
		}
		if l.ProjectID != "" {
			err = s.belowDomain(r, registered, l)
		} else {
			err = s.aboveProjects(r, l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// belowDomain refuses a project's limit that is higher than its domain's.
func (s *Service) belowDomain(r state.Reader, registered RegisteredLimit, l Limit) error {
	p, err := s.t.projects.Get(r, l.ProjectID)
	if err != nil {
		return err
	}
	domain, err := s.domain(r, p.DomainID)
	if err != nil {
		return err
	}
	if most := s.limitOn(r, registered, domain); higher(l.Value, most) {
		return badLimit(l, fmt.Sprintf("the limit of its domain %s is %d", domain.ID, most))
	}
	return nil
}

// aboveProjects refuses a domain's limit that is lower than one of its projects'.
func (s *Service) aboveProjects(r state.Reader, l Limit) error {
	for other := range s.t.limits.Where(r, s.t.limitRegistered, l.RegisteredID) {
		p, err := s.t.projects.Get(r, other.ProjectID)
		if other.ProjectID == "" || err != nil || p.DomainID != l.DomainID {
			continue
		}
		if higher(other.Value, l.Value) {
			return badLimit(l, fmt.Sprintf("the limit of its project %s is %d", p.ID, other.Value))
		}
	}
	return nil
}

// higher reports whether a limit allows more than another.
func higher(a, b int) bool {
	return b != Unlimited && (a == Unlimited || a > b)
}

// badLimit is the error of a limit that the hierarchy forbids.
func badLimit(l Limit, why string) error {
	level, id := "project_id", l.ProjectID
	if id == "" {
		level, id = "domain_id", l.DomainID
	}
	region := l.RegionID
	if region == "" {
		region = "None"
	}
	return fault.New(fault.Forbidden,
		"Invalid resource limit: The resource limit (%s: %s, resource_name: %s, resource_limit: %d, service_id: %s, region_id: %s) doesn't satisfy current hierarchy model: %s.",
		level, id, l.ResourceName, l.Value, l.ServiceID, region, why)
}

// checkDepths refuses to start with a hierarchy that the model of limits forbids.
func (s *Service) checkDepths() error {
	if s.cfg.LimitModel != LimitsStrictTwoLevel {
		return nil
	}
	r := s.core.DB.Snapshot()
	for p := range s.t.projects.All(r) {
		if above, err := s.t.projects.Get(r, p.ParentID); err == nil && !above.IsDomain {
			return fault.New(fault.Invalid, "The project %s is below another project: the limit model %s does not allow that.", p.ID, LimitsStrictTwoLevel)
		}
	}
	return nil
}

// projectDepth is how many projects may be above one another below a domain.
func (s *Service) projectDepth() int {
	if s.cfg.LimitModel == LimitsStrictTwoLevel {
		return 1
	}
	return s.cfg.MaxProjectDepth
}
