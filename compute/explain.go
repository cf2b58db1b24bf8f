package compute

import (
	"context"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/compute/scheduler"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

// What is kept of the decisions on a server's placement is bounded: the newest few,
// and of each the hosts that matter. A server that found its host keeps less, since
// nearly all do.
const (
	keptDecisions = 5
	keptHosts     = 3  // of each sort, where a host was found
	keptRefusals  = 20 // where none was
)

// varDecision is the name under which a saga keeps the decision that no host will do,
// until its end records it: the transaction that decided so is not committed.
const varDecision = "placement"

// PlacementDecision is why a server was put on its host, or why no host would do.
type PlacementDecision struct {
	Time time.Time `json:"time"`
	// Revision is that of the state that the scheduler looked at.
	Revision uint64 `json:"revision"`
	// Action is the instance action that asked for a host: "create", "unshelve",
	// "resize"; RequestID is its request.
	Action    string `json:"action"`
	RequestID string `json:"request_id,omitempty"`
	scheduler.Explanation
}

// decisions are those on one server, oldest first.
type decisions struct {
	ServerID  string              `json:"server"`
	Decisions []PlacementDecision `json:"decisions"`
}

// ExplainPlacement returns the newest decisions on where a server goes, newest first:
// which filter refused which host and with which figures, and which weighers ranked
// the others. They are for admins: they tell of hosts.
func (s *Service) ExplainPlacement(_ context.Context, serverID string) ([]PlacementDecision, error) {
	r := s.core.DB.Snapshot()
	if _, err := s.server(r, serverID); err != nil {
		return nil, fault.Wrap("compute.ExplainPlacement", err)
	}
	return s.decisionsOn(r, serverID), nil
}

// decisionsOn returns the decisions on a server, newest first.
func (s *Service) decisionsOn(r state.Reader, serverID string) []PlacementDecision {
	all, err := s.decisions.Get(r, serverID)
	if err != nil {
		return nil
	}
	list := slices.Clone(all.Decisions)
	slices.Reverse(list)
	return list
}

// decided records a decision on the saga's server, and returns its error: nil if there
// is a host.
func (s *Service) decided(tx *state.Tx, r *saga.Run, d scheduler.Decision) error {
	err, limit := d.Err(), keptHosts
	if err != nil {
		limit = keptRefusals
	}
	doc := r.Saga()
	decision := PlacementDecision{
		Time: s.core.Clock.Now(), Revision: tx.Revision(), Action: doc.Action, RequestID: doc.RequestID,
		Explanation: d.Explain(limit),
	}
	if err != nil {
		r.Set(varDecision, decision)
		return err
	}
	return s.keepDecision(tx, serverID(r), decision)
}

// keepDecision adds a decision to those on a server.
func (s *Service) keepDecision(tx *state.Tx, serverID string, d PlacementDecision) error {
	all, err := s.decisions.Get(tx, serverID)
	if err != nil {
		all.ServerID = serverID
	}
	kept := all.Decisions[max(0, len(all.Decisions)-keptDecisions+1):]
	all.Decisions = append(slices.Clone(kept), d)
	return s.decisions.Put(tx, all)
}

// keepRefusal records that a saga failed because no host would do, if that is why.
func (s *Service) keepRefusal(tx *state.Tx, r *saga.Run) error {
	var d PlacementDecision
	if !r.Load(varDecision, &d) || !s.servers.Has(tx, serverID(r)) {
		return nil
	}
	return s.keepDecision(tx, serverID(r), d)
}

// explainFault puts the reasons of the scheduler into what admins see of a fault.
func (s *Service) explainFault(r *saga.Run, f *Fault) {
	var d PlacementDecision
	if r.Load(varDecision, &d) {
		f.Details = d.String()
	}
}

// forgetDecisions removes the decisions on a server that goes.
func (s *Service) forgetDecisions(tx *state.Tx, serverID string) error {
	if !s.decisions.Has(tx, serverID) {
		return nil
	}
	return s.decisions.Delete(tx, serverID)
}
