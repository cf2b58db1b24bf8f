package policy

// Principal is who is asking: what a valid token says. It is read-only.
type Principal struct {
	UserID         string
	UserName       string
	UserDomainID   string
	UserDomainName string
	// One scope at most: a project, a domain, or the system; none is unscoped.
	ProjectID         string
	ProjectName       string
	ProjectDomainID   string
	ProjectDomainName string
	DomainID          string
	DomainName        string
	System            bool
	Roles             []string // names, implied ones included
	RoleIDs           []string
	Methods           []string   // by which it proved who it is: "password"
	TokenID           string     // the audit id of the token, never the token itself
	Service           *Principal // the calling service, from X-Service-Token
	// AccessRules of the application credential that the token comes from; nil if it
	// may be used for every request.
	AccessRules *AccessRules
}

// HasRole reports whether the principal has the role, by name.
func (p *Principal) HasRole(name string) bool {
	for _, r := range p.Roles {
		if r == name {
			return true
		}
	}
	return false
}

// IsAdmin reports whether the principal has the admin role in any scope.
func (p *Principal) IsAdmin() bool { return p.HasRole("admin") }

// Target is what is asked for: attributes of the resource by the names that the
// rules use, such as "project_id", "user_id", "target.user.domain_id".
//
// An attribute that is not in the map makes every check that needs it false. An
// attribute with an empty value is null: it equals no caller's attribute, not even
// an empty one, and only `None:%(name)s` matches it. Booleans are "True" and
// "False", in any case.
type Target map[string]string
