package cloudtest

import (
	"context"
	"testing"

	"github.com/welkin-cloud/cloud"
)

// CheckClean waits for work under way and fails the test unless all invariants of the
// cloud hold: see cloud.Cloud.Check. So the drivers hold what is recorded and nothing
// else: no guest, port, network, volume or image that nobody owns, and none that is
// missing. Call it after deletions, and after faults have ended.
//
// It is called at the end of every test that has not failed, once the faults of the
// test are lifted, unless Model.SkipCheck says otherwise.
func (c *Cloud) CheckClean() {
	c.t.Helper()
	c.WaitIdle()
	if !c.isClean(c.t.Context()) {
		c.t.FailNow()
	}
}

// Differences tells in words what is wrong with the cloud at this moment: what
// CheckClean would complain of.
func (c *Cloud) Differences() []string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), Patience)
	defer cancel()
	var wrong []string
	for _, f := range c.findings(ctx).Findings {
		wrong = append(wrong, f.String())
	}
	return wrong
}

func (c *Cloud) findings(ctx context.Context) cloud.CheckReport {
	c.t.Helper()
	report, err := c.Check(ctx, nil)
	if err != nil {
		c.t.Errorf("cloudtest: the cloud cannot be checked: %v", err)
	}
	return report
}

// isClean reports whether all invariants hold, and fails the test with what is wrong.
func (c *Cloud) isClean(ctx context.Context) bool {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	report := c.findings(ctx)
	if !report.Clean() {
		c.t.Errorf("cloudtest: the cloud is not as it should be: %s", report)
	}
	return report.Clean()
}

// checkAtEnd is CheckClean at the end of the test, whose context is done by then.
func (c *Cloud) checkAtEnd() {
	c.t.Helper()
	if _, measured := c.t.(*testing.B); measured || c.t.Failed() || c.model.SkipCheck {
		return
	}
	c.liftFaults()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.t.Context()), Patience)
	defer cancel()
	if err := c.Idle(ctx); err != nil {
		c.t.Errorf("cloudtest: work is still under way at the end: %v", err)
		return
	}
	c.isClean(ctx)
}

// liftFaults ends the faults and holds of the test, and what it has set on the drivers.
func (c *Cloud) liftFaults() {
	c.injections.end()
	c.transitions.end()
	for _, h := range c.Hosts {
		h.Hypervisor.SetFault(nil)
		h.Hypervisor.SetDelay(nil)
		h.Network.SetFault(nil)
		h.Network.SetDelay(nil)
	}
	c.VolumeBackend.SetFault(nil)
	c.VolumeBackend.SetDelay(nil)
	for _, s := range []interface {
		SetFault(f func(ctx context.Context, op, id string) error)
	}{c.ImageStore, c.BackupStore} {
		s.SetFault(nil)
	}
}
