package main

import (
	"path/filepath"
	"slices"
	"strings"
)

// This file holds the host and the directories of a cloud against its record.

// hostDiffers says what there is and should not be, or the other way round. before are
// the guests that ran before the crash.
func (k *soak) hostDiffers(r *record, before map[string]int, victim string) []string {
	want, is := k.wantedFiles(r), k.files()
	if k.real {
		want = append(want, k.wantedOnHost(r)...)
		is = append(is, k.onHost()...)
	}
	wrong := differences(want, is)
	if k.real {
		wrong = append(wrong, k.guestsDiffer(r, before, victim)...)
	}
	return wrong
}

// differences compares two lists as sets.
func differences(want, is []string) (wrong []string) {
	for _, w := range want {
		if !slices.Contains(is, w) {
			wrong = append(wrong, "missing: "+w)
		}
	}
	for _, i := range is {
		if !slices.Contains(want, i) {
			wrong = append(wrong, "left: "+i)
		}
	}
	return wrong
}

// wantedFiles are those of volumes, snapshots, connections, images and backups.
func (k *soak) wantedFiles(r *record) []string {
	var all []string
	for _, v := range r.volumes {
		all = append(all, "volumes/volumes/"+v.ID)
		if len(v.Attachments) > 0 {
			all = append(all, "volumes/connected/"+v.ID+"_"+hostName)
		}
	}
	for _, s := range r.snapshots {
		all = append(all, "volumes/snapshots/"+s.VolumeID+"_"+s.ID)
	}
	for _, b := range r.backups {
		all = append(all, "backups/"+b.ID)
	}
	for _, i := range r.images {
		if i.Status == "active" {
			all = append(all, "images/"+i.ID)
		}
	}
	return all
}

// files are those in the directories of the drivers.
func (k *soak) files() []string {
	var all []string
	for _, dir := range []string{"volumes", "backups", "images", "guests/exports"} {
		for _, path := range filesBelow(k.t, filepath.Join(k.o.state, dir)) {
			name, err := filepath.Rel(k.o.state, path)
			if err != nil {
				k.t.Fatal(err)
			}
			if dir == "images" {
				name = name[:min(len(name), len("images/")+36)] // a later upload has a number behind the id
			}
			all = append(all, name)
		}
	}
	return all
}

// wantedOnHost are the guests' domains and folders, the taps, the firewall's chains and
// the namespaces.
func (k *soak) wantedOnHost(r *record) []string {
	tag := k.host().tag
	all := []string{
		"namespace " + tag + "-net-" + k.networkID, "namespace " + tag + "-net-" + k.externalID,
		"namespace " + tag + "-rtr-" + k.routerID,
	}
	for _, s := range r.servers {
		all = append(all, "domain "+s.ID, "folder "+s.ID)
	}
	for _, p := range r.ports {
		all = append(all, "tap "+p.ID[:11])
		for _, chain := range []string{"spoof-", "out-", "in-"} {
			all = append(all, "chain "+chain+p.ID)
		}
	}
	return all
}

// onHost is what of that is there.
func (k *soak) onHost() []string {
	h := k.host()
	var all []string
	for _, name := range namespaces(k.t) {
		if strings.HasPrefix(name, h.tag+"-net-") || strings.HasPrefix(name, h.tag+"-rtr-") {
			all = append(all, "namespace "+name)
		}
	}
	for _, line := range lines(k.t, "ip", "-n", h.namespace, "-brief", "link") {
		name, _, _ := strings.Cut(strings.Fields(line)[0], "@")
		if tap, ok := strings.CutPrefix(name, "tap"); ok {
			all = append(all, "tap "+tap)
		}
	}
	for _, line := range lines(k.t, "ip", "netns", "exec", h.namespace, "nft", "list", "ruleset") {
		f := strings.Fields(line)
		if len(f) > 1 && f[0] == "chain" && slices.ContainsFunc([]string{"spoof-", "out-", "in-"}, func(p string) bool {
			id, ok := strings.CutPrefix(f[1], p)
			return ok && len(id) == 36
		}) {
			all = append(all, "chain "+f[1])
		}
	}
	for _, path := range filesBelow(k.t, filepath.Join(h.box.Dir, "etc/qemu")) {
		if id, ok := strings.CutPrefix(strings.TrimSuffix(filepath.Base(path), ".xml"), h.tag+"-"); ok {
			all = append(all, "domain "+id)
		}
	}
	return append(all, k.folders()...)
}

// folders are the guests' own.
func (k *soak) folders() []string {
	var all []string
	for _, path := range filesBelow(k.t, filepath.Join(k.o.state, "guests/guests")) {
		if f := "folder " + filepath.Base(filepath.Dir(path)); !slices.Contains(all, f) {
			all = append(all, f)
		}
	}
	return all
}

// guestsDiffer checks that the guests run that should, and that those that nobody
// touched are the same as before the crash.
func (k *soak) guestsDiffer(r *record, before map[string]int, victim string) (wrong []string) {
	is := k.guests()
	for _, s := range r.servers {
		_, runs := is[s.ID]
		should := s.Status == "ACTIVE" || s.Status == "VERIFY_RESIZE"
		e := k.ledger.things[s.Name]
		if e != nil && e.dead && s.Status == "VERIFY_RESIZE" {
			continue // as in Nova, this says nothing of the guest's power
		}
		if runs != should {
			wrong = append(wrong, "the guest of server "+s.ID+", "+s.Status+", runs or does not")
		}
		if e != nil && !e.touched && s.ID != victim && before[s.ID] != is[s.ID] {
			wrong = append(wrong, "the guest of server "+s.ID+" was restarted by the crash")
		}
	}
	return wrong
}
