package memvolume

import (
	"github.com/welkin-cloud/cloud/internal/overlay"
)

// Base is what a backend keeps before its first call. Its functions may be nil; they are
// asked for a thing when it is first touched, and must give the same answers always. The
// content of what is in the base reads as zeros, and it takes no part of CapacityGiB.
type Base struct {
	Volume   func(id string) (Volume, bool)
	Snapshot func(id string) (Snapshot, bool)
	// Volumes and Snapshots are the ids of all.
	Volumes, Snapshots func() []string
}

// Volume is a volume of a Base.
type Volume struct {
	SizeGiB int
	Hosts   []string // that it is connected to
}

// Snapshot is a snapshot of a Base.
type Snapshot struct {
	VolumeID string
	SizeGiB  int
}

func (b Base) volumes() overlay.Base[*disk] {
	if b.Volume == nil {
		return overlay.Base[*disk]{}
	}
	return overlay.Base[*disk]{Keys: b.Volumes, Get: func(id string) (*disk, bool) {
		v, ok := b.Volume(id)
		d := &disk{gib: v.SizeGiB, free: true, hosts: make(map[string]bool, len(v.Hosts))}
		for _, host := range v.Hosts {
			d.hosts[host] = true
		}
		return d, ok
	}}
}

func (b Base) snapshots() overlay.Base[*snapshot] {
	if b.Snapshot == nil {
		return overlay.Base[*snapshot]{}
	}
	return overlay.Base[*snapshot]{Keys: b.Snapshots, Get: func(id string) (*snapshot, bool) {
		s, ok := b.Snapshot(id)
		return &snapshot{disk: disk{gib: s.SizeGiB}, volumeID: s.VolumeID}, ok
	}}
}
