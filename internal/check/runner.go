package check

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// between is how long the next look waits at most for work under way to end.
const between = 100 * time.Millisecond

// rounds is how often is mended: what was mended may show what is to be mended next.
const rounds = 3

// Runner tries a list of checks.
type Runner struct {
	Checks []Check
	DB     *state.DB
	Clock  clock.Clock
	// Active names the resources that sagas work on, in a snapshot.
	Active func(r state.Reader) iter.Seq[string]
	// Idle returns when nothing is under way. May be nil.
	Idle func(ctx context.Context) error
}

// Run tries all checks, and mends if that is asked for. The error is ctx's: what else
// goes wrong is a finding.
func (r *Runner) Run(ctx context.Context, opts *Options) (Report, error) {
	report := Report{Checks: len(r.Checks), Findings: []Finding{}}
	found, err := r.confirmed(ctx)
	for round := 0; err == nil && opts != nil && opts.Mend && round < rounds && mendable(found); round++ {
		var left []suspicion
		tried := r.mend(ctx, found)
		if left, err = r.confirmed(ctx); err != nil {
			break
		}
		report.Findings = append(report.Findings, gone(tried, left)...)
		found = keepRemedies(left, tried)
	}
	for _, f := range found {
		report.Findings = append(report.Findings, f.Finding)
	}
	slices.SortFunc(report.Findings, Finding.compare)
	return report, fault.Wrap("cloud.Check", err)
}

// looks is how often is looked for what was found.
const looks = 3

// confirmed returns what every look has found. What one look has found and the next has
// not was work under way.
func (r *Runner) confirmed(ctx context.Context) ([]suspicion, error) {
	found, err := r.look(ctx, r.Checks)
	for again := 1; again < looks && err == nil && len(found) > 0; again++ {
		r.wait(ctx)
		seen, names := map[Finding]bool{}, map[string]bool{}
		for _, f := range found {
			seen[f.key()], names[f.Check] = true, true
		}
		others := func(c Check) bool { return !names[c.Name] }
		found, err = r.look(ctx, slices.DeleteFunc(slices.Clone(r.Checks), others))
		found = slices.DeleteFunc(found, func(f suspicion) bool { return !seen[f.key()] })
	}
	return found, err
}

// wait lets work under way come to its end, but not for long. It need not: what is
// still under way then is left out of the next look as well.
func (r *Runner) wait(ctx context.Context) {
	if r.Idle == nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer r.Clock.AfterFunc(between, cancel)()
	_ = r.Idle(ctx)
}

// look makes one pass.
func (r *Runner) look(ctx context.Context, checks []Check) ([]suspicion, error) {
	if err := r.DB.Sync(ctx); err != nil {
		return nil, err
	}
	l := &Look{state: r.DB.Snapshot(), busy: map[string]bool{}}
	for resource := range r.Active(l.state) {
		l.busy[resource] = true
	}
	for _, c := range checks {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l.check = c.Name
		if err := c.Run(ctx, l); err != nil {
			l.Found("", fmt.Sprintf("The check could not be made: %v.", err), "Mend the cause, and check again.")
		}
	}
	return l.found, ctx.Err()
}

// mend mends what it can, and notes in the remedies why something could not be.
func (r *Runner) mend(ctx context.Context, found []suspicion) []suspicion {
	for i := range found {
		if found[i].mend == nil || ctx.Err() != nil {
			continue
		}
		err := r.DB.Sync(ctx)
		if err == nil {
			err = found[i].mend(ctx)
		}
		if err != nil {
			found[i].Remedy = fmt.Sprintf("Mending failed: %v. %s", err, found[i].Remedy)
		}
		found[i].mend = nil
	}
	return found
}

func mendable(found []suspicion) bool {
	return slices.ContainsFunc(found, func(f suspicion) bool { return f.mend != nil })
}

// key tells findings apart whatever their remedy says.
func (f Finding) key() Finding {
	f.Remedy = ""
	return f
}

// gone returns those findings that are not among the ones left, as mended.
func gone(was, left []suspicion) []Finding {
	still := map[Finding]bool{}
	for _, f := range left {
		still[f.key()] = true
	}
	var mended []Finding
	for _, f := range was {
		if !still[f.key()] {
			f.Mended = true
			mended = append(mended, f.Finding)
		}
	}
	return mended
}

// keepRemedies gives what is left the remedies of the attempt that failed, and does not
// let it be attempted again.
func keepRemedies(left, tried []suspicion) []suspicion {
	remedies := map[Finding]string{}
	for _, f := range tried {
		remedies[f.key()] = f.Remedy
	}
	for i, f := range left {
		if remedy, was := remedies[f.key()]; was {
			left[i].Remedy, left[i].mend = remedy, nil
		}
	}
	return left
}
