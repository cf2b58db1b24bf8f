package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// refetchAfter is how long ago the keys must have been asked for before a token that none
// of them has signed makes them be fetched anew: forged tokens must not become a flood of
// requests to the provider, nor wait for one that is down.
const refetchAfter = 5 * time.Second

// keySet holds the keys of a provider. A token that names a key which is not known makes
// it fetch them, so that the provider may rotate them at any time.
type keySet struct {
	p       *Provider
	address string
	now     atomic.Pointer[fetched]
	turn    chan struct{} // held by who fetches
}

// fetched are keys, when they were last asked for, and what went wrong then.
type fetched struct {
	keys []jose.JSONWebKey
	at   time.Time
	err  error
}

func newKeySet(p *Provider, address string, keys []jose.JSONWebKey, at time.Time) *keySet {
	k := &keySet{p: p, address: address, turn: make(chan struct{}, 1)}
	k.now.Store(&fetched{keys: keys, at: at})
	return k
}

// VerifySignature returns what is in a JWT if a key of the provider has signed it.
func (k *keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	algs := make([]jose.SignatureAlgorithm, len(algorithms))
	for i, a := range algorithms {
		algs[i] = jose.SignatureAlgorithm(a)
	}
	jws, err := jose.ParseSignedCompact(jwt, algs)
	if err != nil {
		return nil, err
	}
	known := k.now.Load()
	if payload, ok := known.verify(jws); ok {
		return payload, nil
	}
	fresh, err := k.fetch(ctx, known)
	if err != nil {
		return nil, err
	}
	if payload, ok := fresh.verify(jws); ok {
		return payload, nil
	}
	if fresh.err != nil {
		return nil, fresh.err
	}
	return nil, errors.New("no key of the provider has signed the token")
}

// verify tries the keys that the token may mean.
func (f *fetched) verify(jws *jose.JSONWebSignature) ([]byte, bool) {
	id := jws.Signatures[0].Header.KeyID
	for i := range f.keys {
		key := &f.keys[i]
		if id != "" && key.KeyID != id || key.Use != "" && key.Use != "sig" {
			continue
		}
		if payload, err := jws.Verify(key); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// fetch returns keys that are newer than those known, or those if they are new enough.
func (k *keySet) fetch(ctx context.Context, known *fetched) (*fetched, error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return nil, unreachable(ctx.Err())
	}
	if now := k.now.Load(); now != known {
		return now, nil // somebody else was faster
	}
	at := k.p.cfg.Clock.Now()
	if at.Sub(known.at) < refetchAfter {
		return known, nil
	}
	fresh := &fetched{keys: known.keys, at: at}
	if keys, err := k.p.fetchKeys(ctx, k.address); err != nil {
		fresh.err = unreachable(err)
	} else {
		fresh.keys = keys
	}
	k.now.Store(fresh)
	return fresh, nil
}

// fetchKeys asks the provider for its keys, and keeps those that sign in public.
func (p *Provider) fetchKeys(ctx context.Context, address string) ([]jose.JSONWebKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the keys cannot be fetched: %s: %w", resp.Status, err)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, err
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) == nil && key.Valid() && key.IsPublic() { // others are none of ours
			keys = append(keys, key)
		}
	}
	return keys, nil
}
