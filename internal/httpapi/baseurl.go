package httpapi

import (
	"net/http"
	"strings"
)

// origin gives how the client reaches this server, without a final slash: scheme and
// host as the client, or the proxy nearest to it, says, and the path that a proxy
// took off.
func origin(r *http.Request) string {
	scheme, host := "http", "localhost"
	if validHost(r.Host) {
		host = r.Host
	}
	if r.TLS != nil {
		scheme = "https"
	}
	if f := firstOf(r.Header, "Forwarded"); f != "" {
		scheme, host = forwarded(f, scheme, host)
	}
	if p := strings.ToLower(firstOf(r.Header, "X-Forwarded-Proto")); p == "http" || p == "https" {
		scheme = p
	}
	if h := firstOf(r.Header, "X-Forwarded-Host"); validHost(h) {
		host = h
	}
	prefix := strings.TrimRight(firstOf(r.Header, "X-Forwarded-Prefix"), "/")
	if !validPrefix(prefix) {
		prefix = ""
	}
	return scheme + "://" + host + prefix
}

// firstOf gives the first item of a header that is a list: that of the proxy which
// is nearest to the client.
func firstOf(h http.Header, name string) string {
	values := h[name]
	if len(values) == 0 {
		return ""
	}
	first, _, _ := strings.Cut(values[0], ",")
	return strings.TrimSpace(first)
}

// forwarded reads proto and host out of an item of RFC 7239's header.
func forwarded(item, scheme, host string) (string, string) {
	for pair := range strings.SplitSeq(item, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "proto":
			if p := strings.ToLower(value); p == "http" || p == "https" {
				scheme = p
			}
		case "host":
			if validHost(value) {
				host = value
			}
		}
	}
	return scheme, host
}

// validHost reports whether s is no more than a host and a port.
func validHost(s string) bool { return s != "" && only(s, ".-:[]_") }

// validPrefix reports whether s is empty or a plain path.
func validPrefix(s string) bool {
	return s == "" || s[0] == '/' && !strings.HasPrefix(s, "//") && only(s, "/.-_~")
}

// only reports whether s is made of letters, digits and these signs.
func only(s, signs string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(signs, c) >= 0) {
			return false
		}
	}
	return true
}
