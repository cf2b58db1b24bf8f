package identity

import (
	"context"
	"crypto/sha256"
	"encoding/json"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// Domains may have their directory by configuration, which the API changes: their option
// "identity.driver" says which kind it is, and those of the group of that name describe
// it. What was changed is noticed when a directory is next needed.

// directory returns the directory of a domain as it is configured now, or nil.
func (s *Service) directory(domainID string) *attached {
	s.followConfigs()
	return s.directories.of(domainID)
}

// followConfigs attaches and detaches directories as the configurations of domains say.
func (s *Service) followConfigs() {
	d := &s.directories
	life := d.alive()
	if s.cfg.OpenDirectory == nil || life == nil || d.followed.Load() == s.DomainConfigRevision()+1 {
		return
	}
	d.following.Lock()
	defer d.following.Unlock()
	revision := s.DomainConfigRevision()
	if d.followed.Load() == revision+1 {
		return
	}
	wanted := map[string]DomainConfig{}
	for row := range s.t.domainConfigs.All(s.core.DB.Snapshot()) {
		if row.Options.Text("identity", "driver") != "sql" && row.Options.Text("identity", "driver") != "" {
			wanted[row.DomainID] = s.optionsOf(life, row.DomainID)
		}
	}
	for domainID := range d.configured {
		if _, still := wanted[domainID]; !still {
			delete(d.configured, domainID)
			s.closeLater(d.take(domainID))
		}
	}
	for domainID, c := range wanted {
		s.followConfig(domainID, c)
	}
	d.followed.Store(revision + 1)
}

// optionsOf returns the configuration of a domain, empty if it cannot be read.
func (s *Service) optionsOf(ctx context.Context, domainID string) DomainConfig {
	c, err := s.DomainConfig(ctx, domainID)
	if err != nil {
		s.core.Log.Error("the configuration of a domain cannot be read", "domain", domainID, "error", err)
	}
	return c
}

// followConfig attaches the directory of a domain, unless it is there already, or the
// program itself gives the domain another one.
func (s *Service) followConfig(domainID string, c DomainConfig) {
	d := &s.directories
	sum := fingerprint(c)
	if old, known := d.configured[domainID]; known && old == sum || !known && d.of(domainID) != nil {
		return
	}
	kind := c.Text("identity", "driver")
	options := map[string]string{}
	for name := range c[kind] {
		options[name] = c.Text(kind, name)
	}
	dir, err := s.cfg.OpenDirectory(kind, options)
	if err != nil {
		s.core.Log.Error("the directory of a domain cannot be used as configured", "domain", domainID, "error", err)
		dir = unusable{}
	}
	old, err := s.put(domainID, dir, true, c.Number("identity", "list_limit", s.cfg.DirectoryLimit))
	if err != nil {
		dir.Close()
		return
	}
	d.configured[domainID] = sum
	s.closeLater(old)
}

func fingerprint(c DomainConfig) [sha256.Size]byte {
	text, err := json.Marshal(c)
	if err != nil {
		return [sha256.Size]byte{} // it came from JSON
	}
	return sha256.Sum256(text)
}

// closeLater closes a directory that was replaced, without waiting for its refresher.
func (s *Service) closeLater(a *attached) {
	if a == nil {
		return
	}
	s.directories.closing.Go(func() {
		if err := a.close(); err != nil {
			s.core.Log.Warn("a directory could not be closed", "domain", a.domainID, "error", err)
		}
	})
}

// unusable stands in the place of a directory whose configuration is wrong.
type unusable struct{}

func (unusable) err() error {
	return fault.New(fault.Unavailable, "The directory is not configured as it must be.")
}

func (u unusable) Authenticate(context.Context, driver.Ref, string) (driver.User, error) {
	return driver.User{}, u.err()
}

func (u unusable) Users(context.Context, driver.Query) ([]driver.User, error) { return nil, u.err() }

func (u unusable) Groups(context.Context, driver.Query) ([]driver.Group, error) { return nil, u.err() }

func (u unusable) Members(context.Context, string, int) ([]driver.User, error) { return nil, u.err() }

func (u unusable) GroupsOf(context.Context, driver.User, int) ([]driver.Group, error) {
	return nil, u.err()
}

func (unusable) Close() error { return nil }
