package httpapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Neutron renders errors as the network service does:
// {"NeutronError": {"type": "NetworkNotFound", "message": …, "detail": ""}}. The
// type is the error's code, or made of its kind and resource.
type Neutron struct{}

// Status gives the HTTP status of an error; a quota that is exceeded is 409.
func (Neutron) Status(err error) int {
	return statusOf(err, map[fault.Kind]int{fault.QuotaExceeded: http.StatusConflict})
}

// Body gives the error.
func (d Neutron) Body(status int, err error, _ string) (string, []byte) {
	text := Text(d, status, err)
	if status == http.StatusUnauthorized {
		return jsonType, titledBody(status, text)
	}
	type inner struct {
		Type    string `json:"type"`
		Message string `json:"message"`
		Detail  string `json:"detail"`
	}
	return jsonType, rawJSON("NeutronError", inner{Type: neutronType(status, err), Message: text})
}

// words are those of the service.
func (Neutron) words() *words {
	return &words{
		denied: func(rule string) string { return "rule:" + rule + " is disallowed by policy" },
		missing: func(resource, id string) string {
			switch {
			case id == "":
				return couldNotBeFound(resource, id)
			case strings.HasPrefix(resource, "security group"):
				return capital(resource) + " " + id + " does not exist"
			case resource == "floating ip", resource == "floating IP":
				return "Floating IP " + id + " could not be found"
			case resource == "router":
				return "Router " + id + " could not be found"
			}
			return couldNotBeFound(resource, id)
		},
		invalid: func(e *InvalidBody) string {
			switch {
			case e.Missing != "":
				return "Failed to parse request. Required attribute '" + e.Missing + "' not specified"
			case len(e.Unknown) > 0:
				return "Unrecognized attribute(s) '" + clip(strings.Join(e.Unknown, ", "), maxShown) + "'"
			case len(e.Path) == 0:
				return "Invalid input. Reason: " + e.Reason + "."
			}
			return "Invalid input for " + e.Path[len(e.Path)-1] + ". Reason: " + e.Reason + "."
		},
		malformed: func(reason string) string { return "Cannot understand JSON: " + reason },
		internal:  "Request Failed: internal server error while processing your request.",
	}
}

// neutronType names the class of an error, which clients compare.
func neutronType(status int, err error) string {
	if code := codeOf(err); code != "" {
		return code
	}
	var e *fault.Error
	errors.As(err, &e)
	switch kind := fault.Of(err); {
	case kind == fault.QuotaExceeded:
		return "OverQuota"
	case kind == fault.Exhausted:
		return "IpAddressGenerationFailure"
	case kind == fault.Invalid && e != nil:
		return "InvalidInput"
	case e != nil && e.Resource != "" && kind == fault.NotFound:
		return camel(e.Resource) + "NotFound"
	case e != nil && e.Resource != "" && kind == fault.Conflict:
		return camel(e.Resource) + "InUse"
	}
	return "HTTP" + strings.ReplaceAll(http.StatusText(status), " ", "")
}

// camel joins words as Neutron names its classes: "floating ip" is "FloatingIP".
func camel(words string) string {
	var b strings.Builder
	for word := range strings.FieldsSeq(strings.ReplaceAll(words, "_", " ")) {
		switch strings.ToLower(word) {
		case "ip", "rbac":
			b.WriteString(strings.ToUpper(word))
		default:
			b.WriteString(capital(word))
		}
	}
	return b.String()
}
