package cloud

import (
	"net/http"

	"github.com/welkin-cloud/cloud/compute/computeapi"
	"github.com/welkin-cloud/cloud/compute/placementapi"
	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/identityapi"
	"github.com/welkin-cloud/cloud/image/imageapi"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/network/networkapi"
	"github.com/welkin-cloud/cloud/volume/volumeapi"
)

// catalog is what the identity service tells clients of the others. Block storage goes
// by two types: clients ask for either.
func catalog() []identity.CatalogEntry {
	return []identity.CatalogEntry{
		{Type: "identity", Name: "keystone", Path: "/identity/v3"},
		{Type: "image", Name: "glance", Path: "/image"},
		{Type: "network", Name: "neutron", Path: "/network"},
		{Type: "volumev3", Name: "cinderv3", Path: "/volume/v3"},
		{Type: "block-storage", Name: "cinder", Path: "/volume/v3"},
		{Type: "compute", Name: "nova", Path: "/compute/v2.1"},
		{Type: "placement", Name: "placement", Path: "/placement"},
	}
}

// Handler serves all services over HTTP as OpenStack does, each below a prefix of its
// own: /identity, /compute, /placement, /image, /network, /volume. Log in at
// /identity/v3.
func (c *Cloud) Handler() http.Handler {
	opts := httpapi.Options{
		Auth: c.Identity, Session: c.session, Policy: c.policy, Log: c.core.Log, Clock: c.core.Clock, IDs: c.core.IDs,
	}
	return httpapi.Mount(c.apis(opts))
}

// apis are the handlers of the services by where they are mounted: below the name that
// the service has in policies.
func (c *Cloud) apis(opts httpapi.Options) map[string]http.Handler {
	return map[string]http.Handler{
		"/identity": identityapi.New(c.Identity, opts),
		"/image":    imageapi.New(c.Images, opts),
		"/network":  networkapi.New(c.Networks, opts),
		"/volume":   volumeapi.New(c.Volumes, opts),
		"/compute": computeapi.New(c.Compute, computeapi.Siblings{
			Networks: c.Networks, Images: c.Images,
		}, opts),
		"/placement": placementapi.New(c.Compute.Placement, opts),
	}
}
