package httpapi

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxNesting bounds how deep objects and lists of a body lie in one another.
const maxNesting = 64

// maxDigits bounds the length of a number.
const maxDigits = 400

// parseJSON parses a whole body into maps, slices, strings, json.Numbers, booleans
// and nil. It refuses what two readers could understand differently: a name twice
// in one object, text that is not UTF-8, anything after the value.
func parseJSON(data []byte) (any, error) {
	if !json.Valid(data) {
		return nil, &malformedBody{"it is not valid JSON"}
	}
	if !utf8.Valid(data) {
		return nil, &malformedBody{"it is not valid UTF-8"}
	}
	p := jsonParser{data: data}
	v := p.value(0)
	if p.problem != "" {
		return nil, &malformedBody{p.problem}
	}
	return v, nil
}

// jsonParser builds values out of data that is known to be valid.
type jsonParser struct {
	data    []byte
	at      int
	problem string
}

// space skips white space and returns the byte after it.
func (p *jsonParser) space() byte {
	for {
		switch c := p.data[p.at]; c {
		case ' ', '\t', '\r', '\n':
			p.at++
		default:
			return c
		}
	}
}

// value parses the next value.
func (p *jsonParser) value(depth int) any {
	if depth > maxNesting {
		p.problem = "it is nested too deeply"
	}
	if p.problem != "" {
		return nil
	}
	switch p.space() {
	case '{':
		return p.object(depth)
	case '[':
		return p.list(depth)
	case '"':
		return p.text()
	case 't':
		p.at += len("true")
		return true
	case 'f':
		p.at += len("false")
		return false
	case 'n':
		p.at += len("null")
		return nil
	}
	return p.number()
}

// object parses an object, whose names must differ.
func (p *jsonParser) object(depth int) any {
	object := map[string]any{}
	p.at++
	for p.problem == "" {
		switch p.space() {
		case '}':
			p.at++
			return object
		case ',':
			p.at++
			p.space()
		}
		name := p.text()
		p.space() // the colon
		p.at++
		if _, twice := object[name]; twice {
			p.problem = "the name '" + clip(name, 64) + "' is there twice"
			return nil
		}
		object[name] = p.value(depth + 1)
	}
	return nil
}

// list parses a list.
func (p *jsonParser) list(depth int) any {
	list := []any{}
	p.at++
	for p.problem == "" {
		switch p.space() {
		case ']':
			p.at++
			return list
		case ',':
			p.at++
		}
		list = append(list, p.value(depth+1))
	}
	return nil
}

// text parses a string.
func (p *jsonParser) text() string {
	start := p.at
	p.at++
	escaped := false
	for p.data[p.at] != '"' {
		if p.data[p.at] == '\\' {
			escaped = true
			p.at++
		}
		p.at++
	}
	p.at++
	if !escaped {
		return string(p.data[start+1 : p.at-1])
	}
	var s string
	if err := json.Unmarshal(p.data[start:p.at], &s); err != nil {
		p.problem = "it is not valid JSON"
	}
	return s
}

// number parses a number and keeps its digits.
func (p *jsonParser) number() json.Number {
	rest := p.data[p.at:]
	n := bytes.IndexFunc(rest, func(c rune) bool { return !strings.ContainsRune("+-.eE0123456789", c) })
	if n < 0 {
		n = len(rest)
	}
	p.at += n
	text := string(rest[:n])
	if !reasonable(text) {
		p.problem = "the number " + clip(text, 64) + " is out of range"
	}
	return json.Number(text)
}

// reasonable reports whether a number is one that a float64 holds. Validation
// computes with whole numbers: 1e999999999 would keep it busy for hours.
func reasonable(number string) bool {
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || len(number) > maxDigits {
		return false
	}
	_, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	return f != 0 || len(exponent) <= len("-999")
}
