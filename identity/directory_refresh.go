package identity

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

const (
	// refreshCalls is how many calls a refresh makes at once: it leaves room to others.
	refreshCalls = 4
	// refreshRetry is when a refresh that failed is tried again, at the latest.
	refreshRetry = 30 * time.Second
	// forgetAfter is how long a shadow stays whose original is gone: what the user had
	// is there again if it comes back before.
	forgetAfter = 30 * 24 * time.Hour
)

// keepFresh refreshes the shadows of a directory again and again.
func (s *Service) keepFresh(ctx context.Context, a *attached) {
	failed := false
	for ctx.Err() == nil {
		wait := s.cfg.DirectoryRefresh
		if s.core.Sagas.Leads() {
			err := s.refreshDirectory(ctx, a)
			if err != nil && ctx.Err() == nil && !failed {
				s.core.Log.Warn("the shadows of a directory could not be refreshed", "domain", a.domainID, "error", err)
			}
			if failed = err != nil; failed {
				wait = min(wait, refreshRetry)
			}
		}
		_ = clock.Sleep(ctx, s.core.Clock, wait) // it fails when ctx ends
	}
}

// RefreshDirectory makes the shadows of a domain's users and groups what its directory
// says, at once: users that are disabled there, or gone, lose their tokens.
// fault.NotFound if the domain has no directory.
func (s *Service) RefreshDirectory(ctx context.Context, domainID string) error {
	a := s.directory(domainID)
	if a == nil {
		return fault.Wrap("identity.RefreshDirectory", fault.Missing("directory of domain", domainID))
	}
	return fault.Wrap("identity.RefreshDirectory", s.refreshDirectory(ctx, a))
}

func (s *Service) refreshDirectory(ctx context.Context, a *attached) error {
	a.turn.Lock()
	defer a.turn.Unlock()
	for chunk := range s.entriesOf(a.domainID, nounGroup) {
		if err := s.refreshGroups(ctx, a, chunk); err != nil {
			return err
		}
	}
	for chunk := range s.entriesOf(a.domainID, nounUser) {
		if err := s.refreshUsers(ctx, a, chunk); err != nil {
			return err
		}
	}
	return nil
}

// entriesOf walks the entries of a domain, as many at a time as a query may name.
func (s *Service) entriesOf(domainID, noun string) func(yield func([]directoryEntry) bool) {
	all := slices.Collect(s.t.directoryEntries.Where(s.core.DB.Snapshot(), s.t.directoryDomain, domainID, noun))
	return slices.Chunk(all, driver.MaxIDs)
}

func localIDs(entries []directoryEntry) []string {
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.LocalID
	}
	return ids
}

func (s *Service) refreshGroups(ctx context.Context, a *attached, entries []directoryEntry) error {
	groups, err := ask(ctx, a, func(ctx context.Context) ([]driver.Group, error) {
		return a.Groups(ctx, driver.Query{IDs: localIDs(entries)})
	})
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, g := range groups {
		found[g.ID] = true
	}
	return s.update(ctx, "RefreshDirectory", func(tx *state.Tx) error {
		if _, err := s.mirrorGroups(ctx, tx, a.domainID, groups); err != nil {
			return err
		}
		return s.markGone(ctx, tx, entries, found)
	})
}

// member is a user with its groups.
type member struct {
	driver.User
	groups []driver.Group
}

func (s *Service) refreshUsers(ctx context.Context, a *attached, entries []directoryEntry) error {
	users, err := ask(ctx, a, func(ctx context.Context) ([]driver.User, error) {
		return a.Users(ctx, driver.Query{IDs: localIDs(entries)})
	})
	if err != nil {
		return err
	}
	members, err := s.withGroups(ctx, a, users)
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, m := range members {
		found[m.ID] = true
	}
	return s.update(ctx, "RefreshDirectory", func(tx *state.Tx) error {
		for _, m := range members {
			if _, err := s.mirrorMember(ctx, tx, a.domainID, m.User, m.groups); err != nil && !unfit(err) {
				return err
			}
		}
		return s.markGone(ctx, tx, entries, found)
	})
}

// withGroups asks for the groups of users.
func (s *Service) withGroups(ctx context.Context, a *attached, users []driver.User) ([]member, error) {
	members := make([]member, len(users))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(refreshCalls)
	for i, u := range users {
		work.Go(func() error {
			groups, err := ask(ctx, a, func(ctx context.Context) ([]driver.Group, error) {
				return a.GroupsOf(ctx, u, directoryGroups)
			})
			members[i] = member{u, groups}
			return err
		})
	}
	return members, work.Wait()
}

// markGone notes which entries the directory does not have any more: such users lose
// their tokens and their groups. After a long time they are forgotten.
func (s *Service) markGone(ctx context.Context, tx *state.Tx, entries []directoryEntry, found map[string]bool) error {
	now := s.core.Clock.Now()
	for _, e := range entries {
		if found[e.LocalID] {
			continue
		}
		e, err := s.t.directoryEntries.Get(tx, e.ID)
		switch {
		case err != nil:
			continue // it was deleted meanwhile
		case e.Gone == nil:
			e.Gone = &now
			err = firstError(s.t.directoryEntries.Put(tx, e), s.endShadow(ctx, tx, e))
		case now.Sub(*e.Gone) > forgetAfter:
			err = s.forget(ctx, tx, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// endShadow takes from a shadow whatever lets it do something.
func (s *Service) endShadow(ctx context.Context, tx *state.Tx, e directoryEntry) error {
	if e.Noun == nounGroup {
		return deleteAll(tx, s.t.members, s.t.memberOf, memberKey, e.ID)
	}
	u, err := s.t.users.Get(tx, e.ID)
	if err != nil {
		return nil
	}
	if u.Enabled {
		u.Enabled = false
		u.Epoch++
		s.emit(ctx, tx, updated, "user", u.ID)
		if err := s.t.users.Put(tx, u); err != nil {
			return err
		}
	}
	return s.joinAll(ctx, tx, e.ID, nil)
}

// forget removes a shadow with all that refers to it.
func (s *Service) forget(ctx context.Context, tx *state.Tx, e directoryEntry) error {
	if u, err := s.t.users.Get(tx, e.ID); err == nil && e.Noun == nounUser {
		return s.dropUser(ctx, tx, u.User)
	}
	if g, err := s.t.groups.Get(tx, e.ID); err == nil && e.Noun == nounGroup {
		return s.dropGroup(ctx, tx, g)
	}
	return s.t.directoryEntries.Delete(tx, e.ID)
}
