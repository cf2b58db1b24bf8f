package volume

import (
	"context"
	"errors"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/volume/driver"
)

// lateRetries is how often it is tried again to take away what came too late.
const lateRetries = 3

// late looks, after a backend has made something, that it is still wanted. If this
// controller stood still for longer than its lease, another one may have undone the saga
// meanwhile: then what was made came too late, and undo takes it away. made is how the
// making ended; its answer may have been lost, so it is not trusted to have done nothing.
func (s *Service) late(ctx context.Context, made error, wanted func(r state.Reader) bool, undo func(ctx context.Context) error) error {
	ctx = context.WithoutCancel(ctx) // who is too late has been stopped
	if err := s.core.DB.Sync(ctx); err != nil {
		return errors.Join(made, err)
	}
	if wanted(s.core.DB.Snapshot()) {
		return made
	}
	if err := insist(ctx, undo); err != nil {
		return errors.Join(made, err)
	}
	return errors.Join(made, fault.New(fault.Conflict, "it was given up meanwhile"))
}

// insist tries several times what nobody else knows is to be done. It does not wait in
// between: who has stood still may be closing, and nothing could end the wait.
func insist(ctx context.Context, do func(ctx context.Context) error) error {
	err := do(ctx)
	for range lateRetries {
		if err == nil {
			break
		}
		err = do(ctx)
	}
	return err
}

// unpack makes a volume of a snapshot for the step after this one, which reads it. The
// one after that removes it: so a copy that comes then, or later, came too late.
func (s *Service) unpack(ctx context.Context, r *saga.Run, b driver.Backend, copyID string, sizeGiB int, snapshotID string) error {
	was := r.Saga()
	return s.late(ctx, b.Restore(ctx, copyID, sizeGiB, snapshotID), func(r state.Reader) bool {
		now, err := s.core.Sagas.Get(r, was.ID)
		return err == nil && now.Status == saga.Running && now.Step <= was.Step+1
	}, func(ctx context.Context) error { return b.Delete(ctx, copyID) })
}
