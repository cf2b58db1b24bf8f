package identity

import (
	"context"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Ancestors returns the projects above one, nearest first; the last is its domain.
func (s *Service) Ancestors(ctx context.Context, id string) ([]Project, error) {
	r := s.core.DB.Snapshot()
	p, err := s.t.projects.Get(r, id)
	if err != nil {
		return nil, fault.Wrap("identity.Ancestors", err)
	}
	return s.ancestors(r, p), nil
}

func (s *Service) ancestors(r state.Reader, p Project) []Project {
	var list []Project
	for p.ParentID != "" {
		parent, err := s.t.projects.Get(r, p.ParentID)
		if err != nil {
			break
		}
		list = append(list, parent)
		p = parent
	}
	return list
}

// depth counts the projects from id up to, not including, its domain.
func (s *Service) depth(r state.Reader, id string) int {
	p, err := s.t.projects.Get(r, id)
	if err != nil || p.IsDomain {
		return 0
	}
	return len(s.ancestors(r, p))
}

// Descendants returns the projects below one, parents before children.
func (s *Service) Descendants(ctx context.Context, id string) ([]Project, error) {
	r := s.core.DB.Snapshot()
	if _, err := s.t.projects.Get(r, id); err != nil {
		return nil, fault.Wrap("identity.Descendants", err)
	}
	return s.descendants(r, id), nil
}

func (s *Service) descendants(r state.Reader, id string) []Project {
	list := slices.Collect(s.t.projects.Where(r, s.t.projectParent, id))
	for i := 0; i < len(list); i++ {
		list = slices.AppendSeq(list, s.t.projects.Where(r, s.t.projectParent, list[i].ID))
	}
	return list
}

// isBelow reports whether a project is below another one.
func (s *Service) isBelow(r state.Reader, id, above string) bool {
	p, err := s.t.projects.Get(r, id)
	for err == nil && p.ParentID != "" {
		if p.ParentID == above {
			return true
		}
		p, err = s.t.projects.Get(r, p.ParentID)
	}
	return false
}

// checkEnabled holds a project that was enabled or disabled against those above and
// below it, or makes those below it the same. A domain's projects stay as they are:
// while it is disabled none of them can be used.
func (s *Service) checkEnabled(ctx context.Context, tx *state.Tx, p Project, cascade bool) error {
	if p.ID == DefaultDomainID && !p.Enabled {
		return fault.New(fault.Forbidden, "The default domain cannot be disabled.")
	}
	if p.Enabled {
		if err := s.parentsEnabled(tx, p); err != nil {
			return err
		}
	}
	for _, below := range s.descendants(tx, p.ID) {
		switch {
		case below.Enabled == p.Enabled:
		case cascade:
			below.enable(p.Enabled)
			s.emit(ctx, tx, updated, "project", below.ID)
			if err := s.t.projects.Put(tx, below); err != nil {
				return err
			}
		case !p.Enabled && !p.IsDomain:
			return fault.New(fault.Forbidden, "Cannot disable project %s since its subtree contains enabled projects.", p.ID)
		}
	}
	return nil
}

// parentsEnabled refuses to enable a project below a disabled one.
func (s *Service) parentsEnabled(r state.Reader, p Project) error {
	for _, parent := range s.ancestors(r, p) {
		if !parent.Enabled {
			return fault.New(fault.Forbidden, "Cannot enable project %s since it has disabled parents.", p.ID)
		}
	}
	return nil
}

// DeleteProjectTree removes a project with all projects below it: fault.Forbidden if
// one of them is enabled or immutable, or the project is a domain.
func (s *Service) DeleteProjectTree(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteProjectTree", func(tx *state.Tx) error {
		p, err := s.t.projects.Get(tx, id)
		if err != nil {
			return err
		}
		if p.IsDomain {
			return fault.New(fault.Forbidden, "The project %s acts as a domain: delete that.", id)
		}
		tree := append([]Project{p}, s.descendants(tx, id)...)
		for i := len(tree) - 1; i >= 0; i-- {
			if tree[i].Enabled {
				return fault.New(fault.Forbidden, "Cannot delete project %s since its subtree contains enabled projects.", id)
			}
			err := firstError(immutable("project", tree[i].ID, tree[i].Options, nil), s.dropProject(ctx, tx, tree[i]))
			if err != nil {
				return err
			}
		}
		return nil
	})
}
