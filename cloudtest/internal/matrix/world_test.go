package matrix_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/cloudtest"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// secret begins the name of whatever belongs to P: nobody who is refused may read it.
const secret = "secret-of-p"

// kind is a kind of thing that paths name, and one of it.
type kind struct {
	name string // what tables call its id: "$server"
	at   string // the segments of paths before its id, parted by spaces: "servers"
	// make is the request that makes it, or finds it: "POST /v2.1/servers". as is who
	// asks, "owner" unless set; id is where the answer has its id: "server.id".
	make, as, body, id string
	contentType        string // of body
	value              string // its id, if nothing is to be made
	// target is what rules on it are checked against; none means the caller's own
	// project and user.
	target map[string]string
	// hide says from whom OpenStack hides that it exists: "project" from all but its
	// own project and administrators, else the name of the rule that lets see it.
	hide string
	// late things are hidden only from those whom the rule allows: it is looked at first.
	late bool
	// known things are those of which OpenStack tells everybody whether they are there.
	known bool
	wait  bool // it is made by work that takes its time
}

// service is what the tables say of one service.
type service struct {
	// api serves it, for forks, which need no more than the one.
	api   func(c *cloud.Cloud, opts httpapi.Options) http.Handler
	kinds []kind
	// asks are how routes are asked, where that takes more than a path. Several have
	// several decisions.
	asks map[string][]ask
	// public are the routes that need no token, and why; those that are not GET are sent
	// something that proves nothing, and must refuse it.
	public map[string]string
	// own gives what rules are checked against where a path names nothing.
	own func(p *policy.Principal) policy.Target
	// uniform services answer who is refused in the same way whether the thing is there
	// or not.
	uniform bool
}

// services are the tables, by mount point.
var services = map[string]service{
	"/identity":  identityService,
	"/compute":   computeService,
	"/placement": placementService,
	"/image":     imageService,
	"/network":   networkService,
	"/volume":    volumeService,
}

// world is a cloud with one of each kind.
type world struct {
	cloud    *cloudtest.Cloud
	clock    *cloudtest.Clock
	handler  http.Handler
	personas []*persona
	apis     map[string]httpapi.API
	values   map[string]string // of "$name"
	enforcer *policy.Enforcer
}

// newWorld makes the cloud and all that is in it.
func newWorld(t *testing.T) *world {
	clk := cloudtest.NewClock()
	c := cloudtest.New(t, cloudtest.Model{Clock: clk, Unlimited: true, Federation: federation()})
	l := makePlaces(t, c)
	w := &world{cloud: c, clock: clk, handler: c.Handler(), personas: makePersonas(t, c, clk, l)}
	w.apis = httpapi.APIs(w.handler)
	var err error
	w.enforcer, err = policy.New(nil)
	require.NoError(t, err)
	w.values = map[string]string{
		"project": l.here.ID, "domain": l.domainHere.ID, "other": l.elsewhere.ID, "otherdomain": l.domainElse.ID,
		"flavor0": c.Flavors[0].ID, "public": c.External.ID, "adminproject": c.External.ProjectID, "host": c.Hosts[0].Name, "guestimage": c.PublicImages[0].ID,
	}
	for _, p := range w.personas {
		if p.who != nil {
			w.values[strings.ReplaceAll(p.name, " ", "")] = p.who.UserID
		}
	}
	w.values["requested"] = find(w.personas, "portal of owner").asked
	w.values["accessgiven"] = find(w.personas, "portal of owner").from
	w.values["ownertoken"] = find(w.personas, "owner").token
	for _, role := range []string{"reader", "member", "manager", "admin", "service"} {
		found, err := c.Identity.FindRole(t.Context(), role)
		require.NoError(t, err)
		w.values["role"+role] = found.ID
	}
	for _, prefix := range []string{"/identity", "/image", "/network", "/volume", "/compute", "/placement"} {
		for _, k := range services[prefix].kinds {
			w.make(t, prefix, k)
		}
	}
	c.WaitIdle()
	return w
}

// make makes one of a kind.
func (w *world) make(t *testing.T, prefix string, k kind) {
	if k.value != "" || k.id != "" {
		old, used := w.values[k.name]
		require.True(t, !used || old == k.value, "two kinds are called %s", k.name)
		w.values[k.name] = w.fill(k.value)
	}
	if k.make == "" {
		return
	}
	method, path, _ := strings.Cut(k.make, " ")
	as := k.as
	if as == "" {
		as = "owner"
	}
	a := w.ask(w.handler, find(w.personas, as), prefix, question{method: method, path: w.fill(path), body: w.fill(k.body), contentType: k.contentType})
	require.Less(t, a.status, 300, "%s %s: %s", prefix, k.make, a.body)
	if k.id != "" {
		w.values[k.name] = dig(t, a.body, k.id)
	}
	if k.wait {
		w.cloud.WaitIdle()
	}
}

// dig reads the text at a place of a JSON document: "servers.0.id".
func dig(t *testing.T, body, place string) string {
	var v any
	require.NoError(t, json.Unmarshal([]byte(body), &v), body)
	for step := range strings.SplitSeq(place, ".") {
		if i, err := strconv.Atoi(step); err == nil {
			list, _ := v.([]any)
			require.Greater(t, len(list), i, "%s in %s", place, body)
			v = list[i]
			continue
		}
		m, _ := v.(map[string]any)
		v = m[step]
	}
	if n, ok := v.(float64); ok {
		return strconv.Itoa(int(n))
	}
	text, _ := v.(string)
	require.NotEmpty(t, text, "%s in %s", place, body)
	return text
}

// reference is a $name in a table.
var reference = regexp.MustCompile(`\$[a-z0-9]+`)

// fill puts in what names stand for.
func (w *world) fill(text string) string {
	return reference.ReplaceAllStringFunc(text, func(name string) string {
		value, known := w.values[name[1:]]
		if !known {
			panic("nothing is called " + name)
		}
		return value
	})
}

// question is a request to be sent.
type question struct {
	method, path, body string
	contentType        string
	version            httpapi.Version // the newest if it is zero
	headers            map[string]string
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// whole is all that the answer tells.
func (a answer) whole() string { return fmt.Sprint(a.header) + a.body }

// ask sends a question to a service.
func (w *world) ask(h http.Handler, p *persona, prefix string, q question) answer {
	r := httptest.NewRequest(q.method, "http://cloud.test"+prefix+q.path, strings.NewReader(q.body))
	if p.token != "" {
		r.Header.Set("X-Auth-Token", p.token)
	}
	if p.service != "" {
		r.Header.Set("X-Service-Token", p.service)
	}
	if q.contentType == "" {
		q.contentType = "application/json"
	}
	r.Header.Set("Content-Type", q.contentType)
	for name, value := range q.headers {
		r.Header.Set(name, w.fill(value))
	}
	if m := w.apis[prefix].Microversions; m != nil {
		if q.version == (httpapi.Version{}) {
			q.version = m.Max
		}
		r.Header.Set("OpenStack-API-Version", m.Service+" "+q.version.String())
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	body, _ := io.ReadAll(rec.Body) // of memory
	return answer{rec.Code, rec.Result().Header, string(body)}
}
