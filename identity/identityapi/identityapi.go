// Package identityapi serves package identity over HTTP as OpenStack's Keystone v3
// does: its paths, bodies, status codes and policy rules. Mount it at /identity.
package identityapi

import (
	"net/http"
	"slices"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/internal/recent"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// bodiesKept is how many encoded tokens are kept for those who validate them again.
const bodiesKept = 2000

// api holds what the handlers need.
type api struct {
	svc      *identity.Service
	bodies   *recent.Cache[bodyKey, []byte]
	catalogs *recent.Cache[catalogKey, []byte]
}

// New returns the handler of the identity API. opts.Auth may be nil: then tokens are
// those of svc.
func New(svc *identity.Service, opts httpapi.Options) http.Handler {
	if opts.Auth == nil {
		opts.Auth = svc
	}
	opts.Auth = ownAuth{opts.Auth, svc}
	a := &api{
		svc:      svc,
		bodies:   recent.New[bodyKey, []byte](bodiesKept),
		catalogs: recent.New[catalogKey, []byte](bodiesKept),
	}
	return httpapi.New(httpapi.API{
		Service: "identity",
		Dialect: httpapi.Keystone{},
		Routes:  a.routes(),
	}, opts)
}

func (a *api) routes() []httpapi.Route {
	return slices.Concat(
		a.discoveryRoutes(), a.tokenRoutes(), a.revocationRoutes(), a.scopeRoutes(),
		a.domainRoutes(), a.projectRoutes(), a.tagRoutes(),
		a.userRoutes(), a.groupRoutes(), a.memberRoutes(),
		a.roleRoutes(), a.inferenceRoutes(), a.grantRoutes(), a.assignmentRoutes(),
		a.regionRoutes(), a.serviceRoutes(), a.endpointRoutes(),
		a.credentialRoutes(), a.ec2Routes(), a.appCredentialRoutes(), a.accessRuleRoutes(),
		a.policyRoutes(), a.trustRoutes(), a.signatureRoutes(),
		a.oauth1Routes(), a.accessTokenRoutes(), a.oauth2Routes(),
		a.endpointGroupRoutes(), a.endpointFilterRoutes(), a.endpointPolicyRoutes(),
		a.registeredLimitRoutes(), a.limitRoutes(), a.domainConfigRoutes(),
		a.identityProviderRoutes(), a.protocolRoutes(), a.mappingRoutes(), a.serviceProviderRoutes(),
		a.federatedAuthRoutes(), a.webSSORoutes(),
	)
}
