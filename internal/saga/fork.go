package saga

import (
	"context"
	"encoding/json"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Inherit takes the place of all controllers that the state knows, which must not be at
// work on it: for forks, where the controllers of the original have no part. Call it
// before Open, which then takes their sagas at once.
func (e *Engine) Inherit(ctx context.Context) error {
	err := e.db.Update(ctx, func(tx *state.Tx) error {
		for c := range e.controllers.All(tx) {
			if err := e.controllers.Delete(tx, c.ID); err != nil {
				return err
			}
		}
		return nil
	})
	return fault.Wrap("saga.Inherit", err)
}

// Did reports whether a step has been done and not undone since.
func (s *Saga) Did(step string) bool { return s.stands(step) == done }

// Decode reads the saga's parameters into v, a pointer.
func (s *Saga) Decode(v any) error { return json.Unmarshal(s.Params, v) }
