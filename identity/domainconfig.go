package identity

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// DomainConfig is how a domain differs from others: values of options, by group and
// option. The groups are "identity" and "ldap". Values are texts, numbers, booleans
// or lists of texts, as they were given.
type DomainConfig map[string]map[string]any

// domainConfigRow is the configuration of a domain as stored. Sensitive options are
// only in Sealed.
type domainConfigRow struct {
	DomainID string       `json:"domain"`
	Options  DomainConfig `json:"options,omitempty"`
	Sealed   string       `json:"sealed,omitempty"` // a DomainConfig, encrypted
}

func (t *tables) defineDomainConfigs(db *state.DB) {
	t.domainConfigs = state.Define(db, state.Spec[domainConfigRow]{
		Name: "identity.domain_configs", Noun: "domain configuration",
		Key: func(c *domainConfigRow) string { return c.DomainID },
	})
}

// Text returns an option as text; empty if it is not set.
func (c DomainConfig) Text(group, option string) string {
	switch v := c[group][option].(type) {
	case string:
		return v
	case bool:
		if v {
			return "true"
		}
		return "false"
	case nil:
		return ""
	default:
		text, _ := json.Marshal(v) // numbers and lists of texts
		return string(text)
	}
}

// Number returns an option as a number; fallback if it is none.
func (c DomainConfig) Number(group, option string, fallback int) int {
	var n int
	if json.Unmarshal([]byte(c.Text(group, option)), &n) != nil {
		return fallback
	}
	return n
}

// Flag returns an option as a boolean; fallback if it is none.
func (c DomainConfig) Flag(group, option string, fallback bool) bool {
	switch strings.ToLower(c.Text(group, option)) {
	case "true", "1", "yes", "on":
		return true
	case "false", "0", "no", "off":
		return false
	}
	return fallback
}

// List returns an option as a list; a text is parted at its commas.
func (c DomainConfig) List(group, option string) []string {
	var list []string
	switch values := c[group][option].(type) {
	case []string:
		return slices.Clone(values)
	case []any:
		for _, v := range values {
			if text, ok := v.(string); ok {
				list = append(list, text)
			}
		}
	case string:
		for text := range strings.SplitSeq(values, ",") {
			list = append(list, strings.TrimSpace(text))
		}
	}
	return list
}

// clone copies c but not the values, which nobody changes.
func (c DomainConfig) clone() DomainConfig {
	all := make(DomainConfig, len(c))
	for group, options := range c {
		all[group] = maps.Clone(options)
	}
	return all
}

// lay puts the options of another configuration over c.
func (c DomainConfig) lay(over DomainConfig) {
	for group, options := range over {
		if c[group] == nil {
			c[group] = map[string]any{}
		}
		maps.Copy(c[group], options)
	}
}

// remove takes a group, one of its options, or with two empty names everything.
func (c DomainConfig) remove(group, option string) {
	switch {
	case group == "":
		clear(c)
	case option == "":
		delete(c, group)
	default:
		delete(c[group], option)
		if len(c[group]) == 0 {
			delete(c, group)
		}
	}
}

// has reports whether a group, or with option that one, is set.
func (c DomainConfig) has(group, option string) bool {
	options, there := c[group]
	if option == "" {
		return there
	}
	_, there = options[option]
	return there
}

// DomainConfig returns the whole configuration of a domain, for what runs in this
// process: sensitive options are in it, and texts that name options ("%(password)s")
// have their values in place. A domain without one has an empty one.
func (s *Service) DomainConfig(ctx context.Context, domainID string) (DomainConfig, error) {
	var c DomainConfig
	err := s.withCredentialKeys(ctx, func() (err error) {
		c, err = s.wholeConfig(s.core.DB.Snapshot(), domainID)
		return err
	})
	if err != nil {
		return nil, fault.Wrap("identity.DomainConfig", err)
	}
	for _, options := range c {
		var pairs []string
		for name := range options {
			pairs = append(pairs, "%("+name+")s", "")
		}
		for i := 0; i < len(pairs); i += 2 {
			name := strings.TrimSuffix(strings.TrimPrefix(pairs[i], "%("), ")s")
			pairs[i+1], _ = options[name].(string)
		}
		fill := strings.NewReplacer(pairs...)
		for name, value := range options {
			if text, ok := value.(string); ok && strings.Contains(text, "%(") {
				options[name] = fill.Replace(text)
			}
		}
	}
	return c, nil
}

// DomainConfigRevision changes whenever the configuration of a domain may have.
func (s *Service) DomainConfigRevision() uint64 {
	return s.t.domainConfigs.Revision(s.core.DB.Snapshot())
}

