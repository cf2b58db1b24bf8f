package matrix_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

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
			may, done := false, false
			for _, p := range w.personas {
				want, status := w.try(t, &d, p, !done)
				may, done = may || want == allowed, done || want == allowed && status < http.StatusBadRequest
			}
			if may && !done && !d.oldest && d.ask.fails+d.ask.absent+d.ask.refused+d.ask.unproved == "" {
				t.Error("nobody who is allowed has success: it needs a body, another thing to ask for, or the reason why it fails")
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

// try asks as one persona and looks at what comes of it. What the first one changes who
// may, breaks no invariant. In old microversions changes are only refused: what may be
// asked is asked of the newest.
func (w *world) try(t *testing.T, d *drill, p *persona, first bool) (verdict, int) {
	want := w.expect(d, p)
	h := w.handler
	if want == allowed && (d.route.Method != http.MethodGet || d.ask.changes != "") {
		if d.oldest {
			return want, 0
		}
		fork, err := w.cloud.Cloud.Fork(t.Context())
		require.NoError(t, err)
		defer fork.Close()
		h = w.serve(fork, d.prefix)
		if first {
			defer w.check(t, p, fork)
		}
	}
	before := w.cloud.Moment().Revision()
	got := w.ask(h, p, d.prefix, d.question(w, false))
	if after := w.cloud.Moment().Revision(); before != after {
		t.Errorf("%s: the state has changed from %d to %d", p.name, before, after)
	}
	for _, wrong := range w.judge(d, p, want, got) {
		t.Errorf("%s: %s\n\t%d %s", p.name, wrong, got.status, got.body)
	}
	return want, got.status
}

// check looks whether all invariants of a fork hold.
func (w *world) check(t *testing.T, p *persona, fork *cloud.Cloud) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	report, err := fork.Check(ctx, nil)
	if err != nil || len(report.Findings) > 0 {
		t.Errorf("%s: afterwards the cloud is found to be broken: %v %v", p.name, err, report.Findings)
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
	if d.ask.owned && p.who.ProjectID == "" {
		if got.status != http.StatusBadRequest && got.status != http.StatusForbidden {
			return []string{"makes something that would belong to no project"}
		}
		return nil
	}
	switch {
	case got.status == http.StatusUnauthorized && d.ask.unproved == "", got.status >= 500:
		return []string{"is allowed"}
	case got.status == http.StatusForbidden && d.ask.refused == "":
		return []string{"is allowed"}
	case got.status == http.StatusNotFound && d.ask.absent == "":
		return []string{"is allowed, and it is there"}
	}
	return append(w.leaksInList(d, p, got), w.leaksInAnswer(d, p, got)...)
}

// judgeRefusal looks whether a refusal is of the right kind and tells nothing.
func (w *world) judgeRefusal(d *drill, p *persona, want verdict, got answer) (wrong []string) {
	if verdict(fmt.Sprint(got.status)) != want {
		return []string{"must get " + string(want)}
	}
	wrong = w.leaksInRefusal(d, p, got)
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
