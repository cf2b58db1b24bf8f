package identity

import (
	"context"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// PolicyPlace is what a policy is for: one endpoint, the endpoints of a service in a
// region and the regions below it, or all endpoints of a service.
type PolicyPlace struct {
	EndpointID string `json:"endpoint,omitempty"` // alone
	ServiceID  string `json:"service,omitempty"`
	RegionID   string `json:"region,omitempty"` // only with ServiceID
}

// policyAssociation says which policy a place has: one.
type policyAssociation struct {
	PolicyPlace
	PolicyID string `json:"policy"`
}

func placeKey(p *policyAssociation) string {
	return state.Key(p.EndpointID, p.ServiceID, p.RegionID)
}

// policyTables are the collections of policies' places, and their indexes.
type policyTables struct {
	policyPlaces  *state.Collection[policyAssociation]
	placePolicy   *state.Index[policyAssociation]
	placeEndpoint *state.Index[policyAssociation]
	placeService  *state.Index[policyAssociation]
	placeRegion   *state.Index[policyAssociation]
}

func (t *policyTables) definePolicyPlaces(db *state.DB) {
	t.placePolicy = state.NewIndex("policy", func(p *policyAssociation) []string { return []string{p.PolicyID} })
	t.placeEndpoint = state.NewIndex("endpoint", func(p *policyAssociation) []string { return optional(p.EndpointID) })
	t.placeService = state.NewIndex("service", func(p *policyAssociation) []string { return optional(p.ServiceID) })
	t.placeRegion = state.NewIndex("region", func(p *policyAssociation) []string { return optional(p.RegionID) })
	t.policyPlaces = state.Define(db, state.Spec[policyAssociation]{
		Name: "identity.policy_associations", Noun: "policy association", Key: placeKey,
		Indexes: []*state.Index[policyAssociation]{t.placePolicy, t.placeEndpoint, t.placeService, t.placeRegion},
	})
}

// AssociatePolicy gives a place a policy instead of the one it had, if any.
func (s *Service) AssociatePolicy(ctx context.Context, policyID string, place PolicyPlace) error {
	return s.update(ctx, "AssociatePolicy", func(tx *state.Tx) error {
		if err := s.checkPlace(tx, policyID, place); err != nil {
			return err
		}
		s.emit(ctx, tx, updated, "policy", policyID)
		return s.t.policyPlaces.Put(tx, policyAssociation{PolicyPlace: place, PolicyID: policyID})
	})
}

// DissociatePolicy takes a policy from a place: fault.NotFound if it is not there.
func (s *Service) DissociatePolicy(ctx context.Context, policyID string, place PolicyPlace) error {
	return s.update(ctx, "DissociatePolicy", func(tx *state.Tx) error {
		if err := s.hasPolicy(tx, policyID, place); err != nil {
			return err
		}
		s.emit(ctx, tx, updated, "policy", policyID)
		return s.t.policyPlaces.Delete(tx, placeKey(&policyAssociation{PolicyPlace: place}))
	})
}

// CheckPolicyAssociation returns nil if a policy was given to exactly this place,
// fault.NotFound if not.
func (s *Service) CheckPolicyAssociation(ctx context.Context, policyID string, place PolicyPlace) error {
	return fault.Wrap("identity.CheckPolicyAssociation", s.hasPolicy(s.core.DB.Snapshot(), policyID, place))
}

func (s *Service) hasPolicy(r state.Reader, policyID string, place PolicyPlace) error {
	if err := s.checkPlace(r, policyID, place); err != nil {
		return err
	}
	there, err := s.t.policyPlaces.Get(r, placeKey(&policyAssociation{PolicyPlace: place}))
	if err != nil || there.PolicyID != policyID {
		return fault.New(fault.NotFound, "Could not find policy association.")
	}
	return nil
}

// checkPlace refuses a policy or a place that is not there.
func (s *Service) checkPlace(r state.Reader, policyID string, p PolicyPlace) error {
	if _, err := s.t.policies.Get(r, policyID); err != nil {
		return err
	}
	switch {
	case p.EndpointID != "" && p.ServiceID == "" && p.RegionID == "":
		_, err := s.t.endpoints.Get(r, p.EndpointID)
		return err
	case p.EndpointID != "" || p.ServiceID == "":
		return fault.New(fault.Invalid, "A policy is for one endpoint, for a service in a region, or for a service.")
	}
	if _, err := s.t.services.Get(r, p.ServiceID); err != nil {
		return err
	}
	if p.RegionID == "" {
		return nil
	}
	_, err := s.t.regions.Get(r, p.RegionID)
	return err
}

// EndpointsOfPolicy returns the endpoints at the places that were given a policy, in
// order of their ids.
func (s *Service) EndpointsOfPolicy(ctx context.Context, policyID string) ([]Endpoint, error) {
	r := s.core.DB.Snapshot()
	if _, err := s.t.policies.Get(r, policyID); err != nil {
		return nil, fault.Wrap("identity.EndpointsOfPolicy", err)
	}
	list := []Endpoint{}
	for link := range s.t.policyPlaces.Where(r, s.t.placePolicy, policyID) {
		if link.EndpointID != "" {
			if e, err := s.t.endpoints.Get(r, link.EndpointID); err == nil {
				list = append(list, e)
			}
			continue
		}
		for e := range s.t.endpoints.Where(r, s.t.endpointService, link.ServiceID) {
			if link.RegionID == "" || slices.Contains(s.regionsAbove(r, e.RegionID), link.RegionID) {
				list = append(list, e)
			}
		}
	}
	slices.SortFunc(list, func(a, b Endpoint) int { return strings.Compare(a.ID, b.ID) })
	return slices.CompactFunc(list, func(a, b Endpoint) bool { return a.ID == b.ID }), nil
}

// PolicyOfEndpoint returns the policy that holds for an endpoint: its own, or else
// that of its service in the nearest region, or else that of its service.
// fault.NotFound if there is none.
func (s *Service) PolicyOfEndpoint(ctx context.Context, endpointID string) (PolicyDocument, error) {
	r := s.core.DB.Snapshot()
	e, err := s.t.endpoints.Get(r, endpointID)
	if err != nil {
		return PolicyDocument{}, fault.Wrap("identity.PolicyOfEndpoint", err)
	}
	places := []PolicyPlace{{EndpointID: e.ID}}
	for _, region := range s.regionsAbove(r, e.RegionID) {
		places = append(places, PolicyPlace{ServiceID: e.ServiceID, RegionID: region})
	}
	places = append(places, PolicyPlace{ServiceID: e.ServiceID})
	for _, place := range places {
		if link, err := s.t.policyPlaces.Get(r, placeKey(&policyAssociation{PolicyPlace: place})); err == nil {
			p, err := s.t.policies.Get(r, link.PolicyID)
			return p, fault.Wrap("identity.PolicyOfEndpoint", err)
		}
	}
	return PolicyDocument{}, fault.Wrap("identity.PolicyOfEndpoint",
		fault.New(fault.NotFound, "No policy is associated with endpoint %s.", endpointID))
}

// regionsAbove returns a region and those above it, nearest first; none for "".
func (s *Service) regionsAbove(r state.Reader, id string) []string {
	var list []string
	for id != "" && !slices.Contains(list, id) {
		list = append(list, id)
		region, err := s.t.regions.Get(r, id)
		if err != nil {
			break
		}
		id = region.ParentID
	}
	return list
}
