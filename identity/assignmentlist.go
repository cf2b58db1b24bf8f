package identity

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// RoleAssignment is an assignment as listed, with where an effective one comes
// from.
type RoleAssignment struct {
	Assignment
	// Effective lists: the group whose membership gives the role, the role that
	// implies it, and the domain or project that it is inherited from.
	ViaGroupID    string
	PriorRoleID   string
	FromDomainID  string
	FromProjectID string

	walk, source string // where the list met it: the walk, and the key of what is stored
}

// ListAssignmentsOptions narrow Service.ListAssignments; nil means all.
type ListAssignmentsOptions struct {
	RoleID    string
	UserID    string
	GroupID   string
	ProjectID string
	DomainID  string
	System    bool
	// WithinDomain keeps what is assigned on this domain and on the projects in it.
	WithinDomain string
	// Inherited keeps only what is inherited by projects (true), or only what is
	// not (false).
	Inherited *bool
	// Subtree adds what is assigned on projects below ProjectID.
	Subtree bool
	// Effective replaces groups by their users, inherited assignments by those on
	// the projects that inherit them, and adds implied roles: what tokens get.
	Effective bool
	// Page is the part that is wanted. Its marker is that of a RoleAssignment which a
	// list with the same options has given.
	Page Page
}

// ListAssignments returns role assignments, in an order that depends on the filters and
// is the same for all pages. With opts.Effective a group filter is fault.Invalid.
func (s *Service) ListAssignments(ctx context.Context, opts *ListAssignmentsOptions) ([]RoleAssignment, error) {
	if opts == nil {
		opts = &ListAssignmentsOptions{}
	}
	from, err := parsePosition(opts.Page.Marker)
	if err = firstError(opts.check(), err); err != nil {
		return nil, fault.Wrap("identity.ListAssignments", err)
	}
	l := &assignmentList{s: s, r: s.core.DB.Snapshot(), o: opts, roles: map[string][]effectiveRole{}}
	list, err := l.page(ctx, from)
	return list, fault.Wrap("identity.ListAssignments", err)
}

func (o *ListAssignmentsOptions) check() error {
	switch {
	case o.Effective && o.GroupID != "":
		return fault.New(fault.Invalid, "Combining effective and group filter will always result in an empty list.")
	case o.Subtree && o.ProjectID == "":
		return fault.New(fault.Invalid, "scope.project.id must be specified if include_subtree is also specified.")
	}
	return nil
}

// assignmentList makes one list of assignments. Nothing is gathered that is not on the
// page: what is stored is walked, and each expanded, from behind the marker on.
type assignmentList struct {
	s     *Service
	r     state.Reader
	o     *ListAssignmentsOptions
	roles map[string][]effectiveRole // what each role is worth, as far as it was asked
}

// page gathers the rows behind a position.
func (l *assignmentList) page(ctx context.Context, from *position) ([]RoleAssignment, error) {
	list, left := []RoleAssignment{}, whileAwaited(ctx)
	for a := range l.stored(from) {
		if err := left(); err != nil {
			return nil, err
		}
		if !l.worthALook(a.Assignment) {
			continue
		}
		for row := range l.expand(a) {
			if err := left(); err != nil {
				return nil, err
			}
			if !l.keeps(&row) {
				continue
			}
			if l.o.Page.Limit > 0 && len(list) == l.o.Page.Limit {
				return list, nil
			}
			row.walk, row.source = a.walk, a.key()
			list = append(list, row)
		}
	}
	return list, nil
}

// worthALook reports whether an assignment can give rows at all.
func (l *assignmentList) worthALook(a Assignment) bool {
	return (l.o.Inherited == nil || *l.o.Inherited == a.Inherited) && l.within(&a)
}

// keeps reports whether a row is what opts ask for. It trusts neither the walk nor the
// marker.
func (l *assignmentList) keeps(a *RoleAssignment) bool {
	o := l.o
	return is(o.RoleID, a.RoleID) && is(o.UserID, a.UserID) && is(o.GroupID, a.GroupID) &&
		l.onProject(a.ProjectID) && is(o.DomainID, a.DomainID) && (!o.System || a.System) && l.within(&a.Assignment)
}

// onProject reports whether the filter of projects lets one pass.
func (l *assignmentList) onProject(id string) bool {
	want := l.o.ProjectID
	return is(want, id) || l.o.Subtree && l.s.isBelow(l.r, id, want)
}

func (l *assignmentList) within(a *Assignment) bool {
	domain := l.o.WithinDomain
	if domain == "" || a.DomainID == domain || a.ProjectID == domain {
		return true
	}
	p, err := l.s.t.projects.Get(l.r, a.ProjectID)
	return err == nil && p.DomainID == domain
}

// position is where a page of assignments ends: which assignment of which walk, and how
// far that was expanded. Project, user and role are those of the last row.
type position struct {
	walk, source, project, user, role string
}

// Marker says where the assignment is in its list, for Page.Marker. It is empty for
// those that no list has given.
func (a *RoleAssignment) Marker() string {
	if a.source == "" {
		return ""
	}
	parts := []string{a.walk, a.source, a.ProjectID, a.UserID, rank(a.RoleID, a.PriorRoleID)}
	for i, part := range parts {
		parts[i] = base64.RawURLEncoding.EncodeToString([]byte(part))
	}
	return strings.Join(parts, ".")
}

// rank orders the roles that one is worth: itself first.
func rank(roleID, prior string) string {
	if prior == "" {
		return "0" + roleID
	}
	return "1" + roleID
}

// parsePosition reads a marker; nil if it is empty.
func parsePosition(marker string) (*position, error) {
	if marker == "" {
		return nil, nil
	}
	var p position
	fields := []*string{&p.walk, &p.source, &p.project, &p.user, &p.role}
	parts := strings.Split(marker, ".")
	if len(parts) != len(fields) {
		return nil, errMarker()
	}
	for i, part := range parts {
		text, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			return nil, errMarker()
		}
		*fields[i] = string(text)
	}
	return &p, nil
}

func errMarker() error {
	return fault.New(fault.Invalid, "The marker is none of a list of role assignments.")
}
