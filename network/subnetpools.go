package network

import (
	"context"
	"net/netip"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// CreateSubnetPoolOptions describe a subnet pool.
type CreateSubnetPoolOptions struct {
	ID             string // empty: a new one
	Name           string
	Description    string
	Tags           []string
	Prefixes       []netip.Prefix // required, all of one IP version
	DefaultLength  int            // 0: MinLength
	MinLength      int            // 0: 8 or 64, by IP version
	MaxLength      int            // 0: 32 or 128
	Shared         bool
	IsDefault      bool
	DefaultQuota   *int
	AddressScopeID string
}

// CreateSubnetPool makes a subnet pool.
func (s *Service) CreateSubnetPool(ctx context.Context, projectID string, opts CreateSubnetPoolOptions) (SubnetPool, error) {
	meta, err := s.fresh(opts.ID, projectID, opts.Name, opts.Description, opts.Tags)
	if err != nil {
		return SubnetPool{}, fault.Wrap("network.CreateSubnetPool", err)
	}
	p := SubnetPool{
		Meta: meta, Prefixes: opts.Prefixes, DefaultLength: opts.DefaultLength, MinLength: opts.MinLength,
		MaxLength: opts.MaxLength, Shared: opts.Shared, IsDefault: opts.IsDefault,
		DefaultQuota: opts.DefaultQuota, AddressScopeID: opts.AddressScopeID,
	}
	err = s.update(ctx, "CreateSubnetPool", func(tx *state.Tx) error {
		if err := s.checkQuota(tx, projectID, quotaPool); err != nil {
			return err
		}
		if err := s.checkPool(tx, &p); err != nil {
			return err
		}
		s.emit(ctx, tx, "subnetpool.create.end", "subnetpool", &p.Meta)
		return s.t.pools.Insert(tx, p)
	})
	return p, err
}

// checkPool fills in what a pool leaves open and reports what is wrong with it.
func (s *Service) checkPool(tx *state.Tx, p *SubnetPool) error {
	if len(p.Prefixes) == 0 {
		return refused(fault.Invalid, "EmptySubnetPoolPrefixList", "Empty subnet pool prefix list.")
	}
	p.Prefixes = joinPrefixes(p.Prefixes)
	low, high := 8, 32
	if p.IPVersion() == 6 {
		low, high = 64, 128
	}
	fill := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	fill(&p.MinLength, low)
	fill(&p.MaxLength, high)
	fill(&p.DefaultLength, p.MinLength)
	for _, prefix := range p.Prefixes {
		if !prefix.IsValid() || prefix.Addr().BitLen() != high {
			return refused(fault.Invalid, "PrefixVersionMismatch", "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.")
		}
	}
	switch {
	case p.MinLength < 0 || p.MaxLength > high || p.MinLength > p.MaxLength:
		return refused(fault.Invalid, "IllegalSubnetPoolPrefixBounds",
			"Illegal prefix bounds: min_prefixlen=%d, max_prefixlen=%d.", p.MinLength, p.MaxLength)
	case p.DefaultLength < p.MinLength || p.DefaultLength > p.MaxLength:
		return refused(fault.Invalid, "IllegalSubnetPoolPrefixBounds",
			"Illegal prefix bounds: default_prefixlen=%d is not between %d and %d.", p.DefaultLength, p.MinLength, p.MaxLength)
	}
	if p.AddressScopeID == "" {
		return nil
	}
	return s.checkScope(tx, p)
}

// checkScope refuses a pool whose prefixes another pool of its address scope has.
func (s *Service) checkScope(tx *state.Tx, p *SubnetPool) error {
	scope, err := s.getScope(tx, p.AddressScopeID)
	if err != nil {
		return err
	}
	if scope.Version != p.IPVersion() {
		return refused(fault.Invalid, "IllegalSubnetPoolIpVersionAssociationToAddressScope",
			"Illegal subnetpool association: subnetpool %s cannot be associated with address scope %s because subnetpool ip_version is not %d.",
			p.ID, scope.ID, scope.Version)
	}
	for other := range s.t.pools.Where(tx, s.t.poolBy.scope, scope.ID) {
		if other.ID == p.ID {
			continue
		}
		for _, a := range other.Prefixes {
			if slices.ContainsFunc(p.Prefixes, a.Overlaps) {
				return refused(fault.Conflict, "AddressScopePrefixConflict",
					"Failed to associate address scope: subnetpools within an address scope must have unique prefixes.")
			}
		}
	}
	return nil
}

// joinPrefixes sorts prefixes and leaves those out that others contain.
func joinPrefixes(all []netip.Prefix) []netip.Prefix {
	masked := make([]netip.Prefix, len(all))
	for i, p := range all {
		masked[i] = p.Masked()
	}
	slices.SortFunc(masked, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	var kept []netip.Prefix
	for _, p := range masked {
		if n := len(kept); n == 0 || !kept[n-1].Contains(p.Addr()) {
			kept = append(kept, p)
		}
	}
	return kept
}

// cut takes the range of a new subnet from a pool: the wanted one, or the first
// free one of the wanted length.
func (s *Service) cut(tx *state.Tx, projectID string, o CreateSubnetOptions) (netip.Prefix, error) {
	pool, err := s.getPool(tx, o.SubnetPoolID)
	if err != nil {
		return netip.Prefix{}, err
	}
	want, bits := o.CIDR, o.PrefixLength
	if want.IsValid() {
		want, bits = want.Masked(), want.Bits()
	}
	if bits == 0 {
		bits = pool.DefaultLength
	}
	if bits < pool.MinLength || bits > pool.MaxLength {
		return netip.Prefix{}, refused(fault.Invalid, "SubnetPoolPrefixLengthOutOfRange",
			"Unable to allocate subnet with prefix length %d, the pool allows %d to %d.", bits, pool.MinLength, pool.MaxLength)
	}
	var taken []netip.Prefix
	for sub := range s.t.subnets.Where(tx, s.t.subnetBy.pool, pool.ID) {
		taken = append(taken, sub.CIDR)
	}
	if err := checkPoolQuota(&pool, s.poolUse(tx, &pool, projectID), bits); err != nil {
		return netip.Prefix{}, err
	}
	for _, p := range pool.Prefixes {
		if got, ok := freeRange(p, want, bits, taken); ok {
			return got, nil
		}
	}
	return netip.Prefix{}, refused(fault.Conflict, "SubnetAllocationError",
		"Failed to allocate subnet: Insufficient prefix space to allocate subnet size /%d.", bits)
}

// freeRange finds a range of a prefix that overlaps with none of the taken ones,
// jumping behind each that is in the way.
func freeRange(p, want netip.Prefix, bits int, taken []netip.Prefix) (netip.Prefix, bool) {
	if bits < p.Bits() {
		return netip.Prefix{}, false
	}
	if want.IsValid() {
		return want, p.Contains(want.Addr()) && !slices.ContainsFunc(taken, want.Overlaps)
	}
	for a := p.Addr(); p.Contains(a); {
		got := netip.PrefixFrom(a, bits)
		i := slices.IndexFunc(taken, got.Overlaps)
		if i < 0 {
			return got, true
		}
		behind := lastAddr(got)
		if end := lastAddr(taken[i]); behind.Less(end) {
			behind = end
		}
		a = behind.Next()
	}
	return netip.Prefix{}, false
}

// poolUse is how much a project has of a pool, in units of its quota: addresses, or
// for IPv6 ranges of 64 bits.
func (s *Service) poolUse(tx *state.Tx, pool *SubnetPool, projectID string) int {
	used := 0
	for sub := range s.t.subnets.Where(tx, s.t.subnetBy.pool, pool.ID) {
		if sub.ProjectID == projectID {
			used += quotaUnits(sub.CIDR.Addr().BitLen(), sub.CIDR.Bits())
		}
	}
	return used
}

func checkPoolQuota(pool *SubnetPool, used, bits int) error {
	if pool.DefaultQuota == nil || used+quotaUnits(pool.Prefixes[0].Addr().BitLen(), bits) <= *pool.DefaultQuota {
		return nil
	}
	return refused(fault.Conflict, "SubnetPoolQuotaExceeded", "Per-tenant subnet pool prefix quota exceeded.")
}

func quotaUnits(length, bits int) int {
	if length == 128 {
		length = 64
	}
	return 1 << min(max(length-bits, 0), 62)
}

// GetSubnetPool returns one subnet pool.
func (s *Service) GetSubnetPool(_ context.Context, id string) (SubnetPool, error) {
	return s.getPool(s.db.Snapshot(), id)
}

func (s *Service) getPool(r state.Reader, id string) (SubnetPool, error) {
	p, err := s.t.pools.Get(r, id)
	return p, missing(err, "SubnetPoolNotFound", "Subnet pool %s could not be found.", id)
}

// ListSubnetPools returns all subnet pools.
func (s *Service) ListSubnetPools(context.Context) ([]SubnetPool, error) {
	return list(s.t.pools.All(s.db.Snapshot())), nil
}

// UpdateSubnetPoolOptions change a subnet pool; nil leaves a value as it is.
type UpdateSubnetPoolOptions struct {
	Labels
	Prefixes       *[]netip.Prefix // must contain those that it has
	DefaultLength  *int
	MinLength      *int
	MaxLength      *int
	IsDefault      *bool
	DefaultQuota   *int
	AddressScopeID *string
}

// UpdateSubnetPool changes a subnet pool.
func (s *Service) UpdateSubnetPool(ctx context.Context, id string, opts UpdateSubnetPoolOptions) (SubnetPool, error) {
	var p SubnetPool
	err := s.update(ctx, "UpdateSubnetPool", func(tx *state.Tx) (err error) {
		if p, err = s.getPool(tx, id); err != nil {
			return err
		}
		old := p.Prefixes
		set(&p.Prefixes, opts.Prefixes)
		set(&p.DefaultLength, opts.DefaultLength)
		set(&p.MinLength, opts.MinLength)
		set(&p.MaxLength, opts.MaxLength)
		set(&p.IsDefault, opts.IsDefault)
		set(&p.AddressScopeID, opts.AddressScopeID)
		if opts.DefaultQuota != nil {
			p.DefaultQuota = opts.DefaultQuota
		}
		if err := opts.apply(&p.Meta); err != nil {
			return err
		}
		if err := s.checkPool(tx, &p); err != nil {
			return err
		}
		for _, o := range old {
			within := func(n netip.Prefix) bool { return n.Bits() <= o.Bits() && n.Contains(o.Addr()) }
			if !slices.ContainsFunc(p.Prefixes, within) {
				return refused(fault.Invalid, "IllegalSubnetPoolPrefixUpdate",
					"Illegal update to prefixes: existing prefix %s is not a subset of the new ones.", o)
			}
		}
		s.touch(&p.Meta)
		s.emit(ctx, tx, "subnetpool.update.end", "subnetpool", &p.Meta)
		return s.t.pools.Put(tx, p)
	})
	return p, err
}

// DeleteSubnetPool removes a subnet pool. Conflict while it has subnets.
func (s *Service) DeleteSubnetPool(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteSubnetPool", func(tx *state.Tx) error {
		p, err := s.getPool(tx, id)
		if err != nil {
			return err
		}
		if _, used := s.t.subnets.Find(tx, s.t.subnetBy.pool, id); used {
			return refused(fault.Conflict, "SubnetPoolDeleteError", "Unable to delete subnet pool: Subnet pool has existing allocations.")
		}
		s.emit(ctx, tx, "subnetpool.delete.end", "subnetpool", &p.Meta)
		return s.t.pools.Delete(tx, id)
	})
}
