package computeapi

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// jsonWriter appends JSON to a buffer. Lists of a thousand servers are written with
// it, since encoding/json takes several times as long for maps. Keys are given by
// the code, so they need no escaping.
type jsonWriter struct {
	buf   []byte
	comma bool // the next element needs a comma before it
}

func (w *jsonWriter) next() {
	if w.comma {
		w.buf = append(w.buf, ',')
	}
	w.comma = true
}

// open begins an object or a list, as the next element.
func (w *jsonWriter) open(bracket byte) {
	w.next()
	w.buf = append(w.buf, bracket)
	w.comma = false
}

// close ends what open began.
func (w *jsonWriter) close(bracket byte) {
	w.buf = append(w.buf, bracket)
	w.comma = true
}

// key writes the name of the next value.
func (w *jsonWriter) key(name string) {
	w.next()
	w.buf = append(append(append(w.buf, '"'), name...), '"', ':')
	w.comma = false
}

// raw writes JSON as it is.
func (w *jsonWriter) raw(text string) {
	w.next()
	w.buf = append(w.buf, text...)
}

// str writes a text.
func (w *jsonWriter) str(s string) {
	w.next()
	w.buf = appendString(w.buf, s)
}

// field writes a name with a text.
func (w *jsonWriter) field(name, value string) {
	w.key(name)
	w.str(value)
}

// optional writes a name with a text, or with null if it is empty.
func (w *jsonWriter) optional(name, value string) {
	w.key(name)
	if value == "" {
		w.raw("null")
		return
	}
	w.str(value)
}

// number writes a name with a number.
func (w *jsonWriter) number(name string, n int) {
	w.key(name)
	w.next()
	w.buf = strconv.AppendInt(w.buf, int64(n), 10)
}

// truth writes a name with a boolean.
func (w *jsonWriter) truth(name string, b bool) {
	w.key(name)
	w.next()
	w.buf = strconv.AppendBool(w.buf, b)
}

// texts writes a name with an object of texts.
func (w *jsonWriter) texts(name string, m map[string]string) {
	w.key(name)
	w.open('{')
	for k, value := range m {
		w.next()
		w.buf = append(appendString(w.buf, k), ':')
		w.comma = false
		w.str(value)
	}
	w.close('}')
}

// appendString appends a text in quotes; plain ones as they are.
func appendString(buf []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, err := json.Marshal(s)
			if err != nil {
				return append(buf, `""`...)
			}
			return append(buf, quoted...)
		}
	}
	return append(append(append(buf, '"'), s...), '"')
}
