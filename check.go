package cloud

import (
	"context"
	"iter"
	"slices"

	"github.com/welkin-cloud/cloud/internal/check"
	"github.com/welkin-cloud/cloud/internal/state"
)

// CheckFinding is one place where an invariant of the cloud does not hold.
type CheckFinding = check.Finding

// CheckReport is what Check has found.
type CheckReport = check.Report

// CheckOptions of Check.
type CheckOptions = check.Options

// CheckInfo says what one check of Check looks at.
type CheckInfo struct {
	Name string // "network.address-once"
	Doc  string // what must hold, in a sentence
}

// Check looks whether all invariants hold: of the record in itself, and of what the
// drivers have against the record. It is an fsck for the whole cloud, and may run at
// any time: what work is under way on is left out, and what is found is looked at
// twice. With opts.Mend, what can be made good without loss is. nil means the defaults.
//
// The error is ctx's. A driver that does not answer is a finding.
func (c *Cloud) Check(ctx context.Context, opts *CheckOptions) (CheckReport, error) {
	r := check.Runner{
		Checks: c.checks(), DB: c.core.DB, Clock: c.core.Clock, Active: c.active, Idle: c.Idle,
	}
	return r.Run(ctx, opts)
}

// active walks the resources that sagas work on.
func (c *Cloud) active(r state.Reader) iter.Seq[string] {
	return func(yield func(string) bool) {
		for s := range c.core.Sagas.Unfinished(r) {
			if !yield(s.Resource) {
				return
			}
		}
	}
}

// Checks lists what Check looks at.
func (c *Cloud) Checks() []CheckInfo {
	var all []CheckInfo
	for _, one := range c.checks() {
		all = append(all, CheckInfo{one.Name, one.Doc})
	}
	return all
}

func (c *Cloud) checks() []check.Check {
	return slices.Concat(
		c.core.Sagas.Checks(), c.Identity.Checks(), c.Images.Checks(), c.Volumes.Checks(),
		c.Networks.Checks(), c.Compute.Checks(), c.checksBetween(),
	)
}
