package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Version is a microversion: 2.60 is {2, 60}. The zero Version means "no limit" in
// a Route and "none was negotiated" in a Request.
type Version struct{ Major, Minor int }

// AtLeast reports whether v is major.minor or newer.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

// String writes the version as clients do: "2.60"; the zero Version is empty.
func (v Version) String() string {
	if v == (Version{}) {
		return ""
	}
	return strconv.Itoa(v.Major) + "." + strconv.Itoa(v.Minor)
}

// ParseVersion reads "2.60".
func ParseVersion(text string) (Version, error) {
	major, minor, ok := strings.Cut(text, ".")
	v := Version{number(major), number(minor)}
	if !ok || v.Major < 1 || v.Minor < 0 {
		return Version{}, fault.New(fault.Invalid,
			"API Version String %s is of invalid format. Must be of format MajorNum.MinorNum.", clip(text, 64))
	}
	return v, nil
}

// number reads a decimal number without sign, leading zeros or excess: -1 if it is
// none.
func number(text string) int {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || text[0] == '+' || text[0] == '0' && len(text) > 1 {
		return -1
	}
	return int(n)
}

// clip shortens text from a request before it is shown again.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}

// Microversions describes a service's negotiation; nil in an API means none.
type Microversions struct {
	Service  string // "compute" in "OpenStack-API-Version: compute 2.60"
	Legacy   string // "X-OpenStack-Nova-API-Version", or empty
	Min, Max Version
}

// versionHeader is the header that all services share.
const versionHeader = "Openstack-Api-Version"

// UnsupportedVersion is the error for a microversion outside of the range: 406.
type UnsupportedVersion struct {
	Asked, Min, Max Version
}

// Error says what was asked and what there is.
func (e *UnsupportedVersion) Error() string {
	return fmt.Sprintf("Version %s is not supported by the API. Minimum is %s and maximum is %s.",
		e.Asked, e.Min, e.Max)
}

// Unwrap makes it a fault.Invalid.
func (e *UnsupportedVersion) Unwrap() error { return fault.Invalid }

// negotiate gives the microversion that a request asks for: that of the shared
// header, else that of the legacy one, else the oldest.
func (m *Microversions) negotiate(h http.Header) (Version, error) {
	text := requestedVersion(h[versionHeader], m.Service)
	if text == "" && m.Legacy != "" {
		text = strings.TrimSpace(h.Get(m.Legacy))
	}
	switch {
	case text == "":
		return m.Min, nil
	case strings.EqualFold(text, "latest"):
		return m.Max, nil
	}
	v, err := ParseVersion(text)
	if err != nil {
		return Version{}, err
	}
	if !v.AtLeast(m.Min.Major, m.Min.Minor) || !m.Max.AtLeast(v.Major, v.Minor) {
		return Version{}, &UnsupportedVersion{Asked: v, Min: m.Min, Max: m.Max}
	}
	return v, nil
}

// requestedVersion finds a service's version in the shared header, whose values are
// lists of "service version"; of several for one service the last counts.
func requestedVersion(values []string, service string) string {
	found := ""
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			name, version, _ := strings.Cut(strings.TrimSpace(item), " ")
			if strings.EqualFold(name, service) {
				found = strings.TrimSpace(version)
			}
		}
	}
	return found
}

// announce says in the answer that it depends on the version headers.
func (m *Microversions) announce(h http.Header) {
	h.Add("Vary", "OpenStack-API-Version")
	if m.Legacy != "" {
		h.Add("Vary", m.Legacy)
	}
}

// echo writes the negotiated version into the answer.
func (m *Microversions) echo(h http.Header, v Version) {
	text := v.String()
	h.Set(versionHeader, m.Service+" "+text)
	if m.Legacy != "" {
		h.Set(m.Legacy, text)
	}
}

// exists reports whether a route exists at a version.
func (r *Route) exists(v Version) bool {
	return v == (Version{}) || v.AtLeast(r.Min.Major, r.Min.Minor) &&
		(r.Max == (Version{}) || r.Max.AtLeast(v.Major, v.Minor))
}
