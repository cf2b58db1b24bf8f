package identity

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// The bounds of tags, as in Keystone.
const (
	maxTags = 80  // of a project
	maxTag  = 255 // characters
)

// checkTags refuses tags that a URL or a list of tags could not carry.
func checkTags(tags []string) error {
	if len(tags) > maxTags {
		return fault.New(fault.Invalid, "A project has up to %d tags.", maxTags)
	}
	for _, tag := range tags {
		if tag == "" || utf8.RuneCountInString(tag) > maxTag || strings.ContainsAny(tag, ",/") {
			return fault.New(fault.Invalid, "A tag is 1 to %d characters, without commas and slashes.", maxTag)
		}
	}
	return nil
}

// AddProjectTag gives a project a tag; one that it has stays.
func (s *Service) AddProjectTag(ctx context.Context, id, tag string) error {
	return s.changeTags(ctx, "AddProjectTag", id, func(tags []string) ([]string, error) {
		return append(tags, tag), nil
	})
}

// RemoveProjectTag takes a tag from a project: fault.NotFound if it has it not.
func (s *Service) RemoveProjectTag(ctx context.Context, id, tag string) error {
	return s.changeTags(ctx, "RemoveProjectTag", id, func(tags []string) ([]string, error) {
		i := slices.Index(tags, tag)
		if i < 0 {
			return nil, fault.New(fault.NotFound, "Could not find project tag: %s.", tag)
		}
		return slices.Delete(tags, i, i+1), nil
	})
}

// changeTags gives a project the tags that change makes of a copy of its own.
func (s *Service) changeTags(ctx context.Context, op, id string, change func([]string) ([]string, error)) error {
	return s.update(ctx, op, func(tx *state.Tx) error {
		s.emit(ctx, tx, updated, "project", id)
		return s.t.projects.Change(tx, id, func(p *Project) error {
			if err := immutable("project", id, p.Options, nil); err != nil {
				return err
			}
			tags, err := change(slices.Clone(p.Tags))
			if err != nil {
				return err
			}
			p.Tags = sortedTags(tags)
			return checkTags(p.Tags)
		})
	})
}

func sortedTags(tags []string) []string {
	if len(tags) == 0 {
		return nil
	}
	return slices.Compact(slices.Sorted(slices.Values(tags)))
}

func hasAll(have, want []string) bool {
	for _, w := range want {
		if !slices.Contains(have, w) {
			return false
		}
	}
	return true
}

func hasAny(have, want []string) bool {
	return slices.ContainsFunc(want, func(w string) bool { return slices.Contains(have, w) })
}
