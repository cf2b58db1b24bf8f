package matrix_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// verdict is what becomes of a request.
type verdict string

const (
	allowed         verdict = "allowed"
	unauthenticated verdict = "401"
	forbidden       verdict = "403"
	hidden          verdict = "404"
)

// TestMatrix asks each route as each persona. Who is allowed asks a fork of the cloud, so
// that everybody finds the same one.
func TestMatrix(t *testing.T) {
	w := newWorld(t)
	drills, problems := w.drills()
	if len(problems) > 0 {
		t.Errorf("the tables of this package lack something, see CONTRIBUTING.md:\n\t%s", strings.Join(problems, "\n\t"))
	}
	for _, d := range drills {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			for _, p := range w.personas {
				w.try(t, &d, p)
			}
		})
	}
}

// expect decides from the rules and the tables what must become of a request.
func (w *world) expect(d *drill, p *persona) verdict {
	if p.who == nil || d.outside(p) || p.late && d.prefix == "/identity" {
		return unauthenticated
	}
	if d.bars(p) && p.by == bySignature {
		return forbidden
	}
	may := d.route.EachItem || w.enforcer.Allowed(d.api.Service, d.rule, p.who, w.targetFor(d, p))
	late := len(d.kinds) > 0 && d.kinds[0].late
	switch {
	case w.hides(d, p) && (may || !late):
		return hidden
	case d.bars(p):
		return forbidden
	case may:
		return allowed
	}
	return forbidden
}

// targetFor is what the rule is checked against when a persona asks.
func (w *world) targetFor(d *drill, p *persona) policy.Target {
	if d.own || len(d.kinds) > 0 && d.kinds[0].late {
		return services[d.prefix].own(p.who)
	}
	return d.target
}

// hides reports whether a persona must not learn that the thing is there.
func (w *world) hides(d *drill, p *persona) bool {
	if d.ask.open || len(d.kinds) == 0 {
		return false
	}
	rule := d.kinds[0].hide
	if d.ask.hide != "" {
		rule = d.ask.hide
	}
	switch rule {
	case "":
		return false
	case "project":
		mine := p.who.ProjectID == d.target["project_id"] || p.who.ProjectID != "" && p.who.ProjectID == d.target["member_id"]
		return !mine && !p.who.IsAdmin()
	default:
		return !w.enforcer.Allowed(d.api.Service, rule, p.who, d.target)
	}
}

// try asks as one persona and looks at what comes of it.
func (w *world) try(t *testing.T, d *drill, p *persona) {
	want := w.expect(d, p)
	h := w.handler
	if want == allowed && (d.route.Method != http.MethodGet || d.ask.changes != "") {
		fork, err := w.cloud.Cloud.Fork(t.Context())
		require.NoError(t, err)
		defer fork.Close()
		h = w.serve(fork, d.prefix)
	}
	before := w.cloud.Moment().Revision()
	got := w.ask(h, p, d.prefix, d.question(w, false))
	if after := w.cloud.Moment().Revision(); before != after {
		t.Errorf("%s: the state has changed from %d to %d", p.name, before, after)
	}
	for _, wrong := range w.judge(d, p, want, got) {
		t.Errorf("%s: %s\n\t%d %s", p.name, wrong, got.status, got.body)
	}
}

// serve serves one service of a fork.
func (w *world) serve(fork *cloud.Cloud, prefix string) http.Handler {
	opts := httpapi.Options{Auth: fork.Identity, Policy: w.enforcer, Clock: w.clock, IDs: ids.Random()}
	return httpapi.Mount(map[string]http.Handler{prefix: services[prefix].api(fork, opts)})
}

// judge says what is wrong with an answer.
func (w *world) judge(d *drill, p *persona, want verdict, got answer) []string {
	if want != allowed {
		return w.judgeRefusal(d, p, want, got)
	}
	switch {
	case got.status == http.StatusUnauthorized && d.ask.unproved == "", got.status >= 500:
		return []string{"is allowed"}
	case got.status == http.StatusForbidden && d.ask.refused == "":
		return []string{"is allowed"}
	case got.status == http.StatusNotFound && d.ask.absent == "":
		return []string{"is allowed, and it is there"}
	}
	return w.leaksInList(d, p, got)
}

// judgeRefusal looks whether a refusal is of the right kind and tells nothing.
func (w *world) judgeRefusal(d *drill, p *persona, want verdict, got answer) (wrong []string) {
	if verdict(fmt.Sprint(got.status)) != want {
		return []string{"must get " + string(want)}
	}
	if strings.Contains(got.body, secret) {
		wrong = append(wrong, "is refused and learns a name")
	}
	uniform := want == hidden || want == forbidden && services[d.prefix].uniform && !p.who.IsAdmin() && !d.bars(p)
	if uniform && len(d.kinds) > 0 && !d.ask.open && !d.kinds[0].known {
		decoy := w.ask(w.handler, p, d.prefix, d.question(w, true))
		real, fake := anonymous(got.body, d.hidden), anonymous(decoy.body, d.decoyed)
		if got.status != decoy.status || real != fake {
			wrong = append(wrong, fmt.Sprintf("learns that it is there: of what is not, the answer is %d %s", decoy.status, decoy.body))
		}
	}
	return wrong
}

var requestID = regexp.MustCompile(`req-[0-9a-f-]{36}`)

// anonymous is a body without what differs from request to request.
func anonymous(body, id string) string {
	return strings.ReplaceAll(requestID.ReplaceAllString(body, "REQUEST"), id, "ID")
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
