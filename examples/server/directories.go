package main

import (
	"bufio"
	"fmt"
	"os"
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
		kind := sections["identity"]["driver"]
		if kind == "" || kind == "sql" {
			continue
		}
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "keystone."), ".conf")
		if cfg.Directories[name], err = openDirectory(kind, sections[kind]); err != nil {
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

// readSections reads a file of sections, "[ldap]", and options, "url = ldap://host".
func readSections(file string) (map[string]map[string]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sections, section := map[string]map[string]string{}, ""
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		name, value, option := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[' && strings.HasSuffix(line, "]"):
			section = line[1 : len(line)-1]
			sections[section] = map[string]string{}
		case !option || section == "":
			return nil, fmt.Errorf("%s:%d: neither a section nor an option", file, n)
		default:
			sections[section][strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return sections, lines.Err()
}
