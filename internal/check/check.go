// Package check looks for what must not be: it is the fsck of a cloud. Each service
// lists its invariants as data, a [Check] each, and a [Runner] tries them all.
//
// A cloud at work must not give false alarms. So a check leaves out what a saga is
// working on (see [Look.Busy]), and what a look has found is believed only if a second
// look finds it as well.
package check

import (
	"cmp"
	"context"
	"fmt"
	"strings"
)

// Check is one invariant.
type Check struct {
	Name string // "network.address-once": the service, and what is looked at
	Doc  string // what must hold, in a sentence
	// Run tells l of everything that breaks the invariant. An error means that it
	// could not be tried, which is a finding of its own.
	Run func(ctx context.Context, l *Look) error
}

// Finding is one place where an invariant does not hold.
type Finding struct {
	Check    string `json:"check"`            // name of the check: "network.address-once"
	Resource string `json:"resource"`         // "port/UUID"
	Problem  string `json:"problem"`          // what is wrong, in a sentence
	Remedy   string `json:"remedy"`           // how to mend it, in a sentence
	Mended   bool   `json:"mended,omitempty"` // it was so, and is so no more
}

// String is the finding in one line.
func (f Finding) String() string {
	s := f.Check + ": " + strings.TrimSpace(f.Resource+" "+f.Problem)
	if f.Mended {
		return s + " (mended)"
	}
	return s + " " + f.Remedy
}

// compare orders findings by check and resource.
func (f Finding) compare(g Finding) int {
	return cmp.Or(cmp.Compare(f.Check, g.Check), cmp.Compare(f.Resource, g.Resource), cmp.Compare(f.Problem, g.Problem))
}

// Report is what a run has found.
type Report struct {
	Checks   int       `json:"checks"` // how many invariants were tried
	Findings []Finding `json:"findings"`
}

// Clean reports whether all invariants hold, if need be after mending.
func (r Report) Clean() bool {
	for _, f := range r.Findings {
		if !f.Mended {
			return false
		}
	}
	return true
}

// String is the report for people: a line for each finding.
func (r Report) String() string {
	if len(r.Findings) == 0 {
		return fmt.Sprintf("%d checks, no findings", r.Checks)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d checks, %d findings:", r.Checks, len(r.Findings))
	for _, f := range r.Findings {
		b.WriteString("\n\t" + f.String())
	}
	return b.String()
}

// Options of a run; nil means the defaults.
type Options struct {
	// Mend makes good what can be without loss: what nobody can own is removed, what
	// was counted wrongly is counted again, what is not realised is realised. What may
	// hold somebody's data is never touched.
	Mend bool
}
