package memengine_test

import (
	"testing"

	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/enginetest"
	"github.com/welkin-cloud/cloud/internal/state/memengine"
)

func TestEngine(t *testing.T) {
	for name, shared := range map[string]bool{"alone": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			enginetest.Run(t, func(*testing.T) enginetest.Harness {
				store := memengine.NewStore(memengine.Options{Shared: shared, Retained: 100})
				return enginetest.Harness{
					Open:     func() (state.Engine, error) { return store.Open() },
					Shared:   shared,
					Retained: 100,
				}
			})
		})
	}
}
