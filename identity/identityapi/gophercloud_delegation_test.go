package identityapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/applicationcredentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/credentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/ec2credentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/ec2tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/oauth1"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/trusts"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

// status requires that an error is an answer with a status.
func requireStatus(t *testing.T, code int, err error) {
	t.Helper()
	require.True(t, gophercloud.ResponseCodeIs(err, code), "%d: %v", code, err)
}

// anonymous is gophercloud's identity client without a token.
func (s *site) anonymous() *gophercloud.ServiceClient {
	s.Helper()
	provider, err := openstack.NewClient(s.url + "/identity")
	require.NoError(s, err)
	c, err := openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{})
	require.NoError(s, err)
	return c
}

func TestGophercloudOAuth1(t *testing.T) {
	for _, method := range []oauth1.SignatureMethod{oauth1.HMACSHA1, oauth1.PLAINTEXT} {
		t.Run(string(method), func(t *testing.T) {
			s := serve(t)
			ctx := t.Context()
			admin, nobody := s.client("admin", adminPassword, "admin"), s.anonymous()
			me := tokens.Get(ctx, admin, admin.Token())
			user, err := me.ExtractUser()
			require.NoError(t, err)
			project, err := me.ExtractProject()
			require.NoError(t, err)

			consumer, err := oauth1.CreateConsumer(ctx, admin, oauth1.CreateConsumerOpts{Description: "portal"}).Extract()
			require.NoError(t, err)
			require.NotEmpty(t, consumer.Secret)
			request, err := oauth1.RequestToken(ctx, nobody, oauth1.RequestTokenOpts{
				OAuthConsumerKey: consumer.ID, OAuthConsumerSecret: consumer.Secret,
				OAuthSignatureMethod: method, RequestedProjectID: project.ID,
			}).Extract()
			require.NoError(t, err)
			require.WithinDuration(t, time.Now().Add(8*time.Hour), *request.OAuthExpiresAt, time.Minute)
			authorised, err := oauth1.AuthorizeToken(ctx, admin, request.OAuthToken, oauth1.AuthorizeTokenOpts{
				Roles: []oauth1.Role{{Name: "member"}},
			}).Extract()
			require.NoError(t, err)
			access, err := oauth1.CreateAccessToken(ctx, nobody, oauth1.CreateAccessTokenOpts{
				OAuthConsumerKey: consumer.ID, OAuthConsumerSecret: consumer.Secret,
				OAuthToken: request.OAuthToken, OAuthTokenSecret: request.OAuthTokenSecret,
				OAuthVerifier: authorised.OAuthVerifier, OAuthSignatureMethod: method,
			}).Extract()
			require.NoError(t, err)
			opts := oauth1.AuthOptions{
				OAuthConsumerKey: consumer.ID, OAuthConsumerSecret: consumer.Secret,
				OAuthToken: access.OAuthToken, OAuthTokenSecret: access.OAuthTokenSecret, OAuthSignatureMethod: method,
			}
			var token struct {
				tokens.Token
				oauth1.TokenExt
			}
			issued := oauth1.Create(ctx, nobody, opts)
			require.NoError(t, issued.ExtractInto(&token))
			require.Equal(t, oauth1.OAuth1{AccessTokenID: access.OAuthToken, ConsumerID: consumer.ID}, token.OAuth1)
			id, err := issued.ExtractTokenID()
			require.NoError(t, err)

			s.tokensOfOAuth1(t, admin, user.ID, access.OAuthToken, id)
			_, err = oauth1.UpdateConsumer(ctx, admin, consumer.ID, oauth1.UpdateConsumerOpts{Description: "gate"}).Extract()
			require.NoError(t, err)
			pages, err := oauth1.ListConsumers(admin).AllPages(ctx)
			require.NoError(t, err)
			consumers, err := oauth1.ExtractConsumers(pages)
			require.NoError(t, err)
			require.Equal(t, []oauth1.Consumer{{ID: consumer.ID, Description: "gate"}}, consumers, "without the secret")
			require.NoError(t, oauth1.RevokeAccessToken(ctx, admin, user.ID, access.OAuthToken).ExtractErr())
			requireStatus(t, http.StatusUnauthorized, oauth1.Create(ctx, nobody, opts).Err)
			require.NoError(t, oauth1.DeleteConsumer(ctx, admin, consumer.ID).ExtractErr())
			_, err = oauth1.GetConsumer(ctx, admin, consumer.ID).Extract()
			requireStatus(t, http.StatusNotFound, err)
		})
	}
}

