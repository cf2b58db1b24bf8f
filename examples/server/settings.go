package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/welkin-cloud/cloud/identity"
)

// readSettings reads the file of -identity; none is the defaults.
func readSettings(path string) (identity.Settings, error) {
	if path == "" {
		return identity.Settings{}, nil
	}
	sections, err := readSections(path)
	if err != nil {
		return identity.Settings{}, err
	}
	s, err := identity.ParseSettings(sections)
	if err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// readSections reads a file of sections, "[ldap]", and options, "url = ldap://host", of
// which each may be given several times.
func readSections(file string) (map[string]map[string][]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sections, section := map[string]map[string][]string{}, ""
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		name, value, option := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[' && strings.HasSuffix(line, "]"):
			section = line[1 : len(line)-1]
			if sections[section] == nil {
				sections[section] = map[string][]string{}
			}
		case !option || section == "":
			return nil, fmt.Errorf("%s:%d: neither a section nor an option", file, n)
		default:
			name = strings.TrimSpace(name)
			sections[section][name] = append(sections[section][name], strings.TrimSpace(value))
		}
	}
	return sections, lines.Err()
}

// last returns the options of a section that may be given once: the last counts.
func last(section map[string][]string) map[string]string {
	options := map[string]string{}
	for name, values := range section {
		options[name] = values[len(values)-1]
	}
	return options
}
