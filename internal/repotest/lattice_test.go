package repotest

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// lattice says what of this module a package may import. The first row whose pattern
// matches the package counts. In patterns * is one path element and a trailing /...
// any number of them; NOUN in a permission is the package's own first element.
//
// Imports run one way: internal, drivers' interfaces, identity, image, volume and
// network, compute, HTTP faces, cloud, cloudtest and examples.
var lattice = []struct {
	packages string
	may      []string
	why      string
}{
	{"internal/...", []string{"internal/..."}, "it is shared by all and knows none"},
	{"identity/internal/...", nil, "a detail of the service"},
	{"*/driver", []string{"internal/fault"}, "what implementers see is values and error kinds"},
	{"*/drivertest", []string{"NOUN/driver"}, "a suite knows the contract and no driver"},
	{"identity", []string{"internal/...", "identity/driver", "identity/internal/..."}, "who asks does not depend on what is there to ask for"},
	{"identity/identityapi", []string{"internal/...", "identity", "identity/internal/..."}, "a face of its service"},
	{"image", []string{"internal/...", "image/driver"}, "images stand alone"},
	{"image/imageapi", []string{"internal/...", "image"}, "a face of its service"},
	{"volume", []string{"internal/...", "volume/driver", "image", "image/driver"}, "volumes are made of images"},
	{"volume/volumeapi", []string{"internal/...", "volume", "image"}, "a face of its service"},
	{"network", []string{"internal/...", "network/driver"}, "networks stand alone"},
	{"network/networkapi", []string{"internal/...", "network"}, "a face of its service"},
	{"compute/scheduler", []string{"internal/fault"}, "a pure function"},
	{"compute/placement", []string{"internal/..."}, "inventories and claims know no servers"},
	{"compute/placementapi", []string{"internal/...", "compute/placement"}, "a face of its service"},
	{"compute", []string{
		"internal/...", "*/driver", "compute/scheduler", "compute/placement", "image", "volume", "network",
	}, "servers are made of all the others; of them it takes types, and calls interfaces of its own"},
	{"compute/computeapi", []string{
		"internal/...", "compute", "compute/scheduler", "image", "volume", "network",
	}, "a face of its service, with the old proxies to the others"},
	{".", []string{"internal/...", "*/driver", "*", "*/*api", "*/mem*"}, "the composition root: services, and of drivers only the fakes, which forks run on"},
	{"cloudtest", []string{"internal/...", ".", "*", "*/driver", "*/mem*"}, "a cloud on the fakes, with hands on its clock, work and state"},
	{"cloudtest/internal/...", []string{"internal/...", ".", "*", "*/driver", "*/mem*"}, "worlds of several clouds, for tests of the whole"},
	{"examples/...", []string{".", "*", "*/...", "internal/httpapi"}, "programs"},
	{"identity/*/*test", []string{"internal/daemontest"}, "it runs somebody else's server, for the tests of a driver"},
	{"*/...", []string{
		"NOUN/driver", "internal/fault", "internal/clock", "internal/blockio", "internal/files", "internal/inspect", "internal/inject",
		"internal/overlay", "internal/qemuimg", "internal/unixsock",
	}, "a driver knows its contract: no store, no service, no other driver"},
}

func TestImportLattice(t *testing.T) {
	var wrong []string
	for _, p := range packages(t) {
		i := slices.IndexFunc(lattice, func(row struct {
			packages string
			may      []string
			why      string
		}) bool {
			return matches(row.packages, p.path)
		})
		if i < 0 {
			wrong = append(wrong, p.path+" is in no row of the lattice")
			continue
		}
		noun, _, _ := strings.Cut(p.path, "/")
		for _, imp := range p.Imports {
			below, ours := inModule(imp)
			if !ours || mayImport(lattice[i].may, noun, below) {
				continue
			}
			wrong = append(wrong, p.path+" imports "+below+": "+lattice[i].why)
		}
	}
	report(t, wrong)
}

func mayImport(patterns []string, noun, imported string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		return matches(strings.Replace(pattern, "NOUN", noun, 1), imported)
	})
}

// inModule returns the path below the module, "." for its root.
func inModule(imp string) (string, bool) {
	if imp == module {
		return ".", true
	}
	return strings.CutPrefix(imp, module+"/")
}

func matches(pattern, name string) bool {
	head, any := strings.CutSuffix(pattern, "/...")
	if !any {
		// A single star is a service, not the root.
		ok, _ := path.Match(pattern, name)
		return ok && (name != "." || pattern == ".")
	}
	elements := strings.Split(name, "/")
	n := strings.Count(head, "/") + 1
	if len(elements) <= n && head != "internal" || len(elements) < n {
		return false
	}
	ok, _ := path.Match(head, strings.Join(elements[:n], "/"))
	return ok
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "compute", true}, {"*", ".", false}, {".", ".", true}, {"*", "compute/driver", false},
		{"*/...", "compute/libvirt/hostbox", true}, {"*/...", "compute", false},
		{"internal/...", "internal/state/sqlite", true}, {"*/mem*", "volume/memvolume", true},
	} {
		if got := matches(c.pattern, c.name); got != c.want {
			t.Errorf("matches(%q, %q) = %v", c.pattern, c.name, got)
		}
	}
}

// TestIdentityAlone keeps identity usable without the rest of a cloud.
func TestIdentityAlone(t *testing.T) {
	var wrong []string
	for _, p := range packages(t) {
		if p.path != "identity" {
			continue
		}
		for _, dep := range p.Deps {
			below, ours := inModule(dep)
			if ours && !strings.HasPrefix(below, "internal/") && !strings.HasPrefix(below, "identity/") {
				wrong = append(wrong, dep)
			}
		}
	}
	report(t, wrong)
}

// httpAllowed are the packages below the HTTP faces that know net/http.
var httpAllowed = map[string]string{
	"identity/oidc":              "OpenID Connect is spoken over HTTP",
	"identity/oidc/glewlwydtest": "it sets up a provider as administrators and browsers do",
	"identity/saml":              "it fetches metadata over HTTP",
	"internal/httpapi":           "it is the HTTP face's foundation",
	"network/driver":             "a guest's metadata request is an HTTP request: MetadataHandler",
	"network/drivertest":         "it asks for metadata as a guest does",
	"network/memnetwork":         "it asks for metadata as a guest does",
	"network/linux":              "it serves metadata to guests",
	"network":                    "it passes MetadataHandler on to the mechanisms",
	"compute":                    "it answers metadata requests",
}

func TestDomainKnowsNoHTTP(t *testing.T) {
	var wrong []string
	for _, p := range packages(t) {
		face := strings.HasSuffix(p.path, "api") || p.path == "." || p.path == "cloudtest" || p.Name == "main"
		if face || httpAllowed[p.path] != "" {
			continue
		}
		if slices.Contains(p.Imports, "net/http") {
			wrong = append(wrong, p.path+" imports net/http")
		}
	}
	report(t, wrong)
}
