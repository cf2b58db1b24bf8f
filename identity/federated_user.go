package identity

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// FederatedIdentity is how an identity provider knows a user.
type FederatedIdentity struct {
	ProviderID string `json:"provider"`
	ProtocolID string `json:"protocol"`
	UniqueID   string `json:"unique"` // of the user there
}

// mapUser returns who somebody is here of whom a provider asserts something. It makes
// and changes what the mapping says.
func (s *Service) mapUser(ctx context.Context, tx *state.Tx, p IdentityProvider, row protocolRow, a driver.Assertion) (userRow, error) {
	m, err := s.t.mappings.Get(tx, row.MappingID)
	if err != nil {
		return userRow{}, err
	}
	mapped, err := EvaluateMapping(m, a)
	if err != nil {
		return userRow{}, err
	}
	groups, err := s.mappedGroups(tx, mapped)
	if err != nil {
		return userRow{}, err
	}
	if mapped.User.Type == UserLocal {
		return s.localUser(tx, mapped.User)
	}
	user, err := s.shadow(ctx, tx, p, row, mapped.User, a)
	if err != nil {
		return userRow{}, err
	}
	return user, firstError(
		s.setMemberships(tx, p, row, user.ID, groups),
		s.provisionProjects(ctx, tx, p, user, mapped.Projects),
	)
}

// unmappable is the error of a mapping that does not fit what is there.
func unmappable(reason string) error { return fault.New(fault.Invalid, "%s", reason) }

// localUser returns the user that a mapping names.
func (s *Service) localUser(r state.Reader, u MappingUser) (userRow, error) {
	ref := UserRef{ID: u.ID, Name: u.Name}
	if u.Domain != nil {
		ref.Domain = DomainRef{ID: u.Domain.ID, Name: u.Domain.Name}
	}
	user, ok := s.findUser(r, ref)
	if !ok {
		return userRow{}, unmappable("the mapping names a local user that is not there")
	}
	return user, nil
}

// shadow returns the user that a subject of a provider is here, making it at its first
// log-in, and taking over its name and address.
func (s *Service) shadow(ctx context.Context, tx *state.Tx, p IdentityProvider, row protocolRow, u MappingUser, a driver.Assertion) (userRow, error) {
	if u.Name == "" && len(a[driver.RemoteUser]) == 1 {
		u.Name = a[driver.RemoteUser][0]
	}
	if u.ID == "" {
		u.ID = u.Name
	}
	if u.Name == "" {
		u.Name = u.ID
	}
	link := federatedLink{FederatedIdentity: FederatedIdentity{p.ID, row.ID, quoteID(u.ID)}}
	if err := firstError(checkName("user", u.Name, maxName), link.check()); err != nil {
		return userRow{}, err
	}
	if known, err := s.t.links.Get(tx, linkKey(&link)); err == nil {
		return s.refreshShadow(ctx, tx, known.UserID, u)
	}
	domain, err := s.mappedDomain(tx, u.Domain, p.DomainID)
	if err != nil {
		return userRow{}, err
	}
	user := userRow{
		User:   User{ID: s.core.IDs.Hex(), Name: u.Name, DomainID: domain.ID, Email: u.Email, Enabled: true},
		Source: sourceFederation,
	}
	link.UserID = user.ID
	s.emit(ctx, tx, created, "user", user.ID)
	return user, firstError(s.t.users.Insert(tx, user), s.t.links.Insert(tx, link))
}

// refreshShadow takes over what a provider says of a user that it has brought here. A
// user of this cloud keeps what it is called here.
func (s *Service) refreshShadow(ctx context.Context, tx *state.Tx, id string, u MappingUser) (userRow, error) {
	user, err := s.t.users.Get(tx, id)
	if err != nil || user.Source != sourceFederation {
		return user, err
	}
	if u.Email == "" {
		u.Email = user.Email
	}
	if user.Name == u.Name && user.Email == u.Email {
		return user, nil
	}
	user.Name, user.Email = u.Name, u.Email
	s.emit(ctx, tx, updated, "user", id)
	return user, s.t.users.Put(tx, user)
}

// mappedDomain returns the domain that a mapping names, or another one.
func (s *Service) mappedDomain(r state.Reader, n *Named, otherwise string) (Project, error) {
	if n.empty() {
		return s.domain(r, otherwise)
	}
	d, ok := s.findDomain(r, DomainRef{ID: n.ID, Name: n.Name})
	if !ok {
		return d, unmappable("the mapping names a domain that is not there")
	}
	return d, nil
}

