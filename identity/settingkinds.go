package identity

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// value is what an option may be.
type value interface {
	read(s *Settings, given []string) error // from a file
	finish(s *Settings) error               // fills in the default, refuses what cannot be
	usually() string                        // the default, as a file has it; empty if there is none
	unit() string                           // of numbers; empty if they count things
}

// number is a number of things or a span of time, which files have in units of one.
type number[T int | time.Duration] struct {
	at          func(*Settings) *T
	one         T
	usual       int64 // 0: none, and 0 is as if nothing were set
	least, most int64
	// none is how files write that there is no bound, or none of it; a field has a
	// negative number then.
	none    int64
	hasNone bool
	shown   string // instead of the default, where it depends on the machine
}

func (n number[T]) from(least int64) number[T]   { n.least = least; return n }
func (n number[T]) upTo(most int64) number[T]    { n.most = most; return n }
func (n number[T]) or(none int64) number[T]      { n.none, n.hasNone = none, true; return n }
func (n number[T]) known(usual string) number[T] { n.shown = usual; return n }

func (n number[T]) read(s *Settings, given []string) error {
	v, err := strconv.ParseInt(given[len(given)-1], 10, 64)
	field := n.at(s)
	switch {
	case err != nil:
		return n.bounds()
	case n.hasNone && v == n.none:
		*field = -1
	case v == 0 && n.usual == 0:
		*field = 0
	case v < n.least || v > n.most:
		return n.bounds()
	default:
		*field = T(v) * n.one
	}
	return nil
}

func (n number[T]) finish(s *Settings) error {
	field := n.at(s)
	switch {
	case *field == 0 && n.usual < 0:
		*field = -1
	case *field == 0:
		*field = T(n.usual) * n.one
	case *field < 0 && n.hasNone:
	case *field < 0 || int64(*field/n.one) > n.most || n.one == 1 && int64(*field) < n.least:
		return n.bounds()
	}
	return nil
}

func (n number[T]) bounds() error {
	text := fmt.Sprintf("must be a number from %d to %d", n.least, n.most)
	if n.usual == 0 || n.hasNone {
		text += fmt.Sprintf(", or %d", n.none)
	}
	if u := n.unit(); u != "" {
		text += ", of " + u
	}
	return errors.New(text)
}

func (n number[T]) usually() string {
	if n.shown != "" || n.usual == 0 {
		return n.shown
	}
	return strconv.FormatInt(n.usual, 10)
}

func (n number[T]) unit() string {
	return map[time.Duration]string{time.Second: "seconds", time.Minute: "minutes", 24 * time.Hour: "days"}[time.Duration(n.one)]
}

// flag is a boolean, with how files write it beside "true" and "false".
type flag struct {
	off, on string
	at      func(*Settings) *bool
}

func (f flag) read(s *Settings, given []string) error {
	switch last := strings.ToLower(given[len(given)-1]); last {
	case f.on, "true":
		*f.at(s) = true
	case f.off, "false":
		*f.at(s) = false
	default:
		return fmt.Errorf("must be %s or %s", f.off, f.on)
	}
	return nil
}

func (flag) finish(*Settings) error { return nil }
func (f flag) usually() string      { return f.off }
func (flag) unit() string           { return "" }

// choice is one of several words, of which the first is the default.
type choice struct {
	words []string
	at    func(*Settings) *string
}

func (c choice) read(s *Settings, given []string) error {
	*c.at(s) = given[len(given)-1]
	return c.finish(s)
}

func (c choice) finish(s *Settings) error {
	field := c.at(s)
	if *field == "" {
		*field = c.words[0]
	}
	if !slices.Contains(c.words, *field) {
		return errors.New("must be one of " + strings.Join(c.words, ", "))
	}
	return nil
}

func (c choice) usually() string { return c.words[0] }
func (choice) unit() string      { return "" }

// text is any text.
type text struct{ at func(*Settings) *string }

func (t text) read(s *Settings, given []string) error {
	*t.at(s) = given[len(given)-1]
	return nil
}

func (text) finish(*Settings) error { return nil }
func (text) usually() string        { return "" }
func (text) unit() string           { return "" }

// texts are several, each given on a line of its own.
type texts struct{ at func(*Settings) *[]string }

func (t texts) read(s *Settings, given []string) error {
	*t.at(s) = slices.Clone(given)
	return nil
}

func (texts) finish(*Settings) error { return nil }
func (texts) usually() string        { return "" }
func (texts) unit() string           { return "" }
