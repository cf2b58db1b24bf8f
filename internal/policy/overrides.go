package policy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// maxFile bounds the size of a file of overrides.
const maxFile = 1 << 20

// LoadOverrides reads what a user has changed from the files of a directory: for a
// service SERVICE.yaml, SERVICE.yml or SERVICE.json, a mapping of rule names to check
// strings; or for several policy.yaml, policy.yml or policy.json, a mapping of services
// to such mappings. A missing file or directory overrides nothing; other files are not
// looked at. Besides strings it understands the old form of lists:
// [["role:admin"], ["role:member", "user_id:%(user_id)s"]] is an "or" of "and".
func LoadOverrides(dir string) (map[string]map[string]string, error) {
	found, err := readFiles(dir)
	if err != nil {
		return nil, err
	}
	return found.overrides()
}

// common is the base name of a file with the rules of several services.
const common = "policy"

// files are the contents of the files of overrides, by path.
type files map[string][]byte

// readFiles reads the files of overrides in a directory.
func readFiles(dir string) (files, error) {
	found := files{}
	for _, base := range append(Services(), common) {
		for _, ext := range []string{".yaml", ".yml", ".json"} {
			path := filepath.Join(dir, base+ext)
			data, err := readFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("policy: %w", err)
			}
			found[path] = data
		}
	}
	return found, nil
}

// readFile reads a file of bounded size.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return data, err
}

// overrides are the rules in the files, by service. A service may have them in one
// place only.
func (f files) overrides() (map[string]map[string]string, error) {
	all, from := map[string]map[string]string{}, map[string]string{}
	for _, path := range slices.Sorted(maps.Keys(f)) {
		parsed, err := parseFile(path, f[path])
		if err != nil {
			return nil, fault.New(fault.Invalid, "policy: %s: %v", path, err)
		}
		for service, rules := range parsed {
			if other, twice := from[service]; twice {
				return nil, fault.New(fault.Invalid, "policy: the rules of %s are in two files, %s and %s", service, other, path)
			}
			all[service], from[service] = rules, path
		}
	}
	return all, nil
}

// parseFile reads the rules of the services that a file is about.
func parseFile(path string, data []byte) (map[string]map[string]string, error) {
	service := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	if service != common {
		rules, err := parseOverrides(data)
		return map[string]map[string]string{service: rules}, err
	}
	var raw map[string]map[string]any
	if err := yaml.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	all := make(map[string]map[string]string, len(raw))
	for service, rules := range raw {
		if !slices.Contains(Services(), service) {
			return nil, fmt.Errorf("there is no service %q", service)
		}
		var err error
		if all[service], err = checkStrings(rules); err != nil {
			return nil, fmt.Errorf("%s: %w", service, err)
		}
	}
	return all, nil
}

// parseOverrides reads a mapping of rules in YAML, of which JSON is a part.
func parseOverrides(data []byte) (map[string]string, error) {
	var raw map[string]any
	if err := yaml.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	return checkStrings(raw)
}

// checkStrings makes check strings of the rules in a file.
func checkStrings(raw map[string]any) (map[string]string, error) {
	rules := make(map[string]string, len(raw))
	for name, value := range raw {
		text, err := checkString(value)
		if err != nil {
			return nil, fmt.Errorf("rule %q: %w", name, err)
		}
		rules[name] = text
	}
	return rules, nil
}

// checkString makes a check string of a rule's value in a file.
func checkString(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case []any:
		return alternatives(v)
	}
	return "", fmt.Errorf("a check is a string or a list, not %v", value)
}

// alternatives makes the "or" of an outer list. An empty one allows everybody; empty
// inner lists do not count, and with only such ones nobody is allowed.
func alternatives(list []any) (string, error) {
	if len(list) == 0 {
		return "", nil
	}
	var texts []string
	for _, a := range list {
		if inner, ok := a.([]any); ok && len(inner) == 0 || a == "" {
			continue
		}
		text, err := conjunction(a)
		if err != nil {
			return "", err
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return "!", nil
	}
	return strings.Join(texts, " or "), nil
}

// conjunction makes the "and" of an inner list; a single string is itself. Its terms
// are single checks: in this form there are no words between them.
func conjunction(value any) (string, error) {
	list, ok := value.([]any)
	if text, isText := value.(string); isText {
		list, ok = []any{text}, true
	}
	if !ok {
		return "", fmt.Errorf("an alternative is a string or a list of strings, not %v", value)
	}
	terms := make([]string, len(list))
	for i, t := range list {
		text, ok := t.(string)
		if !ok {
			return "", fmt.Errorf("a term is a string, not %v", t)
		}
		e, err := Parse(text)
		if err != nil {
			return "", err
		}
		if text == "" || e.Op > Term {
			return "", fmt.Errorf("%q is not a single check", text)
		}
		terms[i] = text
	}
	return strings.Join(terms, " and "), nil
}
