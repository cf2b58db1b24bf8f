package network

import (
	"context"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Taggable are the resources that have tags, with the names of their collections in
// Neutron's paths.
var Taggable = []string{
	"networks", "subnets", "ports", "routers", "floatingips", "security-groups", "subnetpools",
}

// SetTags replaces the tags of a resource.
func (s *Service) SetTags(ctx context.Context, collection, id string, tags []string) ([]string, error) {
	return s.changeTags(ctx, "SetTags", collection, id, func([]string) []string { return tags })
}

// AddTag adds a tag to a resource that may have it already.
func (s *Service) AddTag(ctx context.Context, collection, id, tag string) error {
	_, err := s.changeTags(ctx, "AddTag", collection, id, func(have []string) []string {
		return append(slices.Clone(have), tag)
	})
	return err
}

// RemoveTag takes a tag from a resource: NotFound if it has it not.
func (s *Service) RemoveTag(ctx context.Context, collection, id, tag string) error {
	found := false
	_, err := s.changeTags(ctx, "RemoveTag", collection, id, func(have []string) []string {
		found = slices.Contains(have, tag)
		return slices.DeleteFunc(slices.Clone(have), func(t string) bool { return t == tag })
	})
	if err == nil && !found {
		err = fault.Wrap("network.RemoveTag", TagNotFound(tag))
	}
	return err
}

// TagNotFound is the error for a tag that a resource has not.
func TagNotFound(tag string) error {
	return refused(fault.NotFound, "TagNotFound", "Tag %s could not be found.", tag)
}

func (s *Service) changeTags(ctx context.Context, op, collection, id string, f func([]string) []string) ([]string, error) {
	var tags []string
	err := s.update(ctx, op, func(tx *state.Tx) error {
		edit := func(m *Meta) error {
			want := f(m.Tags)
			if slices.Equal(want, m.Tags) {
				tags = m.Tags
				return nil
			}
			if err := m.setTags(want); err != nil {
				return err
			}
			s.touch(m)
			s.emit(ctx, tx, "tag.update.end", collection, m)
			tags = m.Tags
			return nil
		}
		return s.editMeta(tx, collection, id, edit)
	})
	return tags, err
}

// editMeta changes the common part of a resource.
func (s *Service) editMeta(tx *state.Tx, collection, id string, edit func(m *Meta) error) error {
	t := &s.t
	switch collection {
	case "networks":
		return t.networks.Change(tx, id, func(d *Network) error { return edit(&d.Meta) })
	case "subnets":
		return t.subnets.Change(tx, id, func(d *Subnet) error { return edit(&d.Meta) })
	case "ports":
		return t.ports.Change(tx, id, func(d *Port) error { return edit(&d.Meta) })
	case "routers":
		return t.routers.Change(tx, id, func(d *Router) error { return edit(&d.Meta) })
	case "floatingips":
		return t.floating.Change(tx, id, func(d *FloatingIP) error { return edit(&d.Meta) })
	case "security-groups":
		return t.groups.Change(tx, id, func(d *SecurityGroup) error { return edit(&d.Meta) })
	case "subnetpools":
		return t.pools.Change(tx, id, func(d *SubnetPool) error { return edit(&d.Meta) })
	}
	return refused(fault.NotFound, "TagResourceNotFound", "Resource %s %s could not be found.", collection, id)
}
