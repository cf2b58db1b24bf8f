package network

import (
	"context"
	"math/big"
	"net/netip"
)

// Availability says how many addresses of a network are used.
type Availability struct {
	Network Network
	Subnets []SubnetAvailability
}

// SubnetAvailability says how many addresses of a subnet are used.
type SubnetAvailability struct {
	Subnet Subnet
	Total  *big.Int // addresses in the allocation pools
	Used   int
}

// Availability counts the addresses of a network.
func (s *Service) Availability(_ context.Context, networkID string) (Availability, error) {
	snap := s.db.Snapshot()
	n, err := s.getNetwork(snap, networkID)
	a := Availability{Network: n}
	if err != nil {
		return a, err
	}
	for _, sub := range s.subnetsOf(snap, networkID) {
		total := new(big.Int)
		for _, p := range sub.Pools {
			total.Add(total, p.size())
		}
		used := s.t.ports.Count(snap, s.t.portBy.address, sub.ID)
		a.Subnets = append(a.Subnets, SubnetAvailability{sub, total, used})
	}
	return a, nil
}

// size is the number of addresses of a pool.
func (p Pool) size() *big.Int {
	n := new(big.Int).Sub(number(p.End), number(p.Start))
	return n.Add(n, big.NewInt(1))
}

func number(a netip.Addr) *big.Int { return new(big.Int).SetBytes(a.AsSlice()) }
