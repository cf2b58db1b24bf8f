package identity

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Project owns resources. Projects form trees; the root of each tree is a domain,
// which is a project that also holds users and groups.
type Project struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`             // unique in its domain
	DomainID    string     `json:"domain,omitempty"` // empty for a domain
	ParentID    string     `json:"parent,omitempty"` // empty for a domain
	IsDomain    bool       `json:"is_domain,omitempty"`
	Description string     `json:"description,omitempty"`
	Enabled     bool       `json:"enabled"`
	Tags        []string   `json:"tags,omitempty"` // sorted
	Options     Attributes `json:"options,omitempty"`
	Extra       Attributes `json:"extra,omitempty"`
	// Epoch is raised when the project is disabled: tokens from before stay void when
	// it is enabled again.
	Epoch uint16 `json:"epoch,omitempty"`
}

// CreateProjectOptions of Service.CreateProject.
type CreateProjectOptions struct {
	ID          string // empty for a new one
	Name        string
	DomainID    string // default: that of the parent, or the default domain
	ParentID    string // default: the domain
	Description string
	Disabled    bool
	Tags        []string
	Options     Attributes
	Extra       Attributes
}

// UpdateProjectOptions of Service.UpdateProject and UpdateDomain; nil leaves as it
// is. Attributes are merged into those that are there.
type UpdateProjectOptions struct {
	Name        *string
	Description *string
	Enabled     *bool
	// Cascade enables or disables all projects below as well. Without it a project
	// is not disabled while one below it is enabled.
	Cascade bool
	Tags    *[]string
	Options Attributes
	Extra   Attributes
}

// ListProjectsOptions narrow Service.ListProjects; nil means all.
type ListProjectsOptions struct {
	DomainID string
	ParentID string
	Name     string
	Enabled  *bool
	IsDomain bool // list domains instead of the projects in them
	// Tags keeps projects with all of these, AnyTag those with one of these;
	// NotTags drops those with all, NotAnyTag those with one.
	Tags, AnyTag, NotTags, NotAnyTag []string
	Keep                             func(*Project) bool // a further condition; nil: none
	Page                             Page
}

// CreateProject makes a project: fault.NotFound if domain or parent do not exist,
// fault.AlreadyExists if the domain has a project of that name.
func (s *Service) CreateProject(ctx context.Context, opts CreateProjectOptions) (Project, error) {
	p := Project{
		ID: opts.ID, Name: strings.TrimSpace(opts.Name), DomainID: opts.DomainID, ParentID: opts.ParentID,
		Description: opts.Description, Enabled: !opts.Disabled,
		Tags: sortedTags(opts.Tags), Options: opts.Options, Extra: opts.Extra,
	}
	if p.ID == "" {
		p.ID = s.core.IDs.Hex()
	}
	err := s.update(ctx, "CreateProject", func(tx *state.Tx) error {
		if err := s.checkProject("project", p); err != nil {
			return err
		}
		if err := s.placeProject(tx, &p); err != nil {
			return err
		}
		if err := s.t.projects.Insert(tx, p); err != nil {
			return duplicate(err, "project", p.Name, p.DomainID)
		}
		s.emit(ctx, tx, created, "project", p.ID)
		return nil
	})
	return p, err
}

// placeProject fills in and checks the domain and the parent of a new project.
func (s *Service) placeProject(r state.Reader, p *Project) error {
	if p.ParentID != "" {
		parent, err := s.t.projects.Get(r, p.ParentID)
		if err != nil {
			return err
		}
		domain := domainOf(parent)
		if p.DomainID == "" {
			p.DomainID = domain
		}
		if p.DomainID != domain {
			return fault.New(fault.Invalid, "Invalid input for field 'domain_id': a project must be in the domain of its parent.")
		}
	}
	if p.DomainID == "" {
		p.DomainID = DefaultDomainID
	}
	domain, err := s.domain(r, p.DomainID)
	if err != nil {
		return err
	}
	if p.ParentID == "" {
		p.ParentID = domain.ID
	}
	for _, above := range s.ancestors(r, *p) {
		if !above.Enabled {
			return fault.New(fault.Invalid, "cannot create a project in a branch containing a disabled project: %s", above.ID)
		}
	}
	if s.depth(r, p.ParentID) >= s.projectDepth() {
		return fault.New(fault.Forbidden, "Max hierarchy depth reached for %s branch.", p.ParentID)
	}
	return nil
}

// checkProject refuses what neither a project nor a domain may be.
func (s *Service) checkProject(noun string, p Project) error {
	return firstError(
		checkID(noun, p.ID), checkName(noun, p.Name, maxProjectName), s.checkURLSafe(noun, p.Name), checkTags(p.Tags),
	)
}

// urlReserved are the characters that have a meaning in URLs.
const urlReserved = ":/?#[]@!$&'()*+,;="

// checkURLSafe refuses names with such characters, if Config asks for that.
func (s *Service) checkURLSafe(noun, name string) error {
	if s.cfg.URLSafeNames && strings.ContainsAny(name, urlReserved) {
		return fault.New(fault.Invalid, "The name of the %s cannot contain the reserved characters %s", noun, urlReserved)
	}
	return nil
}

// GetProject returns a project or a domain by its id.
func (s *Service) GetProject(ctx context.Context, id string) (Project, error) {
	p, err := s.t.projects.Get(s.core.DB.Snapshot(), id)
	return p, fault.Wrap("identity.GetProject", err)
}

// FindProject returns the project of a name in a domain.
func (s *Service) FindProject(ctx context.Context, domainID, name string) (Project, error) {
	p, ok := s.t.projects.Find(s.core.DB.Snapshot(), s.t.projectName, domainID, name)
	if !ok {
		return Project{}, fault.Wrap("identity.FindProject", fault.Missing("project", name))
	}
	return p, nil
}

// ListProjects returns projects in order of their ids.
func (s *Service) ListProjects(ctx context.Context, opts *ListProjectsOptions) ([]Project, error) {
	if opts == nil {
		opts = &ListProjectsOptions{}
	}
	all := s.projectsAfter(s.core.DB.Snapshot(), opts)
	list, err := paged(ctx, all, opts.Page, func(p *Project) string { return p.ID }, opts.matches)
	return list, fault.Wrap("identity.ListProjects", err)
}

// projectsAfter walks, by the index that narrows most, projects behind the marker, in
// order of their ids: all that opts let pass, and others.
func (s *Service) projectsAfter(r state.Reader, opts *ListProjectsOptions) iter.Seq[Project] {
	marker := opts.Page.Marker
	switch {
	case opts.Name != "" && (opts.DomainID != "" || opts.IsDomain):
		return only(s.t.projects.Find(r, s.t.projectName, opts.DomainID, opts.Name))
	case opts.Name != "":
		return s.t.projects.WhereAfter(r, s.t.projectNamed, marker, opts.Name)
	case opts.ParentID != "":
		return s.t.projects.WhereAfter(r, s.t.projectParent, marker, opts.ParentID)
	case opts.DomainID != "" || opts.IsDomain:
		return s.t.projects.WhereAfter(r, s.t.projectDomain, marker, opts.DomainID)
	}
	return s.t.projects.After(r, marker)
}

func (o *ListProjectsOptions) matches(p *Project) bool {
	return p.IsDomain == o.IsDomain &&
		is(o.DomainID, p.DomainID) && is(o.ParentID, p.ParentID) && is(o.Name, p.Name) &&
		(o.Enabled == nil || *o.Enabled == p.Enabled) &&
		hasAll(p.Tags, o.Tags) && (len(o.AnyTag) == 0 || hasAny(p.Tags, o.AnyTag)) &&
		(len(o.NotTags) == 0 || !hasAll(p.Tags, o.NotTags)) && !hasAny(p.Tags, o.NotAnyTag) &&
		holds(o.Keep, p)
}

// UpdateProject changes a project or a domain. Disabling one ends the use of its
// tokens at once: fault.Forbidden if a project below it is enabled, or if one above it
// is disabled while it is to be enabled.
func (s *Service) UpdateProject(ctx context.Context, id string, opts UpdateProjectOptions) (Project, error) {
	return s.updateProject(ctx, "UpdateProject", "project", id, opts)
}

func (s *Service) updateProject(ctx context.Context, op, noun, id string, opts UpdateProjectOptions) (Project, error) {
	var p Project
	err := s.update(ctx, op, func(tx *state.Tx) error {
		err := s.t.projects.Change(tx, id, func(old *Project) error {
			change := opts.Options
			if !opts.onlyOptions() {
				change = nil // what is immutable is changed no sooner than afterwards
			}
			if err := immutable(noun, id, old.Options, change); err != nil {
				return err
			}
			name := old.Name
			old.apply(opts)
			p = *old
			if p.Name == name {
				return checkTags(p.Tags)
			}
			return s.checkProject(noun, p)
		})
		if err != nil {
			return duplicate(err, noun, p.Name, p.DomainID)
		}
		s.emit(ctx, tx, updated, noun, id)
		if opts.Enabled == nil {
			return nil
		}
		return s.checkEnabled(ctx, tx, p, opts.Cascade)
	})
	return p, err
}

// onlyOptions reports whether nothing but resource options is changed.
func (o UpdateProjectOptions) onlyOptions() bool {
	return o.Name == nil && o.Description == nil && o.Enabled == nil && o.Tags == nil && len(o.Extra) == 0
}

// apply sets what opts give.
func (p *Project) apply(opts UpdateProjectOptions) {
	if opts.Name != nil {
		p.Name = strings.TrimSpace(*opts.Name)
	}
	set(&p.Description, opts.Description)
	if opts.Enabled != nil {
		p.enable(*opts.Enabled)
	}
	if opts.Tags != nil {
		p.Tags = sortedTags(*opts.Tags)
	}
	p.Options = p.Options.merged(opts.Options)
	p.Extra = p.Extra.merged(opts.Extra)
}

// enable switches a project on or off. Switched off, it invalidates its tokens.
func (p *Project) enable(on bool) {
	if p.Enabled && !on {
		p.Epoch++
	}
	p.Enabled = on
}

// DeleteProject removes a project, its role assignments and limits, and the
// credentials that are bound to it: fault.Forbidden if it has children. A project that acts as a
// domain must be disabled first.
func (s *Service) DeleteProject(ctx context.Context, id string) error {
	if p, err := s.t.projects.Get(s.core.DB.Snapshot(), id); err == nil && p.IsDomain {
		if err := s.thinOut(ctx, "DeleteProject", id); err != nil {
			return err
		}
	}
	return s.update(ctx, "DeleteProject", func(tx *state.Tx) error {
		p, err := s.t.projects.Get(tx, id)
		if err != nil {
			return err
		}
		if p.IsDomain {
			return s.deleteDomain(ctx, tx, p)
		}
		if err := immutable("project", id, p.Options, nil); err != nil {
			return err
		}
		if s.t.projects.Count(tx, s.t.projectParent, id) > 0 {
			return fault.New(fault.Forbidden, "Cannot delete the project %s since it is not a leaf in the hierarchy. Use the cascade option if you want to delete a whole subtree.", id)
		}
		return s.dropProject(ctx, tx, p)
	})
}

// dropProject removes a project without children and what hangs on it.
func (s *Service) dropProject(ctx context.Context, tx *state.Tx, p Project) error {
	err := firstError(
		s.dropAssignments(tx, s.t.assignTarget, projectTarget(p.ID)),
		deleteAll(tx, s.t.appCreds, s.t.appCredProject, appCredKey, p.ID),
		deleteAll(tx, s.t.credentials, s.t.credentialProject, credentialKey, p.ID),
		deleteAll(tx, s.t.limits, s.t.limitProject, limitKey, p.ID),
		s.dropFilters(tx, p.ID),
		s.dropTrusts(ctx, tx, s.t.trustProject, p.ID),
		s.t.oauth.dropProject(tx, p.ID),
		s.unsetDefault(tx, p.ID),
		s.t.projects.Delete(tx, p.ID),
	)
	if err == nil {
		s.emit(ctx, tx, deleted, "project", p.ID)
	}
	return err
}

// unsetDefault leaves users without a default project whose it was.
func (s *Service) unsetDefault(tx *state.Tx, projectID string) error {
	for _, u := range slices.Collect(s.t.users.Where(tx, s.t.userDefault, projectID)) {
		u.DefaultProjectID = ""
		if err := s.t.users.Put(tx, u); err != nil {
			return err
		}
	}
	return nil
}

// domainOf is the domain that a project is in; a domain is in itself.
func domainOf(p Project) string {
	if p.IsDomain {
		return p.ID
	}
	return p.DomainID
}