// tokensOfOAuth1 looks at an access token, and at what a token got by it may not do.
func (s *site) tokensOfOAuth1(t *testing.T, admin *gophercloud.ServiceClient, userID, accessToken, token string) {
	t.Helper()
	ctx := t.Context()
	got, err := oauth1.GetAccessToken(ctx, admin, userID, accessToken).Extract()
	require.NoError(t, err)
	require.Equal(t, userID, got.AuthorizingUserID)
	pages, err := oauth1.ListAccessTokens(admin, userID).AllPages(ctx)
	require.NoError(t, err)
	all, err := oauth1.ExtractAccessTokens(pages)
	require.NoError(t, err)
	require.Len(t, all, 1)
	pages, err = oauth1.ListAccessTokenRoles(admin, userID, accessToken).AllPages(ctx)
	require.NoError(t, err)
	roles, err := oauth1.ExtractAccessTokenRoles(pages)
	require.NoError(t, err)
	require.Len(t, roles, 1)
	role, err := oauth1.GetAccessTokenRole(ctx, admin, userID, accessToken, roles[0].ID).Extract()
	require.NoError(t, err)
	require.Equal(t, "member", role.Name)
	_, err = oauth1.GetAccessTokenRole(ctx, admin, userID, accessToken, "x").Extract()
	requireStatus(t, http.StatusNotFound, err)

	s.want(http.StatusForbidden, "GET", "/v3/users/"+userID+"/application_credentials", token, "")
	s.want(http.StatusForbidden, "POST", "/v3/OS-TRUST/trusts", token,
		`{"trust": {"trustor_user_id": "`+userID+`", "trustee_user_id": "x", "impersonation": false}}`)
	a := s.want(http.StatusForbidden, "POST", "/v3/auth/tokens", "", `{"auth": {"identity": {"methods": ["token"], "token": {"id": "`+token+`"}}}}`)
	require.Contains(t, a.body, "OAuth-scoped")
	s.want(http.StatusOK, "GET", "/v3/credentials", token, "")
}

