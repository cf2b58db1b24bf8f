package identity

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/sqlite"
)

// OpenOptions of Open; nil means all defaults.
type OpenOptions struct {
	// Dir keeps the state and, unless Config.Keys is set, the keys. It is made with
	// mode 0700. Empty: everything is forgotten at Close.
	Dir string
	Log *slog.Logger // default: nothing is logged
}

// Open returns a started service that stands alone, without the rest of a cloud.
// Close it.
func Open(ctx context.Context, cfg Config, opts *OpenOptions) (*Service, error) {
	if opts == nil {
		opts = &OpenOptions{}
	}
	engine, err := openEngine(opts.Dir)
	if err != nil {
		return nil, fault.Wrap("identity.Open", err)
	}
	if opts.Dir != "" && cfg.Keys == nil {
		cfg.Keys = FileKeys(opts.Dir)
	}
	c := newCore(engine, opts.Log)
	s, err := New(c, cfg)
	if err != nil {
		if engine != nil {
			engine.Close()
		}
		return nil, err
	}
	s.owned = func() error { return errors.Join(cfg.Federation.close(), c.DB.Close()) }
	if err := c.DB.Open(ctx); err != nil {
		return nil, fault.Wrap("identity.Open", err)
	}
	if err := s.Start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func openEngine(dir string) (state.Engine, error) {
	if dir == "" {
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.New(fault.Unavailable, "The directory of the state cannot be made.").Because(err)
	}
	return sqlite.Open(filepath.Join(dir, "identity.db"))
}

func newCore(engine state.Engine, log *slog.Logger) *core.Core {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	db, source := state.New(engine, nil), ids.Random()
	return &core.Core{
		DB: db, Clock: clock.System{}, IDs: source, Log: log,
		Sagas:  saga.New(db, clock.System{}, source, log, saga.Config{}),
		Quotas: quota.Define(db),
	}
}
