package cloudtest

import (
	"net/http"
	"net/http/httptest"
)

// Region is the region of all endpoints.
const Region = "RegionOne"

// Domain is the name of the domain of all users and projects.
const Domain = "Default"

// URL serves the cloud on a loopback port, from the first call until the test ends,
// and returns its base: "http://127.0.0.1:PORT".
func (c *Cloud) URL() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		c.server = httptest.NewServer(http.HandlerFunc(c.ServeHTTP))
	}
	return c.server.URL
}

// ServeHTTP serves all APIs, without a network in between. Faults that break the
// connection panic with http.ErrAbortHandler then.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	if c.handler == nil {
		c.handler = c.Handler()
	}
	h := c.handler
	c.mu.Unlock()
	c.throughFaults(h).ServeHTTP(w, r)
}

// Access is what a client needs to log in, in plain strings. With gophercloud:
//
//	gophercloud.AuthOptions{
//		IdentityEndpoint: a.Endpoint, Username: a.Username, Password: a.Password,
//		TenantName: a.Project, DomainName: a.Domain,
//	}
type Access struct {
	Endpoint string // of the identity service: "http://127.0.0.1:PORT/identity/v3"
	Username string
	Password string
	Project  string // its name
	Domain   string // name of the user's and the project's domain
	Region   string
}

// Access tells how a user logs in to its project over HTTP. It serves the cloud as
// URL does.
func (c *Cloud) Access(u User) Access {
	return Access{
		Endpoint: c.URL() + "/identity/v3", Username: u.Name, Password: u.Password,
		Project: u.Project, Domain: Domain, Region: Region,
	}
}

// Environ returns the variables that the openstack command reads, for exec.Cmd.Env.
func (a Access) Environ() []string {
	return []string{
		"OS_AUTH_URL=" + a.Endpoint, "OS_USERNAME=" + a.Username, "OS_PASSWORD=" + a.Password,
		"OS_PROJECT_NAME=" + a.Project, "OS_USER_DOMAIN_NAME=" + a.Domain,
		"OS_PROJECT_DOMAIN_NAME=" + a.Domain, "OS_REGION_NAME=" + a.Region,
		"OS_INTERFACE=public", "OS_IDENTITY_API_VERSION=3",
	}
}