func TestGophercloudTrusts(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	annID, projectID, _ := s.member("ann", "lab")
	bobID, _, _ := s.member("bob", "den")
	carlID, _, _ := s.member("carl", "hut")
	ann := s.client("ann", "pw", "lab")
	soon := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	trust, err := trusts.Create(ctx, ann, trusts.CreateOpts{
		TrustorUserID: annID, TrusteeUserID: bobID, ProjectID: projectID, Impersonation: true, ExpiresAt: &soon,
		AllowRedelegation: true, RedelegationCount: 2, Roles: []trusts.Role{{Name: "member"}},
	}).Extract()
	require.NoError(t, err)
	require.Equal(t, 2, trust.RedelegationCount)
	require.Equal(t, soon, trust.ExpiresAt)

	bob := s.trustClient("bob", trust.ID)
	below, err := trusts.Create(ctx, bob, trusts.CreateOpts{
		TrustorUserID: annID, TrusteeUserID: carlID, ProjectID: projectID, Impersonation: true, Roles: []trusts.Role{{Name: "member"}},
	}).Extract()
	require.NoError(t, err)
	require.Equal(t, trust.ID, below.RedelegatedTrustID)
	require.Equal(t, annID, extractUser(t, s.trustClient("carl", below.ID)))

	got, err := trusts.Get(ctx, ann, trust.ID).Extract()
	require.NoError(t, err)
	require.Len(t, got.Roles, 1)
	pages, err := trusts.ListRoles(ann, trust.ID).AllPages(ctx)
	require.NoError(t, err)
	roles, err := trusts.ExtractRoles(pages)
	require.NoError(t, err)
	require.Len(t, roles, 1)
	role, err := trusts.GetRole(ctx, ann, trust.ID, roles[0].ID).Extract()
	require.NoError(t, err)
	require.Equal(t, "member", role.Name)
	require.NoError(t, trusts.CheckRole(ctx, ann, trust.ID, roles[0].ID).ExtractErr())
	requireStatus(t, http.StatusNotFound, trusts.CheckRole(ctx, ann, trust.ID, "x").ExtractErr())
	for opts, n := range map[trusts.ListOpts]int{
		{TrustorUserID: annID}: 2, {TrusteeUserID: bobID}: 1, {TrusteeUserID: carlID}: 1,
	} {
		pages, err := trusts.List(s.client("admin", adminPassword, "admin"), opts).AllPages(ctx)
		require.NoError(t, err)
		all, err := trusts.ExtractTrusts(pages)
		require.NoError(t, err)
		require.Len(t, all, n, "%+v", opts)
	}
	_, err = trusts.List(ann, trusts.ListOpts{TrusteeUserID: bobID}).AllPages(ctx)
	requireStatus(t, http.StatusForbidden, err)
	requireStatus(t, http.StatusForbidden, trusts.Delete(ctx, s.client("bob", "pw", "den"), trust.ID).ExtractErr())
	require.NoError(t, trusts.Delete(ctx, ann, trust.ID).ExtractErr())
	_, err = trusts.Get(ctx, s.client("carl", "pw", "hut"), below.ID).Extract()
	requireStatus(t, http.StatusNotFound, err)
}

// trustClient is a user's client with a trust.
func (s *site) trustClient(user, trustID string) *gophercloud.ServiceClient {
	s.Helper()
	provider, err := openstack.AuthenticatedClient(s.Context(), gophercloud.AuthOptions{
		IdentityEndpoint: s.url + "/identity", Username: user, Password: "pw", DomainID: "default",
		Scope: &gophercloud.AuthScope{TrustID: trustID},
	})
	require.NoError(s, err)
	c, err := openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{})
	require.NoError(s, err)
	return c
}

