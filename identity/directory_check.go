package identity

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/check"
)

func (s *Service) checkDirectories(_ context.Context, l *check.Look) error {
	r, n := l.State(), names{s, l}
	for e := range s.t.directoryEntries.All(r) {
		resource, gone := "directory-entry/"+e.ID, drop(s.t.directoryEntries, e.ID)
		n.need(n.domain(e.DomainID), resource, "domain", e.DomainID, gone)
		if e.Noun == nounGroup {
			n.need(n.group(e.ID), resource, "group", e.ID, gone)
		} else {
			n.need(n.user(e.ID), resource, "user", e.ID, gone)
		}
	}
	for u := range s.t.users.All(r) {
		if u.Source == sourceDirectory {
			n.need(has(s.t.directoryEntries, u.ID), "user/"+u.ID, "directory entry", u.ID, nil)
		}
	}
	return nil
}