// wholeConfig returns what is stored, sensitive options included.
func (s *Service) wholeConfig(r state.Reader, domainID string) (DomainConfig, error) {
	if _, err := s.domain(r, domainID); err != nil {
		return nil, err
	}
	row, err := s.t.domainConfigs.Get(r, domainID)
	if err != nil {
		return DomainConfig{}, nil
	}
	c := row.Options.clone()
	if row.Sealed == "" {
		return c, nil
	}
	text, ok := s.credentialKeys.open(row.Sealed)
	var secrets DomainConfig
	if !ok || json.Unmarshal(text, &secrets) != nil {
		return nil, &fault.Error{
			Kind: fault.Internal, Resource: "domain", ID: domainID,
			Message: "The configuration of the domain cannot be decrypted with the keys of this cloud.",
		}
	}
	c.lay(secrets)
	return c, nil
}

// storeConfig puts a whole configuration into the state, its secrets encrypted.
func (s *Service) storeConfig(ctx context.Context, tx *state.Tx, domainID string, c DomainConfig) error {
	s.emit(ctx, tx, updated, "domain", domainID)
	if len(c) == 0 {
		return s.dropDomainConfig(tx, domainID)
	}
	row := domainConfigRow{DomainID: domainID, Options: DomainConfig{}}
	secrets := DomainConfig{}
	for group, options := range c {
		for name, value := range options {
			one := DomainConfig{group: {name: value}}
			if slices.Contains(sensitiveOptions[group], name) {
				secrets.lay(one)
			} else {
				row.Options.lay(one)
			}
		}
	}
	if len(secrets) > 0 {
		text, err := json.Marshal(secrets)
		if err != nil {
			return err
		}
		if row.Sealed, err = s.credentialKeys.seal(text, s.core.Clock.Now()); err != nil {
			return err
		}
	}
	return s.t.domainConfigs.Put(tx, row)
}

func (s *Service) dropDomainConfig(tx *state.Tx, domainID string) error {
	if !s.t.domainConfigs.Has(tx, domainID) {
		return nil
	}
	return s.t.domainConfigs.Delete(tx, domainID)
}

// GetDomainConfig returns what may be shown of a domain's configuration: of one group
// or one of its options, if they are named, and never sensitive options.
// fault.NotFound if nothing of it is set.
func (s *Service) GetDomainConfig(ctx context.Context, domainID, group, option string) (DomainConfig, error) {
	r := s.core.DB.Snapshot()
	if err := firstError(supported(group, option), s.checkDomain(r, domainID)); err != nil {
		return nil, fault.Wrap("identity.GetDomainConfig", err)
	}
	row, _ := s.t.domainConfigs.Get(r, domainID)
	found := DomainConfig{}
	for g, options := range row.Options {
		for name, value := range options {
			if is(group, g) && is(option, name) {
				found.lay(DomainConfig{g: {name: value}})
			}
		}
	}
	if len(found) == 0 {
		return nil, fault.Wrap("identity.GetDomainConfig", notConfigured(domainID, group, option))
	}
	return found, nil
}

// SetDomainConfig replaces the configuration of a domain and reports whether there
// was none before. fault.Forbidden if an option is not one that domains may have.
func (s *Service) SetDomainConfig(ctx context.Context, domainID string, c DomainConfig) (first bool, err error) {
	err = s.updateSealed(ctx, "SetDomainConfig", func(tx *state.Tx) error {
		if err := firstError(s.checkDomain(tx, domainID), c.check()); err != nil {
			return err
		}
		first = !s.t.domainConfigs.Has(tx, domainID)
		return s.storeConfig(ctx, tx, domainID, c)
	})
	return first, err
}

// UpdateDomainConfig lays options over the configuration of a domain. If a group is
// named, or one option of it, c must hold that and nothing else, and it must be set
// already: fault.NotFound if not.
func (s *Service) UpdateDomainConfig(ctx context.Context, domainID, group, option string, c DomainConfig) error {
	return s.updateSealed(ctx, "UpdateDomainConfig", func(tx *state.Tx) error {
		if err := firstError(s.checkDomain(tx, domainID), c.check(), supported(group, option), c.only(group, option)); err != nil {
			return err
		}
		whole, err := s.wholeConfig(tx, domainID)
		if err != nil {
			return err
		}
		if group != "" && !whole.has(group, option) {
			return notConfigured(domainID, group, option)
		}
		whole.lay(c)
		return s.storeConfig(ctx, tx, domainID, whole)
	})
}

// DeleteDomainConfig removes the configuration of a domain, or one group or option of
// it: fault.NotFound if a named one is not set.
func (s *Service) DeleteDomainConfig(ctx context.Context, domainID, group, option string) error {
	return s.updateSealed(ctx, "DeleteDomainConfig", func(tx *state.Tx) error {
		if err := firstError(s.checkDomain(tx, domainID), supported(group, option)); err != nil {
			return err
		}
		whole, err := s.wholeConfig(tx, domainID)
		if err != nil {
			return err
		}
		if group != "" && !whole.has(group, option) {
			return notConfigured(domainID, group, option)
		}
		whole.remove(group, option)
		return s.storeConfig(ctx, tx, domainID, whole)
	})
}

func (s *Service) checkDomain(r state.Reader, id string) error {
	_, err := s.domain(r, id)
	return err
}
