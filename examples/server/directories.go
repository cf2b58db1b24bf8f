package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/welkin-cloud/cloud"
	directory "github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/ldap"
)

// addDirectories opens the directories of users that files and the API name.
func addDirectories(cfg *cloud.Config, o options) error {
	if o.domainConfigs {
		cfg.OpenDirectory = openDirectory
	}
	if o.domainConfigDir == "" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(o.domainConfigDir, "keystone.*.conf"))
	if err != nil {
		return err
	}
	cfg.Directories = map[string]directory.Directory{}
	for _, file := range files {
		sections, err := readSections(file)
		if err != nil {
			return err
		}
		kind := last(sections["identity"])["driver"]
		if kind == "" || kind == "sql" {
			continue
		}
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "keystone."), ".conf")
		if cfg.Directories[name], err = openDirectory(kind, last(sections[kind])); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// openDirectory opens a directory of the one kind that there is.
func openDirectory(kind string, options map[string]string) (directory.Directory, error) {
	if kind != "ldap" {
		return nil, fmt.Errorf("the driver %q is none of sql, ldap", kind)
	}
	cfg, err := ldap.ParseOptions(options)
	if err != nil {
		return nil, err
	}
	return ldap.Open(cfg)
}
