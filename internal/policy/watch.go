package policy

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/welkin-cloud/cloud/internal/clock"
)

// lookEvery is the time between two looks at a directory of overrides.
const lookEvery = 2 * time.Second

// WatchConfig of Watch. Dir is required.
type WatchConfig struct {
	Dir string // of the files; see LoadOverrides
	// Base are overrides that the files are laid over.
	Base  map[string]map[string]string
	Clock clock.Clock  // nil for the machine's
	Log   *slog.Logger // nil for none
}

// Watcher keeps the rules of an enforcer as the files of a directory say.
type Watcher struct {
	enforcer *Enforcer
	cfg      WatchConfig
	// loaded is what the files held when they were last loaded, or refused; seen is
	// what they held at the last look.
	loaded, seen files

	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Watch loads the overrides of a directory, and again whenever its files change, until
// Close. At the start a mistake in them is an error. Later one is logged once and
// changes nothing: the rules of before stay, of all services. A change is taken when it
// is still the same at the next look, so that no half-written file is.
func Watch(ctx context.Context, e *Enforcer, cfg WatchConfig) (*Watcher, error) {
	if cfg.Clock == nil {
		cfg.Clock = clock.System{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	w := &Watcher{enforcer: e, cfg: cfg}
	found, err := readFiles(cfg.Dir)
	if err == nil {
		_, err = w.load(found)
	}
	if err != nil {
		return nil, err
	}
	w.loaded, w.seen = found, found
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w.cancel = cancel
	w.done.Go(func() { w.run(ctx) })
	return w, nil
}

// Close ends the watch. The rules stay as they are.
func (w *Watcher) Close() error {
	w.cancel()
	w.done.Wait()
	return nil
}

func (w *Watcher) run(ctx context.Context) {
	var failed string // why the last look saw nothing
	for clock.Sleep(ctx, w.cfg.Clock, lookEvery) == nil {
		err := w.look()
		switch {
		case err == nil:
			failed = ""
		case err.Error() != failed:
			failed = err.Error()
			w.cfg.Log.Error("policy: the overrides are not loaded, the rules stay as they were", "error", err)
		}
	}
}

// look loads what has changed. A wrong file is complained about until it changes again.
func (w *Watcher) look() error {
	found, err := readFiles(w.cfg.Dir)
	if err != nil {
		w.seen = nil
		return err
	}
	settled := found.equal(w.seen)
	w.seen = found
	if !settled || found.equal(w.loaded) {
		return nil
	}
	rules, err := w.load(found)
	w.loaded = found
	if err != nil {
		w.cfg.Log.Error("policy: the overrides are wrong, the rules stay as they were", "error", err)
		return nil
	}
	w.cfg.Log.Info("policy: the overrides have changed", "files", len(found), "rules", rules)
	return nil
}

// load puts overrides in force, and counts them.
func (w *Watcher) load(found files) (rules int, err error) {
	overrides, err := found.overrides()
	if err != nil {
		return 0, err
	}
	for service, base := range w.cfg.Base {
		whole := maps.Clone(base)
		maps.Copy(whole, overrides[service])
		overrides[service] = whole
	}
	for _, of := range overrides {
		rules += len(of)
	}
	return rules, w.enforcer.Load(overrides)
}

// equal reports whether the files have the same names and content.
func (f files) equal(other files) bool { return maps.EqualFunc(f, other, bytes.Equal) }
