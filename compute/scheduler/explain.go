package scheduler

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// maxNamed bounds the hosts that a message names.
const maxNamed = 10

// Err is nil if there is a host, or else a fault.Exhausted that says which host
// failed which test.
func (d Decision) Err() error {
	if len(d.Hosts) > 0 {
		return nil
	}
	e := d.Explain(maxNamed)
	return fault.New(fault.Exhausted, "%s", e.Refusal()).WithCode("NoValidHost")
}

// Explanation is a decision with its reasons, of bounded size.
type Explanation struct {
	Request Request `json:"request"`
	Chosen  string  `json:"chosen,omitempty"` // the best host; empty if none will do
	Hosts   int     `json:"hosts"`            // how many were looked at
	// Ranked are the best hosts, best first; Fitting is how many would have done.
	Ranked  []RankedHost `json:"ranked,omitempty"`
	Fitting int          `json:"fitting"`
	// Rejected are hosts that will not do, those that passed the most filters first;
	// Refusals counts all of them by filter.
	Rejected []RejectedHost `json:"rejected,omitempty"`
	Refusals map[string]int `json:"refusals,omitempty"`
}

// RankedHost is a host that would do, with what each weigher said of it.
type RankedHost struct {
	Host    string   `json:"host"`
	Weight  float64  `json:"weight"` // the sum
	Weights []Weight `json:"weights,omitempty"`
}

// Weight is what one weigher said of a host; one that said 0 is left out.
type Weight struct {
	Weigher string  `json:"weigher"`
	Value   float64 `json:"value"`
}

// RejectedHost is a host that will not do, with the filter that found so.
type RejectedHost struct {
	Host    string   `json:"host"`
	Filter  string   `json:"filter"`
	Reason  string   `json:"reason"`            // in words
	Figures []Figure `json:"figures,omitempty"` // of the filter "resources"
}

// Explain puts the decision into words and figures: at most limit hosts of those that
// will do, and of those that will not.
func (d Decision) Explain(limit int) Explanation {
	e := Explanation{Request: d.Request, Fitting: len(d.Hosts), Hosts: len(d.Hosts) + len(d.Rejections)}
	for _, c := range d.Hosts[:min(limit, len(d.Hosts))] {
		e.Ranked = append(e.Ranked, d.ranked(c))
	}
	if len(d.Hosts) > 0 {
		e.Chosen = d.Hosts[0].Name
	}
	if len(d.Rejections) == 0 {
		return e
	}
	counts := make([]int, len(filters))
	for _, r := range d.Rejections {
		counts[r.stage]++
	}
	e.Refusals = map[string]int{}
	for stage, n := range counts {
		if n > 0 {
			e.Refusals[filters[stage].Name] = n
		}
	}
	for _, r := range d.furthest(counts, limit) {
		e.Rejected = append(e.Rejected, d.rejected(r))
	}
	return e
}

// furthest returns at most limit rejections of the hosts that passed the most filters,
// in the order of the hosts where that is the same.
func (d Decision) furthest(counts []int, limit int) []Rejection {
	least, room := len(counts), limit
	for least > 0 && room > 0 {
		least--
		room -= counts[least]
	}
	list := make([]Rejection, 0, min(limit, len(d.Rejections)))
	for stage := len(counts) - 1; stage >= least; stage-- {
		for _, r := range d.Rejections {
			if len(list) == limit {
				return list
			}
			if r.stage == stage {
				list = append(list, r)
			}
		}
	}
	return list
}

func (d Decision) ranked(c Candidate) RankedHost {
	h := RankedHost{Host: c.Name, Weight: c.Weight}
	for _, w := range weighers {
		if v := w.Weigh(c.HostState, &d.Request); v != 0 {
			h.Weights = append(h.Weights, Weight{w.Name, v})
		}
	}
	return h
}

func (d Decision) rejected(r Rejection) RejectedHost {
	h := RejectedHost{Host: r.Host.Name, Filter: r.Filter.Name, Reason: r.Filter.Why(r.Host, &d.Request)}
	if r.Filter.Name == resources {
		h.Figures = r.Host.shortages(&d.Request)
	}
	return h
}

// Refusal says in one sentence why no host will do.
func (e *Explanation) Refusal() string {
	var b strings.Builder
	b.WriteString("No valid host was found.")
	if e.Hosts == 0 {
		b.WriteString(" There are no hosts.")
	}
	for i, r := range e.Rejected {
		if i > 0 {
			b.WriteByte(';')
		}
		fmt.Fprintf(&b, " %s: %s", r.Host, r.Reason)
	}
	if more := e.Hosts - e.Fitting - len(e.Rejected); more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

// String is the explanation in words, a line for each host.
func (e *Explanation) String() string {
	var b strings.Builder
	if e.Chosen == "" {
		fmt.Fprintf(&b, "No valid host was found among %d.", e.Hosts)
	} else {
		fmt.Fprintf(&b, "%s was chosen: %d of %d hosts would have done.", e.Chosen, e.Fitting, e.Hosts)
	}
	for _, h := range e.Ranked {
		fmt.Fprintf(&b, "\n%s weighs %.3f", h.Host, h.Weight)
		for i, w := range h.Weights {
			fmt.Fprintf(&b, "%s %s %.3f", separator(i, ":", ","), w.Weigher, w.Value)
		}
	}
	for _, r := range e.Rejected {
		fmt.Fprintf(&b, "\n%s %s (%s)", r.Host, r.Reason, r.Filter)
	}
	if more := e.Hosts - e.Fitting - len(e.Rejected); more > 0 && len(e.Rejected) > 0 {
		fmt.Fprintf(&b, "\n%d more were refused; in all:", more)
		for i, filter := range byCount(e.Refusals) {
			fmt.Fprintf(&b, "%s %d by %s", separator(i, "", ","), e.Refusals[filter], filter)
		}
	}
	return b.String()
}

func separator(i int, first, other string) string {
	if i == 0 {
		return first
	}
	return other
}

// byCount gives the names with the greatest number first.
func byCount(counts map[string]int) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
}