// mappedGroups returns the ids of the groups of a mapped user. Those that are named by
// an id must be there, and so must domains; a name of no group stands for none.
func (s *Service) mappedGroups(r state.Reader, m MappedIdentity) ([]string, error) {
	ids := []string{}
	for _, id := range m.GroupIDs {
		if !s.t.groups.Has(r, id) {
			return nil, unmappable("the mapping names a group by an id that is not there")
		}
		ids = append(ids, id)
	}
	for _, g := range m.Groups {
		domain, err := s.mappedDomain(r, g.Domain, "")
		if err != nil {
			return nil, err
		}
		if found, ok := s.t.groups.Find(r, s.t.groupName, domain.ID, g.Name); ok {
			ids = append(ids, found.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// provisionProjects makes the projects that a mapping gives a user, where they are not
// there, and gives the user its roles on them.
func (s *Service) provisionProjects(ctx context.Context, tx *state.Tx, p IdentityProvider, u userRow, list []MappingProject) error {
	for _, mapped := range list {
		domain, err := s.mappedDomain(tx, mapped.Domain, p.DomainID)
		if err != nil {
			return err
		}
		project, ok := s.t.projects.Find(tx, s.t.projectName, domain.ID, mapped.Name)
		if !ok {
			project = Project{ID: s.core.IDs.Hex(), Name: mapped.Name, DomainID: domain.ID, Enabled: true}
			if err := firstError(checkName("project", project.Name, maxProjectName), s.placeProject(tx, &project)); err != nil {
				return err
			}
			s.emit(ctx, tx, created, "project", project.ID)
			if err := s.t.projects.Insert(tx, project); err != nil {
				return err
			}
		}
		for _, role := range mapped.Roles {
			if err := s.provisionRole(ctx, tx, u, project.ID, role.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// provisionRole gives a user a role, of all domains or of its own, on a project.
func (s *Service) provisionRole(ctx context.Context, tx *state.Tx, u userRow, projectID, name string) error {
	role, ok := s.t.roles.Find(tx, s.t.roleName, "", name)
	if !ok {
		role, ok = s.t.roles.Find(tx, s.t.roleName, u.DomainID, name)
	}
	if !ok {
		return unmappable("the mapping names a role that is not there")
	}
	a := Assignment{RoleID: role.ID, UserID: u.ID, ProjectID: projectID}
	if err := s.checkRoleDomain(tx, role, a); err != nil || s.t.assignments.Has(tx, a.key()) {
		return err
	}
	s.emitAssignment(ctx, tx, created, a)
	return s.t.assignments.Insert(tx, a)
}

// check refuses ids that no provider should have.
func (l *federatedLink) check() error {
	if l.UniqueID == "" || len(l.UniqueID) > maxName {
		return fault.New(fault.Invalid, "The unique id of a federated user has from 1 to %d bytes.", maxName)
	}
	return nil
}

// quoteID writes an id so that it can stand in a URL, as Keystone does: all but
// letters, digits and "_.-~/" as %XX.
func quoteID(id string) string {
	var b strings.Builder
	for i := range len(id) {
		c := id[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if letter || c >= '0' && c <= '9' || strings.IndexByte("_.-~/", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// FederatedIdentities returns how identity providers know a user.
func (s *Service) FederatedIdentities(ctx context.Context, userID string) ([]FederatedIdentity, error) {
	list := []FederatedIdentity{}
	for l := range s.t.links.Where(s.core.DB.Snapshot(), s.t.linkUser, userID) {
		list = append(list, l.FederatedIdentity)
	}
	return list, nil
}

// known reports whether an identity provider knows a user so; nil lets all pass.
func (s *Service) known(r state.Reader, userID string, as *FederatedIdentity) bool {
	if as == nil {
		return true
	}
	for l := range s.t.links.Where(r, s.t.linkUser, userID) {
		if is(as.ProviderID, l.ProviderID) && is(as.ProtocolID, l.ProtocolID) && is(as.UniqueID, l.UniqueID) {
			return true
		}
	}
	return false
}

// linkUser makes identity providers know a user as these, and as nothing else:
// fault.Invalid if a provider or a protocol is not there, fault.AlreadyExists if it
// knows somebody else so.
func (s *Service) linkUser(tx *state.Tx, userID string, list []FederatedIdentity) error {
	if err := deleteAll(tx, s.t.links, s.t.linkUser, linkKey, userID); err != nil {
		return err
	}
	for _, f := range list {
		link := federatedLink{FederatedIdentity: f, UserID: userID}
		if !s.t.providers.Has(tx, f.ProviderID) {
			return fault.New(fault.Invalid, "Could not find Identity Provider: %s", f.ProviderID)
		}
		if _, err := s.protocol(tx, f.ProviderID, f.ProtocolID); err != nil {
			return fault.New(fault.Invalid, "%s", fault.Public(err))
		}
		if err := link.check(); err != nil {
			return err
		}
		if s.t.links.Has(tx, linkKey(&link)) {
			return conflict(fault.AlreadyExists, "federated_user", "Duplicate entry found with unique ID "+f.UniqueID)
		}
		if err := s.t.links.Insert(tx, link); err != nil {
			return err
		}
	}
	return nil
}

// dropLink removes a link, and its user if that was only known by it.
func (s *Service) dropLink(ctx context.Context, tx *state.Tx, l federatedLink) error {
	if err := s.t.links.Delete(tx, linkKey(&l)); err != nil {
		return err
	}
	u, err := s.t.users.Get(tx, l.UserID)
	if err != nil || u.Source != sourceFederation || s.t.links.Count(tx, s.t.linkUser, l.UserID) > 0 {
		return nil
	}
	return s.dropUser(ctx, tx, u.User)
}
