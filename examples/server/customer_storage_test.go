package main

import (
	"bytes"
	"io"
	"math/rand/v2"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/backups"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/snapshots"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
)

// This file holds what customers do with volumes and images.

func (c *customer) makeVolume() { c.orderVolume("volume", volumes.CreateOpts{Size: 1}) }

// cloneVolume makes a volume of another, of a snapshot, of an image or of a backup.
func (c *customer) cloneVolume() {
	sources := []func(o *volumes.CreateOpts) string{
		func(o *volumes.CreateOpts) string { o.ImageID = c.imageID; return "volume of image" },
		func(o *volumes.CreateOpts) string {
			if v := c.one(aVolume, status("available")); v != nil {
				o.SourceVolID = v.id
			}
			return "clone"
		},
		func(o *volumes.CreateOpts) string {
			if s := c.one(aSnapshot, status("available")); s != nil {
				o.SnapshotID = s.id
			}
			return "volume of snapshot"
		},
		func(o *volumes.CreateOpts) string {
			if b := c.one(aBackup, status("available")); b != nil && c.rng.IntN(rare) == 0 {
				o.BackupID = b.id
			}
			return "volume of backup"
		},
	}
	o := volumes.CreateOpts{Size: 1}
	c.orderVolume(sources[c.rng.IntN(len(sources))](&o), o)
}

func (c *customer) orderVolume(what string, o volumes.CreateOpts) {
	if c.full(aVolume, maxOthers) {
		return
	}
	e := c.ledger.add(aVolume, c.name, "available")
	o.Name = e.name
	c.ask(what, e, unsure, there, func() error {
		v, err := volumes.Create(c.ctx, c.volume, o, nil).Extract()
		if err == nil {
			e.id = v.ID
		}
		return err
	})
}

// free tells whether nothing hangs on a volume, as far as the customer knows.
func (c *customer) free(v *entry) bool {
	for _, s := range c.ledger.of(aSnapshot, c.name) {
		if s.volume == v {
			return false
		}
	}
	return len(c.ledger.attached(v)) == 0
}

// deleteOther deletes a volume, a snapshot, a backup or an image.
func (c *customer) deleteOther() {
	switch c.rng.IntN(4) {
	case 0:
		if e := c.one(aVolume, c.free); e != nil {
			c.ask("delete volume", e, going, gone, func() error { return volumes.Delete(c.ctx, c.volume, e.id, nil).ExtractErr() })
		}
	case 1:
		if e := c.one(aSnapshot, nil); e != nil {
			c.ask("delete snapshot", e, going, gone, func() error { return snapshots.Delete(c.ctx, c.volume, e.id).ExtractErr() })
		}
	case 2:
		if e := c.one(aBackup, nil); e != nil {
			c.ask("delete backup", e, going, gone, func() error { return backups.Delete(c.ctx, c.volume, e.id).ExtractErr() })
		}
	case 3:
		if e := c.one(anImage, nil); e != nil {
			c.ask("delete image", e, going, gone, func() error { return images.Delete(c.ctx, c.image, e.id).ExtractErr() })
		}
	}
}

func (c *customer) snapshotVolume() {
	v := c.one(aVolume, func(e *entry) bool { return len(c.ledger.attached(e)) == 0 && status("available")(e) })
	if v == nil || c.full(aSnapshot, maxOthers) {
		return
	}
	e := c.ledger.add(aSnapshot, c.name, "available")
	e.volume = v
	c.ask("snapshot", e, unsure, there, func() error {
		s, err := snapshots.Create(c.ctx, c.volume, snapshots.CreateOpts{VolumeID: v.id, Name: e.name}).Extract()
		if err == nil {
			e.id = s.ID
		}
		return err
	})
}

func (c *customer) backUp() {
	v := c.one(aVolume, func(e *entry) bool { return len(c.ledger.attached(e)) == 0 && status("available")(e) })
	if v == nil || c.full(aBackup, 1) || c.rng.IntN(rare) > 0 {
		return
	}
	e := c.ledger.add(aBackup, c.name, "available")
	c.ask("backup", e, unsure, there, func() error {
		b, err := backups.Create(c.ctx, c.volume, backups.CreateOpts{VolumeID: v.id, Name: e.name}).Extract()
		if err == nil {
			e.id = b.ID
		}
		return err
	})
}

// uploadSize is large enough to be cut off in the middle.
const uploadSize = 6 << 20

// contentOf returns what an image is filled with.
func contentOf(e *entry) []byte {
	b := make([]byte, uploadSize)
	_, _ = rand.NewChaCha8([32]byte([]byte(digest([]byte(e.name))[:32]))).Read(b) // never fails
	return b
}

func (c *customer) uploadImage() {
	if c.full(anImage, maxOthers) {
		return
	}
	e := c.ledger.add(anImage, c.name, "queued")
	made := c.ask("image", e, unsure, there, func() error {
		i, err := images.Create(c.ctx, c.image, images.CreateOpts{Name: e.name, DiskFormat: "raw", ContainerFormat: "bare"}).Extract()
		if err == nil {
			e.id = i.ID
		}
		return err
	})
	if !made {
		return
	}
	content := contentOf(e)
	e.content = digest(content)
	c.change("upload", e, "active", func() error {
		return imagedata.Upload(c.ctx, c.image, e.id, bytes.NewReader(content)).ExtractErr()
	})
}

// download reads an image: what comes without an error is whole.
func (c *customer) download() {
	e := c.one(anImage, func(e *entry) bool { return e.content != "" && status("active")(e) })
	if e == nil {
		return
	}
	c.ask("download", e, there, there, func() error {
		body, err := imagedata.Download(c.ctx, c.image, e.id).Extract()
		if err != nil {
			return err
		}
		defer body.Close()
		got, err := io.ReadAll(body)
		if err == nil && digest(got) != e.content {
			c.complain("image " + e.name + " was read without an error and is not what was uploaded")
		}
		return err
	})
}

// volumeToImage makes an image of a volume.
func (c *customer) volumeToImage() {
	v := c.one(aVolume, func(e *entry) bool { return len(c.ledger.attached(e)) == 0 && status("available")(e) })
	if v == nil || c.full(anImage, maxOthers) || c.rng.IntN(rare) > 0 {
		return
	}
	e := c.ledger.add(anImage, c.name, "active")
	c.ask("image of volume", e, unsure, there, func() error {
		i, err := volumes.UploadImage(c.ctx, c.volume, v.id, volumes.UploadImageOpts{
			ImageName: e.name, DiskFormat: "qcow2", ContainerFormat: "bare",
		}).Extract()
		e.id = i.ImageID
		return err
	})
}
