package cloudtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/welkin-cloud/cloud"
)

// QuotaReached leaves projects so many more of a resource: "instances", "cores", "ram",
// "volumes", "gigabytes", "snapshots", "backups", "port", "network", "floatingip" and so
// on, as the services name them. Limit it to projects with For; without, it is for all of
// Cloud.Projects.
//
// In the field: others in the project create as well; a burst is larger than the quota.
//
// A client sees: so many successes, then 403 from compute, 413 from volumes, 409 from
// networks.
//
// Welkin: refuses what is too much, whoever asks and however many at once; the limits are
// as before when it ends.
func QuotaReached(resource string, left int) Fault {
	return Fault{name: "QuotaReached " + resource, begin: func(in *Injection) (func(), error) {
		ctx := context.WithoutCancel(in.cloud.t.Context())
		projects := in.fault.ids
		for _, p := range in.cloud.Projects {
			if len(in.fault.ids) == 0 {
				projects = append(projects, p.ID)
			}
		}
		var undo []func()
		for _, id := range projects {
			limit, used, set, err := in.cloud.quota(ctx, id, resource)
			if err != nil {
				return nil, err
			}
			if err := set(ctx, used+left); err != nil {
				return nil, err
			}
			in.strikes()
			undo = append(undo, func() { _ = set(ctx, limit) }) // the cloud may be closed
		}
		return func() {
			for _, f := range undo {
				f()
			}
		}, nil
	}}
}

// quota finds the service that limits a resource.
func (c *Cloud) quota(ctx context.Context, project, resource string) (limit, used int, set func(context.Context, int) error, err error) {
	if q, known := c.Compute.Quota(ctx, project)[resource]; known {
		return q.Limit, q.InUse, func(ctx context.Context, n int) error {
			return c.live.Load().Compute.SetQuota(ctx, project, map[string]int{resource: n}, true)
		}, nil
	}
	limits, usage := c.Volumes.Quotas(ctx, project)
	if limit, known := limits[resource]; known {
		return limit, usage[resource], func(ctx context.Context, n int) error {
			return c.live.Load().Volumes.SetQuotas(ctx, project, map[string]int{resource: n})
		}, nil
	}
	limits, err = c.Networks.Quotas(ctx, project)
	if limit, known := limits[resource]; known {
		usage, err = c.Networks.Usage(ctx, project)
		return limit, usage[resource], func(ctx context.Context, n int) error {
			_, err := c.live.Load().Networks.SetQuotas(ctx, project, map[string]int{resource: n})
			return err
		}, err
	}
	return 0, 0, nil, errors.Join(err, fmt.Errorf("no service limits %q", resource))
}

// DatabaseSlow lets each commit take a time on the cloud's clock. The cloud needs
// Model.Dir: without, it has no database.
//
// In the field: a busy disk, a cluster of databases that waits for its slowest member.
//
// A client sees: requests that change something are slow, others are not.
//
// Welkin: acknowledges nothing before it is durable; commits that wait go together.
func DatabaseSlow(d time.Duration) Fault {
	return onCommit("DatabaseSlow", func(ctx context.Context, in *Injection) error {
		if c := in.cloud.model.Clock; c != nil {
			defer c.sleeping()()
		}
		return in.pause(ctx, d)
	})
}

// DatabaseReadOnly lets the database take no commits. The cloud needs Model.Dir.
//
// In the field: a full disk, a fail-over that left the old primary read-only.
//
// A client sees: requests that change something end with 503, others are answered;
// resources stay in the state that they had.
//
// Welkin: changes nothing that it cannot keep; work under way stops at its last step and
// goes on by itself when commits succeed again.
func DatabaseReadOnly() Fault {
	return onCommit("DatabaseReadOnly", func(context.Context, *Injection) error {
		return fmt.Errorf("the database is read-only: %w", cloud.Unavailable)
	})
}

// onCommit makes a Fault of commits.
func onCommit(name string, do func(context.Context, *Injection) error) Fault {
	return Fault{name: name, commit: &commitFault{do}, begin: func(in *Injection) (func(), error) {
		if in.cloud.model.Dir == "" {
			return nil, errors.New("it needs Model.Dir: there is no database without")
		}
		return nil, nil
	}}
}

// ClockJumps sets the cloud's clock by a time, forwards or back, and sets it back when it
// ends. The cloud needs Model.Clock.
//
// In the field: a machine's clock is set after it ran wrong, a virtual machine was
// suspended.
//
// A client sees: after a jump forwards, tokens that have run out; after one back, tokens
// and resources from the future.
//
// Welkin: work under way goes on; its waits are as long as they were.
func ClockJumps(d time.Duration) Fault {
	return Fault{name: "ClockJumps", begin: func(in *Injection) (func(), error) {
		clock := in.cloud.model.Clock
		if clock == nil {
			return nil, errors.New("it needs Model.Clock")
		}
		in.strikes()
		clock.Jump(d)
		return func() { clock.Jump(-d) }, nil
	}}
}

// ControllerCrashes lets the controller die at the end of the next step of its work, or
// of the one after n with After(n): the step has had its effect, but that is not noted.
// Injection.Wait(1) waits for it; Cloud.Restart starts the controller again, and needs
// Model.Dir.
//
// In the field: a process is killed, a machine loses power.
//
// A client sees: connections that are reset; after the start, resources where they were,
// and going on.
//
// Welkin: does the step again, which is no harm, and then the others.
func ControllerCrashes() Fault {
	f := onRequest("ControllerCrashes", func(in *Injection, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if in.Hits() > 0 {
			reset(w)
			return
		}
		next.ServeHTTP(w, r)
	}).Times(1)
	f.request.uncounted, f.crash = true, true
	f.step = &stepFault{func(ctx context.Context, in *Injection, step func(context.Context) error) error {
		dead := in.Hits() > 0
		if !dead && !in.strikes() {
			return step(ctx)
		}
		if dead {
			if err := in.hang(ctx); err != nil {
				return err
			}
			return step(ctx)
		}
		err := step(ctx)
		return errors.Join(in.hang(ctx), err)
	}}
	return f
}
