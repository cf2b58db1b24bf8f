package identity

import (
	"time"

	"github.com/welkin-cloud/cloud/internal/state"
)

// Attributes are properties beyond those that the service knows: it stores them
// and gives them back, and nothing else.
type Attributes map[string]any

// userRow is a user as stored: with what must not leave the package.
type userRow struct {
	User
	Hash  string `json:"hash,omitempty"`  // bcrypt; empty: no password, no log-in with one
	Epoch uint16 `json:"epoch,omitempty"` // raised to invalidate every token of the user
	// Source says who keeps the user: empty for this service, else where its shadow
	// here comes from, "directory" or "federation". Everything but the proof of who
	// it is works on the shadow.
	Source  string    `json:"source,omitempty"`
	Created time.Time `json:"created,omitzero"`

	PasswordSet time.Time `json:"password_set,omitzero"`
	SelfService bool      `json:"self_service,omitempty"` // the user has set the password itself
	Previous    []string  `json:"previous,omitempty"`     // hashes of earlier passwords, newest first
}

// appCredentialRow is an application credential as stored.
type appCredentialRow struct {
	ApplicationCredential
	Hash string `json:"hash"`
}

// credentialRow is a credential as stored: the blob is encrypted.
type credentialRow struct {
	Credential
	Sealed string `json:"sealed"`
}

// membership says that a user is in a group.
type membership struct {
	GroupID string `json:"group"`
	UserID  string `json:"user"`
}

// implication says that who has the prior role has the implied one as well.
type implication struct {
	PriorID   string `json:"prior"`
	ImpliedID string `json:"implied"`
}

// revocation is a token that was revoked before it expired.
type revocation struct {
	AuditID   string    `json:"audit"`
	Chain     bool      `json:"chain,omitempty"` // also what was made from the token
	RevokedAt time.Time `json:"revoked,omitzero"`
	ExpiresAt time.Time `json:"expires"` // of the token: after that the record is of no use
}

// tables are the collections of identity and their indexes.
type tables struct {
	projects      *state.Collection[Project]
	projectName   *state.Index[Project]
	projectNamed  *state.Index[Project] // by name alone, in all domains
	projectParent *state.Index[Project]
	projectDomain *state.Index[Project]

	users       *state.Collection[userRow]
	userName    *state.Index[userRow]
	userNamed   *state.Index[userRow] // by name alone, in all domains
	userForeign *state.Index[userRow] // by domain and name, those that userName leaves out
	userDomain  *state.Index[userRow]
	userDefault *state.Index[userRow] // by default project, those that have one

	groups      *state.Collection[Group]
	groupName   *state.Index[Group]
	groupNamed  *state.Index[Group] // by name alone, in all domains
	groupDomain *state.Index[Group]

	members    *state.Collection[membership]
	memberUser *state.Index[membership]
	memberOf   *state.Index[membership]

	roles      *state.Collection[Role]
	roleName   *state.Index[Role]
	roleDomain *state.Index[Role]

	implications *state.Collection[implication]
	impliesPrior *state.Index[implication]
	impliesRole  *state.Index[implication]

	assignments     *state.Collection[Assignment]
	assignActor     *state.Index[Assignment]
	assignTarget    *state.Index[Assignment]
	assignRole      *state.Index[Assignment]
	assignInherited *state.Index[Assignment] // those that are

	regions         *state.Collection[Region]
	regionParent    *state.Index[Region]
	services        *state.Collection[CatalogService]
	serviceType     *state.Index[CatalogService]
	endpoints       *state.Collection[Endpoint]
	endpointService *state.Index[Endpoint]
	endpointRegion  *state.Index[Endpoint]

	appCreds       *state.Collection[appCredentialRow]
	appCredName    *state.Index[appCredentialRow]
	appCredUser    *state.Index[appCredentialRow]
	appCredProject *state.Index[appCredentialRow]

	accessRules    *state.Collection[AccessRule]
	accessRuleUser *state.Index[AccessRule]
	accessRuleText *state.Index[AccessRule]

	credentials       *state.Collection[credentialRow]
	credentialUser    *state.Index[credentialRow]
	credentialProject *state.Index[credentialRow]

	policies *state.Collection[PolicyDocument]

	filterTables
	policyTables
	limitTables
	domainConfigs *state.Collection[domainConfigRow]

	trusts       *state.Collection[Trust]
	trustTrustor *state.Index[Trust]
	trustTrustee *state.Index[Trust]
	trustProject *state.Index[Trust]
	trustParent  *state.Index[Trust]

	oauth oauthTables

	revocations *state.Collection[revocation]
	revokedTill *state.Index[revocation]

	keys *state.Collection[storedKeys]

	directoryEntries *state.Collection[directoryEntry]
	directoryDomain  *state.Index[directoryEntry]
	loginRecords     *state.Collection[loginRecord]

	federationTables
}

