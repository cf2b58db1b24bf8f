package networkapi

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/network"
)

// subnetPoolBody is what a request says of a subnet pool.
type subnetPoolBody struct {
	Name           opt[string]   `json:"name"`
	Description    opt[string]   `json:"description"`
	Tags           []string      `json:"tags"`
	Prefixes       opt[[]prefix] `json:"prefixes"`
	DefaultLength  opt[number]   `json:"default_prefixlen"`
	MinLength      opt[number]   `json:"min_prefixlen"`
	MaxLength      opt[number]   `json:"max_prefixlen"`
	Shared         opt[flag]     `json:"shared"`
	IsDefault      opt[flag]     `json:"is_default"`
	DefaultQuota   opt[number]   `json:"default_quota"`
	AddressScopeID opt[string]   `json:"address_scope_id"`
}

func (a *api) pools() *resource[network.SubnetPool] {
	const length = `{"type":["integer","string","null"]}`
	updates := attributes{
		"name": sName, "description": sName, "prefixes": sTexts, "default_prefixlen": length, "min_prefixlen": length,
		"max_prefixlen": length, "is_default": sFlag, "default_quota": length, "address_scope_id": sNull,
	}
	creates := attributes{"shared": sFlag}
	for name, schema := range updates {
		creates[name] = schema
	}
	return &resource[network.SubnetPool]{
		singular: "subnetpool", plural: "subnetpools", path: "subnetpools", id: "subnetpool_id",
		get: a.svc.GetSubnetPool,
		list: func(ctx context.Context, _ url.Values) ([]network.SubnetPool, error) {
			return a.svc.ListSubnetPools(ctx)
		},
		create: a.createPool, update: a.updatePool, remove: a.svc.DeleteSubnetPool,
		view: poolView, target: poolTarget,
		defaults:     map[string]any{"shared": false, "is_default": false},
		createSchema: createSchema("subnetpool", "subnetpools", creates, "name", "prefixes"),
		updateSchema: updateSchema("subnetpool", updates),
	}
}

func poolTarget(_ context.Context, p network.SubnetPool) policy.Target {
	return policy.Target{"project_id": p.ProjectID, "tenant_id": p.ProjectID, "shared": truthText(p.Shared)}
}

func poolView(_ context.Context, p network.SubnetPool) view {
	list := make([]string, len(p.Prefixes))
	for i, prefix := range p.Prefixes {
		list[i] = prefix.String()
	}
	v := standard(&p.Meta)
	v["prefixes"], v["ip_version"], v["shared"], v["is_default"] = list, p.IPVersion(), p.Shared, p.IsDefault
	v["default_prefixlen"], v["min_prefixlen"], v["max_prefixlen"] = p.DefaultLength, p.MinLength, p.MaxLength
	v["default_quota"], v["address_scope_id"] = intOrNull(p.DefaultQuota), textOrNull(p.AddressScopeID)
	return v
}

func (a *api) createPool(ctx context.Context, project string, body json.RawMessage) (network.SubnetPool, error) {
	b, err := decode[subnetPoolBody](body)
	if err != nil {
		return network.SubnetPool{}, err
	}
	return a.svc.CreateSubnetPool(ctx, project, network.CreateSubnetPoolOptions{
		Name: b.Name.value, Description: b.Description.value, Tags: b.Tags, Prefixes: prefixes(b.Prefixes.value),
		DefaultLength: int(b.DefaultLength.value), MinLength: int(b.MinLength.value), MaxLength: int(b.MaxLength.value),
		Shared: b.Shared.isTrue(), IsDefault: b.IsDefault.isTrue(), DefaultQuota: intPtr(b.DefaultQuota),
		AddressScopeID: b.AddressScopeID.value,
	})
}

func (a *api) updatePool(ctx context.Context, old network.SubnetPool, body json.RawMessage) (network.SubnetPool, error) {
	b, err := decode[subnetPoolBody](body)
	if err != nil {
		return network.SubnetPool{}, err
	}
	o := network.UpdateSubnetPoolOptions{
		Labels:        network.Labels{Name: b.Name.ptr(), Description: b.Description.ptr()},
		DefaultLength: intPtr(b.DefaultLength), MinLength: intPtr(b.MinLength), MaxLength: intPtr(b.MaxLength),
		IsDefault: boolPtr(b.IsDefault), DefaultQuota: intPtr(b.DefaultQuota), AddressScopeID: b.AddressScopeID.orZero(),
	}
	if b.Prefixes.given {
		list := prefixes(b.Prefixes.value)
		o.Prefixes = &list
	}
	return a.svc.UpdateSubnetPool(ctx, old.ID, o)
}

// scopeBody is what a request says of an address scope.
type scopeBody struct {
	Name    opt[string] `json:"name"`
	Version int         `json:"ip_version"`
	Shared  opt[flag]   `json:"shared"`
}

func (a *api) scopes() *resource[network.AddressScope] {
	return &resource[network.AddressScope]{
		singular: "address_scope", plural: "address_scopes", path: "address-scopes", id: "address_scope_id",
		get: a.svc.GetAddressScope,
		list: func(ctx context.Context, _ url.Values) ([]network.AddressScope, error) {
			return a.svc.ListAddressScopes(ctx)
		},
		create: func(ctx context.Context, project string, body json.RawMessage) (network.AddressScope, error) {
			b, err := decode[scopeBody](body)
			if err != nil {
				return network.AddressScope{}, err
			}
			return a.svc.CreateAddressScope(ctx, project, network.CreateAddressScopeOptions{
				Name: b.Name.value, Version: b.Version, Shared: b.Shared.isTrue(),
			})
		},
		update: func(ctx context.Context, old network.AddressScope, body json.RawMessage) (network.AddressScope, error) {
			b, err := decode[scopeBody](body)
			if err != nil {
				return network.AddressScope{}, err
			}
			return a.svc.UpdateAddressScope(ctx, old.ID, network.UpdateAddressScopeOptions{
				Name: b.Name.ptr(), Shared: boolPtr(b.Shared),
			})
		},
		remove: a.svc.DeleteAddressScope,
		view: func(_ context.Context, s network.AddressScope) view {
			return view{
				"id": s.ID, "project_id": s.ProjectID, "tenant_id": s.ProjectID,
				"name": s.Name, "ip_version": s.Version, "shared": s.Shared,
			}
		},
		target: func(_ context.Context, s network.AddressScope) policy.Target {
			return policy.Target{"project_id": s.ProjectID, "tenant_id": s.ProjectID, "shared": truthText(s.Shared)}
		},
		defaults:     map[string]any{"shared": false},
		createSchema: createSchema("address_scope", "address_scopes", attributes{"name": sName, "ip_version": sInt, "shared": sFlag}, "name", "ip_version"),
		updateSchema: updateSchema("address_scope", attributes{"name": sName, "shared": sFlag}),
	}
}
