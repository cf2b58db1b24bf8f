package identity

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// PolicyDocument is a policy of some service, kept for whoever asks for it. The
// cloud itself does not read it.
type PolicyDocument struct {
	ID    string     `json:"id"`
	Type  string     `json:"type"` // the MIME type of Blob
	Blob  string     `json:"blob"`
	Extra Attributes `json:"extra,omitempty"`
}

// UpdatePolicyOptions of Service.UpdatePolicy; nil leaves as it is.
type UpdatePolicyOptions struct {
	Type  *string
	Blob  *string
	Extra Attributes
}

// CreatePolicy stores a policy; its ID is filled in if empty.
func (s *Service) CreatePolicy(ctx context.Context, p PolicyDocument) (PolicyDocument, error) {
	if p.ID == "" {
		p.ID = s.core.IDs.Hex()
	}
	err := s.update(ctx, "CreatePolicy", func(tx *state.Tx) error {
		s.emit(ctx, tx, created, "policy", p.ID)
		return s.t.policies.Insert(tx, p)
	})
	return p, err
}

// GetPolicy returns a policy by its id.
func (s *Service) GetPolicy(ctx context.Context, id string) (PolicyDocument, error) {
	p, err := s.t.policies.Get(s.core.DB.Snapshot(), id)
	return p, fault.Wrap("identity.GetPolicy", err)
}

// ListPolicies returns policies in order of their ids; with mediaType, those of
// that type.
func (s *Service) ListPolicies(ctx context.Context, mediaType string) ([]PolicyDocument, error) {
	return collect(s.t.policies.All(s.core.DB.Snapshot()), func(p *PolicyDocument) bool {
		return is(mediaType, p.Type)
	}), nil
}

// UpdatePolicy changes a policy.
func (s *Service) UpdatePolicy(ctx context.Context, id string, opts UpdatePolicyOptions) (PolicyDocument, error) {
	var p PolicyDocument
	err := s.update(ctx, "UpdatePolicy", func(tx *state.Tx) error {
		s.emit(ctx, tx, updated, "policy", id)
		return s.t.policies.Change(tx, id, func(old *PolicyDocument) error {
			set(&old.Type, opts.Type)
			set(&old.Blob, opts.Blob)
			old.Extra = old.Extra.merged(opts.Extra)
			p = *old
			return nil
		})
	})
	return p, err
}

// DeletePolicy removes a policy from all its places.
func (s *Service) DeletePolicy(ctx context.Context, id string) error {
	return s.update(ctx, "DeletePolicy", func(tx *state.Tx) error {
		s.emit(ctx, tx, deleted, "policy", id)
		return firstError(
			s.t.policies.Delete(tx, id),
			deleteAll(tx, s.t.policyPlaces, s.t.placePolicy, placeKey, id),
		)
	})
}
