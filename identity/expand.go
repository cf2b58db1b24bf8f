package identity

import (
	"iter"
	"slices"

	"github.com/welkin-cloud/cloud/internal/state"
)

// expand walks the rows of an assignment behind the position where the page before
// ended. In an effective list there is one for each target, each user and each role, in
// the order of their ids; else the assignment is its own and only row.
func (l *assignmentList) expand(a met) iter.Seq[RoleAssignment] {
	return func(yield func(RoleAssignment) bool) {
		if !l.o.Effective {
			if a.from == nil {
				yield(RoleAssignment{Assignment: a.Assignment})
			}
			return
		}
		for at := range l.expandTarget(a) {
			from := a.from
			if from != nil && from.project != at.ProjectID {
				from = nil
			}
			for given := range l.expandActor(at, from) {
				last := ""
				if from != nil && from.user == given.UserID {
					last = from.role
				}
				if !l.expandRole(given, last, yield) {
					return
				}
			}
		}
	}
}

// expandTarget gives the assignment on each project that inherits it, from that of the
// position on; one that is not inherited stays.
func (l *assignmentList) expandTarget(a met) iter.Seq[RoleAssignment] {
	return func(yield func(RoleAssignment) bool) {
		if !a.Inherited {
			yield(RoleAssignment{Assignment: a.Assignment})
			return
		}
		from := ""
		if a.from != nil {
			from = a.from.project
		}
		for id := range l.below(a.ProjectID+a.DomainID, from) { // one of them is empty
			x := RoleAssignment{Assignment: a.Assignment, FromDomainID: a.DomainID, FromProjectID: a.ProjectID}
			x.Inherited, x.DomainID, x.ProjectID = false, "", id
			if !yield(x) {
				return
			}
		}
	}
}

// below walks the ids of projects below one, in order, from one on; those at least that
// the filters let pass.
func (l *assignmentList) below(root, from string) iter.Seq[string] {
	o, s := l.o, l.s
	switch {
	case o.DomainID != "" || o.System:
		return slices.Values[[]string](nil)
	case o.ProjectID != "" && !o.Subtree:
		return only(o.ProjectID, o.ProjectID >= from && s.isBelow(l.r, o.ProjectID, root))
	case o.Subtree && s.isBelow(l.r, o.ProjectID, root):
		return fromOn(append(s.descendants(l.r, o.ProjectID), Project{ID: o.ProjectID}), from)
	}
	if _, err := s.domain(l.r, root); err != nil {
		return fromOn(s.descendants(l.r, root), from)
	}
	return func(yield func(string) bool) {
		if from != "" && s.isBelow(l.r, from, root) && !yield(from) {
			return
		}
		for p := range s.t.projects.WhereAfter(l.r, s.t.projectDomain, from, root) {
			if !yield(p.ID) {
				return
			}
		}
	}
}

// fromOn walks the ids of projects in order, from one on.
func fromOn(projects []Project, from string) iter.Seq[string] {
	ids := make([]string, 0, len(projects))
	for _, p := range projects {
		if p.ID >= from {
			ids = append(ids, p.ID)
		}
	}
	slices.Sort(ids)
	return slices.Values(ids)
}

// expandActor gives a group's assignment to each user in it, from that of the position
// on; a user's stays.
func (l *assignmentList) expandActor(a RoleAssignment, from *position) iter.Seq[RoleAssignment] {
	return func(yield func(RoleAssignment) bool) {
		if a.GroupID == "" {
			yield(a)
			return
		}
		first := ""
		if from != nil {
			first = from.user
		}
		for id := range l.usersOf(a.GroupID, first) {
			x := a
			x.ViaGroupID, x.GroupID, x.UserID = a.GroupID, "", id
			if !yield(x) {
				return
			}
		}
	}
}

// usersOf walks the ids of the users of a group, in order and from one on; with a filter
// of users only that one. Those whom federation puts into the group are among them.
func (l *assignmentList) usersOf(groupID, first string) iter.Seq[string] {
	if id := l.o.UserID; id != "" {
		return only(id, id >= first && l.inGroup(groupID, id))
	}
	rest := inOrder(l.membersAfter(groupID, first), l.heldAfter(groupID, first))
	if first == "" || !l.inGroup(groupID, first) {
		return rest
	}
	return inOrder(only(first, true), rest)
}

func (l *assignmentList) inGroup(groupID, userID string) bool {
	if l.s.t.members.Has(l.r, state.Key(groupID, userID)) {
		return true
	}
	for m := range l.s.heldMemberships(l.r, l.s.t.federatedUser, "", userID) {
		if m.GroupID == groupID {
			return true
		}
	}
	return false
}

func (l *assignmentList) membersAfter(groupID, userID string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for m := range l.s.t.members.WhereAfter(l.r, l.s.t.memberOf, state.Key(groupID, userID), groupID) {
			if !yield(m.UserID) {
				return
			}
		}
	}
}

func (l *assignmentList) heldAfter(groupID, userID string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for m := range l.s.heldMemberships(l.r, l.s.t.federatedGroup, state.Key(userID), groupID) {
			if m.UserID != userID && !yield(m.UserID) {
				return
			}
		}
	}
}

// inOrder walks two ordered walks as one, without repetition.
func inOrder(a, b iter.Seq[string]) iter.Seq[string] {
	return func(yield func(string) bool) {
		next, stop := iter.Pull(b)
		defer stop()
		last := ""
		give := func(id string) bool {
			again := id == last
			last = id
			return again || yield(id)
		}
		other, more := next()
		for id := range a {
			for ; more && other < id; other, more = next() {
				if !give(other) {
					return
				}
			}
			if !give(id) {
				return
			}
		}
		for ; more && give(other); other, more = next() {
		}
	}
}

// expandRole gives the assignment of each role that its own is worth, behind the last of
// the page before.
func (l *assignmentList) expandRole(a RoleAssignment, last string, yield func(RoleAssignment) bool) bool {
	roles, known := l.roles[a.RoleID]
	if !known {
		roles = l.s.expandRole(l.r, a.RoleID)
		l.roles[a.RoleID] = roles
	}
	for _, role := range roles {
		x := a
		x.RoleID, x.PriorRoleID = role.ID, role.prior
		if rank(x.RoleID, x.PriorRoleID) > last && !yield(x) {
			return false
		}
	}
	return true
}
