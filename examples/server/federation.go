package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/oidc"
)

// federationFile is the file of -federation.
type federationFile struct {
	TrustedDashboards []string `json:"trusted_dashboards"`
	AuthorizationTTL  int      `json:"default_authorization_ttl"` // minutes
	RemoteIDAttribute string   `json:"remote_id_attribute"`
	Providers         []struct {
		IdentityProvider string   `json:"identity_provider"`
		Protocol         string   `json:"protocol"`
		Issuer           string   `json:"issuer"`
		ClientID         string   `json:"client_id"`
		ClientSecret     string   `json:"client_secret"`
		Scopes           []string `json:"scopes"`
		Audiences        []string `json:"audiences"`
		UserInfo         bool     `json:"user_info"`
	} `json:"openid_connect"`
	SAML []samlProvider `json:"saml2"`
}

// readFederation reads the file of -federation; none is no federation.
func readFederation(path string) (identity.FederationConfig, error) {
	var cfg identity.FederationConfig
	if path == "" {
		return cfg, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return cfg, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return cfg, fmt.Errorf("%s holds secrets: make it readable by its owner only (chmod 600)", path)
	}
	var file federationFile
	if err := readJSON(path, &file); err != nil {
		return cfg, err
	}
	cfg.TrustedDashboards, cfg.RemoteIDAttribute = file.TrustedDashboards, file.RemoteIDAttribute
	cfg.GroupTTL = time.Duration(file.AuthorizationTTL) * time.Minute
	for _, p := range file.Providers {
		if p.IdentityProvider == "" || p.Protocol == "" {
			return cfg, fmt.Errorf("%s: identity_provider and protocol are required", path)
		}
		provider, err := oidc.New(oidc.Config{
			Issuer: p.Issuer, ClientID: p.ClientID, ClientSecret: p.ClientSecret,
			Scopes: p.Scopes, Audiences: p.Audiences, UserInfo: p.UserInfo,
		})
		if err != nil {
			return cfg, fmt.Errorf("%s: %s: %w", path, p.IdentityProvider, err)
		}
		cfg.Methods = append(cfg.Methods, identity.FederationMethod{
			ProviderID: p.IdentityProvider, ProtocolID: p.Protocol, Driver: provider,
		})
	}
	for _, p := range file.SAML {
		method, err := p.method()
		if err != nil {
			return cfg, fmt.Errorf("%s: %w", path, err)
		}
		cfg.Methods = append(cfg.Methods, method)
	}
	return cfg, nil
}

// readJSON reads a file of known attributes. Errors do not repeat what is in it.
func readJSON(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// tryMapping is the subcommand mapping: it tells who somebody is by the rules of a file.
func tryMapping(args []string, out io.Writer) error {
	f := flag.NewFlagSet("server mapping", flag.ContinueOnError)
	rules := f.String("rules", "", `JSON file: a mapping, {"rules": […]}, or its rules alone`)
	input := f.String("input", "", "file of attributes: a line \"name: value\" each; semicolons part several values")
	version := f.String("schema-version", "", "of the mapping, instead of its own")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *rules == "" || *input == "" {
		return errors.New("mapping: -rules and -input are required")
	}
	m := identity.Mapping{ID: "trial"}
	if listErr := readJSON(*rules, &m.Rules); listErr != nil {
		if err := readJSON(*rules, &m); err != nil {
			return err
		}
	}
	if *version != "" {
		m.SchemaVersion = *version
	}
	a, err := readAssertion(*input)
	if err != nil {
		return err
	}
	mapped, err := identity.EvaluateMapping(m, a)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(mapped)
}

// readAssertion reads attributes.
func readAssertion(path string) (driver.Assertion, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	a := driver.Assertion{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("%s: expected \"name: value\", found %q", path, line)
		}
		a[strings.TrimSpace(name)] = strings.Split(strings.TrimSpace(value), ";")
	}
	return a, nil
}
