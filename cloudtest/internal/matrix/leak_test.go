package matrix_test

import (
	"net/http"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// leaksInRefusal looks whether a refusal tells a name or an id that was not in the
// request and is not the caller's own.
func (w *world) leaksInRefusal(d *drill, p *persona, got answer) (wrong []string) {
	if strings.Contains(got.whole(), secret) {
		wrong = append(wrong, "is refused and learns a name")
	}
	q := d.question(w, false)
	asked := q.path + q.body + w.fill(strings.Join(headersOf(q), " "))
	for name, id := range w.values {
		if len(id) < 32 || !strings.Contains(got.whole(), id) || strings.Contains(asked, id) || w.knows(p, id) {
			continue
		}
		wrong = append(wrong, "is refused and learns the id of $"+name)
	}
	return wrong
}

func headersOf(q question) (all []string) {
	for _, value := range q.headers {
		all = append(all, value)
	}
	return all
}

// knows reports whether an id is in the caller's own token.
func (w *world) knows(p *persona, id string) bool {
	if p.who == nil {
		return false
	}
	return slices.Contains([]string{p.who.UserID, p.who.UserDomainID, p.who.ProjectID, p.who.ProjectDomainID, p.who.DomainID, p.token}, id)
}

// outsider reports whether a persona has nothing to do with P or its domain, and is
// nobody's administrator.
func (w *world) outsider(p *persona) bool {
	here := w.values["domain"]
	return p.who != nil && !p.who.IsAdmin() && !p.who.System && p.who.UserDomainID != here && p.who.DomainID != here && p.who.ProjectDomainID != here
}

// leaksInAnswer looks whether an outsider who may ask reads a name of what belongs to P.
func (w *world) leaksInAnswer(d *drill, p *persona, got answer) []string {
	if !w.outsider(p) || d.ask.tells != "" || got.status >= http.StatusBadRequest || !strings.Contains(got.whole(), secret) {
		return nil
	}
	return []string{"is allowed, and reads a name of another project"}
}

// leaksInList looks whether a list has what its reader may not see by itself.
func (w *world) leaksInList(d *drill, p *persona, got answer) []string {
	if d.route.Method != http.MethodGet || len(d.kinds) > 0 || d.ask.lists != "" {
		return nil
	}
	path := strings.TrimSuffix(d.route.Path, "/detail")
	i := slices.IndexFunc(d.api.Routes, func(r httpapi.Route) bool {
		return r.Method == http.MethodGet && shape(r.Path) == path+"/{}"
	})
	if i < 0 {
		return nil
	}
	single, err := w.drill(d.prefix, d.api, d.api.Routes[i], asksOf(services[d.prefix], d.api.Routes[i])[0])
	if err != nil || single.own || !strings.Contains(got.body, single.hidden) {
		return nil
	}
	if w.expect(&single, p) != allowed && !single.outside(p) {
		return []string{"finds in the list what " + key(single.route) + " refuses"}
	}
	return nil
}
