package computeapi

import (
	"cmp"
	"context"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// findServers reads the servers that a list request asks for, one page of them.
func (a *api) findServers(ctx context.Context, r *httpapi.Request) ([]compute.Server, string, error) {
	paging, err := r.Paging(nil)
	if err != nil {
		return nil, "", err
	}
	match, err := a.filter(ctx, r)
	if err != nil {
		return nil, "", err
	}
	project, err := listedProject(r)
	if err != nil {
		return nil, "", err
	}
	keys, err := httpapi.ParseSort(r.Query(), httpapi.SortKey{Name: "created_at", Desc: true})
	if err != nil {
		return nil, "", err
	}
	if len(keys) == 1 && keys[0] == (httpapi.SortKey{Name: "created_at", Desc: true}) {
		return a.youngest(ctx, project, paging, match)
	}
	all := a.svc.ListServers(ctx, project, func(s *compute.Server) (bool, bool) { return match(s), true })
	if err := sortServers(all, keys); err != nil {
		return nil, "", err
	}
	p, err := httpapi.Cut(slices.Values(all), paging, func(s compute.Server) string { return s.ID })
	return p.Items, p.Next, err
}

// youngest reads a page in the order in which servers are kept: no more is read
// than the page needs.
func (a *api) youngest(ctx context.Context, project string, p httpapi.Paging, match func(*compute.Server) bool) ([]compute.Server, string, error) {
	passed, taken, next, last := p.Marker == "", 0, "", ""
	list := a.svc.ListServers(ctx, project, func(s *compute.Server) (take, more bool) {
		switch {
		case !passed:
			passed = s.ID == p.Marker
			return false, true
		case !match(s):
			return false, true
		case taken == p.Limit:
			next = last
			return false, false
		}
		taken++
		last = s.ID
		return true, true
	})
	if !passed {
		return nil, "", fault.New(fault.Invalid, "marker [%s] not found", p.Marker)
	}
	return list, next, nil
}

// listedProject is the project whose servers are listed; empty for all.
func listedProject(r *httpapi.Request) (string, error) {
	q := r.Query()
	if !q.Has("all_tenants") || q.Get("all_tenants") != "" && !flag(q, "all_tenants") {
		return r.Principal.ProjectID, nil
	}
	if err := r.Policy.Check("compute", "os_compute_api:servers:index:get_all_tenants", r.Principal, own(r)); err != nil {
		return "", err
	}
	if p := q.Get("project_id"); p != "" {
		return p, nil
	}
	return q.Get("tenant_id"), nil
}

// predicate is one condition of a list.
type predicate func(s *compute.Server) bool

// filter gives the conditions of the query. Conditions that only admins may set are
// ignored from others, as Nova does.
func (a *api) filter(ctx context.Context, r *httpapi.Request) (func(*compute.Server) bool, error) {
	q := r.Query()
	admin := r.May("os_compute_api:servers:allow_all_filters", own(r))
	var all []predicate
	for _, read := range []func(q url.Values, minor int, admin bool) ([]predicate, error){
		textFilters, statusFilters, timeFilters, tagFilters,
	} {
		some, err := read(q, r.Version.Minor, admin)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	if ip := a.addressFilter(ctx, q, r.Version.Minor, admin); ip != nil {
		all = append(all, ip)
	}
	return func(s *compute.Server) bool {
		for _, p := range all {
			if !p(s) {
				return false
			}
		}
		return true
	}, nil
}

// pattern compiles a filter that is a regular expression; what is none is taken as
// it is.
func pattern(text string) *regexp.Regexp {
	re, err := regexp.Compile("(?i)" + text)
	if err != nil {
		return regexp.MustCompile(regexp.QuoteMeta(text))
	}
	return re
}

// exact are the filters on texts that must be equal; those of admins only are
// marked.
var exact = []struct {
	name  string
	admin bool
	get   func(s *compute.Server) string
}{
	{"uuid", true, func(s *compute.Server) string { return s.ID }},
	{"image", false, func(s *compute.Server) string { return s.ImageID }},
	{"flavor", false, func(s *compute.Server) string { return s.Flavor.ID }},
	{"reservation_id", false, func(s *compute.Server) string { return s.ReservationID }},
	{"host", true, func(s *compute.Server) string { return s.Host }},
	{"node", true, func(s *compute.Server) string { return s.Host }},
	{"user_id", true, func(s *compute.Server) string { return s.UserID }},
	{"tenant_id", true, func(s *compute.Server) string { return s.ProjectID }},
	{"project_id", true, func(s *compute.Server) string { return s.ProjectID }},
	{"key_name", true, func(s *compute.Server) string { return s.KeyName }},
	{"availability_zone", true, func(s *compute.Server) string { return s.Zone }},
	{"vm_state", true, func(s *compute.Server) string { return string(s.VMState) }},
	{"task_state", true, func(s *compute.Server) string { return string(s.TaskState) }},
	{"power_state", true, func(s *compute.Server) string { return strconv.Itoa(int(s.PowerState)) }},
	{"launch_index", true, func(s *compute.Server) string { return strconv.Itoa(s.LaunchIndex) }},
	{"hostname", true, func(s *compute.Server) string { return s.Hostname }},
}

func textFilters(q url.Values, _ int, admin bool) ([]predicate, error) {
	var all []predicate
	for _, f := range exact {
		if value := q.Get(f.name); q.Has(f.name) && (admin || !f.admin) {
			if f.name == "image" || f.name == "flavor" {
				value = ref(value)
			}
			all = append(all, func(s *compute.Server) bool { return f.get(s) == value })
		}
	}
	if name := q.Get("name"); name != "" {
		re := pattern(name)
		all = append(all, func(s *compute.Server) bool { return re.MatchString(s.Name) })
	}
	if d := q.Get("description"); d != "" && admin {
		re := pattern(d)
		all = append(all, func(s *compute.Server) bool { return re.MatchString(s.Description) })
	}
	if flag(q, "deleted") && admin || q.Has("changes-since") && flag(q, "deleted") {
		all = append(all, func(*compute.Server) bool { return false }) // none are kept
	}
	return all, nil
}

func statusFilters(q url.Values, minor int, _ bool) ([]predicate, error) {
	var all []predicate
	if wanted := q["status"]; len(wanted) > 0 {
		upper := make([]string, len(wanted))
		known := false
		for i, s := range wanted {
			upper[i] = strings.ToUpper(s)
			known = known || compute.KnownStatus(upper[i])
		}
		if !known && minor >= 38 {
			return nil, fault.New(fault.Invalid, "Invalid filter: the status %s is unknown.", strings.Join(wanted, ", "))
		}
		all = append(all, func(s *compute.Server) bool { return slices.Contains(upper, s.Status()) })
	}
	if q.Has("locked") && minor >= 73 {
		locked := flag(q, "locked")
		all = append(all, func(s *compute.Server) bool { return s.Locked == locked })
	}
	return all, nil
}

// parseTime reads a time of the query.
func parseTime(name, text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999", "2006-01-02T15:04:05Z", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fault.New(fault.Invalid, "Invalid input for query parameters %s. Value: %s is not a 'date-time'", name, text)
}

func timeFilters(q url.Values, minor int, _ bool) ([]predicate, error) {
	var all []predicate
	if text := q.Get("changes-since"); text != "" {
		t, err := parseTime("changes-since", text)
		if err != nil {
			return nil, err
		}
		all = append(all, func(s *compute.Server) bool { return !s.UpdatedAt.Before(t) })
	}
	if text := q.Get("changes-before"); text != "" && minor >= 66 {
		t, err := parseTime("changes-before", text)
		if err != nil {
			return nil, err
		}
		all = append(all, func(s *compute.Server) bool { return !s.UpdatedAt.After(t) })
	}
	return all, nil
}

func tagFilters(q url.Values, minor int, _ bool) ([]predicate, error) {
	if minor < 26 {
		return nil, nil
	}
	has := func(s *compute.Server, t string) bool { return slices.Contains(s.Tags, t) }
	hasAll := func(s *compute.Server, tags []string) bool {
		return !slices.ContainsFunc(tags, func(t string) bool { return !has(s, t) })
	}
	hasAny := func(s *compute.Server, tags []string) bool {
		return slices.ContainsFunc(tags, func(t string) bool { return has(s, t) })
	}
	var all []predicate
	for name, ok := range map[string]func(s *compute.Server, tags []string) bool{
		"tags":         hasAll,
		"tags-any":     hasAny,
		"not-tags":     func(s *compute.Server, tags []string) bool { return !hasAll(s, tags) },
		"not-tags-any": func(s *compute.Server, tags []string) bool { return !hasAny(s, tags) },
	} {
		if text := q.Get(name); text != "" {
			tags := strings.Split(text, ",")
			all = append(all, func(s *compute.Server) bool { return ok(s, tags) })
		}
	}
	return all, nil
}

// addressFilter matches the addresses of servers, which it asks for one by one:
// it comes after all other conditions.
func (a *api) addressFilter(ctx context.Context, q url.Values, minor int, admin bool) predicate {
	v4, v6 := q.Get("ip"), q.Get("ip6")
	if minor < 5 && !admin {
		v6 = ""
	}
	if v4 == "" && v6 == "" {
		return nil
	}
	re4, re6 := pattern(v4), pattern(v6)
	return func(s *compute.Server) bool {
		list, err := a.svc.Addresses(ctx, s.ID)
		if err != nil {
			return false
		}
		ok4, ok6 := v4 == "", v6 == ""
		for _, addr := range list[s.ID] {
			if strings.Contains(addr.IP, ":") {
				ok6 = ok6 || re6.MatchString(addr.IP)
			} else {
				ok4 = ok4 || re4.MatchString(addr.IP)
			}
		}
		return ok4 && ok6
	}
}

// sortServers sorts by the keys that Nova knows.
func sortServers(all []compute.Server, keys []httpapi.SortKey) error {
	by := func(get func(s *compute.Server) string) func(a, b compute.Server) int {
		return func(a, b compute.Server) int { return cmp.Compare(get(&a), get(&b)) }
	}
	compare := map[string]func(a, b compute.Server) int{
		"created_at":          func(a, b compute.Server) int { return a.CreatedAt.Compare(b.CreatedAt) },
		"updated_at":          func(a, b compute.Server) int { return a.UpdatedAt.Compare(b.UpdatedAt) },
		"launched_at":         func(a, b compute.Server) int { return a.LaunchedAt.Compare(b.LaunchedAt) },
		"display_name":        by(func(s *compute.Server) string { return s.Name }),
		"name":                by(func(s *compute.Server) string { return s.Name }),
		"uuid":                by(func(s *compute.Server) string { return s.ID }),
		"hostname":            by(func(s *compute.Server) string { return s.Hostname }),
		"description":         by(func(s *compute.Server) string { return s.Description }),
		"display_description": by(func(s *compute.Server) string { return s.Description }),
	}
	for _, f := range exact {
		if compare[f.name] == nil {
			compare[f.name] = by(f.get)
		}
	}
	compare["image_ref"], compare["instance_type_id"] = compare["image"], compare["flavor"]
	return httpapi.SortBy(all, keys, compare)
}
