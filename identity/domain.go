package identity

import (
	"context"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Domain is the root of a tree of projects, and the name space of users and
// groups.
type Domain struct {
	ID          string
	Name        string // unique among domains
	Description string
	Enabled     bool
	Tags        []string // sorted
	Options     Attributes
	Extra       Attributes
}

// CreateDomainOptions of Service.CreateDomain.
type CreateDomainOptions struct {
	ID          string // empty for a new one
	Name        string
	Description string
	Disabled    bool
	Tags        []string
	Options     Attributes
	Extra       Attributes
}

// UpdateDomainOptions of Service.UpdateDomain; nil leaves as it is.
type UpdateDomainOptions struct {
	Name        *string
	Description *string
	Enabled     *bool
	Tags        *[]string
	Options     Attributes
	Extra       Attributes
}

// ListDomainsOptions narrow Service.ListDomains; nil means all.
type ListDomainsOptions struct {
	Name    string
	Enabled *bool
	Keep    func(*Domain) bool // a further condition; nil: none
	Page    Page
}

// CreateDomain makes a domain: fault.AlreadyExists if the name is taken.
func (s *Service) CreateDomain(ctx context.Context, opts CreateDomainOptions) (Domain, error) {
	p := Project{
		ID: opts.ID, Name: strings.TrimSpace(opts.Name), IsDomain: true, Description: opts.Description,
		Enabled: !opts.Disabled, Tags: sortedTags(opts.Tags), Options: opts.Options, Extra: opts.Extra,
	}
	if p.ID == "" {
		p.ID = s.core.IDs.Hex()
	}
	err := s.update(ctx, "CreateDomain", func(tx *state.Tx) error {
		if err := s.checkProject("domain", p); err != nil {
			return err
		}
		if err := s.t.projects.Insert(tx, p); err != nil {
			return duplicate(err, "domain", p.Name, "")
		}
		s.emit(ctx, tx, created, "domain", p.ID)
		return nil
	})
	return asDomain(p), err
}

// GetDomain returns a domain by its id.
func (s *Service) GetDomain(ctx context.Context, id string) (Domain, error) {
	p, err := s.domain(s.core.DB.Snapshot(), id)
	return asDomain(p), fault.Wrap("identity.GetDomain", err)
}

// ListDomains returns domains in order of their ids.
func (s *Service) ListDomains(ctx context.Context, opts *ListDomainsOptions) ([]Domain, error) {
	if opts == nil {
		opts = &ListDomainsOptions{}
	}
	all, err := s.ListProjects(ctx, &ListProjectsOptions{
		IsDomain: true, Name: opts.Name, Enabled: opts.Enabled, Page: opts.Page,
		Keep: func(p *Project) bool {
			d := asDomain(*p)
			return holds(opts.Keep, &d)
		},
	})
	list := make([]Domain, len(all))
	for i, p := range all {
		list[i] = asDomain(p)
	}
	return list, err
}

// UpdateDomain changes a domain. Disabling one ends at once the use of tokens that
// belong to its users or its projects.
func (s *Service) UpdateDomain(ctx context.Context, id string, opts UpdateDomainOptions) (Domain, error) {
	if _, err := s.domain(s.core.DB.Snapshot(), id); err != nil {
		return Domain{}, fault.Wrap("identity.UpdateDomain", err)
	}
	p, err := s.updateProject(ctx, "UpdateDomain", "domain", id, UpdateProjectOptions{
		Name: opts.Name, Description: opts.Description, Enabled: opts.Enabled, Tags: opts.Tags,
		Options: opts.Options, Extra: opts.Extra,
	})
	return asDomain(p), err
}

// DeleteDomain removes a disabled domain with all its users, groups, projects and
// roles: fault.Forbidden if it is enabled. A large one goes in several transactions; cut
// off between them, it is left disabled and with less in it, to be deleted again.
func (s *Service) DeleteDomain(ctx context.Context, id string) error {
	if err := s.thinOut(ctx, "DeleteDomain", id); err != nil {
		return err
	}
	return s.update(ctx, "DeleteDomain", func(tx *state.Tx) error {
		p, err := s.domain(tx, id)
		if err != nil {
			return err
		}
		return s.deleteDomain(ctx, tx, p)
	})
}

func (s *Service) deleteDomain(ctx context.Context, tx *state.Tx, p Project) error {
	if err := deletable(p); err != nil {
		return err
	}
	if err := s.emptyDomain(ctx, tx, p.ID); err != nil {
		return err
	}
	err := firstError(
		s.dropAssignments(tx, s.t.assignTarget, domainTarget(p.ID)),
		deleteAll(tx, s.t.limits, s.t.limitDomain, limitKey, p.ID),
		s.dropDomainConfig(tx, p.ID),
		s.dropFilters(tx, p.ID),
		s.t.projects.Delete(tx, p.ID),
	)
	if err == nil {
		s.emit(ctx, tx, deleted, "domain", p.ID)
	}
	return err
}

// deletable refuses to delete a domain that is in use or immutable.
func deletable(p Project) error {
	if p.Enabled {
		return fault.New(fault.Forbidden, "Cannot delete a domain that is enabled, please disable it first.")
	}
	return immutable("domain", p.ID, p.Options, nil)
}

// emptyDomain removes what is in a domain, children before parents.
func (s *Service) emptyDomain(ctx context.Context, tx *state.Tx, id string) error {
	if err := s.dropDomainProviders(ctx, tx, id); err != nil {
		return err
	}
	for _, u := range slices.Collect(s.t.users.Where(tx, s.t.userDomain, id)) {
		if err := s.dropUser(ctx, tx, u.User); err != nil {
			return err
		}
	}
	for _, g := range slices.Collect(s.t.groups.Where(tx, s.t.groupDomain, id)) {
		if err := s.dropGroup(ctx, tx, g); err != nil {
			return err
		}
	}
	for _, r := range slices.Collect(s.t.roles.Where(tx, s.t.roleDomain, id)) {
		if err := s.dropRole(ctx, tx, r); err != nil {
			return err
		}
	}
	below := s.descendants(tx, id)
	for i := len(below) - 1; i >= 0; i-- {
		if err := s.dropProject(ctx, tx, below[i]); err != nil {
			return err
		}
	}
	return nil
}

// domain returns the project that is the domain of an id.
func (s *Service) domain(r state.Reader, id string) (Project, error) {
	p, err := s.t.projects.Get(r, id)
	if err != nil || !p.IsDomain {
		return Project{}, fault.Missing("domain", id)
	}
	return p, nil
}

func asDomain(p Project) Domain {
	return Domain{
		ID: p.ID, Name: p.Name, Description: p.Description, Enabled: p.Enabled, Tags: p.Tags,
		Options: p.Options, Extra: p.Extra,
	}
}
