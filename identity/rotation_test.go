package identity_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state/memengine"
)

// started returns n controllers of one cloud, none of which waits for the others.
func started(t *testing.T, n int) []*identity.Service {
	store := memengine.NewStore(memengine.Options{Shared: true})
	all := make([]*identity.Service, n)
	for i := range all {
		all[i] = controller(t, store)
		require.NoError(t, all[i].Start(t.Context()))
	}
	return all
}

// TestTokensWhileKeysRotate: a token that any controller issues before, while or after
// another rotates the keys is good at all of them, at once, if each has heard of a rotation
// before the next.
func TestTokensWhileKeysRotate(t *testing.T) {
	const rounds = 8
	all := started(t, 3)
	for round := range rounds {
		var wg sync.WaitGroup
		tokens, errs := make([]string, 2*len(all)), make([]error, 2*len(all)+1)
		for i := range tokens {
			s := all[i%len(all)]
			wg.Go(func() {
				tokens[i], errs[i] = logIn(t.Context(), s, "secret")
				errs[i] = errors.Join(errs[i], validAt(t.Context(), all, tokens[i]))
			})
		}
		wg.Go(func() { errs[len(tokens)] = all[round%len(all)].RotateKeys(t.Context()) })
		wg.Wait()
		require.NoError(t, errors.Join(errs...))
		for _, token := range tokens {
			require.NoError(t, validAt(t.Context(), all, token), "after one rotation its key is still there")
		}
		for _, s := range all {
			require.NoError(t, s.Sync(t.Context()))
		}
	}
}

// validAt tells at which of the controllers a token is not good.
func validAt(ctx context.Context, all []*identity.Service, token string) error {
	var errs []error
	for i, s := range all {
		if _, err := s.Validate(ctx, token); err != nil {
			errs = append(errs, fmt.Errorf("controller %d: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// TestTokensOfKeysThatWereNotHeardOf: a controller need not have heard of the rotations
// after which another one has issued a token.
func TestTokensOfKeysThatWereNotHeardOf(t *testing.T) {
	all := started(t, 2)
	for round := range 10 {
		for range 3 {
			require.NoError(t, all[0].RotateKeys(t.Context()))
		}
		token, err := logIn(t.Context(), all[0], "secret")
		require.NoError(t, err)
		if round%2 == 0 {
			_, err = all[1].Validate(t.Context(), token)
		} else {
			_, _, err = all[1].Login(t.Context(), identity.LoginRequest{Token: token, Scope: identity.LoginScope{System: true}})
		}
		require.NoError(t, err)
	}
	_, err := all[1].Validate(t.Context(), "gAAAAA-nonsense")
	require.ErrorIs(t, err, fault.Unauthenticated)
}

// TestCredentialsWhileKeysRotate: what any controller stores while another rotates the
// keys and encrypts all anew can be read at all of them.
func TestCredentialsWhileKeysRotate(t *testing.T) {
	const rounds, each = 6, 4
	all := started(t, 3)
	users, err := all[0].ListUsers(t.Context(), nil)
	require.NoError(t, err)
	blobs := map[string]string{}
	for round := range rounds {
		var wg sync.WaitGroup
		made, errs := make([]identity.Credential, each*len(all)), make([]error, each*len(all)+1)
		for i := range made {
			s := all[i%len(all)]
			wg.Go(func() {
				made[i], errs[i] = s.CreateCredential(t.Context(), identity.CreateCredentialOptions{
					Type: "cert", Blob: fmt.Sprintf("blob %d of round %d", i, round), UserID: users[0].ID,
				})
				if errs[i] == nil {
					errs[i] = readsAt(t.Context(), s, made[i].ID, made[i].Blob)
				}
			})
		}
		wg.Go(func() { errs[len(made)] = rotateCredentials(t.Context(), all[round%len(all)]) })
		wg.Wait()
		require.NoError(t, errors.Join(errs...))
		for _, c := range made {
			blobs[c.ID] = c.Blob
		}
	}
	for i, s := range all {
		require.NoError(t, s.Sync(t.Context()))
		for id, blob := range blobs {
			require.NoError(t, readsAt(t.Context(), s, id, blob), "controller %d", i)
		}
	}
}

// rotateCredentials rotates twice, as often as others come between.
func rotateCredentials(ctx context.Context, s *identity.Service) error {
	for done, tries := 0, 0; done < 2; tries++ {
		if _, err := s.MigrateCredentials(ctx); err != nil {
			return err
		}
		switch err := s.RotateCredentialKeys(ctx); {
		case err == nil:
			done++
		case fault.Of(err) != fault.Conflict || tries == 1000:
			return err
		}
	}
	return nil
}

func readsAt(ctx context.Context, s *identity.Service, id, blob string) error {
	c, err := s.GetCredential(ctx, id)
	if err == nil && c.Blob != blob {
		err = fmt.Errorf("%s: %q instead of %q", id, c.Blob, blob)
	}
	return err
}
