package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// flowMargin is how much longer than a flow lasts it is remembered that it has ended:
// clocks of controllers differ.
const flowMargin = 5 * time.Minute

func (t *tables) defineFlows(db *state.DB) {
	t.flowTill = state.NewIndex("expires", func(n *usedNonce) []string { return []string{sortedTime(n.ExpiresAt)} })
	t.flows = state.Define(db, state.Spec[usedNonce]{
		Name: "identity.used_flows", Noun: "log-in",
		Key:     nonceKey,
		Indexes: []*state.Index[usedNonce]{t.flowTill},
	})
}

// spend ends a flow for good. What a provider has asserted is bound to its flow, so that
// nobody logs in with it twice, at whichever controller.
func (s *Service) spend(tx *state.Tx, f *flow) error {
	sum := sha256.Sum256([]byte(f.State))
	key := hex.EncodeToString(sum[:])
	if s.t.flows.Has(tx, key) {
		return errDenied().Because(errors.New("the log-in has ended before"))
	}
	till := func(n *usedNonce) time.Time { return n.ExpiresAt }
	if err := sweep(tx, s.t.flows, s.t.flowTill, nonceKey, till, s.core.Clock.Now(), sweepAtOnce); err != nil {
		return err
	}
	return s.t.flows.Insert(tx, usedNonce{Key: key, ExpiresAt: f.Until.Add(flowMargin)})
}

// FederationMetadata returns the document about this cloud that an identity provider
// wants, with its media type; browsers come back from there to redirect, and clients with
// messages to messages. fault.NotFound if the protocol needs none.
func (s *Service) FederationMetadata(ctx context.Context, providerID, protocolID, redirect, messages string) (document []byte, mediaType string, err error) {
	method, err := s.method(federationPath{providerID, protocolID})
	if err != nil {
		return nil, "", fault.Wrap("identity.FederationMetadata", err)
	}
	publisher, ok := method.(driver.Publisher)
	if !ok {
		return nil, "", fault.Wrap("identity.FederationMetadata", fault.New(fault.NotFound, "The protocol %s has no metadata.", protocolID))
	}
	document, mediaType = publisher.Publish(redirect, messages)
	return document, mediaType, nil
}
