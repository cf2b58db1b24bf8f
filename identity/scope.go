package identity

import (
	"github.com/welkin-cloud/cloud/internal/state"
)

// findUser looks a user up.
func (s *Service) findUser(r state.Reader, ref UserRef) (userRow, bool) {
	if ref.ID != "" {
		u, err := s.t.users.Get(r, ref.ID)
		return u, err == nil
	}
	domain, ok := s.findDomain(r, ref.Domain)
	if !ok {
		return userRow{}, false
	}
	return s.t.users.Find(r, s.t.userName, domain.ID, ref.Name)
}

func (s *Service) findDomain(r state.Reader, ref DomainRef) (Project, bool) {
	if ref.ID != "" {
		p, err := s.domain(r, ref.ID)
		return p, err == nil
	}
	return s.t.projects.Find(r, s.t.projectName, "", ref.Name)
}

func (s *Service) findProject(r state.Reader, ref ProjectRef) (Project, bool) {
	if ref.ID != "" {
		p, err := s.t.projects.Get(r, ref.ID)
		return p, err == nil
	}
	domain, ok := s.findDomain(r, ref.Domain)
	if !ok {
		return Project{}, false
	}
	return s.t.projects.Find(r, s.t.projectName, domain.ID, ref.Name)
}

// chooseScope settles what the token is for. Whether the user has a role there is
// found out when the payload is resolved.
func (s *Service) chooseScope(r state.Reader, want LoginScope, p *payload) error {
	if p.AppCredID != "" || p.AccessTokenID != "" || p.Methods&methodEC2 != 0 {
		return s.keepScope(r, want, p)
	}
	switch {
	case want.Unscoped:
	case want == (LoginScope{}) && p.Federation.ProviderID != "": // it has no default
	case want.TrustID != "":
		t, err := s.t.trusts.Get(r, want.TrustID)
		if err != nil || !t.usable(s.core.Clock.Now()) {
			return errDenied()
		}
		p.Scope = scope{ProjectID: t.ProjectID, TrustID: t.ID}
	case want.System:
		p.Scope.System = true
	case want.Domain != nil:
		d, ok := s.findDomain(r, *want.Domain)
		if !ok {
			return errDenied()
		}
		p.Scope.DomainID = d.ID
	case want.Project != nil:
		project, ok := s.findProject(r, *want.Project)
		if !ok {
			return errDenied()
		}
		p.Scope.ProjectID = project.ID
	default:
		p.Scope.ProjectID = s.defaultProject(r, p.UserID)
	}
	return nil
}

// keepScope refuses any scope but that of the application credential, the access token or
// the pair of EC2 keys.
func (s *Service) keepScope(r state.Reader, want LoginScope, p *payload) error {
	if want.Unscoped || want.System || want.Domain != nil || want.TrustID != "" {
		return errDenied()
	}
	if want.Project != nil {
		if project, ok := s.findProject(r, *want.Project); !ok || project.ID != p.Scope.ProjectID {
			return errDenied()
		}
	}
	return nil
}

// defaultProject is the user's default project if the user can use it.
func (s *Service) defaultProject(r state.Reader, userID string) string {
	u, err := s.t.users.Get(r, userID)
	if err != nil || u.DefaultProjectID == "" {
		return ""
	}
	sc := scope{ProjectID: u.DefaultProjectID}
	if s.applyScope(r, sc, &Token{}, new(uint16)) != nil || len(s.rolesOn(r, userID, sc)) == 0 {
		return ""
	}
	return u.DefaultProjectID
}