// catalogRevision is that of the newest change that may alter the catalog.
func (t *tables) catalogRevision(s *state.Snapshot) uint64 {
	return max(t.regions.Revision(s), t.services.Revision(s), t.endpoints.Revision(s), t.filterRevision(s),
		t.serviceProviders.Revision(s))
}

// define adds the collections to db.
func define(db *state.DB) tables {
	var t tables
	t.defineProjects(db)
	t.defineUsers(db)
	t.defineRoles(db)
	t.defineCatalog(db)
	t.defineCredentials(db)
	t.defineTrusts(db)
	t.oauth.define(db)
	t.defineKeys(db)
	t.defineFilters(db)
	t.definePolicyPlaces(db)
	t.defineLimits(db)
	t.defineDomainConfigs(db)
	t.defineDirectories(db)
	t.defineLoginRecords(db)
	t.defineFederation(db)
	return t
}

func (t *tables) defineProjects(db *state.DB) {
	t.projectName = state.NewUnique("name", func(p *Project) []string {
		return []string{state.Key(p.DomainID, p.Name)}
	})
	t.projectNamed = state.NewIndex("named", func(p *Project) []string { return []string{state.Key(p.Name)} })
	t.projectParent = state.NewIndex("parent", func(p *Project) []string { return optional(p.ParentID) })
	t.projectDomain = state.NewIndex("domain", func(p *Project) []string { return []string{p.DomainID} })
	t.projects = state.Define(db, state.Spec[Project]{
		Name: "identity.projects", Noun: "project",
		Key:     func(p *Project) string { return p.ID },
		Indexes: []*state.Index[Project]{t.projectName, t.projectNamed, t.projectParent, t.projectDomain},
	})
}

func (t *tables) defineUsers(db *state.DB) {
	t.userName = state.NewUnique("name", func(u *userRow) []string {
		if u.Source == sourceFederation {
			return nil // its name is what a provider says, and may be another user's too
		}
		return []string{state.Key(u.DomainID, u.Name)}
	})
	t.userNamed = state.NewIndex("named", func(u *userRow) []string { return []string{state.Key(u.Name)} })
	t.userForeign = state.NewIndex("foreign", func(u *userRow) []string {
		if u.Source != sourceFederation {
			return nil
		}
		return []string{state.Key(u.DomainID, u.Name)}
	})
	t.userDomain = state.NewIndex("domain", func(u *userRow) []string { return []string{u.DomainID} })
	t.userDefault = state.NewIndex("default_project", func(u *userRow) []string { return optional(u.DefaultProjectID) })
	t.users = state.Define(db, state.Spec[userRow]{
		Name: "identity.users", Noun: "user",
		Key:     func(u *userRow) string { return u.ID },
		Indexes: []*state.Index[userRow]{t.userName, t.userNamed, t.userForeign, t.userDomain, t.userDefault},
	})

	t.groupName = state.NewUnique("name", func(g *Group) []string { return []string{state.Key(g.DomainID, g.Name)} })
	t.groupNamed = state.NewIndex("named", func(g *Group) []string { return []string{state.Key(g.Name)} })
	t.groupDomain = state.NewIndex("domain", func(g *Group) []string { return []string{g.DomainID} })
	t.groups = state.Define(db, state.Spec[Group]{
		Name: "identity.groups", Noun: "group",
		Key:     func(g *Group) string { return g.ID },
		Indexes: []*state.Index[Group]{t.groupName, t.groupNamed, t.groupDomain},
	})

	t.memberUser = state.NewIndex("user", func(m *membership) []string { return []string{m.UserID} })
	t.memberOf = state.NewIndex("group", func(m *membership) []string { return []string{m.GroupID} })
	t.members = state.Define(db, state.Spec[membership]{
		Name: "identity.memberships", Noun: "membership",
		Key:     func(m *membership) string { return state.Key(m.GroupID, m.UserID) },
		Indexes: []*state.Index[membership]{t.memberUser, t.memberOf},
	})
}

