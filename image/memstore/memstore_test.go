package memstore_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/image/driver"
	"github.com/welkin-cloud/cloud/image/drivertest"
	"github.com/welkin-cloud/cloud/image/memstore"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(*testing.T) driver.Store { return memstore.New(memstore.Config{}) })
}

func TestFullStore(t *testing.T) {
	s := memstore.New(memstore.Config{MaxBytes: 10})
	_, err := s.Put(t.Context(), "a", bytes.NewReader(make([]byte, 11)))
	require.ErrorIs(t, err, driver.Exhausted)
	_, err = s.Put(t.Context(), "a", bytes.NewReader(make([]byte, 10)))
	require.NoError(t, err)
	_, err = s.Put(t.Context(), "b", bytes.NewReader(make([]byte, 1)))
	require.ErrorIs(t, err, driver.Exhausted)
	require.NoError(t, s.Delete(t.Context(), "a"))
	_, err = s.Put(t.Context(), "b", bytes.NewReader(make([]byte, 1)))
	require.NoError(t, err)
}

func TestFault(t *testing.T) {
	s := memstore.New(memstore.Config{})
	s.SetFault(func(_ context.Context, op, id string) error {
		if op == "Put" {
			return driver.Errorf(driver.Unavailable, "the store is away")
		}
		return nil
	})
	_, err := s.Put(t.Context(), "a", bytes.NewReader(nil))
	require.ErrorIs(t, err, driver.Unavailable)
	s.SetFault(nil)
	_, err = s.Put(t.Context(), "a", bytes.NewReader(nil))
	require.NoError(t, err)
}
