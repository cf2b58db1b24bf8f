package identity

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/check"
)

// checkFilters looks at what narrows catalogs, and at where policies are.
func (s *Service) checkFilters(_ context.Context, l *check.Look) error {
	r, n := l.State(), names{s, l}
	for p := range s.t.projectEndpoints.All(r) {
		resource, gone := "catalog/"+p.ProjectID+"/endpoint/"+p.EndpointID, drop(s.t.projectEndpoints, projectEndpointKey(&p))
		n.need(n.project(p.ProjectID), resource, "project", p.ProjectID, gone)
		n.need(has(s.t.endpoints, p.EndpointID), resource, "endpoint", p.EndpointID, gone)
	}
	for p := range s.t.projectGroups.All(r) {
		resource, gone := "catalog/"+p.ProjectID+"/endpoint-group/"+p.GroupID, drop(s.t.projectGroups, projectGroupKey(&p))
		n.need(n.project(p.ProjectID), resource, "project", p.ProjectID, gone)
		n.need(has(s.t.endpointGroups, p.GroupID), resource, "endpoint group", p.GroupID, gone)
	}
	for p := range s.t.policyPlaces.All(r) {
		resource, gone := "policy-association/"+p.PolicyID, drop(s.t.policyPlaces, placeKey(&p))
		n.need(has(s.t.policies, p.PolicyID), resource, "policy", p.PolicyID, gone)
		n.maybe(func(id string) exists { return has(s.t.endpoints, id) }, resource, "endpoint", p.EndpointID, gone)
		n.maybe(n.service, resource, "service", p.ServiceID, gone)
		n.maybe(n.region, resource, "region", p.RegionID, gone)
	}
	return nil
}

// checkLimits looks at limits, and at the configurations of domains.
func (s *Service) checkLimits(_ context.Context, l *check.Look) error {
	r, n := l.State(), names{s, l}
	for x := range s.t.registered.All(r) {
		gone := drop(s.t.registered, x.ID)
		n.need(n.service(x.ServiceID), "registered-limit/"+x.ID, "service", x.ServiceID, gone)
		n.maybe(n.region, "registered-limit/"+x.ID, "region", x.RegionID, gone)
	}
	for x := range s.t.limits.All(r) {
		gone := drop(s.t.limits, x.ID)
		n.need(has(s.t.registered, x.RegisteredID), "limit/"+x.ID, "registered limit", x.RegisteredID, gone)
		n.maybe(n.service, "limit/"+x.ID, "service", x.ServiceID, gone)
		n.maybe(n.region, "limit/"+x.ID, "region", x.RegionID, gone)
		n.maybe(n.project, "limit/"+x.ID, "project", x.ProjectID, gone)
		n.maybe(n.domain, "limit/"+x.ID, "domain", x.DomainID, gone)
	}
	for c := range s.t.domainConfigs.All(r) {
		n.need(n.domain(c.DomainID), "domain-config/"+c.DomainID, "domain", c.DomainID, drop(s.t.domainConfigs, c.DomainID))
	}
	return nil
}
