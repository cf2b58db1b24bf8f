package identity

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// byPassword is the method "password".
func (s *Service) byPassword(ctx context.Context, l PasswordLogin, p *payload) (userRow, error) {
	if a, ref := s.directoryOf(s.core.DB.Snapshot(), l.User); a != nil {
		p.Methods |= methodPassword
		return s.byDirectory(ctx, a, ref, l.Password)
	}
	u, err := s.provePassword(ctx, l.User, l.Password)
	if err != nil {
		return userRow{}, err
	}
	if s.passwordExpired(&u) {
		return userRow{}, fault.New(fault.Unauthenticated, "The password is expired and needs to be changed for user: %s.", u.ID)
	}
	p.Methods |= methodPassword
	return u, nil
}

// provePassword returns the user of a password. An unknown user, a wrong password, and
// one that is locked out or disabled have the same answer after the same work.
func (s *Service) provePassword(ctx context.Context, ref UserRef, password string) (userRow, error) {
	r := s.core.DB.Snapshot()
	u, known := s.findUser(r, ref)
	if !known {
		u = userRow{}
	}
	err := s.hasher.Compare(ctx, u.Hash, password)
	if err != nil && fault.Of(err) != fault.Unauthenticated {
		return userRow{}, err
	}
	// Others may have failed while this one waited.
	locked := s.lockedOut(s.core.DB.Snapshot(), &u)
	if err != nil || locked {
		return userRow{}, s.refuse(ctx, u.ID, locked, err)
	}
	// The state may have changed while the password was checked.
	now, err := s.t.users.Get(s.core.DB.Snapshot(), u.ID)
	if err != nil || now.Hash != u.Hash || !now.Enabled {
		return userRow{}, errDenied()
	}
	return now, nil
}

// ChangePassword is a user's own change of password, which needs no token and goes for
// an expired one too: fault.Unauthenticated if the old one is wrong, fault.Invalid if
// the rules forbid the new one, or any change. It invalidates the user's tokens.
func (s *Service) ChangePassword(ctx context.Context, id, old, password string) error {
	return fault.Wrap("identity.ChangePassword", s.changePassword(ctx, id, old, password))
}

func (s *Service) changePassword(ctx context.Context, id, old, password string) error {
	if u, err := s.t.users.Get(s.core.DB.Snapshot(), id); err == nil && u.Source == sourceDirectory {
		return s.changeInDirectory(ctx, u, old, password)
	}
	u, err := s.provePassword(ctx, UserRef{ID: id}, old)
	if err != nil {
		return err
	}
	if password == "" {
		return fault.New(fault.Invalid, "The new password must not be empty.")
	}
	if err := firstError(s.checkNewPassword(password), s.mayChange(&u)); err != nil {
		return err
	}
	if err := s.isUnused(ctx, u, password); err != nil {
		return err
	}
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	return s.update(ctx, "ChangePassword", func(tx *state.Tx) error {
		s.emit(ctx, tx, updated, "user", id)
		return s.t.users.Change(tx, id, func(now *userRow) error {
			if now.Hash != u.Hash {
				return errDenied()
			}
			s.setPassword(now, hash, true)
			return nil
		})
	})
}

// isUnused refuses a password that the user has, or has had lately.
func (s *Service) isUnused(ctx context.Context, u userRow, password string) error {
	history := s.cfg.Passwords.History
	if history == 0 {
		return nil
	}
	kept := append([]string{u.Hash}, u.Previous...)
	for _, hash := range kept[:min(len(kept), history)] {
		err := s.hasher.Compare(ctx, hash, password)
		if err == nil {
			return fault.New(fault.Invalid, "The new password cannot be identical to a previous password. The total number which includes the new password must be unique is %d.", history)
		}
		if fault.Of(err) != fault.Unauthenticated {
			return err
		}
	}
	return nil
}
