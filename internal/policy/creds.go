package policy

// The attributes of a caller that rules may name are those of the contexts of the
// imitated services: what keystonemiddleware makes of a token.

// listCredential gives an attribute that has several values, or nil.
func listCredential(name string) func(*Principal) []string {
	switch name {
	case "role", "roles":
		return func(p *Principal) []string { return p.Roles }
	case "service_roles":
		return func(p *Principal) []string {
			if p.Service == nil {
				return nil
			}
			return p.Service.Roles
		}
	}
	return nil
}

// flagCredential gives a boolean attribute, or nil. is_admin_project is always
// true, as with Keystone when it names no admin project.
func flagCredential(name string) func(*Principal) bool {
	switch name {
	case "is_admin":
		return (*Principal).IsAdmin
	case "is_admin_project", "token.is_admin_project":
		return func(*Principal) bool { return true }
	}
	return nil
}

// credential gives an attribute with one value, empty if the caller has none, or
// nil if no caller has such an attribute.
func credential(name string) func(*Principal) string {
	switch name {
	case "user_id", "user", "token.user.id":
		return func(p *Principal) string { return p.UserID }
	case "user_name", "username", "token.user.name":
		return func(p *Principal) string { return p.UserName }
	case "user_domain_id", "user_domain", "token.user.domain.id":
		return func(p *Principal) string { return p.UserDomainID }
	case "user_domain_name", "token.user.domain.name":
		return func(p *Principal) string { return p.UserDomainName }
	case "project_id", "tenant_id", "tenant", "project", "token.project.id":
		return func(p *Principal) string { return p.ProjectID }
	case "project_name", "tenant_name", "token.project.name":
		return func(p *Principal) string { return p.ProjectName }
	case "project_domain_id", "project_domain", "token.project.domain.id":
		return func(p *Principal) string { return p.ProjectDomainID }
	case "project_domain_name", "token.project.domain.name":
		return func(p *Principal) string { return p.ProjectDomainName }
	case "domain_id", "domain", "token.domain.id":
		return func(p *Principal) string { return p.DomainID }
	case "domain_name", "token.domain.name":
		return func(p *Principal) string { return p.DomainName }
	case "system_scope":
		return systemScope
	}
	return serviceCredential(name)
}

// systemScope is "all" for a token of the system, the one part of it there is.
func systemScope(p *Principal) string {
	if p.System {
		return "all"
	}
	return ""
}

// serviceCredential gives an attribute of the service that sent the request.
func serviceCredential(name string) func(*Principal) string {
	var get func(*Principal) string
	switch name {
	case "service_user_id":
		get = func(s *Principal) string { return s.UserID }
	case "service_user_name":
		get = func(s *Principal) string { return s.UserName }
	case "service_user_domain_id":
		get = func(s *Principal) string { return s.UserDomainID }
	case "service_project_id":
		get = func(s *Principal) string { return s.ProjectID }
	case "service_project_domain_id":
		get = func(s *Principal) string { return s.ProjectDomainID }
	default:
		return nil
	}
	return func(p *Principal) string {
		if p.Service == nil {
			return ""
		}
		return get(p.Service)
	}
}
