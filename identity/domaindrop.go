package identity

import (
	"context"
	"iter"

	"github.com/welkin-cloud/cloud/internal/state"
)

// dropAtOnce is how many users, groups or projects of a domain one transaction removes,
// so that other changes never wait for the whole of a large domain.
const dropAtOnce = 500

// thinOut removes what is in a disabled domain, some at a time, until one more
// transaction can remove the rest with the domain itself.
func (s *Service) thinOut(ctx context.Context, op, id string) error {
	for more := true; more; {
		err := s.update(ctx, op, func(tx *state.Tx) error {
			p, err := s.domain(tx, id)
			if err == nil {
				err = deletable(p)
			}
			if err == nil {
				more, err = s.dropSome(ctx, tx, id)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// dropSome removes users, groups or projects without children of a domain if there are
// too many of them to go at once, and tells whether there were.
func (s *Service) dropSome(ctx context.Context, tx *state.Tx, id string) (bool, error) {
	users := s.t.users.Where(tx, s.t.userDomain, id)
	groups := s.t.groups.Where(tx, s.t.groupDomain, id)
	projects := s.t.projects.Where(tx, s.t.projectDomain, id)
	leaves := func(yield func(Project) bool) {
		for p := range projects {
			if s.t.projects.Count(tx, s.t.projectParent, p.ID) == 0 && !yield(p) {
				return
			}
		}
	}
	switch {
	case tooMany(users):
		return true, dropFirst(users, func(u userRow) error { return s.dropUser(ctx, tx, u.User) })
	case tooMany(groups):
		return true, dropFirst(groups, func(g Group) error { return s.dropGroup(ctx, tx, g) })
	case tooMany(projects):
		return true, dropFirst(leaves, func(p Project) error { return s.dropProject(ctx, tx, p) })
	}
	return false, nil
}

func tooMany[T any](all iter.Seq[T]) bool {
	n := 0
	for range all {
		if n++; n > dropAtOnce {
			return true
		}
	}
	return false
}

// dropFirst drops the first dropAtOnce of a walk.
func dropFirst[T any](all iter.Seq[T], drop func(T) error) error {
	var first []T
	for doc := range all {
		if len(first) == dropAtOnce {
			break
		}
		first = append(first, doc)
	}
	for _, doc := range first {
		if err := drop(doc); err != nil {
			return err
		}
	}
	return nil
}