func (t *tables) defineRoles(db *state.DB) {
	t.roleName = state.NewUnique("name", func(r *Role) []string { return []string{state.Key(r.DomainID, r.Name)} })
	t.roleDomain = state.NewIndex("domain", func(r *Role) []string { return []string{r.DomainID} })
	t.roles = state.Define(db, state.Spec[Role]{
		Name: "identity.roles", Noun: "role",
		Key:     func(r *Role) string { return r.ID },
		Indexes: []*state.Index[Role]{t.roleName, t.roleDomain},
	})

	t.impliesPrior = state.NewIndex("prior", func(i *implication) []string { return []string{i.PriorID} })
	t.impliesRole = state.NewIndex("implied", func(i *implication) []string { return []string{i.ImpliedID} })
	t.implications = state.Define(db, state.Spec[implication]{
		Name: "identity.implications", Noun: "role inference",
		Key:     func(i *implication) string { return state.Key(i.PriorID, i.ImpliedID) },
		Indexes: []*state.Index[implication]{t.impliesPrior, t.impliesRole},
	})

	t.assignActor = state.NewIndex("actor", func(a *Assignment) []string {
		return []string{state.Key(a.actor(), a.target())}
	})
	t.assignTarget = state.NewIndex("target", func(a *Assignment) []string { return []string{a.target()} })
	t.assignRole = state.NewIndex("role", func(a *Assignment) []string { return []string{a.RoleID} })
	t.assignInherited = state.NewIndex("inherited", func(a *Assignment) []string {
		if !a.Inherited {
			return nil
		}
		return []string{inheritedMark}
	})
	t.assignments = state.Define(db, state.Spec[Assignment]{
		Name: "identity.assignments", Noun: "role assignment",
		Key:     (*Assignment).key,
		Indexes: []*state.Index[Assignment]{t.assignActor, t.assignTarget, t.assignRole, t.assignInherited},
	})
}

func (t *tables) defineCatalog(db *state.DB) {
	t.regionParent = state.NewIndex("parent", func(r *Region) []string { return optional(r.ParentID) })
	t.regions = state.Define(db, state.Spec[Region]{
		Name: "identity.regions", Noun: "region",
		Key:     func(r *Region) string { return r.ID },
		Indexes: []*state.Index[Region]{t.regionParent},
	})
	t.serviceType = state.NewIndex("type", func(s *CatalogService) []string { return []string{s.Type} })
	t.services = state.Define(db, state.Spec[CatalogService]{
		Name: "identity.services", Noun: "service",
		Key:     func(s *CatalogService) string { return s.ID },
		Indexes: []*state.Index[CatalogService]{t.serviceType},
	})
	t.endpointService = state.NewIndex("service", func(e *Endpoint) []string { return []string{e.ServiceID} })
	t.endpointRegion = state.NewIndex("region", func(e *Endpoint) []string { return optional(e.RegionID) })
	t.endpoints = state.Define(db, state.Spec[Endpoint]{
		Name: "identity.endpoints", Noun: "endpoint",
		Key:     func(e *Endpoint) string { return e.ID },
		Indexes: []*state.Index[Endpoint]{t.endpointService, t.endpointRegion},
	})
	t.policies = state.Define(db, state.Spec[PolicyDocument]{
		Name: "identity.policies", Noun: "policy",
		Key: func(p *PolicyDocument) string { return p.ID },
	})
}

