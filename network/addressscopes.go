package network

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// CreateAddressScopeOptions describe an address scope.
type CreateAddressScopeOptions struct {
	Name    string
	Version int // 4 or 6
	Shared  bool
}

// CreateAddressScope makes an address scope.
func (s *Service) CreateAddressScope(ctx context.Context, projectID string, opts CreateAddressScopeOptions) (AddressScope, error) {
	meta, err := s.fresh("", projectID, opts.Name, "", nil)
	if err == nil && opts.Version != 4 && opts.Version != 6 {
		err = invalid("Invalid input for ip_version. Reason: '%d' is not in [4, 6].", opts.Version)
	}
	if err != nil {
		return AddressScope{}, fault.Wrap("network.CreateAddressScope", err)
	}
	a := AddressScope{Meta: meta, Version: opts.Version, Shared: opts.Shared}
	err = s.update(ctx, "CreateAddressScope", func(tx *state.Tx) error {
		s.emit(ctx, tx, "address_scope.create.end", "address_scope", &a.Meta)
		return s.t.scopes.Insert(tx, a)
	})
	return a, err
}

// GetAddressScope returns one address scope.
func (s *Service) GetAddressScope(_ context.Context, id string) (AddressScope, error) {
	return s.getScope(s.db.Snapshot(), id)
}

func (s *Service) getScope(r state.Reader, id string) (AddressScope, error) {
	a, err := s.t.scopes.Get(r, id)
	return a, missing(err, "AddressScopeNotFound", "Address scope %s could not be found", id)
}

// ListAddressScopes returns all address scopes.
func (s *Service) ListAddressScopes(context.Context) ([]AddressScope, error) {
	return list(s.t.scopes.All(s.db.Snapshot())), nil
}

// UpdateAddressScopeOptions change an address scope; nil leaves a value as it is.
type UpdateAddressScopeOptions struct {
	Name   *string
	Shared *bool // may only become true
}

// UpdateAddressScope changes an address scope.
func (s *Service) UpdateAddressScope(ctx context.Context, id string, opts UpdateAddressScopeOptions) (AddressScope, error) {
	var a AddressScope
	err := s.update(ctx, "UpdateAddressScope", func(tx *state.Tx) (err error) {
		if a, err = s.getScope(tx, id); err != nil {
			return err
		}
		if a.Shared && opts.Shared != nil && !*opts.Shared {
			return refused(fault.Invalid, "AddressScopeUpdateError",
				"Unable to update address scope %s : Shared address scope can't be unshared", id)
		}
		set(&a.Shared, opts.Shared)
		if err := (Labels{Name: opts.Name}).apply(&a.Meta); err != nil {
			return err
		}
		s.touch(&a.Meta)
		s.emit(ctx, tx, "address_scope.update.end", "address_scope", &a.Meta)
		return s.t.scopes.Put(tx, a)
	})
	return a, err
}

// DeleteAddressScope removes an address scope. Conflict while subnet pools are in
// it.
func (s *Service) DeleteAddressScope(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteAddressScope", func(tx *state.Tx) error {
		a, err := s.getScope(tx, id)
		if err != nil {
			return err
		}
		if _, used := s.t.pools.Find(tx, s.t.poolBy.scope, id); used {
			return refused(fault.Conflict, "AddressScopeInUse",
				"Unable to complete operation on address scope %s. There are one or more subnet pools in use on the address scope", id)
		}
		s.emit(ctx, tx, "address_scope.delete.end", "address_scope", &a.Meta)
		return s.t.scopes.Delete(tx, id)
	})
}
