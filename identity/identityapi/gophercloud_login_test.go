package identityapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/catalog"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/ec2credentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/ec2tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/oauth1"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

// loginCase is a way to log in that gophercloud has.
type loginCase struct {
	opts    gophercloud.AuthOptions
	methods []string
	once    bool // what is shown cannot be shown again
}

// TestGophercloudLogsIn logs in by every way that gophercloud's AuthOptions have. When
// the token is revoked, the client gets another by itself.
func TestGophercloudLogsIn(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	userID, projectID, token := s.member("ann", "lab")
	s.ownerOfMuch(userID)
	_, err := s.svc.CreateCredential(ctx, identity.CreateCredentialOptions{Type: "totp", Blob: totpSecret, UserID: userID})
	require.NoError(t, err)
	code, _ := identity.Passcode(totpSecret, time.Now())
	robot, _, err := s.svc.CreateApplicationCredential(ctx, identity.CreateApplicationCredentialOptions{
		UserID: userID, ProjectID: projectID, Name: "robot", Secret: "oil",
	})
	require.NoError(t, err)
	bobID, _, _ := s.member("bob", "den")
	trust, err := s.svc.CreateTrust(ctx, identity.CreateTrustOptions{
		TrustorID: userID, TrusteeID: bobID, ProjectID: projectID, RoleIDs: []string{s.roleID("member")}, Impersonation: true,
	})
	require.NoError(t, err)

	scope := func(s gophercloud.AuthScope) *gophercloud.AuthScope { return &s }
	password, robots := []string{"password"}, []string{"application_credential"}
	for name, c := range map[string]loginCase{
		"user id, project id": {opts: gophercloud.AuthOptions{UserID: userID, Password: "pw", TenantID: projectID}, methods: password},
		"names":               {opts: gophercloud.AuthOptions{Username: "ann", DomainName: "Default", Password: "pw", TenantName: "lab"}, methods: password},
		"unscoped":            {opts: gophercloud.AuthOptions{Username: "ann", DomainID: "default", Password: "pw"}, methods: password},
		"project of a domain": {opts: gophercloud.AuthOptions{UserID: userID, Password: "pw", Scope: scope(gophercloud.AuthScope{ProjectName: "lab", DomainName: "Default"})}, methods: password},
		"domain":              {opts: gophercloud.AuthOptions{UserID: userID, Password: "pw", Scope: scope(gophercloud.AuthScope{DomainName: "Default"})}, methods: password},
		"system":              {opts: gophercloud.AuthOptions{UserID: userID, Password: "pw", Scope: scope(gophercloud.AuthScope{System: true})}, methods: password},
		"trust":               {opts: gophercloud.AuthOptions{UserID: bobID, Password: "pw", Scope: scope(gophercloud.AuthScope{TrustID: trust.ID})}, methods: password},
		"credential's id":     {opts: gophercloud.AuthOptions{ApplicationCredentialID: robot.ID, ApplicationCredentialSecret: "oil"}, methods: robots},
		"credential's name":   {opts: gophercloud.AuthOptions{ApplicationCredentialName: "robot", ApplicationCredentialSecret: "oil", UserID: userID}, methods: robots},
		"names of both":       {opts: gophercloud.AuthOptions{ApplicationCredentialName: "robot", ApplicationCredentialSecret: "oil", Username: "ann", DomainName: "Default"}, methods: robots},
		"passcode":            {opts: gophercloud.AuthOptions{UserID: userID, Password: "pw", Passcode: code, TenantID: projectID}, methods: []string{"password", "totp"}, once: true},
		"token as it is":      {opts: gophercloud.AuthOptions{TokenID: token}, methods: password, once: true},
		"token rescoped":      {opts: gophercloud.AuthOptions{TokenID: token, Scope: scope(gophercloud.AuthScope{ProjectID: projectID})}, methods: []string{"password", "token"}, once: true},
	} {
		t.Run(name, func(t *testing.T) { s.logsIn(t, c) })
	}
}

// ownerOfMuch gives a user a role on its domain and on the system.
func (s *site) ownerOfMuch(userID string) {
	s.Helper()
	for _, a := range []identity.Assignment{{DomainID: "default"}, {System: true}} {
		a.RoleID, a.UserID = s.roleID("reader"), userID
		require.NoError(s, s.svc.Assign(s.Context(), a))
	}
}

func (s *site) roleID(name string) string {
	s.Helper()
	role, err := s.svc.FindRole(s.Context(), name)
	require.NoError(s, err)
	return role.ID
}

