package policy

import "strings"

// The attributes of a caller that rules may name are those of the contexts of the
// imitated services, what keystonemiddleware makes of a token, and for Keystone's rules
// the parts of the token itself, "token.…". Of those, the ones that have an attribute
// of their own go by both names.

// listCredential gives an attribute that has several values, or nil.
func listCredential(name string) func(*Principal) []string {
	switch name {
	case "role", "roles", "token.roles.name":
		return func(p *Principal) []string { return p.Roles }
	case "token.roles.id":
		return func(p *Principal) []string { return p.RoleIDs }
	case "token.methods":
		return func(p *Principal) []string { return p.Methods }
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

// flagCredential gives a boolean attribute other than is_admin, or nil. is_admin_project is always
// true, as with Keystone when it names no admin project.
func flagCredential(name string) func(*Principal) bool {
	switch name {
	case "is_admin_project", "token.is_admin_project":
		return func(*Principal) bool { return true }
	case "token.system.all":
		return func(p *Principal) bool { return p.System }
	}
	return nil
}

// tokenParts are the parts of a token, by the names of the attributes that say the
// same.
func tokenParts() map[string]string {
	return map[string]string{
		"token.user.id": "user_id", "token.user.name": "user_name",
		"token.user.domain.id": "user_domain_id", "token.user.domain.name": "user_domain_name",
		"token.project.id": "project_id", "token.project.name": "project_name",
		"token.project.domain.id": "project_domain_id", "token.project.domain.name": "project_domain_name",
		"token.domain.id": "domain_id", "token.domain.name": "domain_name",
	}
}

// credential gives an attribute with one value, empty if the caller has none, or
// nil if no caller has such an attribute.
func credential(name string) func(*Principal) string {
	if strings.HasPrefix(name, "token.") {
		name = tokenParts()[name]
	}
	switch name {
	case "user_id", "user":
		return func(p *Principal) string { return p.UserID }
	case "user_name", "username":
		return func(p *Principal) string { return p.UserName }
	case "user_domain_id", "user_domain":
		return func(p *Principal) string { return p.UserDomainID }
	case "user_domain_name":
		return func(p *Principal) string { return p.UserDomainName }
	case "project_id", "tenant_id", "tenant", "project":
		return func(p *Principal) string { return p.ProjectID }
	case "project_name", "tenant_name":
		return func(p *Principal) string { return p.ProjectName }
	case "project_domain_id", "project_domain":
		return func(p *Principal) string { return p.ProjectDomainID }
	case "project_domain_name":
		return func(p *Principal) string { return p.ProjectDomainName }
	case "domain_id", "domain":
		return func(p *Principal) string { return p.DomainID }
	case "domain_name":
		return func(p *Principal) string { return p.DomainName }
	case "system_scope", "system":
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
	attribute, ok := strings.CutPrefix(name, "service_")
	if !ok || strings.HasPrefix(attribute, "service_") {
		return nil
	}
	switch attribute {
	case "user_id", "user_name", "user_domain_id", "user_domain_name",
		"project_id", "project_name", "project_domain_id", "project_domain_name":
	default:
		return nil
	}
	get := credential(attribute)
	return func(p *Principal) string {
		if p.Service == nil {
			return ""
		}
		return get(p.Service)
	}
}