func TestGophercloudEC2(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	annID, projectID, _ := s.member("ann", "lab")
	ann, admin := s.client("ann", "pw", "lab"), s.client("admin", adminPassword, "admin")
	pair, err := ec2credentials.Create(ctx, ann, annID, ec2credentials.CreateOpts{TenantID: projectID}).Extract()
	require.NoError(t, err)
	got, err := ec2credentials.Get(ctx, ann, annID, pair.Access).Extract()
	require.NoError(t, err)
	require.Equal(t, pair.Secret, got.Secret)
	pages, err := ec2credentials.List(ann, annID).AllPages(ctx)
	require.NoError(t, err)
	all, err := ec2credentials.ExtractCredentials(pages)
	require.NoError(t, err)
	require.Len(t, all, 1)

	v2 := ec2tokens.AuthOptions{
		Access: pair.Access, Secret: pair.Secret, Host: "h:8773", Path: "/", Verb: "GET",
		Params: map[string]string{"SignatureVersion": "2", "SignatureMethod": "HmacSHA256", "AWSAccessKeyId": pair.Access},
	}
	v4 := ec2tokens.AuthOptions{
		Access: pair.Access, Secret: pair.Secret, Host: "h", Path: "/", Verb: "GET", Region: "r", Service: "ec2",
		Headers: map[string]string{"Host": "h", "X-Amz-SignedHeaders": "host"},
		Params:  map[string]string{"Action": "DescribeInstances"},
	}
	for name, opts := range map[string]ec2tokens.AuthOptions{"v2": v2, "v4": v4} {
		issued := ec2tokens.Create(ctx, admin, &opts)
		id, err := issued.ExtractTokenID()
		require.NoError(t, err, name)
		user, err := issued.ExtractUser()
		require.NoError(t, err)
		require.Equal(t, annID, user.ID)
		shown, err := tokens.Get(ctx, admin, id).ExtractUser()
		require.NoError(t, err, "other services may validate it")
		require.Equal(t, annID, shown.ID)
		a := s.want(http.StatusForbidden, "GET", "/v3/users/"+annID, id, "")
		require.Contains(t, a.body, "EC2 credential tokens cannot be used for authorization.")
		requireStatus(t, http.StatusForbidden, ec2tokens.Create(ctx, ann, &opts).Err)
		requireStatus(t, http.StatusUnauthorized, ec2tokens.Create(ctx, s.anonymous(), &opts).Err)
		opts.Secret = "wrong"
		requireStatus(t, http.StatusUnauthorized, ec2tokens.Create(ctx, admin, &opts).Err)
	}
	v4.Service = "s3"
	checked := ec2tokens.ValidateS3Token(ctx, admin, &v4)
	user, err := checked.ExtractUser()
	require.NoError(t, err)
	require.Equal(t, annID, user.ID)
	require.Empty(t, checked.Header.Get("X-Subject-Token"), "the token itself is not handed out")
	requireStatus(t, http.StatusForbidden, ec2tokens.ValidateS3Token(ctx, ann, &v4).Err)

	require.NoError(t, ec2credentials.Delete(ctx, ann, annID, pair.Access).ExtractErr())
	requireStatus(t, http.StatusNotFound, ec2tokens.Create(ctx, admin, &v2).Err)
}

func TestGophercloudApplicationCredentials(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	annID, _, _ := s.member("ann", "lab")
	ann := s.client("ann", "pw", "lab")
	create := func(c *gophercloud.ServiceClient, opts applicationcredentials.CreateOpts) (*applicationcredentials.ApplicationCredential, error) {
		return applicationcredentials.Create(ctx, c, annID, opts).Extract()
	}
	soon := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	free, err := create(ann, applicationcredentials.CreateOpts{
		Name: "free", Secret: "of ann's choice", Unrestricted: true, ExpiresAt: &soon,
		Roles:       []applicationcredentials.Role{{Name: "reader"}},
		AccessRules: []applicationcredentials.AccessRule{{Path: "/v3/**", Method: "GET", Service: "identity"}},
	})
	require.NoError(t, err)
	require.Equal(t, "of ann's choice", free.Secret)
	require.Equal(t, soon, free.ExpiresAt)
	for name, opts := range map[string]applicationcredentials.CreateOpts{
		"a role that ann lacks": {Name: "a", Roles: []applicationcredentials.Role{{Name: "admin"}}},
		"a bad path":            {Name: "a", AccessRules: []applicationcredentials.AccessRule{{Path: "v3", Method: "GET", Service: "identity"}}},
		"a bad method":          {Name: "a", AccessRules: []applicationcredentials.AccessRule{{Path: "/v3", Method: "LOOK", Service: "identity"}}},
	} {
		_, err := create(ann, opts)
		requireStatus(t, http.StatusBadRequest, err)
		require.Error(t, err, name)
	}
	_, err = create(ann, applicationcredentials.CreateOpts{Name: "free"})
	requireStatus(t, http.StatusConflict, err)
	pages, err := applicationcredentials.List(ann, annID, applicationcredentials.ListOpts{Name: "free"}).AllPages(ctx)
	require.NoError(t, err)
	all, err := applicationcredentials.ExtractApplicationCredentials(pages)
	require.NoError(t, err)
	require.Len(t, all, 1)

	pages, err = applicationcredentials.ListAccessRules(ann, annID).AllPages(ctx)
	require.NoError(t, err)
	rules, err := applicationcredentials.ExtractAccessRules(pages)
	require.NoError(t, err)
	require.Len(t, rules, 1)
	rule, err := applicationcredentials.GetAccessRule(ctx, ann, annID, rules[0].ID).Extract()
	require.NoError(t, err)
	require.Equal(t, "/v3/**", rule.Path)
	requireStatus(t, http.StatusForbidden, applicationcredentials.DeleteAccessRule(ctx, ann, annID, rule.ID).ExtractErr())
	require.NoError(t, applicationcredentials.Delete(ctx, ann, annID, free.ID).ExtractErr())
	require.NoError(t, applicationcredentials.DeleteAccessRule(ctx, ann, annID, rule.ID).ExtractErr())
	_, err = applicationcredentials.GetAccessRule(ctx, ann, annID, rule.ID).Extract()
	requireStatus(t, http.StatusNotFound, err)
}

