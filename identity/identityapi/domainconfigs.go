package identityapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) domainConfigRoutes() []httpapi.Route {
	const (
		whole    = "/v3/domains/{domain_id}/config"
		group    = whole + "/{group}"
		option   = group + "/{option}"
		defaults = "/v3/domains/config"
		security = whole + "/security_compliance"
	)
	all := []httpapi.Route{
		route("GET", defaults+"/default", "get_domain_config_default", nil, defaultConfig),
		route("GET", defaults+"/{group}/default", "get_domain_config_default", nil, defaultConfig),
		route("GET", defaults+"/{group}/{option}/default", "get_domain_config_default", nil, defaultConfig),
		route("GET", security, "get_security_compliance_domain_config", nil, a.securityCompliance),
		route("GET", security+"/{option}", "get_security_compliance_domain_config", nil, a.securityCompliance),
		status(http.StatusOK, withBody("PUT", whole, "create_domain_config", configSchema, nil, a.setConfig)),
	}
	for _, path := range []string{whole, group, option} {
		all = append(all,
			route("GET", path, "get_domain_config", nil, a.getConfig),
			withBody("PATCH", path, "update_domain_config", configSchema, nil, a.updateConfig),
			route("DELETE", path, "delete_domain_config", nil, a.deleteConfig),
		)
	}
	return all
}

// showConfig is a configuration, or the one option that was asked for.
func showConfig(r *httpapi.Request, c identity.DomainConfig) *httpapi.Response {
	group, option := r.Path("group"), r.Path("option")
	if option != "" {
		return httpapi.OK(object{"config": object{option: c[group][option]}})
	}
	return httpapi.OK(object{"config": c})
}

func defaultConfig(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	c, err := identity.DefaultDomainConfig(r.Path("group"), r.Path("option"))
	if err != nil {
		return nil, err
	}
	return showConfig(r, c), nil
}

func (a *api) getConfig(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	c, err := a.svc.GetDomainConfig(ctx, r.Path("domain_id"), r.Path("group"), r.Path("option"))
	if err != nil {
		return nil, err
	}
	return showConfig(r, c), nil
}

// readConfig reads the body. Where the path names an option, the body holds it
// without its group.
func readConfig(r *httpapi.Request) (identity.DomainConfig, error) {
	if option := r.Path("option"); option != "" {
		var b struct {
			Config map[string]any `json:"config"`
		}
		err := r.Decode(&b)
		return identity.DomainConfig{r.Path("group"): b.Config}, err
	}
	var b struct {
		Config map[string]any `json:"config"`
	}
	if err := r.Decode(&b); err != nil {
		return nil, err
	}
	c := identity.DomainConfig{}
	for group, options := range b.Config {
		c[group], _ = options.(map[string]any) // what is none is refused as an empty one
	}
	return c, nil
}

// setConfig answers 201 to the first configuration of a domain.
func (a *api) setConfig(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	c, err := readConfig(r)
	if err != nil {
		return nil, err
	}
	first, err := a.svc.SetDomainConfig(ctx, r.Path("domain_id"), c)
	if err != nil {
		return nil, err
	}
	resp := a.shownConfig(ctx, r)
	if first {
		resp.Status = http.StatusCreated
	}
	return resp, nil
}

// updateConfig answers with the whole configuration.
func (a *api) updateConfig(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	c, err := readConfig(r)
	if err != nil {
		return nil, err
	}
	if err := a.svc.UpdateDomainConfig(ctx, r.Path("domain_id"), r.Path("group"), r.Path("option"), c); err != nil {
		return nil, err
	}
	return a.shownConfig(ctx, r), nil
}

// shownConfig is the whole configuration without sensitive options, which may be all
// that there are.
func (a *api) shownConfig(ctx context.Context, r *httpapi.Request) *httpapi.Response {
	c, err := a.svc.GetDomainConfig(ctx, r.Path("domain_id"), "", "")
	if err != nil {
		c = identity.DomainConfig{}
	}
	return httpapi.OK(object{"config": c})
}

func (a *api) deleteConfig(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteDomainConfig(ctx, r.Path("domain_id"), r.Path("group"), r.Path("option"))
}

// securityCompliance shows everybody what passwords must look like.
func (a *api) securityCompliance(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if r.Path("domain_id") != identity.DefaultDomainID {
		return nil, fault.New(fault.Forbidden, "Invalid domain specific configuration: Reading security compliance information for any domain other than the default domain is not allowed or supported.")
	}
	patterns, description := a.svc.PasswordPatterns()
	rules := object{
		"password_regex": nullable(strings.Join(patterns, "\n")), "password_regex_description": nullable(description),
	}
	option := r.Path("option")
	if option == "" {
		return httpapi.OK(object{"config": object{"security_compliance": rules}}), nil
	}
	value, known := rules[option]
	if !known {
		return nil, fault.New(fault.Forbidden, "Invalid domain specific configuration: Reading security compliance values other than password_regex and password_regex_description is not allowed.")
	}
	return httpapi.OK(object{"config": object{option: value}}), nil
}
