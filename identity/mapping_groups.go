package identity

import (
	"encoding/json"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// jsonGroup begins the values of attributes that say themselves of which domain a group
// is: JSON:{"name": "crew", "domain": {"name": "Default"}}.
const jsonGroup = "JSON:"

// groups are those of a local part without a domain: then each value says its own.
func (w *writer) groups(text string) []MappingGroup {
	names := w.all(text)
	if len(names) == 0 {
		w.needDomain()
	}
	var list []MappingGroup
	for _, name := range names {
		object, ok := strings.CutPrefix(name, jsonGroup)
		var g MappingGroup
		if !ok || json.Unmarshal([]byte(object), &g) != nil || g.Name == "" || g.Domain.empty() {
			w.needDomain()
			return nil
		}
		list = append(list, MappingGroup{Name: g.Name, Domain: g.Domain})
	}
	return list
}

// needDomain remembers that groups were given without a domain, if nothing else is wrong.
func (w *writer) needDomain() {
	if w.err == nil {
		w.err = fault.New(fault.Invalid, "groups needs a domain beside it, or values of the form %s{\"name\": …, \"domain\": {…}}.", jsonGroup)
	}
}
