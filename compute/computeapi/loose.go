package computeapi

import (
	"bytes"
	"encoding/json"
	"path"
	"strconv"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// looseBool is a boolean that clients may send as a text. The schemas have checked
// that it is one.
type looseBool bool

// UnmarshalJSON accepts true, "True", "1", "on", "yes" and their opposites.
func (b *looseBool) UnmarshalJSON(data []byte) error {
	switch strings.ToLower(string(bytes.Trim(data, `"`))) {
	case "true", "1", "on", "yes", "t", "y":
		*b = true
	default:
		*b = false
	}
	return nil
}

// looseInt is an integer that clients may send as a text.
type looseInt int

// UnmarshalJSON accepts 3 and "3".
func (n *looseInt) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	i, err := strconv.Atoi(string(bytes.Trim(data, `"`)))
	if err != nil {
		return fault.New(fault.Invalid, "%s is not an integer", data)
	}
	*n = looseInt(i)
	return nil
}

// looseText is a text that clients may send as a number.
type looseText string

// UnmarshalJSON accepts "1" and 1.
func (s *looseText) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		var text string
		err := json.Unmarshal(data, &text)
		*s = looseText(text)
		return err
	}
	if string(data) != "null" {
		*s = looseText(data)
	}
	return nil
}

// ref is the id in a reference, which may be a URL.
func ref(s string) string {
	if strings.Contains(s, "/") {
		return path.Base(s)
	}
	return s
}

// nullable is a text that may be absent, null or a text: absent leaves a value as it
// is, null clears it.
type nullable struct{ text *string }

// UnmarshalJSON is called for null too.
func (n *nullable) UnmarshalJSON(data []byte) error {
	var s string
	if string(data) != "null" {
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
	}
	n.text = &s
	return nil
}
