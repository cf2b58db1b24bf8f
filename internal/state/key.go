package state

import "strings"

// separator stands between the parts of an index key. It is the smallest byte, so
// keys sort part by part.
const separator = "\x00"

// escaper keeps the separator out of the parts and keeps their order: the two
// escapes sort as the bytes that they stand for, and below all other bytes.
var escaper = strings.NewReplacer("\x00", "\x01\x01", "\x01", "\x01\x02")

// Key joins the parts of an index key so that a prefix of the parts is a prefix of
// the key. Parts may hold any bytes; keys are ordered as their parts are, and
// different parts give different keys. Key() and Key("") are the same key.
func Key(parts ...string) string {
	for i, p := range parts {
		if strings.IndexByte(p, 0) >= 0 || strings.IndexByte(p, 1) >= 0 { // sooner than ContainsAny
			escaped := make([]string, len(parts))
			copy(escaped, parts[:i])
			for j := i; j < len(parts); j++ {
				escaped[j] = escaper.Replace(parts[j])
			}
			return strings.Join(escaped, separator)
		}
	}
	return strings.Join(parts, separator)
}

// span is a range of keys [from, to) in the primary tree of a table (index -1) or
// in one of its indexes. An empty to means no end.
type span struct {
	table, index int
	from, to     string
	first        string // of the documents under from, the key of the first; empty: all
}

// primary is the index number of a table's own keys.
const primary = -1

// has reports whether key lies in the span.
func (s span) has(key string) bool {
	return key >= s.from && (s.to == "" || key < s.to)
}

// exactly returns the range that holds only key.
func exactly(table, index int, key string) span {
	return span{table: table, index: index, from: key, to: after(key)}
}

// beginning returns the range of the keys that begin with the parts.
func beginning(table, index int, parts []string) span {
	if len(parts) == 0 {
		return span{table: table, index: index}
	}
	from := Key(parts...)
	return span{table: table, index: index, from: from, to: from + "\x01"}
}

// after returns the smallest string greater than key.
func after(key string) string { return key + "\x00" }
