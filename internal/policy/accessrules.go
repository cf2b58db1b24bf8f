package policy

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// AccessRule is a kind of request that an application credential may be used for.
type AccessRule struct {
	Service string // the type of the service: "compute"
	Method  string // "GET"
	// Path of the API, as it is below the service's mount point. In it * and {name}
	// stand for one segment or a part of one, ** for anything.
	Path string
}

// AccessRules are those of one application credential, ready to be looked at with
// each request. A nil one allows everything.
type AccessRules struct {
	rules []AccessRule
	once  sync.Once
	paths []*regexp.Regexp
}

// NewAccessRules returns the rules of a credential; none are no restriction, as with
// Keystone. Their paths are compiled once, when they are first needed.
func NewAccessRules(rules []AccessRule) *AccessRules {
	if len(rules) == 0 {
		return nil
	}
	return &AccessRules{rules: slices.Clone(rules)}
}

// Allow reports whether one of the rules is for that request to a service that goes
// by any of the types.
func (a *AccessRules) Allow(types []string, method, path string) bool {
	if a == nil {
		return true
	}
	a.once.Do(a.compile)
	for i, r := range a.rules {
		if r.Method == method && slices.Contains(types, r.Service) && a.paths[i].MatchString(path) {
			return true
		}
	}
	return false
}

func (a *AccessRules) compile() {
	a.paths = make([]*regexp.Regexp, len(a.rules))
	for i, r := range a.rules {
		a.paths[i] = compilePath(r.Path)
	}
}

// compilePath makes an expression of a rule's path. A brace without its partner
// stands for itself.
func compilePath(path string) *regexp.Regexp {
	path = strings.ToValidUTF8(path, "\ufffd")
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for path != "" {
		n := 1
		switch end := strings.IndexByte(path, '}'); {
		case strings.HasPrefix(path, "**"):
			b.WriteString(`.*`)
			n = 2
		case path[0] == '*':
			b.WriteString(`[^/]+`)
		case path[0] == '{' && end > 0:
			b.WriteString(`[^/]+`)
			n = end + 1
		default:
			if i := strings.IndexAny(path[1:], "*{"); i >= 0 {
				n += i
			} else {
				n = len(path)
			}
			b.WriteString(regexp.QuoteMeta(path[:n]))
		}
		path = path[n:]
	}
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String())
}
