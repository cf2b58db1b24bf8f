package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Users and groups of a domain may be kept elsewhere, in a directory. Of those that
// were seen there is a shadow in the state, with an id made of the domain's and the
// directory's own; roles, tokens and credentials refer to shadows, and nothing but a
// log-in with a password, a look-up and a list asks the directory. A refresher makes
// shadows what the directory says, at least every Settings.DirectoryRefresh.

// sourceDirectory is the userRow.Source of a shadow.
const sourceDirectory = "directory"

// Bounds of what directories are asked at once and for.
const (
	directoryCalls  = 16    // at the same time, of one directory
	directoryQueue  = 64    // calls that wait for one of these
	directoryGroups = 1_000 // that a user may be in
)

// attached is a directory in service.
type attached struct {
	driver.Directory
	domainID string
	owned    bool          // the service closes it
	timeout  time.Duration // of a call
	limit    int           // of a list
	slots    chan struct{}
	queue    chan struct{}
	turn     sync.Mutex // of refreshes
	stop     context.CancelFunc
	done     chan struct{} // closed when the refresher has ended
}

// directories are those in service, by the id of their domain.
type directories struct {
	mu       sync.RWMutex
	byDomain map[string]*attached
	life     context.Context // ends at Close; nil before Start
	end      context.CancelFunc
	closing  sync.WaitGroup

	following  sync.Mutex
	followed   atomic.Uint64 // one more than the revision of the configurations that were followed
	configured map[string][sha256.Size]byte
}

// of returns the directory of a domain, or nil.
func (d *directories) of(domainID string) *attached {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.byDomain[domainID]
}

// alive returns the context of what the service does by itself; nil when it does not run.
func (d *directories) alive() context.Context {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.life == nil || d.life.Err() != nil {
		return nil
	}
	return d.life
}

// AttachDirectory has the users and groups of a domain kept by a directory from now on,
// instead of the one before, if there is one. The service closes it. Users that were
// made in the domain before stay, and hide those of the same name in the directory.
func (s *Service) AttachDirectory(ctx context.Context, domainID string, d driver.Directory) error {
	_, err := s.domain(s.core.DB.Snapshot(), domainID)
	if err == nil {
		err = s.attach(domainID, d, true)
	}
	return fault.Wrap("identity.AttachDirectory", err)
}

// DetachDirectory ends the use of a domain's directory. Its users stay as they were
// last seen, and cannot log in with a password; what tokens they have goes on.
func (s *Service) DetachDirectory(ctx context.Context, domainID string) error {
	return fault.Wrap("identity.DetachDirectory", s.directories.take(domainID).close())
}

// take removes the directory of a domain, and returns it; nil if there is none.
func (d *directories) take(domainID string) *attached {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.byDomain[domainID]
	delete(d.byDomain, domainID)
	return a
}

// startDirectories attaches those of the configuration, whose domains are made if they
// are not there.
func (s *Service) startDirectories(ctx context.Context) error {
	s.directories.mu.Lock()
	s.directories.configured = map[string][sha256.Size]byte{}
	s.directories.life, s.directories.end = context.WithCancel(context.WithoutCancel(ctx))
	s.directories.mu.Unlock()
	for name, d := range s.cfg.Directories {
		domain, ok := s.findDomain(s.core.DB.Snapshot(), DomainRef{Name: name})
		if !ok {
			made, err := s.CreateDomain(ctx, CreateDomainOptions{Name: name})
			if err != nil {
				return err
			}
			domain.ID = made.ID
		}
		if err := s.attach(domain.ID, d, false); err != nil {
			return err
		}
	}
	s.followConfigs()
	return nil
}

func (s *Service) attach(domainID string, d driver.Directory, owned bool) error {
	old, err := s.put(domainID, d, owned, s.cfg.DirectoryLimit)
	if err != nil {
		return err
	}
	return old.close()
}

// put takes a directory into service, and returns the one before.
func (s *Service) put(domainID string, d driver.Directory, owned bool, limit int) (*attached, error) {
	a := &attached{
		Directory: d, domainID: domainID, owned: owned, timeout: s.cfg.DirectoryTimeout, limit: limit,
		slots: make(chan struct{}, directoryCalls), queue: make(chan struct{}, directoryCalls+directoryQueue),
		done: make(chan struct{}),
	}
	s.directories.mu.Lock()
	defer s.directories.mu.Unlock()
	if s.directories.life == nil || s.directories.life.Err() != nil {
		return nil, fault.New(fault.Unavailable, "The identity service is not running.")
	}
	old := s.directories.byDomain[domainID]
	life, stop := context.WithCancel(s.directories.life)
	a.stop = stop
	s.directories.byDomain[domainID] = a
	go func() {
		defer close(a.done)
		s.keepFresh(life, a)
	}()
	return old, nil
}

// closeDirectories ends all refreshers, and closes the directories that are the
// service's own.
func (s *Service) closeDirectories() error {
	s.directories.mu.Lock()
	all := s.directories.byDomain
	s.directories.byDomain = map[string]*attached{}
	if s.directories.end != nil {
		s.directories.end()
	}
	s.directories.mu.Unlock()
	var errs []error
	for _, a := range all {
		errs = append(errs, a.close())
	}
	s.directories.closing.Wait()
	return errors.Join(errs...)
}

// close ends the refresher; a may be nil.
func (a *attached) close() error {
	if a == nil {
		return nil
	}
	a.stop()
	<-a.done
	if !a.owned {
		return nil
	}
	return a.Directory.Close()
}

// ask calls a directory: for a bounded time, and no more callers at once than it has
// slots.
func ask[T any](ctx context.Context, a *attached, f func(ctx context.Context) (T, error)) (T, error) {
	var none T
	select {
	case a.queue <- struct{}{}:
		defer func() { <-a.queue }()
	default:
		return none, fault.New(fault.RateLimited, "Too many requests to a directory of users at once. Try again later.")
	}
	limited, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-limited.Done():
		return none, a.failed(ctx, limited.Err())
	}
	v, err := f(limited)
	if err != nil {
		return none, a.failed(ctx, err)
	}
	return v, nil
}

// failed is the error of a call: what is not about what was asked for is about the
// directory, which is then unavailable.
func (a *attached) failed(ctx context.Context, err error) error {
	switch fault.Of(err) {
	case fault.Unauthenticated, fault.NotFound, fault.AlreadyExists, fault.Invalid, fault.Forbidden, fault.TooLarge:
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fault.New(fault.Unavailable,
		"The directory that keeps the users of domain %s cannot be reached. Try again later.", a.domainID).Because(err)
}

// writer returns the directory if it can be changed.
func (a *attached) writer() (driver.Writer, error) {
	w, ok := a.Directory.(driver.Writer)
	if !ok {
		return nil, readOnly(a.domainID)
	}
	return w, nil
}

func readOnly(domainID string) error {
	return fault.New(fault.Forbidden,
		"The users and groups of domain %s are kept in a directory that cannot be changed here.", domainID)
}

// keeper returns the directory that a shadow comes from, and its entry. Without a
// directory in service there is none.
func (s *Service) keeper(r state.Reader, id string) (*attached, directoryEntry) {
	e, err := s.t.directoryEntries.Get(r, id)
	if err != nil {
		return nil, e
	}
	return s.directory(e.DomainID), e
}

// shadowed reports whether an id is that of a shadow.
func (s *Service) shadowed(r state.Reader, id string) bool { return s.t.directoryEntries.Has(r, id) }
