package cloudtest

import (
	"context"
	"sync"
	"time"
)

// Fault is a rule for Faults: which calls of a driver fail, and how.
type Fault struct {
	// Op is the driver's method: "Start". With "Start/after" the call fails after it
	// took effect, as when an answer is lost; the hypervisor and the networks have that.
	// Empty means all.
	Op string
	ID string // of the guest, port, volume or image; empty means all
	// Skip lets so many calls pass first; Times is how many then fail: 0 means all.
	Skip, Times int
	Err         error // what the call ends with: a kind such as cloud.Unavailable
}

// Faults makes a function of the rules for SetFault of a driver; the first rule that
// matches a call decides.
//
//	c.Hosts[0].Hypervisor.SetFault(cloudtest.Faults(cloudtest.Fault{
//		Op: "Start", Times: 1, Err: cloud.Unavailable,
//	}))
func Faults(rules ...Fault) func(ctx context.Context, op, id string) error {
	var mu sync.Mutex
	seen := make([]int, len(rules))
	return func(_ context.Context, op, id string) error {
		mu.Lock()
		defer mu.Unlock()
		for i, r := range rules {
			if r.Op != "" && r.Op != op || r.ID != "" && r.ID != id {
				continue
			}
			seen[i]++
			if n := seen[i] - r.Skip; n > 0 && (r.Times == 0 || n <= r.Times) {
				return r.Err
			}
		}
		return nil
	}
}

// Fail is Faults with one rule: the next n calls of op end with err; 0 means all.
func Fail(op string, n int, err error) func(ctx context.Context, op, id string) error {
	return Faults(Fault{Op: op, Times: n, Err: err})
}

// Delays makes a function for SetDelay of a driver: how long each method takes.
func Delays(byOp map[string]time.Duration) func(op, id string) time.Duration {
	return func(op, _ string) time.Duration { return byOp[op] }
}

// FailHosts sets one fault on the hypervisors of all hosts; nil ends all faults. The
// rules count over all hosts together.
func (c *Cloud) FailHosts(fault func(ctx context.Context, op, id string) error) {
	for _, h := range c.Hosts {
		h.Hypervisor.SetFault(fault)
	}
}

// FailNetworks is FailHosts for the networks of all hosts.
func (c *Cloud) FailNetworks(fault func(ctx context.Context, op, id string) error) {
	for _, h := range c.Hosts {
		h.Network.SetFault(fault)
	}
}
