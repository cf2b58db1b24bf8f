package identity

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Bootstrap makes what a cloud cannot be used without, if it is not there: the
// default domain; the roles admin, manager, member, reader (each implying the next)
// and service; the administrator with its project, and the role admin there and on
// the system; the region and the services of Config. What is there already stays as
// it is, passwords included.
func (s *Service) Bootstrap(ctx context.Context) error {
	hash, err := s.adminHash(ctx)
	if err != nil {
		return fault.Wrap("identity.Bootstrap", err)
	}
	return s.update(ctx, "Bootstrap", func(tx *state.Tx) error {
		if err := s.bootDomain(ctx, tx); err != nil {
			return err
		}
		if err := s.bootRoles(ctx, tx); err != nil {
			return err
		}
		if err := s.bootAdmin(ctx, tx, hash); err != nil {
			return err
		}
		return s.bootCatalog(ctx, tx)
	})
}

// adminHash hashes the administrator's password if it will be needed.
func (s *Service) adminHash(ctx context.Context) (string, error) {
	if s.cfg.AdminPassword == "" {
		return "", nil
	}
	_, err := s.FindUser(ctx, DefaultDomainID, s.cfg.AdminName)
	if !errors.Is(err, fault.NotFound) {
		return "", err
	}
	return s.hasher.Hash(ctx, s.cfg.AdminPassword)
}

func (s *Service) bootDomain(ctx context.Context, tx *state.Tx) error {
	if s.t.projects.Has(tx, DefaultDomainID) {
		return nil
	}
	s.emit(ctx, tx, created, "domain", DefaultDomainID)
	return s.t.projects.Insert(tx, Project{
		ID: DefaultDomainID, Name: "Default", IsDomain: true, Enabled: true,
		Description: "The default domain",
	})
}

// bootRoles makes the roles, each implying the next but the last one.
func (s *Service) bootRoles(ctx context.Context, tx *state.Tx) error {
	names := []string{s.cfg.AdminRole, "manager", "member", "reader", "service"}
	prior := ""
	for _, name := range names {
		role, ok := s.t.roles.Find(tx, s.t.roleName, "", name)
		if !ok {
			role = Role{ID: s.core.IDs.Hex(), Name: name, Options: Attributes{"immutable": true}}
			s.emit(ctx, tx, created, "role", role.ID)
			if err := s.t.roles.Insert(tx, role); err != nil {
				return err
			}
			if prior != "" && name != "service" {
				if err := s.t.implications.Put(tx, implication{PriorID: prior, ImpliedID: role.ID}); err != nil {
					return err
				}
			}
		}
		prior = role.ID
	}
	return nil
}

func (s *Service) bootAdmin(ctx context.Context, tx *state.Tx, hash string) error {
	if hash == "" {
		return nil
	}
	project, ok := s.t.projects.Find(tx, s.t.projectName, DefaultDomainID, s.cfg.AdminProject)
	if !ok {
		project = Project{
			ID: s.core.IDs.Hex(), Name: s.cfg.AdminProject, DomainID: DefaultDomainID,
			ParentID: DefaultDomainID, Enabled: true, Description: "The administrator's project",
		}
		s.emit(ctx, tx, created, "project", project.ID)
		if err := s.t.projects.Insert(tx, project); err != nil {
			return err
		}
	}
	user, ok := s.t.users.Find(tx, s.t.userName, DefaultDomainID, s.cfg.AdminName)
	if !ok {
		user = userRow{
			User: User{ID: s.core.IDs.Hex(), Name: s.cfg.AdminName, DomainID: DefaultDomainID, Enabled: true},
			Hash: hash, PasswordSet: s.core.Clock.Now().UTC(), Created: s.core.Clock.Now().UTC().Truncate(time.Second),
		}
		s.emit(ctx, tx, created, "user", user.ID)
		if err := s.t.users.Insert(tx, user); err != nil {
			return err
		}
	}
	role, _ := s.t.roles.Find(tx, s.t.roleName, "", s.cfg.AdminRole)
	return firstError(
		s.t.assignments.Put(tx, Assignment{RoleID: role.ID, UserID: user.ID, ProjectID: project.ID}),
		s.t.assignments.Put(tx, Assignment{RoleID: role.ID, UserID: user.ID, System: true}),
	)
}

// bootCatalog adds the region and those services of Config that the catalog lacks.
func (s *Service) bootCatalog(ctx context.Context, tx *state.Tx) error {
	if !s.t.regions.Has(tx, s.cfg.Region) {
		s.emit(ctx, tx, created, "region", s.cfg.Region)
		if err := s.t.regions.Insert(tx, Region{ID: s.cfg.Region}); err != nil {
			return err
		}
	}
	for _, entry := range s.cfg.Services {
		there := slices.ContainsFunc(collect(s.t.services.Where(tx, s.t.serviceType, entry.Type), nil),
			func(c CatalogService) bool { return c.Type == entry.Type })
		if there {
			continue
		}
		if err := s.bootService(ctx, tx, entry); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) bootService(ctx context.Context, tx *state.Tx, entry CatalogEntry) error {
	c := CatalogService{ID: s.core.IDs.Hex(), Type: entry.Type, Name: entry.Name, Enabled: true}
	s.emit(ctx, tx, created, "service", c.ID)
	if err := s.t.services.Insert(tx, c); err != nil {
		return err
	}
	for _, face := range interfaces {
		e := Endpoint{
			ID: s.core.IDs.Hex(), ServiceID: c.ID, RegionID: s.cfg.Region, Interface: face,
			URL: BaseURL + entry.Path, Enabled: true,
		}
		s.emit(ctx, tx, created, "endpoint", e.ID)
		if err := s.t.endpoints.Insert(tx, e); err != nil {
			return err
		}
	}
	return nil
}
