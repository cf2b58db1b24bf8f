package network

import (
	"context"
	"encoding/json"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// UpdatePortOptions change a port; nil leaves a value as it is.
type UpdatePortOptions struct {
	Labels
	AdminStateUp   *bool
	MAC            *string
	FixedIPs       *[]FixedIP // as in CreatePortOptions, but nil in it means none
	SecurityGroups *[]string
	PortSecurity   *bool
	Pairs          *[]AddressPair
	DeviceID       *string
	DeviceOwner    *string
	DNSName        *string
	DHCPOptions    *[]DHCPOption
	Host           *string
	VNICType       *string
	Profile        *[]byte
}

// UpdatePort changes a port. A port that is plugged follows in the background.
func (s *Service) UpdatePort(ctx context.Context, id string, opts UpdatePortOptions) (Port, error) {
	var p Port
	err := s.update(ctx, "UpdatePort", func(tx *state.Tx) (err error) {
		if p, err = s.getPort(tx, id); err != nil {
			return err
		}
		if err := s.changePort(tx, &p, opts); err != nil {
			return err
		}
		return s.putPort(ctx, tx, &p)
	})
	return p, err
}

func (s *Service) changePort(tx *state.Tx, p *Port, o UpdatePortOptions) error {
	if o.Host != nil && *o.Host != p.Host && p.Plugged {
		return refused(fault.Conflict, "PortInUse", "Unable to move port %s: it is plugged on host %s.", p.ID, p.Host)
	}
	if err := o.apply(&p.Meta); err != nil {
		return err
	}
	set(&p.AdminStateUp, o.AdminStateUp)
	set(&p.SecurityGroups, o.SecurityGroups)
	set(&p.PortSecurity, o.PortSecurity)
	set(&p.Pairs, o.Pairs)
	set(&p.DeviceID, o.DeviceID)
	set(&p.DeviceOwner, o.DeviceOwner)
	set(&p.DNSName, o.DNSName)
	set(&p.DHCPOptions, o.DHCPOptions)
	set(&p.Host, o.Host)
	set(&p.VNICType, o.VNICType)
	if o.Profile != nil {
		p.Profile = json.RawMessage(*o.Profile)
	}
	if !p.AdminStateUp && p.Status == Active {
		p.Status = Down
	}
	if err := s.changeAddresses(tx, p, o); err != nil {
		return err
	}
	return s.checkPort(tx, p)
}

func (s *Service) changeAddresses(tx *state.Tx, p *Port, o UpdatePortOptions) (err error) {
	if o.MAC != nil && *o.MAC != p.MAC {
		if p.Plugged {
			return refused(fault.Conflict, "PortBound",
				"Unable to complete operation on port %s, port is already bound, host %s.", p.ID, p.Host)
		}
		if p.MAC, err = s.takeMAC(tx, p.NetworkID, *o.MAC); err != nil {
			return err
		}
	}
	if o.FixedIPs == nil {
		return nil
	}
	want := *o.FixedIPs
	if want == nil {
		want = []FixedIP{}
	}
	a := addressing{s: s, tx: tx, port: p, subnets: s.subnetsOf(tx, p.NetworkID)}
	got, err := a.assign(want)
	if err != nil {
		return err
	}
	p.FixedIPs = got
	return nil
}
