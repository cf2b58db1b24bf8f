package identity

import (
	"context"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// FederationProtocol is a way in which users of an identity provider log in, "openid"
// for one, and the mapping that says who they are here.
type FederationProtocol struct {
	ID         string `json:"id"`
	ProviderID string `json:"provider"`
	MappingID  string `json:"mapping"`
	// RemoteIDAttribute is the attribute of assertions that must be one of the
	// provider's remote ids; empty: FederationConfig.RemoteIDAttribute.
	RemoteIDAttribute string `json:"remote_id_attribute,omitempty"`
}

// UpdateFederationProtocolOptions of Service.UpdateFederationProtocol; nil leaves as
// it is.
type UpdateFederationProtocolOptions struct {
	MappingID         *string
	RemoteIDAttribute *string
}

// CreateFederationProtocol adds a protocol to a provider: fault.NotFound if there is
// no such provider, fault.Invalid if there is no such mapping.
func (s *Service) CreateFederationProtocol(ctx context.Context, p FederationProtocol) (FederationProtocol, error) {
	row := protocolRow{FederationProtocol: p, Epoch: s.newEpoch()}
	err := s.update(ctx, "CreateFederationProtocol", func(tx *state.Tx) error {
		if _, err := s.t.providers.Get(tx, p.ProviderID); err != nil {
			return err
		}
		if err := firstError(checkFederationID("protocol", p.ID), s.checkProtocol(tx, p)); err != nil {
			return err
		}
		if s.t.protocols.Has(tx, protocolKey(&row)) {
			return conflict(fault.AlreadyExists, "federation_protocol", "Duplicate entry found with ID "+p.ID)
		}
		s.emit(ctx, tx, created, "federation_protocol", p.ID)
		return s.t.protocols.Insert(tx, row)
	})
	return p, err
}

func (s *Service) checkProtocol(r state.Reader, p FederationProtocol) error {
	if !s.t.mappings.Has(r, p.MappingID) {
		return fault.New(fault.Invalid, "Invalid mapping id: %s", p.MappingID)
	}
	if len(p.RemoteIDAttribute) > maxName {
		return fault.New(fault.Invalid, "The remote_id_attribute is longer than %d bytes.", maxName)
	}
	return nil
}

// GetFederationProtocol returns a protocol of a provider.
func (s *Service) GetFederationProtocol(ctx context.Context, providerID, id string) (FederationProtocol, error) {
	row, err := s.protocol(s.core.DB.Snapshot(), providerID, id)
	return row.FederationProtocol, fault.Wrap("identity.GetFederationProtocol", err)
}

// ListFederationProtocols returns the protocols of a provider in order of their ids;
// none if there is no such provider.
func (s *Service) ListFederationProtocols(ctx context.Context, providerID string) ([]FederationProtocol, error) {
	list := []FederationProtocol{}
	for row := range s.t.protocols.Where(s.core.DB.Snapshot(), s.t.protocolProvider, providerID) {
		list = append(list, row.FederationProtocol)
	}
	return list, nil
}

// UpdateFederationProtocol changes a protocol. With another mapping, tokens that came by
// it end at once.
func (s *Service) UpdateFederationProtocol(ctx context.Context, providerID, id string, opts UpdateFederationProtocolOptions) (FederationProtocol, error) {
	var p FederationProtocol
	err := s.update(ctx, "UpdateFederationProtocol", func(tx *state.Tx) error {
		row, err := s.protocol(tx, providerID, id)
		if err != nil {
			return err
		}
		mapping := row.MappingID
		set(&row.MappingID, opts.MappingID)
		set(&row.RemoteIDAttribute, opts.RemoteIDAttribute)
		p = row.FederationProtocol
		if err := s.checkProtocol(tx, p); err != nil {
			return err
		}
		if row.MappingID != mapping {
			row.Epoch++ // who somebody was by the old one is over
		}
		s.emit(ctx, tx, updated, "federation_protocol", id)
		return s.t.protocols.Put(tx, row)
	})
	return p, err
}

// DeleteFederationProtocol removes a protocol, and the users that are known by it
// alone. Tokens that came by it end at once.
func (s *Service) DeleteFederationProtocol(ctx context.Context, providerID, id string) error {
	return s.update(ctx, "DeleteFederationProtocol", func(tx *state.Tx) error {
		row, err := s.protocol(tx, providerID, id)
		if err != nil {
			return err
		}
		return s.dropProtocol(ctx, tx, row)
	})
}

func (s *Service) protocol(r state.Reader, providerID, id string) (protocolRow, error) {
	row, err := s.t.protocols.Get(r, state.Key(providerID, id))
	if err != nil {
		return row, &fault.Error{
			Kind: fault.NotFound, Resource: "federation protocol", ID: id,
			Message: "Could not find federated protocol " + id + " for Identity Provider: " + providerID + ".",
		}
	}
	return row, nil
}

func (s *Service) dropProtocol(ctx context.Context, tx *state.Tx, row protocolRow) error {
	for _, l := range slices.Collect(s.t.links.Where(tx, s.t.linkProtocol, row.ProviderID, row.ID)) {
		if err := s.dropLink(ctx, tx, l); err != nil {
			return err
		}
	}
	s.emit(ctx, tx, deleted, "federation_protocol", row.ID)
	return firstError(
		deleteAll(tx, s.t.federated, s.t.federatedProtocol, federatedMemberKey, row.ProviderID, row.ID),
		s.t.protocols.Delete(tx, protocolKey(&row)),
	)
}

// endProtocols ends the tokens that came by protocols.
func (s *Service) endProtocols(tx *state.Tx, rows []protocolRow) error {
	for _, row := range rows {
		row.Epoch++
		if err := s.t.protocols.Put(tx, row); err != nil {
			return err
		}
	}
	return nil
}