func (s *site) logsIn(t *testing.T, c loginCase) {
	ctx := t.Context()
	c.opts.IdentityEndpoint, c.opts.AllowReauth = s.url+"/identity", !c.once
	provider, err := openstack.AuthenticatedClient(ctx, c.opts)
	require.NoError(t, err)
	client, err := openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{})
	require.NoError(t, err)
	var shown struct {
		Methods []string `json:"methods"`
	}
	require.NoError(t, tokens.Get(ctx, client, client.Token()).ExtractInto(&shown))
	require.ElementsMatch(t, c.methods, shown.Methods)
	s.survivesRevocation(t, client, c.once)
}

// survivesRevocation revokes a client's token: the client logs in again unless it has
// nothing to do so with.
func (s *site) survivesRevocation(t *testing.T, client *gophercloud.ServiceClient, once bool) {
	t.Helper()
	if once {
		return
	}
	before := client.Token()
	require.NoError(t, s.svc.Revoke(t.Context(), before))
	require.NotEmpty(t, all(t, projects.ListAvailable(client), projects.ExtractProjects))
	require.NotEqual(t, before, client.Token())
}

// TestGophercloudLogsInBySignature: the ways that openstack.AuthenticateV3 has besides.
func TestGophercloudLogsInBySignature(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	admin := s.client("admin", adminPassword, "admin")
	userID := extractUser(t, admin)
	project, err := tokens.Get(ctx, admin, admin.Token()).ExtractProject()
	require.NoError(t, err)
	key, err := ec2credentials.Create(ctx, admin, userID, ec2credentials.CreateOpts{TenantID: project.ID}).Extract()
	require.NoError(t, err)
	consumer, secret, err := s.svc.CreateConsumer(ctx, identity.CreateConsumerOptions{})
	require.NoError(t, err)
	request, err := oauth1.RequestToken(ctx, s.anonymous(), oauth1.RequestTokenOpts{
		OAuthConsumerKey: consumer.ID, OAuthConsumerSecret: secret, OAuthSignatureMethod: oauth1.HMACSHA1, RequestedProjectID: project.ID,
	}).Extract()
	require.NoError(t, err)
	authorised, err := oauth1.AuthorizeToken(ctx, admin, request.OAuthToken, oauth1.AuthorizeTokenOpts{Roles: []oauth1.Role{{Name: "member"}}}).Extract()
	require.NoError(t, err)
	access, err := oauth1.CreateAccessToken(ctx, s.anonymous(), oauth1.CreateAccessTokenOpts{
		OAuthConsumerKey: consumer.ID, OAuthConsumerSecret: secret, OAuthToken: request.OAuthToken,
		OAuthTokenSecret: request.OAuthTokenSecret, OAuthVerifier: authorised.OAuthVerifier, OAuthSignatureMethod: oauth1.HMACSHA1,
	}).Extract()
	require.NoError(t, err)

	provider := s.anonymous().ProviderClient
	require.NoError(t, openstack.AuthenticateV3(ctx, provider, &oauth1.AuthOptions{
		OAuthConsumerKey: consumer.ID, OAuthConsumerSecret: secret, OAuthSignatureMethod: oauth1.HMACSHA1,
		OAuthToken: access.OAuthToken, OAuthTokenSecret: access.OAuthTokenSecret, AllowReauth: true,
	}, gophercloud.EndpointOpts{}))
	delegated, err := openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{})
	require.NoError(t, err)
	s.survivesRevocation(t, delegated, false)
	require.Equal(t, userID, extractUser(t, delegated))

	// Who may have signatures checked shows a token of its own.
	signed := admin.ProviderClient
	require.NoError(t, openstack.AuthenticateV3(ctx, signed, &ec2tokens.AuthOptions{
		Access: key.Access, Secret: key.Secret, Host: "h", Path: "/", Verb: "GET",
		Params: map[string]string{"SignatureVersion": "2", "SignatureMethod": "HmacSHA256", "AWSAccessKeyId": key.Access},
	}, gophercloud.EndpointOpts{}))
	checked, err := openstack.NewIdentityV3(signed, gophercloud.EndpointOpts{})
	require.NoError(t, err)
	_, err = projects.ListAvailable(checked).AllPages(ctx)
	requireStatus(t, http.StatusForbidden, err)
}

func TestGophercloudListsTheCatalog(t *testing.T) {
	s := serve(t)
	s.member("ann", "lab")
	listed := all(t, catalog.List(s.client("ann", "pw", "lab")), catalog.ExtractServiceCatalog)
	types := map[string]int{}
	for _, entry := range listed {
		types[entry.Type] = len(entry.Endpoints)
	}
	require.Equal(t, 3, types["compute"], "%v", listed)
}