func TestGophercloudCredentialsWhole(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	annID, projectID, _ := s.member("ann", "lab")
	bobID, _, _ := s.member("bob", "den")
	ann, bob, admin := s.client("ann", "pw", "lab"), s.client("bob", "pw", "den"), s.client("admin", adminPassword, "admin")
	cert, err := credentials.Create(ctx, ann, credentials.CreateOpts{Type: "cert", UserID: annID, Blob: "one"}).Extract()
	require.NoError(t, err)
	_, err = credentials.Create(ctx, ann, credentials.CreateOpts{Type: "cert", UserID: bobID, Blob: "two"}).Extract()
	requireStatus(t, http.StatusForbidden, err)
	_, err = credentials.Create(ctx, ann, credentials.CreateOpts{Type: "ec2", UserID: annID, Blob: `{"access": "a", "secret": "s"}`}).Extract()
	requireStatus(t, http.StatusBadRequest, err)
	pair, err := credentials.Create(ctx, ann, credentials.CreateOpts{
		Type: "ec2", UserID: annID, ProjectID: projectID, Blob: `{"access": "a", "secret": "s"}`,
	}).Extract()
	require.NoError(t, err)
	require.Equal(t, identity.EC2CredentialID("a"), pair.ID)
	_, err = credentials.Create(ctx, ann, credentials.CreateOpts{
		Type: "ec2", UserID: annID, ProjectID: projectID, Blob: `{"access": "a", "secret": "other"}`,
	}).Extract()
	requireStatus(t, http.StatusConflict, err)
	changed, err := credentials.Update(ctx, ann, cert.ID, credentials.UpdateOpts{Blob: "three"}).Extract()
	require.NoError(t, err)
	require.Equal(t, "three", changed.Blob)
	_, err = credentials.Update(ctx, ann, cert.ID, credentials.UpdateOpts{UserID: bobID}).Extract()
	requireStatus(t, http.StatusForbidden, err)
	_, err = credentials.Get(ctx, bob, cert.ID).Extract()
	requireStatus(t, http.StatusForbidden, err)
	for _, c := range []struct {
		client *gophercloud.ServiceClient
		opts   credentials.ListOpts
		n      int
	}{
		{ann, credentials.ListOpts{}, 2}, {ann, credentials.ListOpts{Type: "ec2"}, 1}, {admin, credentials.ListOpts{UserID: annID}, 2},
		{bob, credentials.ListOpts{}, 0}, {bob, credentials.ListOpts{UserID: annID}, 0},
	} {
		pages, err := credentials.List(c.client, c.opts).AllPages(ctx)
		require.NoError(t, err)
		all, err := credentials.ExtractCredentials(pages)
		require.NoError(t, err)
		require.Len(t, all, c.n, "%+v", c.opts)
	}
	requireStatus(t, http.StatusForbidden, credentials.Delete(ctx, bob, cert.ID).ExtractErr())
	require.NoError(t, credentials.Delete(ctx, ann, cert.ID).ExtractErr())
	_, err = credentials.Get(ctx, admin, cert.ID).Extract()
	requireStatus(t, http.StatusNotFound, err)
}
