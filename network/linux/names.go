package linux

import (
	"crypto/sha256"
	"encoding/base32"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/welkin-cloud/cloud/network/driver"
)

// What a link or a namespace is for. The kind stands in the alias of a link, with
// the id of what it belongs to, so that a link tells who owns it.
const (
	kindHost     = "host"    // the loopback of a namespace that we made: host name
	kindPhysical = "phys"    // a provider bridge that we made: bridge
	kindNetwork  = "net"     // the loopback of a network's namespace: id, bridge, MTU
	kindBridge   = "bridge"  // a network's bridge: id
	kindTunnel   = "tunnel"  // a network's VXLAN device: id
	kindService  = "service" // the bridge end of a network's service port: id
	kindPort     = "port"    // a tap: id, network id
	kindRouter   = "rtr"     // the loopback of a router's namespace: id
	kindLeg      = "leg"     // the bridge end of a router's leg: router id, network id
	serviceLink  = "service" // the inner end of a service port
	gatewayLink  = "gw"      // the inner end of a router's gateway leg
	aliasRoot    = "welkin"  // the first word of every alias
	separator    = "/"       // between the words of an alias
	encodingSet  = "abcdefghijklmnopqrstuvwxyz234567"
	shortLength  = 11
	maxIDLength  = 64
)

var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

// checkID refuses ids that cannot stand in names of kernel objects.
func checkID(what, id string) error {
	if len(id) > maxIDLength || !idPattern.MatchString(id) {
		return driver.Errorf(driver.Invalid, "the id of the %s cannot be used in device names", what)
	}
	return nil
}

// short returns eleven characters that stand for id in a link's name: the first of
// a UUID, which is random, or a digest of anything else.
func short(id string) string {
	if len(id) == 36 && uuid.Validate(id) == nil {
		return id[:shortLength]
	}
	sum := sha256.Sum256([]byte(id))
	return base32.NewEncoding(encodingSet).EncodeToString(sum[:])[:shortLength]
}

func bridgeName(network string) string  { return "wb" + short(network) }
func tunnelName(network string) string  { return "wx" + short(network) }
func serviceName(network string) string { return "ws" + short(network) }
func tapName(port string) string        { return "tap" + short(port) }
func legName(port string) string        { return "wr" + short(port) }
func innerLegName(port string) string   { return "in" + short(port) }
func (m *Mechanism) tableName() string  { return aliasRoot + "-" + m.cfg.Prefix }
func (m *Mechanism) spaceName(kind, id string) string {
	return m.cfg.Prefix + "-" + kind + "-" + id
}

// tag is a parsed alias.
type tag struct {
	link string // the link that has it
	kind string
	id   string
	args []string // what follows the id
}

// alias returns what is written on a link of the kind.
func (m *Mechanism) alias(kind, id string, args ...string) string {
	return strings.Join(append([]string{aliasRoot, m.cfg.Prefix, kind, id}, args...), separator)
}

// parseAlias reads an alias of this cloud.
func (m *Mechanism) parseAlias(alias string) (tag, bool) {
	words := strings.Split(alias, separator)
	if len(words) < 4 || words[0] != aliasRoot || words[1] != m.cfg.Prefix {
		return tag{}, false
	}
	return tag{kind: words[2], id: words[3], args: words[4:]}, true
}

// tagged lists the links of this cloud in the host namespace.
func (m *Mechanism) tagged() ([]tag, error) {
	links, err := m.host.links()
	if err != nil {
		return nil, err
	}
	var all []tag
	for _, l := range links {
		if t, ok := m.parseAlias(l.Attrs().Alias); ok {
			t.link = l.Attrs().Name
			all = append(all, t)
		}
	}
	return all, nil
}

// idsOf returns what follows prefix in the names that begin with it, sorted.
func idsOf(names []string, prefix string) []string {
	var ids []string
	for _, name := range names {
		if id, ok := strings.CutPrefix(name, prefix); ok && id != "" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
