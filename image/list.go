package image

import (
	"context"
	"slices"

	"github.com/welkin-cloud/cloud/internal/state"
)

// Filter picks images for ListImages. Zero fields pick all.
type Filter struct {
	// Viewer is the project that asks: it sees its own images, public ones, and
	// those shared with it. Empty means that everything is seen.
	Viewer string
	// Visibility picks one; without it, community images of others are left out.
	// "all" includes them.
	Visibility   string
	MemberStatus MemberStatus // of images shared with the viewer; empty means Accepted; "all" is any
	Owner        string
	Name         string
	Status       Status
	Hidden       bool // only hidden ones, which are otherwise left out
	Protected    *bool
	// DiskFormats and ContainerFormats pick images that have one of them.
	DiskFormats, ContainerFormats, IDs, Names []string
	SizeMin, SizeMax                          int64
	Tags                                      []string // all of them
	Properties                                map[string]string
	// Match, if set, picks further, by what this package does not know.
	Match func(*Image) bool
}

// ListImages returns the images that the filter picks, ordered by id.
func (s *Service) ListImages(_ context.Context, f Filter) []Image {
	r := s.core.DB.Snapshot()
	seq := s.images.All(r)
	switch {
	case f.Name != "":
		seq = s.images.Where(r, s.byName, f.Name)
	case f.Owner != "":
		seq = s.images.Where(r, s.byOwner, f.Owner)
	}
	shared := s.sharedWith(r, f)
	var out []Image
	for i := range seq {
		if f.sees(&i, shared) && f.picks(&i) {
			out = append(out, i)
		}
	}
	return out
}

// sharedWith gives the images that the viewer is a member of, in the wanted status.
func (s *Service) sharedWith(r state.Reader, f Filter) map[string]bool {
	ids := map[string]bool{}
	if f.Viewer == "" {
		return ids
	}
	want := f.MemberStatus
	if want == "" {
		want = Accepted
	}
	for m := range s.members.Where(r, s.byProj, f.Viewer) {
		if want == "all" || m.Status == want {
			ids[m.ImageID] = true
		}
	}
	return ids
}

func (f *Filter) sees(i *Image, shared map[string]bool) bool {
	if f.Visibility != "" && f.Visibility != "all" && string(i.Visibility) != f.Visibility {
		return false
	}
	if f.Viewer == "" || i.ProjectID == f.Viewer {
		return true
	}
	switch i.Visibility {
	case Public:
		return true
	case Community:
		return f.Visibility != ""
	case Shared:
		return shared[i.ID]
	}
	return false
}

func (f *Filter) picks(i *Image) bool {
	oneOf := func(list []string, v string) bool { return len(list) == 0 || slices.Contains(list, v) }
	switch {
	case i.Hidden != f.Hidden,
		f.Name != "" && i.Name != f.Name,
		f.Owner != "" && i.ProjectID != f.Owner,
		f.Status != "" && i.Status != f.Status,
		f.Protected != nil && i.Protected != *f.Protected,
		!oneOf(f.DiskFormats, i.DiskFormat),
		!oneOf(f.ContainerFormats, i.ContainerFormat),
		!oneOf(f.IDs, i.ID),
		!oneOf(f.Names, i.Name),
		f.SizeMin > 0 && i.Size < f.SizeMin,
		f.SizeMax > 0 && i.Size > f.SizeMax:
		return false
	}
	for _, t := range f.Tags {
		if !slices.Contains(i.Tags, t) {
			return false
		}
	}
	for k, v := range f.Properties {
		if i.Properties[k] != v {
			return false
		}
	}
	return f.Match == nil || f.Match(i)
}

// CanSee reports whether a project may see an image: its own, a public or community
// one, or one that is shared with it whatever the membership's status.
func (s *Service) CanSee(_ context.Context, i Image, projectID string) bool {
	switch i.Visibility {
	case Public, Community:
		return true
	case Shared:
		if s.members.Has(s.core.DB.Snapshot(), state.Key(i.ID, projectID)) {
			return true
		}
	}
	return projectID != "" && i.ProjectID == projectID
}
