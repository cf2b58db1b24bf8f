package cloud

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// Access tells who may do what one rule guards: the rule, its check as it is written
// and with the rules that it refers to put in, whether it is overridden, and for each
// role what a user with it may do, by where the user has it.
type Access = policy.Access

// RoleTable is a row of an Access.
type RoleTable = policy.RoleTable

// Answer is a cell of a RoleTable: "yes", "no" or "depends".
type Answer = policy.Answer

// WhoCan tells which roles in which scope may do an operation, and by which rule, as the
// policies are at the moment. The operation is a rule, "os_compute_api:servers:create",
// or a request, "POST /v2.1/servers": then there is an Access for each rule that may
// guard it, of several actions or microversions too. The path may leave out the version
// and start with the service's mount point, "/compute/v2.1/servers". An empty service is
// any. fault.NotFound if nothing is meant by it.
//
// Rules that are asked besides, because of what a request says in its body or what an
// answer shows, are not told of.
func (c *Cloud) WhoCan(_ context.Context, service, operation string) ([]Access, error) {
	if service != "" && !slices.Contains(policy.Services(), service) {
		return nil, fault.Missing("service", service)
	}
	var found []Access
	method, path, isRequest := strings.Cut(operation, " ")
	apis := c.apis(httpapi.Options{Auth: c.Identity, Policy: c.policy, Log: c.core.Log, Clock: c.core.Clock, IDs: c.core.IDs})
	for _, s := range policy.Services() {
		if service != "" && service != s {
			continue
		}
		rules := []string{operation}
		if isRequest {
			rules = rulesOf(apis["/"+s], strings.ToUpper(method), strings.TrimPrefix(path, "/"+s+"/"))
		}
		for _, rule := range rules {
			if a, err := c.policy.WhoCan(s, rule); err == nil {
				found = append(found, a)
			}
		}
	}
	if len(found) == 0 {
		return nil, fault.Missing("operation", operation)
	}
	return found, nil
}

// rulesOf are the rules that may guard a request, each once.
func rulesOf(api http.Handler, method, path string) []string {
	var rules []string
	for _, version := range versionsOf(api) {
		for _, r := range httpapi.Find(api, method, version+"/"+strings.TrimPrefix(path, "/")) {
			for _, rule := range append([]string{r.Policy}, r.Also...) {
				if rule != "" && !slices.Contains(rules, rule) {
					rules = append(rules, rule)
				}
			}
		}
		if len(rules) > 0 {
			break // with the version that the path has, or the first that has the path
		}
	}
	return rules
}

// versionsOf are the first segments of the routes of an API, after none.
func versionsOf(api http.Handler) []string {
	versions := []string{""}
	for _, r := range httpapi.Routes(api) {
		first, _, _ := strings.Cut(strings.TrimPrefix(r.Path, "/"), "/")
		if strings.HasPrefix(first, "v") && !slices.Contains(versions, "/"+first) {
			versions = append(versions, "/"+first)
		}
	}
	return versions
}