func (t *tables) defineCredentials(db *state.DB) {
	t.appCredName = state.NewUnique("name", func(a *appCredentialRow) []string {
		return []string{state.Key(a.UserID, a.Name)}
	})
	t.appCredUser = state.NewIndex("user", func(a *appCredentialRow) []string { return []string{a.UserID} })
	t.appCredProject = state.NewIndex("project", func(a *appCredentialRow) []string { return []string{a.ProjectID} })
	t.appCreds = state.Define(db, state.Spec[appCredentialRow]{
		Name: "identity.application_credentials", Noun: "application credential",
		Key:     func(a *appCredentialRow) string { return a.ID },
		Indexes: []*state.Index[appCredentialRow]{t.appCredName, t.appCredUser, t.appCredProject},
	})
	t.accessRuleUser = state.NewIndex("user", func(a *AccessRule) []string { return []string{a.UserID} })
	t.accessRuleText = state.NewIndex("text", func(a *AccessRule) []string {
		return []string{state.Key(a.UserID, a.Service, a.Method, a.Path)}
	})
	t.accessRules = state.Define(db, state.Spec[AccessRule]{
		Name: "identity.access_rules", Noun: "access rule",
		Key:     func(a *AccessRule) string { return a.ID },
		Indexes: []*state.Index[AccessRule]{t.accessRuleUser, t.accessRuleText},
	})
	t.credentialUser = state.NewIndex("user", func(c *credentialRow) []string { return []string{c.UserID} })
	t.credentialProject = state.NewIndex("project", func(c *credentialRow) []string { return optional(c.ProjectID) })
	t.credentials = state.Define(db, state.Spec[credentialRow]{
		Name: "identity.credentials", Noun: "credential",
		Key:     func(c *credentialRow) string { return c.ID },
		Indexes: []*state.Index[credentialRow]{t.credentialUser, t.credentialProject},
	})
}

func (t *tables) defineTrusts(db *state.DB) {
	t.trustTrustor = state.NewIndex("trustor", func(x *Trust) []string { return []string{x.TrustorID} })
	t.trustTrustee = state.NewIndex("trustee", func(x *Trust) []string { return []string{x.TrusteeID} })
	t.trustProject = state.NewIndex("project", func(x *Trust) []string { return optional(x.ProjectID) })
	t.trustParent = state.NewIndex("redelegated_from", func(x *Trust) []string { return optional(x.RedelegatedFrom) })
	t.trusts = state.Define(db, state.Spec[Trust]{
		Name: "identity.trusts", Noun: "trust",
		Key:     func(x *Trust) string { return x.ID },
		Indexes: []*state.Index[Trust]{t.trustTrustor, t.trustTrustee, t.trustProject, t.trustParent},
	})
	t.revokedTill = state.NewIndex("expires", func(r *revocation) []string {
		return []string{r.ExpiresAt.UTC().Format(time.RFC3339)}
	})
	t.revocations = state.Define(db, state.Spec[revocation]{
		Name: "identity.revocations", Noun: "revocation",
		Key:     func(r *revocation) string { return r.AuditID },
		Indexes: []*state.Index[revocation]{t.revokedTill},
	})
}

// optional is the index keys of a field that may be empty: then none.
func optional(id string) []string {
	if id == "" {
		return nil
	}
	return []string{id}
}
