package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// fate is what a client may say of a thing from what it was answered.
type fate int

const (
	unsure fate = iota // its making was asked for and never answered
	there              // its making was acknowledged
	going              // its deletion was asked for and never answered
	gone               // its deletion was acknowledged
)

// The kinds of things in a ledger.
const (
	aServer     = "server"
	aVolume     = "volume"
	aSnapshot   = "snapshot"
	aBackup     = "backup"
	anImage     = "image"
	aFloatingIP = "floating ip"
	// anAttachment is named by its server's and its volume's name.
	anAttachment = "attachment"
)

// entry is one thing in a ledger.
type entry struct {
	kind, name, id string
	fate           fate
	// may holds the states that the thing may be in when all is quiet: several after a
	// verb that was not answered.
	may []string
	// content is the digest of an image that was uploaded.
	content string
	// server and volume are the ends of an attachment, or what a snapshot or an image
	// was made of.
	server, volume *entry
	// touched says that a client did something with it since the world was last quiet.
	touched bool
	// dead says that the server's guest was killed once: the server may be found off.
	dead bool
	// last are the last requests for it, for those who look for a bug.
	last string
}

// ledger is what the clients of a cloud were told: what was acknowledged must be true
// whatever has crashed since.
type ledger struct {
	mu      sync.Mutex
	things  map[string]*entry
	next    int
	done    map[string]int // how often what was acknowledged
	refused map[string]int // how often what was refused, and how
}

func newLedger() *ledger {
	return &ledger{things: map[string]*entry{}, done: map[string]int{}, refused: map[string]int{}}
}

// add opens an entry for a thing that a client is going to make. Its name tells it
// when the answer that has its id is lost.
func (l *ledger) add(kind, owner string, may ...string) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	e := &entry{kind: kind, name: fmt.Sprintf("%s-%d", owner, l.next), may: may, touched: true}
	l.things[e.name] = e
	return e
}

// attachment opens the entry of an attachment, which has no name of its own.
func (l *ledger) attachment(server, volume *entry) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := &entry{kind: anAttachment, name: server.name + " " + volume.name, server: server, volume: volume, touched: true}
	l.things[e.name] = e
	return e
}

func (l *ledger) drop(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.things, e.name)
}

// of lists the entries of a kind that an owner has, or all have, by name.
func (l *ledger) of(kind, owner string) []*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*entry
	for _, name := range slices.Sorted(maps.Keys(l.things)) {
		if e := l.things[name]; e.kind == kind && strings.HasPrefix(name, owner) {
			all = append(all, e)
		}
	}
	return all
}

// attached lists the attachments of a server or a volume.
func (l *ledger) attached(to *entry) []*entry {
	return slices.DeleteFunc(l.of(anAttachment, ""), func(e *entry) bool { return e.server != to && e.volume != to })
}

// note counts what became of a request.
func (l *ledger) note(counts map[string]int, what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts[what]++
}

// compare holds the ledger against what the cloud lists of a kind, as states by name,
// and says what is wrong. Afterwards the ledger is sure of everything.
func (l *ledger) compare(kind string, listed map[string]thing) (wrong []string) {
	for name, t := range listed {
		if e := l.things[name]; e == nil || e.kind != kind {
			wrong = append(wrong, fmt.Sprintf("%s %q (%s) is there, and nobody asked for it", kind, name, t.id))
		}
	}
	for _, e := range l.of(kind, "") {
		t, is := listed[e.name]
		switch {
		case !is && e.fate == there:
			wrong = append(wrong, fmt.Sprintf("%s %s (%s) was acknowledged and is lost, after%s", kind, e.name, e.id, e.last))
		case !is:
			l.drop(e)
		case e.fate == gone:
			wrong = append(wrong, fmt.Sprintf("%s %s (%s) was acknowledged as deleted and is there, %s, after%s: %s", kind, e.name, t.id, t.state, e.last, t.why))
		case e.id != "" && e.id != t.id:
			wrong = append(wrong, fmt.Sprintf("%s %s had id %s and has %s", kind, e.name, e.id, t.id))
		case len(e.may) > 0 && !slices.Contains(e.may, t.state):
			wrong = append(wrong, fmt.Sprintf("%s %s (%s) is %s, not %v, after%s: %s", kind, e.name, t.id, t.state, e.may, e.last, t.why))
		default:
			e.id, e.fate, e.last = t.id, there, ""
			if len(e.may) > 0 {
				e.may = []string{t.state}
			}
		}
	}
	return wrong
}

// thing is what a cloud lists.
type thing struct{ id, state, why string }

// report counts what was done and what was refused.
func (l *ledger) report() string {
	line := func(counts map[string]int) string {
		var parts []string
		for _, what := range slices.Sorted(maps.Keys(counts)) {
			parts = append(parts, fmt.Sprintf("%s %d", what, counts[what]))
		}
		return strings.Join(parts, ", ")
	}
	return "acknowledged: " + line(l.done) + "; refused or unanswered: " + line(l.refused)
}
