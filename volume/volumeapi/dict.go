package volumeapi

import (
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// parseDict reads a map of strings as clients put it into queries: as Python or JSON
// writes it, {'key': 'value'}.
func parseDict(text string) (map[string]string, error) {
	p := dictParser{rest: text}
	m := map[string]string{}
	p.eat('{')
	for !p.failed && !p.peek('}') {
		key := p.text()
		p.eat(':')
		m[key] = p.text()
		if !p.peek('}') {
			p.eat(',')
		}
	}
	p.eat('}')
	if p.failed || strings.TrimSpace(p.rest) != "" {
		return nil, fault.New(fault.Invalid, "Invalid input received: '%.64s' is not a map such as {'key': 'value'}.", text)
	}
	return m, nil
}

// dictParser reads from the front of rest.
type dictParser struct {
	rest   string
	failed bool
}

func (p *dictParser) peek(c byte) bool {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	return p.rest != "" && p.rest[0] == c
}

func (p *dictParser) eat(c byte) {
	if !p.peek(c) {
		p.failed = true
		return
	}
	p.rest = p.rest[1:]
}

// text reads a string in either kind of quotes, or a bare word such as a number.
func (p *dictParser) text() string {
	p.peek(0)
	if p.peek('u') && len(p.rest) > 1 && strings.ContainsRune(`'"`, rune(p.rest[1])) {
		p.rest = p.rest[1:] // as Python 2 wrote it
	}
	if !p.peek('\'') && !p.peek('"') {
		n := strings.IndexAny(p.rest, ",:}'\" ")
		if n <= 0 {
			p.failed = true
			return ""
		}
		word := p.rest[:n]
		p.rest = p.rest[n:]
		return word
	}
	quote := p.rest[0]
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		case c == quote:
			p.rest = p.rest[i+1:]
			return b.String()
		default:
			b.WriteByte(c)
		}
	}
	p.failed = true
	return ""
}
