package httpapi

import (
	"fmt"
	"html"
	"net/http"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Glance renders errors as the image service does: a small HTML page with the status
// as its title, out of which the clients take the text.
type Glance struct{}

// Status gives the HTTP status of an error; a quota that is exceeded is 413.
func (Glance) Status(err error) int {
	return statusOf(err, map[fault.Kind]int{fault.QuotaExceeded: http.StatusRequestEntityTooLarge})
}

// Body gives the page.
func (d Glance) Body(status int, err error, _ string) (string, []byte) {
	text := Text(d, status, err)
	if status == http.StatusUnauthorized {
		return jsonType, titledBody(status, text)
	}
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	page := "<html>\n <head>\n  <title>" + title + "</title>\n </head>\n <body>\n  <h1>" + title +
		"</h1>\n  " + html.EscapeString(text) + "<br /><br />\n\n\n\n </body>\n</html>"
	return "text/html; charset=UTF-8", []byte(page)
}

// words are those of the service.
func (Glance) words() *words {
	return &words{
		denied: func(rule string) string { return "You are not authorized to complete " + rule + " action." },
		missing: func(resource, id string) string {
			switch {
			case resource == "image" && id != "":
				return "No image found with ID " + id
			case id != "":
				return "Failed to find " + resource + " " + id
			}
			return couldNotBeFound(resource, id)
		},
		invalid: func(e *InvalidBody) string {
			where := ""
			if len(e.Path) > 0 {
				where = strings.Join(e.Path, ".") + ": "
			}
			return "Provided object does not match schema: " + where + e.Reason
		},
		malformed: func(reason string) string { return "Malformed JSON in request body: " + reason + "." },
		internal:  "The server has either erred or is incapable of performing the requested operation.",
	}
}
